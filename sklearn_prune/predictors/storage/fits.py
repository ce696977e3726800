"""How the arrays of one form have to fit together, where `predict` would fail else."""

import numpy as np

from ..quantized import QuantizedArray, need

_METHODS = ("predict_proba", "decision_function", "predict")


def _places(values, size, what):
    """Positions that lie inside."""
    values = np.asarray(values)
    need(values.ndim == 1 and values.dtype.kind in "iu", what)
    need(not values.size or (values.min() >= 0 and values.max() < size), what)


def _n_outputs_fit(n_outputs, classes):
    need(n_outputs == len(classes) or (n_outputs == 1 and len(classes) <= 2), "classes_")


def _linear(form):
    n_read, n_outputs = form.n_features_in_, form._n_outputs or 1
    if form.columns_ is not None:
        _places(form.columns_, n_read, "columns_")
        n_read = len(form.columns_)
    shape = tuple(form.weights_.shape)
    need(n_read * n_outputs < 1 << 40, "weights_")
    if form.mask_ is not None:
        need(len(form.mask_) == -(-n_read * n_outputs // 8), "mask_")
        bits = np.unpackbits(form.mask_, count=n_read * n_outputs)
        need(shape == (int(bits.sum()),), "weights_")
    else:
        flat = form._n_outputs is None
        need(shape == ((n_read,) if flat else (n_read, n_outputs)), "weights_")
    need(np.size(form.intercept_) in (1, n_outputs), "intercept_")
    need(np.ndim(form.intercept_) <= 1, "intercept_")
    labels = type(form).__name__ == "CompactMultilabelClassifier"
    if hasattr(form, "classes_") and not labels:
        _n_outputs_fit(n_outputs, form.classes_)


def _rows_of_classes(*names):
    """Arrays with a row for each class, and a column for each feature if they have two."""

    def check(form):
        for name in names:
            array, n_classes = getattr(form, name), len(form.classes_)
            if np.ndim(array) == 2:
                fits = tuple(array.shape) == (n_classes, form.n_features_in_)
            else:
                fits = np.ndim(array) == 0 or len(array) in (1, n_classes)
            need(fits, name)

    return check


def _categorical(form):
    sizes, table = form.n_categories_, form.table_
    need(len(sizes) == form.n_features_in_ and (sizes >= 0).all(), "n_categories_")
    need(tuple(table.shape) == (int(sizes.sum()), len(form.classes_)), "table_")
    need(len(form.constants_) == len(form.classes_), "constants_")


def _discriminant(form):
    n_scores = len(form.intercept_)
    need(tuple(form.coef_.shape) == (n_scores, form.n_features_in_), "coef_")
    _n_outputs_fit(n_scores, form.classes_)


def _expansion(form):
    n_features, points = form.n_features_in_, form.points_
    n_rows = n_features if points is None else points.shape[0]
    need(form.coefficients_.shape[0] == n_rows > 0, "coefficients_")
    need(points is None or points.shape[1] == n_features, "points_")
    need(form.center_ is None or len(form.center_) == n_features, "center_")
    if hasattr(form, "flat_"):
        need(len(form.offsets_) in (1, form.coefficients_.shape[1]), "offsets_")


def _kernel(form):
    need((form.process is not None) == (form.name == "object"), "process")
    need(form.process is None or callable(form.process), "process")
    scaled = form.name in ("rbf", "poly", "sigmoid")
    need(not scaled or form.gamma is not None, "gamma")


_COVARIANCES = {
    "RBF": "length_scale",
    "Matern": "length_scale nu",
    "RationalQuadratic": "length_scale alpha",
    "ExpSineSquared": "length_scale periodicity",
    "DotProduct": "sigma_0",
    "ConstantKernel": "constant_value",
    "WhiteKernel": "noise_level",
    "Sum": "k1 k2",
    "Product": "k1 k2",
    "Exponentiation": "kernel exponent",
}


def _covariance(form):
    need(form.name in _COVARIANCES, "the name of a kernel")
    for name in _COVARIANCES[form.name].split():
        value = form.params.get(name)
        inner = name in ("k1", "k2", "kernel")
        need(type(value) is type(form) if inner else np.size(value) > 0, name)
        need(inner or np.asarray(value).dtype.kind in "fiu", name)


def _process_classifier(form):
    n_classes, n_members = len(form.classes_), len(form.members_)
    wanted = n_classes
    if n_classes == 2:
        wanted = 1
    elif form.pairwise_:
        wanted = n_classes * (n_classes - 1) // 2
    need(n_members == wanted and n_classes > 1, "members_")
    need(all(hasattr(member, "probability") for member in form.members_), "members_")


def _neighbors(form):
    n_points = form.points_.shape[0]
    need(form.points_.shape[1] == form.n_features_in_, "points_")
    need(form.n_neighbors_ <= n_points, "n_neighbors_")
    held = form.codes_ if hasattr(form, "codes_") else form.targets_
    need(held.ndim in (1, 2) and len(held) == n_points, "the labels of points")
    if hasattr(form, "codes_"):
        several = isinstance(form.classes_, list)
        need(several == (held.ndim == 2), "classes_")
        classes = form.classes_ if several else [form.classes_]
        columns = held.T if several else [held]
        need(len(classes) == len(columns), "classes_")
        for codes, own in zip(columns, classes, strict=True):
            _places(codes, len(own), "codes_")


def _scores(form):
    n_outputs = form.trees_.n_outputs
    need(len(form.intercept_) == n_outputs, "intercept_")
    if hasattr(form, "classes_"):
        _n_outputs_fit(n_outputs, form.classes_)


def _forest(form):
    classes = form.classes_ if isinstance(form.classes_, list) else [form.classes_]
    counts = np.atleast_1d(form.n_classes_).tolist()
    need(counts == [len(own) for own in classes], "n_classes_")
    need(len(counts) == form.n_outputs_, "n_outputs_")
    need(sum(counts) == form.trees_.n_outputs, "classes_")


def _forest_regressor(form):
    need(form.n_outputs_ == form.trees_.n_outputs, "n_outputs_")


def _boosting(form):
    if hasattr(form, "classes_"):
        _n_outputs_fit(form.trees_.n_outputs, form.classes_)
    if form.zeros_missing_ is not None:
        _places(form.zeros_missing_, form.n_features_in_, "zeros_missing_")
    for column, values in (form.categories_ or {}).items():
        need(type(column) is int and 0 <= column < form.n_features_in_, "categories_")
        need(np.ndim(values) == 1 or isinstance(values, list), "categories_")
    need(set(form.methods_) <= {*_METHODS, "predict_log_proba"}, "methods_")


def _some_columns(form):
    _places(form.columns_, form.n_features_in_, "columns_")
    inner = getattr(form.inner_, "n_features_in_", None)
    need(inner in (None, len(form.columns_)), "columns_")


def _column_selector(form):
    if hasattr(form, "n_features_in_"):
        _places(form.columns, form.n_features_in_, "columns")


def _per_feature(*names):
    def check(form):
        n_features = getattr(form, "n_features_in_", None)
        for name in names:
            array = getattr(form, name, None)
            need(array is None or len(array) == n_features, name)

    return check


def _pipeline(form):
    need(len(form.members_) == 1, "members_")
    for pair in form.steps_:
        need(type(pair) is tuple and len(pair) == 2, "steps_")
        need(type(pair[0]) is str, "steps_")
        need(hasattr(pair[1], "transform") or pair[1] == "passthrough", "steps_")


def _named_members(form):
    n_members = len(form.members)
    need(len(form.names) == n_members, "names")
    need(len(getattr(form, "weights", form.names)) == n_members, "weights")
    for columns in getattr(form, "columns", ()):
        _places(columns, form.n_features_in_, "columns")
    need(len(getattr(form, "columns", form.names)) == n_members, "columns")


def _components(form):
    n_components, n_features = form.components_.shape
    need(n_features == form.n_features_in_, "components_")
    for name, size in (("mean_", n_features), ("explained_variance_", n_components)):
        array = getattr(form, name, None)
        need(array is None or len(array) == size, name)


def _methods(form):
    need(len(form.methods_) == len(form.members_), "methods_")
    for method, member in zip(form.methods_, form.members_, strict=True):
        need(method in _METHODS and hasattr(member, method), "methods_")


def _one_vs_one(form):
    _methods(form)
    n_classes = len(form.classes_)
    need(2 * len(form.members_) == n_classes * (n_classes - 1), "members_")


def _bagging(form):
    need(len(form.columns_) == len(form.members_), "columns_")
    for columns in form.columns_:
        if columns is not None:
            _places(columns, form.n_features_in_, "columns_")


def _chain(form):
    order = np.asarray(form.order_)
    need(order.dtype.kind in "iu" and order.ndim == 1, "order_")
    need(sorted(order.tolist()) == list(range(len(form.members_))), "order_")
    need(form.method_ in (*_METHODS, "predict_log_proba"), "method_")


def _weights(form):
    weights = form.weights_
    if weights is not None:
        need(np.shape(weights) == (len(form.members_),), "weights_")


def _threshold(form):
    need(len(form.classes_) == 2 and form.positive_ in (0, 1), "positive_")
    need(hasattr(form.members_[0], form.method_), "method_")


def _calibrated(form):
    need(len(form.curves_) == len(form.members_), "curves_")
    for curves in form.curves_:
        need(type(curves) is list and curves, "curves_")
        for curve in curves:
            array = not isinstance(curve, QuantizedArray) and np.asarray(curve)
            need(array.dtype.kind == "f" and array.size and array.ndim <= 2, "curves_")
            isotonic = form.method_ != "isotonic" or array.shape[0] == 2 == array.ndim
            need(isotonic, "curves_")


_scaler = _per_feature("mean_", "scale_", "center_", "min_", "statistics_", "bin_edges_")
FITS = {
    "kernel": _kernel,
    "covariance": _covariance,
    "process-classifier": _process_classifier,
    **dict.fromkeys(("linear", "linear-labels", "linear-regressor"), _linear),
    "bayesian-regressor": _linear,
    "gaussian-bayes": _rows_of_classes("theta_", "var_", "constants_"),
    "log-linear-bayes": _rows_of_classes("weights_", "constants_"),
    "categorical-bayes": _categorical,
    "linear-discriminant": _discriminant,
    **dict.fromkeys(("svc", "kernel-regressor", "process", "latent-process"), _expansion),
    **dict.fromkeys(("neighbors", "neighbors-regressor"), _neighbors),
    **dict.fromkeys(("score-forest", "score-forest-regressor"), _scores),
    **dict.fromkeys(("forest", "bagged-trees"), _forest),
    "forest-regressor": _forest_regressor,
    "boosting": _boosting,
    "some-columns": _some_columns,
    "column-selector": _column_selector,
    **dict.fromkeys(("standard-scaler", "range-scaler", "maximum-scaler"), _scaler),
    **dict.fromkeys(("robust-scaler", "imputer", "bins"), _scaler),
    **dict.fromkeys(("one-hot", "ordinal"), _per_feature("categories_", "grouped")),
    "pipeline": _pipeline,
    **dict.fromkeys(("column-transformer", "feature-union", "steps"), _named_members),
    **dict.fromkeys(("pca", "svd"), _components),
    **dict.fromkeys(("one-vs-rest", "output-code"), _methods),
    **dict.fromkeys(("stacking", "stacking-regressor"), _methods),
    "one-vs-one": _one_vs_one,
    **dict.fromkeys(("bagging", "bagging-regressor"), _bagging),
    **dict.fromkeys(("chain", "chain-regressor"), _chain),
    **dict.fromkeys(("voting-regressor", "soft-voting", "hard-voting"), _weights),
    "threshold": _threshold,
    "calibrated": _calibrated,
}
