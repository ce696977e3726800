"""The inner models of the subjects: cheap ones, one of each kind that behaves apart."""

from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import StandardScaler

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
    SampleSubsetTransformer,
)
from sklearn_prune.sample_selection import L2PenaltySelector
from tests.matrix import CLASSIFIERS, REGRESSORS, of

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
_KINDS = {SampleSubsetTransformer: "transformer", SampleSubsetSampler: "sampler"}
_TASKS = ("classification", "regression")


def _subject(outer, *inner):
    """Name, kind, estimator and tasks; `inner` is a model and a selector, if any."""
    name = outer.__name__
    kind = _KINDS.get(outer, "pruned" if name.startswith("Pruned") else "subset")
    tasks = _TASKS[:1] if name.endswith("Classifier") else _TASKS
    tasks = _TASKS[1:] if name.endswith("Regressor") else tasks
    words = [
        f"Pipeline of {type(part[-1]).__name__}"
        if hasattr(part, "steps")
        else type(part).__name__
        for part in inner
    ]
    estimator = outer(*inner, random_state=0)
    return f"{name}({' by '.join(words)})", kind, estimator, tasks


def _around(outer, kinds, *names):
    return [_subject(outer, model) for model in of(kinds, *names)]


PREDICTORS = [
    *_around(SampleSubsetClassifier, CLASSIFIERS, "logistic", "tree"),
    _subject(SampleSubsetClassifier, CLASSIFIERS["pipeline"], L2PenaltySelector()),
    *_around(SampleSubsetRegressor, REGRESSORS, "ridge", "tree"),
    _subject(SampleSubsetTransformer, StandardScaler(), L2PenaltySelector()),
    _subject(SampleSubsetTransformer, PCA(1)),
    _subject(SampleSubsetTransformer, Nystroem(gamma=0.1, n_components=4)),
    _subject(SampleSubsetSampler),
    _subject(SampleSubsetSampler, L2PenaltySelector()),
    *_around(PrunedClassifier, CLASSIFIERS, "logistic", "tree", "forest", "boosting"),
    *_around(PrunedClassifier, CLASSIFIERS, "svc", "neighbors", "bayes", "net", "pipeline"),
    *_around(PrunedRegressor, REGRESSORS, "ridge", "tree", "forest", "hist", "svr"),
    *_around(PrunedRegressor, REGRESSORS, "neighbors", "kernel"),
]


def _variants(subset, pruned, model):
    return {"all": model, "rows": subset(model), "parameters": pruned(model)}


COMPARISONS = [
    (
        "compare_pruning(LogisticRegression)",
        _variants(SampleSubsetClassifier, PrunedClassifier, CLASSIFIERS["logistic"]),
        "classification",
    ),
    (
        "compare_pruning(DecisionTreeRegressor)",
        _variants(SampleSubsetRegressor, PrunedRegressor, REGRESSORS["tree"]),
        "regression",
    ),
]
