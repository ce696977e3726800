"""The forms that a file may hold: the word of each, its class, and its attributes.

Of attributes an entry is ``name=kind``, after ``~`` if it may be missing. A kind ends in
``?`` if it may be None. Arrays are a letter for the dtype (f: floats, i: integers, u:
unsigned ones, n: numbers, x: labels) and the number of dimensions; ``q`` before it: or
quantized, ``c``: or a sparse matrix.
"""

import sys
from importlib import import_module

import numpy as np

from ..quantized import QuantizedArray, is_array, is_count, is_sparse, need
from .fits import FITS

FORMAT = 3
PLAIN_FORMAT = 2  # of files without packed parts
DEFAULT_PATTERN = r"(?u)\b\w\w+\b"  # of tokens; others need consent
NUMBERS = {f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}
PACKAGE = __package__.rpartition(".")[0]
FORMS = {
    "forest": "CompactForestClassifier",
    "forest-regressor": "CompactForestRegressor",
    "score-forest": "CompactScoreForestClassifier",
    "score-forest-regressor": "CompactScoreForestRegressor",
    "bagged-trees": "CompactBaggingClassifier",
    "trees": "FlatTrees",
    "columns": "KeyColumns",
    "values": "ValueLeaves",
    "shares": "ShareLeaves",
    "sparse": "SparseLeaves",
    "boosting": "CompactBoosting",
    "quantized": "QuantizedArray",
    "linear": "CompactLinearClassifier",
    "linear-regressor": "CompactLinearRegressor",
    "linear-labels": "CompactMultilabelClassifier",
    "bayesian-regressor": "CompactBayesianRegressor",
    "gaussian-bayes": "CompactGaussian",
    "log-linear-bayes": "CompactLogLinear",
    "categorical-bayes": "CompactCategorical",
    "linear-discriminant": "CompactDiscriminant",
    "quadratic-discriminant": "CompactQuadratic",
    "svc": "CompactSVC",
    "kernel-classifier": "CompactKernelClassifier",
    "kernel-regressor": "CompactSVR",
    "kernel": "KernelFunction",
    "process": "CompactProcess",
    "process-classifier": "CompactProcessClassifier",
    "latent-process": "LatentProcess",
    "neighbors": "CompactNeighborsClassifier",
    "neighbors-regressor": "CompactNeighborsRegressor",
    "net": "CompactNetClassifier",
    "net-regressor": "CompactNetRegressor",
    "layer": "Layer",
    "dense": "Dense",
    "convolution": "Convolution",
    "scale": "Scale",
    "pool": "Pool",
    "flatten": "Flatten",
    "reshape": "Reshape",
    "add": "Add",
    "sparse-weights": "SparseWeights",
    "csr": "CSR",
    "covariance": "ProcessKernel",
    "model": "CompactModel",
    "pipeline": "CompactPipeline",
    "some-columns": "CompactColumns",
    "column-selector": "ColumnSelector",
    "identity": "CompactIdentity",
    "function": "CompactFunction",
    "column-transformer": "CompactColumnTransformer",
    "feature-union": "CompactFeatureUnion",
    "steps": "CompactSteps",
    "bins": "CompactKBinsDiscretizer",
    "one-hot": "CompactOneHotEncoder",
    "ordinal": "CompactOrdinalEncoder",
    "imputer": "CompactSimpleImputer",
    "pca": "CompactPCA",
    "svd": "CompactTruncatedSVD",
    "polynomial": "CompactPolynomialFeatures",
    "binarizer": "CompactBinarizer",
    "standard-scaler": "CompactStandardScaler",
    "range-scaler": "CompactMinMaxScaler",
    "maximum-scaler": "CompactMaxAbsScaler",
    "robust-scaler": "CompactRobustScaler",
    "normalizer": "CompactNormalizer",
    "word-counts": "CompactCountVectorizer",
    "power": "CompactPowerTransformer",
    "quantiles": "CompactQuantileTransformer",
    "tfidf": "CompactTfidfTransformer",
    "tfidf-counts": "CompactTfidfVectorizer",
    "constant": "CompactConstant",
    "threshold": "CompactThreshold",
    "transformed-target": "CompactTransformedTarget",
    "one-vs-rest": "CompactOneVsRest",
    "one-vs-one": "CompactOneVsOne",
    "output-code": "CompactOutputCode",
    "outputs": "CompactMultiClassifier",
    "outputs-regressor": "CompactMultiRegressor",
    "chain": "CompactClassifierChain",
    "chain-regressor": "CompactRegressorChain",
    "bagging": "CompactBaggedClassifier",
    "bagging-regressor": "CompactBaggedRegressor",
    "voting-regressor": "CompactVotingRegressor",
    "soft-voting": "CompactSoftVoting",
    "hard-voting": "CompactHardVoting",
    "stacking": "CompactStackingClassifier",
    "stacking-regressor": "CompactStackingRegressor",
    "calibrated": "CompactCalibrated",
}
# Forms whose classes stand outside this folder, since they need other libraries.
ELSEWHERE = {"torch-module": "StoredModule", "spline": "StoredSpline"}
# Modules, beside the forms, whose CHECKS follow the positions in their arrays.
_CHECKED = {
    "trees.checks": "trees columns forest bagged-trees forest-regressor score-forest "
    "score-forest-regressor boosting",
    "nets.checks": "sparse-weights layer dense convolution scale pool flatten reshape add "
    "net net-regressor",
    "kernel": "svc",
    "quantized": "quantized",
}
_CHECKS_OF = {word: module for module, words in _CHECKED.items() for word in words.split()}
_WORDS = {name: word for word, name in FORMS.items()}
_PROVIDERS = []


def provide_forms(paths, checks):
    """Make the predictors of other packages known to `load`.

    `paths` and `checks` are functions without arguments. The first gives the predictors
    that are registered now, as ``"module:Class"``; their word is ``"package/Class"``. The
    second gives the functions that check loaded objects, by class.
    """
    _PROVIDERS[:] = [(paths, checks)]


def registered_checks():
    """The functions that check loaded objects of registered families, by class."""
    return {cls: check for _, checks in _PROVIDERS for cls, check in checks().items()}


def _registered():
    """Word and path of each predictor of another package."""
    found = {}
    for paths, _ in _PROVIDERS:
        for path in paths():
            module, _, name = path.partition(":")
            found[f"{module.partition('.')[0]}/{name}"] = path
    return found


def checks_of(word):
    """The functions that check a form, by class."""
    if word not in _CHECKS_OF:
        return {}
    return import_module(f"{PACKAGE}.{_CHECKS_OF[word]}").CHECKS


def word_of(cls):
    """The word of a class, or None if it has none."""
    if cls.__module__ == PACKAGE:
        return _WORDS.get(cls.__name__)
    if cls.__module__.startswith("sklearn_prune."):
        known, path = ELSEWHERE, cls.__name__
    else:
        known, path = _registered(), f"{cls.__module__}:{cls.__qualname__}"
    return next((word for word, other in known.items() if path == other), None)


def class_of(word, forms=()):
    """The class that a word stands for, or None; `forms` are classes that are allowed."""
    if word in FORMS:
        return getattr(sys.modules[PACKAGE], FORMS[word])
    if word in ELSEWHERE:
        return getattr(elsewhere("_stored"), ELSEWHERE[word])
    for cls in forms:
        if word == own_word(cls):
            return cls
    registered = _registered()
    return _imported(registered[word]) if word in registered else None


def elsewhere(module):
    """A module of sklearn-prune for what has no form in this folder.

    Its classes are those of sklearn-prune, not of a copy of this folder by another name.
    """
    try:
        if PACKAGE != "sklearn_prune.predictors":
            raise ImportError(f"{PACKAGE} has numpy forms only")
        return import_module(f"sklearn_prune.persistence.{module}")
    except ImportError as error:
        raise ImportError(
            "A file with parts of scikit-learn, scipy or torch needs sklearn-prune and "
            'skops. Type: pip install "sklearn-prune[persist]", and write '
            "sklearn_prune.persistence.load(path)."
        ) from error


def own_word(cls):
    """The word of a class of another package."""
    return f"{cls.__module__.partition('.')[0]}/{cls.__qualname__}"


def _imported(path):
    module, _, name = path.partition(":")
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


_LETTERS = {"f": "f", "i": "iu", "u": "u", "n": "fiu", "x": "biufUSOMm", "b": "b"}
_ROWS = "n_features_in_=N ~feature_names_in_=x1 ~n_jobs=int? ~n_iter_=any ~best_params_=any"
_FOREST = f"{_ROWS} trees_=:trees ~_allow_nan=b ~_importances=f1 n_outputs_=N"
_LINEAR = f"{_ROWS} weights_=qf* mask_=u1? columns_=i1? intercept_=f* _n_outputs=N?"
_KERNEL = (
    "kernel_=:kernel points_=cqn2? coefficients_=qf2 offsets_=f1 center_=n1? precision_=T"
)
_NEIGHBORS = (
    f"{_ROWS} points_=cqn2 n_neighbors_=N search_=kd_tree,ball_tree,brute,products "
    "weights_=uniform,distance metric_=s metric_params_=d leaf_size_=N dtype_=s "
    "~_allow_nan=b"
)
_NET = (
    "n_features_in_=N? ~feature_names_in_=x1 layers_=t sites_=t columns_=u1? folded_=d "
    "~input_shape_=t? _dtype=T ~n_iter_=any ~t_=any ~best_params_=any"
)
_LAYER = (
    "inputs=t names=t ~activation=s ~settings=d? ~facts=d? ~slopes=f1? ~weights=any "
    "~bias=f1?"
)
_MEMBERS = "~n_features_in_=N ~feature_names_in_=x1 members_=M ~best_params_=any"
_CLASSES = "classes_=C"
_STEP = "n_features_in_=n ~feature_names_in_=x1"
_ANY_STEP = f"~{_STEP}"
_CATEGORIES = "categories_=l grouped=l handle_unknown=s dtype=dtype"
_TFIDF = "idf_=f1? norm=l1,l2? sublinear_tf=b"
_TEXTS = (
    "analyzer=word,char,char_wb binary=b decode_error=strict,ignore,replace dtype=dtype "
    "encoding=s lowercase=b ngram_range=l stop_words=l? strip_accents=ascii,unicode? "
    "terms=l token_pattern=s?"
)
FIELDS = {
    "forest": f"{_FOREST} {_CLASSES} n_classes_=any",
    "bagged-trees": f"{_FOREST} {_CLASSES} n_classes_=any",
    "forest-regressor": _FOREST,
    "score-forest": f"{_ROWS} trees_=:trees intercept_=f1 classes_=x1 ~n_outputs_=N "
    "~n_classes_=any ~_allow_nan=b ~_importances=f1",
    "score-forest-regressor": f"{_ROWS} trees_=:trees intercept_=f1 ~n_outputs_=N "
    "~_allow_nan=b ~_importances=f1",
    "boosting": f"{_ROWS} trees_=:trees start_=f1 library_=gradient,hist,lightgbm,xgboost "
    "link_=identity,log,sqrt,log1p,softmax,logit,one_vs_rest slope_=f divisor_=N "
    "missing_=f zeros_missing_=i1? categories_=d? methods_=t ~iterations_=t? ~classes_=x1",
    "linear": f"{_LINEAR} classes_=x1 probability_=expit,softmax,clip?",
    "linear-labels": f"{_LINEAR} classes_=x1 ~probability_=expit,softmax,clip?",
    "linear-regressor": f"{_LINEAR} ~logarithmic_=b",
    "bayesian-regressor": f"{_LINEAR} ~sigma_=f2? ~X_offset_=any ~alpha_=f ~lambda_=any "
    "~threshold_=f ~logarithmic_=b",
    "gaussian-bayes": f"{_ROWS} classes_=x1 theta_=f2 var_=f2 constants_=f1",
    "log-linear-bayes": f"{_ROWS} classes_=x1 weights_=qf2 constants_=f* ~threshold_=f?",
    "categorical-bayes": f"{_ROWS} classes_=x1 table_=qf2 constants_=f1 n_categories_=i1",
    "linear-discriminant": f"{_ROWS} classes_=x1 coef_=qf2 intercept_=f1",
    "svc": f"{_ROWS} {_KERNEL} classes_=x1 n_support_=i1 exact_=f? probability_=f2? "
    "shape_=ovr,ovo break_ties_=b sparse_=b",
    "kernel-classifier": f"{_ROWS} {_KERNEL} classes_=x1 scale_=f? shape_=ovr,ovo "
    "break_ties_=b sparse_=b",
    "kernel-regressor": f"{_ROWS} {_KERNEL} flat_=b ~sparse_=b",
    "process": f"{_ROWS} {_KERNEL} flat_=b ~sparse_=b noise_=any scale_=any whole_=b "
    "~spread_=f1? ~exponent_=f",
    "latent-process": f"n_features_in_=N ~feature_names_in_=x1 {_KERNEL}",
    "process-classifier": f"{_ROWS} classes_=x1 members_=l pairwise_=b",
    "kernel": "name=s gamma=f? degree=f coef0=f process=any",
    "neighbors": f"{_NEIGHBORS} {_CLASSES} codes_=i*",
    "neighbors-regressor": f"{_NEIGHBORS} targets_=n*",
    "net": f"{_NET} classes_=C ~output_=softmax,sigmoid,identity ~multilabel_=b "
    "~threshold_=f",
    "net-regressor": f"{_NET} ~output_=identity,exp ~flat_=b",
    "layer": _LAYER,
    "dense": _LAYER,
    "convolution": _LAYER,
    "scale": _LAYER,
    "pool": _LAYER,
    "flatten": _LAYER,
    "reshape": _LAYER,
    "add": _LAYER,
    "sparse-weights": "values=qf1 gaps=u1 counts=u1 shape=t scale=f1?",
    "quantized": "codes=n* ~scale=f*? ~offset=f*? ~values=f1? shape=t",
    "values": "values=qn2",
    "shares": "counts=u2 bounds=i1",
    "sparse": "column=i1 start=u1 values=qn1 scale=f shares=b",
    "model": "~n_features_in_=any ~feature_names_in_=x1 ~classes_=any model_=any",
    "some-columns": f"{_ROWS} inner_=P columns_=i1 ~classes_=C",
    "pipeline": f"{_MEMBERS} ~classes_=C steps_=l",
    "quadratic-discriminant": f"{_ROWS} classes_=x1 means_=f2 priors_=f1 ranks_=i1 "
    "rotations_=n* scalings_=f1",
    "csr": "data=n1 indices=i1 indptr=i1 shape=t",
    "covariance": "name=s params=d",
    "identity": f"{_ANY_STEP} ~named=b",
    "function": f"{_ANY_STEP} named=b function=ufunc? inverse=ufunc? validate=b",
    "column-transformer": f"{_STEP} members=S columns=l names=l weights=l single=l "
    "widths=l by_name=b sparse_output_=b verbose_feature_names_out=any",
    "feature-union": f"{_ANY_STEP} members=S names=l weights=l verbose_feature_names_out=b",
    "steps": f"{_ANY_STEP} members=S names=l",
    "bins": f"{_STEP} bin_edges_=l n_bins_=i1 encode=onehot,onehot-dense,ordinal "
    "dtype=dtype?",
    "one-hot": f"{_STEP} {_CATEGORIES} dropped=l sparse_output=b warns=b",
    "ordinal": f"{_STEP} {_CATEGORIES} unknown_value=any encoded_missing_value=any",
    "imputer": f"{_STEP} strategy=mean,median,most_frequent,constant statistics_=x1 "
    "keep_empty_features=b missing_kind=s missing_values=any indicated=i1? "
    "fill_dtype=s fit_dtype=s",
    "pca": f"{_STEP} components_=f2 mean_=f1 explained_variance_=f1? steps=l whiten=b",
    "svd": f"{_STEP} components_=f2 steps=l",
    "polynomial": f"{_STEP} degrees=l include_bias=b interaction_only=b order=C,F "
    "n_output_features_=n",
    "power": f"{_STEP} method=yeo-johnson,box-cox lambdas_=f1 scaler=:standard-scaler?",
    "quantiles": f"{_STEP} quantiles_=f2 references_=f1 ignore_implicit_zeros=b",
    "columns": "feature=u1 kind=u1 ~first=u1? ~last=u1? ~edges=f1? ~category_bits=u1?",
    "trees": "n_features=N n_outputs=N n_pure=n output_column=i1 table=any "
    "columns=:columns nodes=u1 node_start=u1 leaf_start=u1 leaf_ids=u1 "
    "wide_column=u1 column_bits=n id_bytes=n",
    "binarizer": f"{_STEP} threshold=f",
    "standard-scaler": f"{_STEP} mean_=f1? scale_=f1?",
    "range-scaler": f"{_STEP} scale_=f1 min_=f1 clip=b feature_range=l",
    "maximum-scaler": f"{_STEP} scale_=f1 clip=b",
    "robust-scaler": f"{_STEP} center_=f1? scale_=f1?",
    "normalizer": f"{_STEP} norm=l1,l2,max",
    "word-counts": f"{_ANY_STEP} {_TEXTS}",
    "tfidf": f"{_STEP} {_TFIDF}",
    "tfidf-counts": f"{_ANY_STEP} {_TEXTS} {_TFIDF}",
    "column-selector": "columns=any n_features_in_=N ~feature_names_in_=x1 "
    "~_sklearn_output_config=d",
    "constant": "value_=n1",
    "threshold": f"{_MEMBERS} classes_=x1 method_=predict_proba,decision_function "
    "positive_=n threshold_=f",
    "transformed-target": f"{_MEMBERS} ~transformer_=any ~inverse_=l? target_dim_=N",
    "one-vs-rest": f"{_MEMBERS} classes_=x1 methods_=l target_=s sparse_target_=b",
    "one-vs-one": f"{_MEMBERS} classes_=x1 methods_=l",
    "output-code": f"{_MEMBERS} classes_=x1 methods_=l code_book_=n2",
    "outputs": f"{_MEMBERS} ~classes_=C",
    "outputs-regressor": _MEMBERS,
    "chain": f"{_MEMBERS} ~classes_=C order_=any method_=s",
    "chain-regressor": f"{_MEMBERS} order_=any method_=s",
    "bagging": f"{_MEMBERS} classes_=x1 columns_=l",
    "bagging-regressor": f"{_MEMBERS} columns_=l",
    "voting-regressor": f"{_MEMBERS} weights_=any",
    "soft-voting": f"{_MEMBERS} classes_=x1 weights_=any",
    "hard-voting": f"{_MEMBERS} classes_=x1 weights_=any",
    "stacking": f"{_MEMBERS} classes_=C final_=P methods_=l passthrough_=b",
    "stacking-regressor": f"{_MEMBERS} final_=P methods_=l passthrough_=b",
    "calibrated": f"{_MEMBERS} classes_=x1 curves_=l method_=sigmoid,isotonic,temperature",
}


def check_fields(word, form):
    """Raise ValueError unless the attributes of a form are those of its word."""
    if word not in FIELDS:
        return
    found, known = dict(vars(form)), set()
    for entry in FIELDS[word].split():
        name, _, kind = entry.partition("=")
        optional = name[0] == "~"
        name = name.lstrip("~")
        known.add(name)
        if name not in found:
            need(optional or hasattr(type(form), name), f"{word}: the missing {name}")
            continue
        fits = _is(found[name], kind)
        need(fits, f"{word}: the attribute {name}")
    names, width = found.get("feature_names_in_"), found.get("n_features_in_")
    need(names is None or width is None or len(names) == width, "feature_names_in_")
    labels = found.get("classes_")
    need(not isinstance(labels, np.ndarray) or labels.size > 0, "classes_")
    unknown = found.keys() - known
    need(not unknown, f"{word}: the attribute {min(unknown, default='')}")
    if word in FITS:
        FITS[word](form)
    if hasattr(form, "check_attributes"):
        form.check_attributes()


def _is(value, kind):
    if kind[-1] == "?":
        return value is None or _is(value, kind[:-1])
    if kind in _PLAIN:
        return _PLAIN[kind](value)
    if kind[0] == ":":
        return type(value) is class_of(kind[1:])
    if kind[-1] in "123*" and kind.lstrip("cq")[0] in _LETTERS and len(kind) < 5:
        return _is_array(value, kind)
    return type(value) is str and value in kind.split(",")


def _is_array(value, kind):
    letters = _LETTERS[kind.lstrip("cq")[0]]
    if kind[-1] == "*" and isinstance(value, np.generic | int | float):
        return np.asarray(value).dtype.kind in letters + "iu"
    if isinstance(value, QuantizedArray):
        return "q" in kind and kind[-1] in ("*", str(value.ndim))
    if is_sparse(value):
        return "c" in kind
    return (
        type(value) is np.ndarray
        and value.dtype.kind in letters
        and kind[-1] in ("*", str(value.ndim))
    )


def _is_predictor(value):
    return hasattr(value, "predict") or hasattr(value, "probability")


def _is_dtype(value):
    try:
        return type(value) is str and np.dtype(value).kind in "fiubO"
    except TypeError:
        return False


def _are_labels(value):
    if type(value) is list:
        return bool(value) and all(map(_are_labels, value))
    return is_array(value, _LETTERS["x"], 1) and len(value) > 0


_PLAIN = {
    "any": lambda value: True,
    "b": lambda value: isinstance(value, bool | np.bool_),
    "n": lambda value: is_count(value) and not isinstance(value, bool),
    "N": lambda value: is_count(value, 1) and not isinstance(value, bool),
    "int": lambda value: type(value) is int,
    "f": lambda value: isinstance(value, int | float | np.number),
    "s": lambda value: type(value) is str,
    "t": lambda value: type(value) is tuple,
    "l": lambda value: type(value) is list,
    "d": lambda value: type(value) is dict,
    "S": lambda value: type(value) is list and all(hasattr(m, "transform") for m in value),
    "ufunc": lambda value: isinstance(getattr(np, str(value), None), np.ufunc),
    "dtype": _is_dtype,
    "T": lambda value: np.dtype(value) in (np.float32, np.float64),
    "C": _are_labels,
    "P": _is_predictor,
    "M": lambda value: (
        type(value) is list and bool(value) and all(map(_is_predictor, value))
    ),
}
