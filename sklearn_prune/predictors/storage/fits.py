"""How the arrays of one form have to fit together, where `predict` would fail else."""

import warnings

import numpy as np

from ..quantized import QuantizedArray, is_sparse, need

_METHODS = ("predict_proba", "decision_function", "predict")
_WIDEST = 1 << 20  # columns of a row that is tried


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
                fits = np.ndim(array) == 0 or array.shape in ((1,), (n_classes,))
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


def _quadratic(form):
    n_classes, ranks = len(form.classes_), form.ranks_.astype(np.int64)
    need(tuple(form.means_.shape) == (n_classes, form.n_features_in_), "means_")
    need(len(form.priors_) == len(ranks) == n_classes and ranks.min() >= 0, "ranks_")
    total = int(ranks.sum())
    need(tuple(form.rotations_.shape) == (form.n_features_in_, total), "rotations_")
    need(len(form.scalings_) == total, "scalings_")


def _range(form):
    _scaler(form)
    bounds = form.feature_range
    need(len(bounds) == 2 and {type(each) for each in bounds} <= {int, float}, "a bound")


def _expansion(form):
    n_features, points = form.n_features_in_, form.points_
    n_rows = n_features if points is None else points.shape[0]
    need(form.coefficients_.shape[0] == n_rows > 0, "coefficients_")
    need(points is None or points.shape[1] == n_features, "points_")
    need(form.center_ is None or len(form.center_) == n_features, "center_")
    if points is not None:
        row = np.zeros((1, n_features), dtype=form.precision_)
        with np.errstate(all="ignore"):
            form.kernel_(row, row, compiled=False)
    else:
        need(form.kernel_.name == "linear", "points_")
    if hasattr(form, "flat_"):
        need(len(form.offsets_) in (1, form.coefficients_.shape[1]), "offsets_")


def _kernel_classifier(form):
    _expansion(form)
    need(form.points_ is not None, "points_")
    n_classes = len(form.classes_)
    need(form.coefficients_.shape[1] == n_classes == len(form.offsets_), "classes_")


def _process(form):
    _expansion(form)
    need(form.points_ is not None, "points_")
    _finite(form.points_, form.coefficients_, form.offsets_, form.noise_, form.scale_)
    if form.spread_ is not None:
        n_points = form.points_.shape[0]
        need(len(form.spread_) == n_points * (n_points + 1) // 2, "spread_")
        _finite(form.spread_, form.exponent_)


def _latent_process(form):
    _expansion(form)
    need(form.points_ is not None and form.coefficients_.shape[1] == 1, "points_")
    _finite(form.points_, form.coefficients_, form.offsets_)


def _finite(*arrays):
    for values in arrays:
        values = np.asarray(values)
        need(values.dtype.kind in "fiu" and np.isfinite(values).all(), "a number")


_NAMES = [
    "linear",
    "poly",
    "rbf",
    "sigmoid",
    "object",
    "additive_chi2",
    "chi2",
    "cosine",
    "laplacian",
]


def _kernel(form):
    need(form.name in _NAMES, "the name of a kernel")
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
    need(np.dtype(form.dtype_).kind in "fiub", "dtype_")
    products = form.search_ == "products"
    need(not products or not is_sparse(form.points_), "search_")
    if not products:
        from ..distances import METRICS, Search

        need(form.metric_ in METRICS, "metric_")
        row = np.zeros((1, form.n_features_in_))
        with np.errstate(all="ignore"):
            Search(row, form.metric_, form.metric_params_).nearest(row, 1)
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


def _transformed_target(form):
    _members(form)
    from ..containers import transformed_back

    need(
        form.inverse_ is not None or hasattr(form.transformer_, "inverse_transform"),
        "a step",
    )
    row = np.ones((1, form.target_dim_))
    for pair in form.inverse_ or ():
        need(type(pair) in (tuple, list) and len(pair) == 2, "inverse_")
    with np.errstate(all="ignore"):
        transformed_back(form.inverse_ or (), row)


def _some_columns(form):
    _places(form.columns_, form.n_features_in_, "columns_")
    inner = getattr(form.inner_, "n_features_in_", None)
    need(inner in (None, len(form.columns_)), "columns_")


def _column_selector(form):
    _places(form.columns, form.n_features_in_, "columns")
    config = getattr(form, "_sklearn_output_config", {})
    need(set(config.values()) <= {None, "default", "pandas", "polars"}, "the output")


def _per_feature(*names):
    def check(form):
        n_features = getattr(form, "n_features_in_", None)
        for name in names:
            array = getattr(form, name, None)
            need(array is None or len(array) == n_features, name)

    return check


def reads_texts(part):
    """Whether a transformer reads texts, as its first that is no identity does."""
    inner = [p for p in getattr(part, "members", ()) if not _is_identity(p)]
    name = type(part).__name__
    if name == "CompactSteps" and inner:
        return reads_texts(inner[0])
    if name == "CompactFeatureUnion" and inner:
        return any(map(reads_texts, inner))
    return name in ("CompactCountVectorizer", "CompactTfidfVectorizer")


def _is_identity(part):
    return part == "passthrough" or type(part).__name__ == "CompactIdentity"


def _width(part):
    """How many columns a transformer gives; None where that is not known."""
    name = type(part).__name__
    if name == "CompactOneHotEncoder":
        return part._made()[2]
    if name == "CompactKBinsDiscretizer" and part.encode != "ordinal":
        return int(part.n_bins_.sum())
    if name in ("CompactPCA", "CompactTruncatedSVD"):
        return len(part.components_)
    if name == "CompactPolynomialFeatures":
        return part.n_output_features_
    if name == "ColumnSelector":
        return len(part.columns)
    if name in ("CompactCountVectorizer", "CompactTfidfVectorizer"):
        return len(part.terms)
    if name == "CompactSimpleImputer":
        kept, marks = part._kept(), part.indicated
        own = part.n_features_in_ if kept is None else len(kept)
        return own + (0 if marks is None else len(marks))
    if name in ("CompactColumnTransformer", "CompactFeatureUnion"):
        widths = list(map(_width, part.members))
        return None if None in widths else sum(widths)
    if name == "CompactSteps":
        return _passed(part.members)
    own = name.startswith("Compact") and hasattr(part, "transform")
    return getattr(part, "n_features_in_", None) if own else None


def _passed(parts, last=None):
    """How many columns transformers give one after the other, as the next one reads."""
    width = None
    for part in (*parts, *([] if last is None else [last])):
        if _is_identity(part):
            continue
        read = getattr(part, "n_features_in_", None)
        need(width is None or not reads_texts(part), "a step of texts")
        need(None in (width, read) or read == width, "the columns of a step")
        width = _width(part)
    return width


def _pipeline(form):
    need(len(form.members_) == 1, "members_")
    for pair in form.steps_:
        need(type(pair) is tuple and len(pair) == 2, "steps_")
        need(type(pair[0]) is str, "steps_")
        need(hasattr(pair[1], "transform") or pair[1] == "passthrough", "steps_")
    steps = [step for _, step in form.steps_ if not _is_identity(step)]
    _passed(steps, form.members_[0])
    if steps:
        _same_columns(steps[0], form)


def _steps(form):
    need(len(form.names) == len(form.members), "names")
    _passed(form.members)


def _union(form):
    _weights_of_members(form)
    for member in form.members:
        _same_columns(member, form)


def _weights_of_members(form):
    need(len(form.names) == len(form.weights) == len(form.members), "names")
    need(all(type(each) in (int, float, type(None)) for each in form.weights), "weights")


def _same_columns(member, form):
    widths = [getattr(part, "n_features_in_", None) for part in (member, form)]
    need(None in widths or widths[0] == widths[1], "n_features_in_")


def _column_transformer(form):
    _weights_of_members(form)
    rest = (form.columns, form.single, form.widths)
    need(all(len(own) == len(form.members) for own in rest), "columns")
    for member, columns, single, width in zip(form.members, *rest, strict=True):
        _places(columns, form.n_features_in_, "columns")
        need(type(single) is bool and single == reads_texts(member), "single")
        need(not single or len(columns) == 1, "single")
        read, given = getattr(member, "n_features_in_", None), _width(member)
        need(single or read in (None, len(columns)), "columns")
        if _is_identity(member):
            given = len(columns)
        need(given in (None, width), "widths")
    need(not form.by_name or hasattr(form, "feature_names_in_"), "by_name")


def _components(form):
    n_components, n_features = form.components_.shape
    need(n_features == form.n_features_in_, "components_")
    for name, size in (("mean_", n_features), ("explained_variance_", n_components)):
        array = getattr(form, name, None)
        need(array is None or len(array) == size, name)


def _members(form):
    for member in form.members_:
        _same_columns(member, form)


def _shape_of(member, method):
    """The shape that a member gives for a row of zeros; None if it refuses the row."""
    width = getattr(member, "n_features_in_", None)
    if width is None or width > _WIDEST:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return np.shape(getattr(member, method)(np.zeros((1, width))))
        except Exception:  # zeros may be none of the categories, or not positive
            return None


def _one_score(member, method):
    """Raise unless a member gives one score, or probabilities of two classes."""
    shape = _shape_of(member, method)
    if method == "predict_proba":
        fits = shape is None or (len(shape) == 2 and shape[1] > 1)
    else:
        fits = shape in (None, (1,), (1, 1))
    need(fits, "a member")


def _binary(form):
    _methods(form)
    for method, member in zip(form.methods_, form.members_, strict=True):
        _one_score(member, method)


def _methods(form):
    _members(form)
    need(len(form.methods_) == len(form.members_), "methods_")
    for method, member in zip(form.methods_, form.members_, strict=True):
        need(method in _METHODS and hasattr(member, method), "methods_")


def _one_vs_one(form):
    _binary(form)
    need(hasattr(form, "n_features_in_"), "n_features_in_")
    n_classes = len(form.classes_)
    need(2 * len(form.members_) == n_classes * (n_classes - 1), "members_")


def _bagging(form):
    need(hasattr(form, "n_features_in_"), "n_features_in_")
    need(len(form.columns_) == len(form.members_), "columns_")
    for columns, member in zip(form.columns_, form.members_, strict=True):
        if hasattr(form, "classes_"):
            _are_positions(member, form)
        read = getattr(member, "n_features_in_", None)
        if columns is None:
            _same_columns(member, form)
        else:
            _places(columns, form.n_features_in_, "columns_")
            need(read in (None, len(columns)), "columns_")


def _chain(form):
    need(hasattr(form, "n_features_in_"), "n_features_in_")
    order = np.asarray(form.order_)
    need(order.dtype.kind in "iu" and order.ndim == 1, "order_")
    need(sorted(order.tolist()) == list(range(len(form.members_))), "order_")
    for number, member in enumerate(form.members_):
        read = getattr(member, "n_features_in_", None)
        need(read in (None, form.n_features_in_ + number), "n_features_in_")
        _one_score(member, form.method_)
        need(_shape_of(member, "predict") in (None, (1,)), "a member")
    need(form.method_ in (*_METHODS, "predict_log_proba"), "method_")


def _are_positions(member, form):
    """Labels of a member are positions among the classes of the whole."""
    own = getattr(member, "classes_", None)
    if own is not None:
        _places(own, len(form.classes_), "classes_")


def _stacking(form):
    _methods(form)
    if hasattr(form, "classes_") and type(form.classes_) is np.ndarray:
        _are_positions(form.final_, form)


def _soft_voting(form):
    _weights(form)
    need(all(hasattr(member, "predict_proba") for member in form.members_), "members_")


def _hard_voting(form):
    _weights(form)
    for member in form.members_:
        _are_positions(member, form)


def _weights(form):
    _members(form)
    weights = form.weights_
    if weights is not None:
        need(np.shape(weights) == (len(form.members_),), "weights_")


def _threshold(form):
    _members(form)
    need(len(form.classes_) == 2 and form.positive_ in (0, 1), "positive_")
    need(hasattr(form.members_[0], form.method_), "method_")


def _calibrated(form):
    _members(form)
    need(len(form.curves_) == len(form.members_), "curves_")
    for curves in form.curves_:
        need(type(curves) is list and curves, "curves_")
        for curve in curves:
            array = not isinstance(curve, QuantizedArray) and np.asarray(curve)
            need(array.dtype.kind == "f" and array.size and array.ndim <= 2, "curves_")
            shape = np.shape(curve)
            fits = {
                "isotonic": len(shape) == 2 and shape[0] == 2 and shape[1] > 0,
                "sigmoid": shape == (2,),
                "temperature": shape == (1,),
            }
            need(fits[form.method_], "curves_")


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
    "quadratic-discriminant": _quadratic,
    **dict.fromkeys(("svc", "kernel-regressor"), _expansion),
    "kernel-classifier": _kernel_classifier,
    "process": _process,
    "latent-process": _latent_process,
    **dict.fromkeys(("neighbors", "neighbors-regressor"), _neighbors),
    **dict.fromkeys(("score-forest", "score-forest-regressor"), _scores),
    **dict.fromkeys(("forest", "bagged-trees"), _forest),
    "forest-regressor": _forest_regressor,
    "boosting": _boosting,
    "some-columns": _some_columns,
    "column-selector": _column_selector,
    **dict.fromkeys(("standard-scaler", "maximum-scaler"), _scaler),
    "range-scaler": _range,
    **dict.fromkeys(("robust-scaler", "imputer", "bins"), _scaler),
    **dict.fromkeys(("one-hot", "ordinal"), _per_feature("categories_", "grouped")),
    "pipeline": _pipeline,
    "column-transformer": _column_transformer,
    "feature-union": _union,
    "steps": _steps,
    **dict.fromkeys(("pca", "svd"), _components),
    **dict.fromkeys(("one-vs-rest", "output-code"), _binary),
    **dict.fromkeys(("stacking", "stacking-regressor"), _stacking),
    "one-vs-one": _one_vs_one,
    **dict.fromkeys(("bagging", "bagging-regressor"), _bagging),
    **dict.fromkeys(("chain", "chain-regressor"), _chain),
    "voting-regressor": _weights,
    "soft-voting": _soft_voting,
    "hard-voting": _hard_voting,
    "threshold": _threshold,
    **dict.fromkeys(("outputs", "outputs-regressor"), _members),
    "transformed-target": _transformed_target,
    "calibrated": _calibrated,
}
