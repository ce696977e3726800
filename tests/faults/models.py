"""The inner models of the subjects: cheap ones, one of each kind that behaves apart."""

from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
    SampleSubsetTransformer,
)
from sklearn_prune.sample_selection import L2PenaltySelector

#: Parameters that make selectors quick.
QUICK = {
    "DataOOBSelector": {"n_estimators": 5},
    "ForgettingSelector": {"n_repeats": 2, "n_epochs": 3},
    "OutlierSelector": {
        "detector": IsolationForest(n_estimators=5, random_state=0),
        "n_folds": 2,
    },
    "RMHCSelector": {"n_iter": 50},
    "EL2NSelector": {"n_repeats": 1, "cv": 3},
    "ConfidentLearningSelector": {"cv": 3},
    "LossSelector": {"cv": 3},
    "MarginSelector": {"cv": 3},
}
_CLASSES, _NUMBERS = ("classification",), ("regression",)
_MLP = MLPClassifier([4], max_iter=20, solver="sgd", learning_rate_init=0.1, tol=0.0)


def _described(outer, inner, selector=None):
    parts = [getattr(inner, "steps", [("", inner)])[-1][1]] if inner is not None else []
    prefix = "Pipeline of " if hasattr(inner, "steps") else ""
    words = [prefix + type(part).__name__ for part in parts]
    words += [] if selector is None else [type(selector).__name__]
    return f"{outer.__name__}({' by '.join(words)})"


def _subset(outer, kind, tasks, inner, selector=None):
    args = () if inner is None else (inner,)
    estimator = outer(*args, selector, random_state=0)
    return _described(outer, inner, selector), kind, estimator, tasks


def _pruned(outer, tasks, inner):
    return _described(outer, inner), "pruned", outer(inner, random_state=0), tasks


PREDICTORS = [
    _subset(SampleSubsetClassifier, "subset", _CLASSES, LogisticRegression()),
    _subset(SampleSubsetClassifier, "subset", _CLASSES, DecisionTreeClassifier()),
    _subset(
        SampleSubsetClassifier,
        "subset",
        _CLASSES,
        make_pipeline(StandardScaler(), LogisticRegression()),
        L2PenaltySelector(),
    ),
    _subset(SampleSubsetRegressor, "subset", _NUMBERS, Ridge()),
    _subset(SampleSubsetRegressor, "subset", _NUMBERS, DecisionTreeRegressor()),
    _subset(
        SampleSubsetTransformer,
        "transformer",
        _CLASSES + _NUMBERS,
        StandardScaler(),
        L2PenaltySelector(),
    ),
    _subset(SampleSubsetTransformer, "transformer", _CLASSES + _NUMBERS, PCA(1)),
    _subset(
        SampleSubsetTransformer,
        "transformer",
        _CLASSES + _NUMBERS,
        Nystroem(gamma=0.1, n_components=4),
    ),
    _subset(SampleSubsetSampler, "sampler", _CLASSES + _NUMBERS, None),
    _subset(SampleSubsetSampler, "sampler", _CLASSES + _NUMBERS, None, L2PenaltySelector()),
    _pruned(PrunedClassifier, _CLASSES, LogisticRegression()),
    _pruned(PrunedClassifier, _CLASSES, DecisionTreeClassifier()),
    _pruned(PrunedClassifier, _CLASSES, RandomForestClassifier(4)),
    _pruned(PrunedClassifier, _CLASSES, GradientBoostingClassifier(n_estimators=4)),
    _pruned(PrunedClassifier, _CLASSES, SVC()),
    _pruned(PrunedClassifier, _CLASSES, KNeighborsClassifier(3)),
    _pruned(PrunedClassifier, _CLASSES, GaussianNB()),
    _pruned(PrunedClassifier, _CLASSES, _MLP),
    _pruned(
        PrunedClassifier, _CLASSES, make_pipeline(StandardScaler(), LogisticRegression())
    ),
    _pruned(PrunedRegressor, _NUMBERS, Ridge()),
    _pruned(PrunedRegressor, _NUMBERS, DecisionTreeRegressor()),
    _pruned(PrunedRegressor, _NUMBERS, RandomForestRegressor(4)),
    _pruned(
        PrunedRegressor,
        _NUMBERS,
        HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=5),
    ),
    _pruned(PrunedRegressor, _NUMBERS, SVR()),
    _pruned(PrunedRegressor, _NUMBERS, KNeighborsRegressor(3)),
    _pruned(PrunedRegressor, _NUMBERS, KernelRidge()),
]


def _variants(subset, pruned, model):
    return {"all": model, "rows": subset(model), "parameters": pruned(model)}


COMPARISONS = [
    (
        "compare_pruning(LogisticRegression)",
        _variants(SampleSubsetClassifier, PrunedClassifier, LogisticRegression()),
        "classification",
    ),
    (
        "compare_pruning(DecisionTreeRegressor)",
        _variants(SampleSubsetRegressor, PrunedRegressor, DecisionTreeRegressor()),
        "regression",
    ),
]
