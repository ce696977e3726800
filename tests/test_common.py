"""scikit-learn's own checks, on every public estimator, without an expected failure."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklearn_prune
from sklearn_prune import sample_selection
from sklearn_prune.sample_selection import (
    L1PenaltySelector,
    L2PenaltySelector,
    RandomSelector,
)

INNER = {
    "SampleSubsetClassifier": [
        LogisticRegression(),
        DecisionTreeClassifier(),
        KNeighborsClassifier(),
        SVC(),
        RandomForestClassifier(5),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    "SampleSubsetRegressor": [
        Ridge(),
        DecisionTreeRegressor(),
        KNeighborsRegressor(),
        SVR(),
        RandomForestRegressor(5),
        make_pipeline(StandardScaler(), Ridge()),
    ],
    "SampleSubsetTransformer": [
        StandardScaler(),
        PCA(),
        SimpleImputer(),
        SelectKBest(k=1),
        Nystroem(n_components=4),
    ],
}
PRUNED = {
    "PrunedClassifier": [
        DecisionTreeClassifier(),
        RandomForestClassifier(5),
        GradientBoostingClassifier(n_estimators=5),
        HistGradientBoostingClassifier(max_iter=5),
        LogisticRegression(),
        LinearSVC(),
        SGDClassifier(),
        SVC(),
        KNeighborsClassifier(),
        GaussianNB(),
        LinearDiscriminantAnalysis(),
        AdaBoostClassifier(n_estimators=3),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    "PrunedRegressor": [
        DecisionTreeRegressor(),
        RandomForestRegressor(5),
        GradientBoostingRegressor(n_estimators=5),
        HistGradientBoostingRegressor(max_iter=5),
        Ridge(),
        Lasso(alpha=0.01),
        LinearSVR(),
        SVR(),
        KernelRidge(),
        GaussianProcessRegressor(),
        KNeighborsRegressor(),
        AdaBoostRegressor(n_estimators=3),
        make_pipeline(StandardScaler(), Ridge()),
    ],
}
VARIANTS = [RandomSelector("bernoulli"), L2PenaltySelector(loss="logistic")]
FEW = {  # as many models as it takes to rank
    "DataOOBSelector": {"n_estimators": 10},
    "EL2NSelector": {"n_repeats": 1},
    "ForgettingSelector": {"n_repeats": 2},
    "OutlierSelector": {"detector": IsolationForest(n_estimators=10)},
    "RMHCSelector": {"n_iter": 100},
}


def selectors():
    classes = (getattr(sample_selection, name) for name in sample_selection.__all__)
    return [
        cls(**FEW.get(cls.__name__, {}))
        for cls in classes
        if inspect.isclass(cls)
        and issubclass(cls, BaseEstimator)
        and not inspect.isabstract(cls)
    ]


def estimators():
    found = [*selectors(), *VARIANTS]
    for name in sklearn_prune.__all__:
        cls = getattr(sklearn_prune, name)
        if not inspect.isclass(cls) or not issubclass(cls, BaseEstimator):
            continue
        if name in PRUNED:
            found += [cls(inner) for inner in PRUNED[name]]
            found += [cls(inner, keep="auto", cv=2) for inner in PRUNED[name][:1]]
            found += [cls(inner, keep=1.0) for inner in PRUNED[name][:8:2]]
            continue
        if name not in INNER:
            found += [cls(), cls(L2PenaltySelector()), cls(keep=1.0)]
            continue
        found += [cls(inner) for inner in INNER[name]]
        found += [cls(inner, L2PenaltySelector()) for inner in INNER[name][:4]]
        found += [cls(inner, L1PenaltySelector(), keep=0.8) for inner in INNER[name][:2]]
        found += [cls(INNER[name][0], s, keep=1.0) for s in (None, L2PenaltySelector())]
    return found


@parametrize_with_checks(estimators(), xfail_strict=True)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", selectors(), ids=repr)
def test_selectors_check_their_arguments(estimator):
    assert set(estimator._parameter_constraints) == set(estimator.get_params(deep=False))
