"""The word for each form that a file may hold, and the class that it stands for."""

import sys
from importlib import import_module

FORMAT = 2
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
