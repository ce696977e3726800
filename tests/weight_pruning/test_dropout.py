"""Dropout while refitting: which models take it, alone and inside containers."""

from unittest import mock

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetClassifier
from sklearn_prune._sklearn_compat import InvalidParameterError
from tests.estimators import sk

REFUSING = [
    sk.SVC(),
    sk.SVR(),
    sk.KernelRidge(),
    sk.GaussianProcessClassifier(),
    sk.GaussianProcessRegressor(),
    sk.KNeighborsClassifier(),
    sk.KNeighborsRegressor(),
    sk.HistGradientBoostingClassifier(),
    sk.GradientBoostingRegressor(),
    sk.GaussianNB(),
    sk.LinearDiscriminantAnalysis(),
    sk.QuadraticDiscriminantAnalysis(),
    sk.AdaBoostClassifier(),
    sk.LinearSVC(multi_class="crammer_singer"),
]
AROUND_SVC = [
    make_pipeline(sk.StandardScaler(), sk.SVC()),
    SampleSubsetClassifier(sk.SVC()),
    sk.GridSearchCV(sk.SVC(), {"C": [1, 2]}),
    sk.OneVsRestClassifier(sk.SVC()),
    sk.MultiOutputClassifier(sk.SVC()),
    sk.BaggingClassifier(sk.SVC()),
    sk.CalibratedClassifierCV(sk.SVC()),
    sk.FixedThresholdClassifier(sk.SVC()),
    sk.VotingClassifier([("linear", sk.LogisticRegression()), ("machine", sk.SVC())]),
    sk.StackingClassifier([("linear", sk.LogisticRegression()), ("machine", sk.SVC())]),
    sk.OneVsRestClassifier(
        make_pipeline(sk.StandardScaler(), sk.VotingClassifier([("m", sk.SVC())]))
    ),
    sk.Pipeline([("last", sk.FrozenEstimator(sk.SVC().fit([[0.0], [1.0]], [0, 1])))]),
]


def forest():
    return sk.RandomForestClassifier(5, max_depth=4, random_state=0)


def logistic():
    return sk.LogisticRegression(max_iter=1000)


def net():
    return sk.MLPClassifier((20,), max_iter=100, random_state=0)


def named(model):
    return type(model).__name__


def assert_raises_before_any_fit(model, name, **arguments):
    kind = PrunedClassifier if is_classifier(model) else PrunedRegressor
    X, y = load_iris(return_X_y=True)
    with (
        mock.patch.object(type(model), "fit", side_effect=AssertionError) as fit,
        pytest.raises(InvalidParameterError, match=rf"{name}.*Write dropout=0\.0"),
    ):
        kind(model, dropout=0.2, **arguments).fit(X, y)
    assert not fit.called


@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize("model", REFUSING, ids=named)
def test_other_models_raise(model, keep):
    assert_raises_before_any_fit(model, rf"dropout=0\.2.*{named(model)}", keep=keep)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosting_libraries_raise(library):
    module = pytest.importorskip(library)
    name = {"lightgbm": "LGBMRegressor", "xgboost": "XGBRegressor"}[library]
    assert_raises_before_any_fit(getattr(module, name)(), name)


@pytest.mark.parametrize("model", [sk.Ridge(), forest(), net()], ids=named)
def test_features_raise(model):
    assert_raises_before_any_fit(
        model, f'{named(model)} and unit="feature"', unit="feature"
    )


@pytest.mark.parametrize("container", AROUND_SVC, ids=named)
def test_containers_raise_for_a_member(container):
    assert_raises_before_any_fit(container, "SVC")


def test_a_search_that_finds_another_model_raises():
    X, y = load_iris(return_X_y=True)
    pipeline = sk.Pipeline([("model", sk.LogisticRegression(max_iter=500))])
    search = sk.GridSearchCV(pipeline, {"model": [sk.SVC()]}, cv=2)
    with pytest.raises(InvalidParameterError, match="SVC"):
        PrunedClassifier(search, dropout=0.2).fit(X, y)


TAKING = [
    logistic(),
    sk.SGDClassifier(loss="log_loss", random_state=0),
    sk.LinearSVC(),
    sk.DecisionTreeClassifier(max_depth=4, random_state=0),
    forest(),
    sk.BaggingClassifier(n_estimators=5, random_state=0),
    net(),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize("model", TAKING, ids=named)
def test_dropout_changes_the_refit(model, keep):
    X, y = load_iris(return_X_y=True)
    X = sk.StandardScaler().fit_transform(X)
    plain, dropped, again = (
        PrunedClassifier(model, keep=keep, dropout=dropout, cv=2, random_state=0).fit(X, y)
        for dropout in (0.0, 0.3, 0.3)
    )
    method = "predict_proba" if hasattr(plain, "predict_proba") else "decision_function"
    found = [getattr(own, method)(X) for own in (plain, dropped, again)]
    assert not np.allclose(found[0], found[1])
    assert np.array_equal(found[1], found[2])
    assert dropped.score(X, y) > 0.75


CONTAINERS = {
    "pipeline": lambda: make_pipeline(sk.StandardScaler(), forest()),
    "subset": lambda: SampleSubsetClassifier(forest()),
    "search": lambda: sk.GridSearchCV(forest(), {"max_depth": [3, 4]}, cv=2),
    "elimination": lambda: sk.RFE(forest(), n_features_to_select=3),
    "one-vs-rest": lambda: sk.OneVsRestClassifier(forest()),
    "one-vs-one": lambda: sk.OneVsOneClassifier(forest()),
    "codes": lambda: sk.OutputCodeClassifier(forest(), random_state=0),
    "voting": lambda: sk.VotingClassifier(
        [("forest", forest()), ("linear", logistic())], voting="soft"
    ),
    "stacking": lambda: sk.StackingClassifier(
        [("forest", forest()), ("linear", logistic())], cv=2
    ),
    "bagging": lambda: sk.BaggingClassifier(logistic(), 3, random_state=0),
    "calibrated": lambda: sk.CalibratedClassifierCV(forest(), cv=2),
    "calibrated-once": lambda: sk.CalibratedClassifierCV(forest(), cv=2, ensemble=False),
    "nested": lambda: sk.OneVsRestClassifier(make_pipeline(sk.StandardScaler(), forest())),
    "frozen": lambda: sk.FrozenEstimator(forest().fit(*load_iris(return_X_y=True))),
}


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize("name", CONTAINERS)
def test_dropout_reaches_what_is_inside(name, keep):
    X, y = load_iris(return_X_y=True)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(CONTAINERS[name](), **settings).fit(X, y)
    assert plain.dropout == 0.0
    dropped = [
        PrunedClassifier(CONTAINERS[name](), dropout=0.3, n_jobs=n_jobs, **settings).fit(
            X, y
        )
        for n_jobs in (1, 2)
    ]
    method = next(m for m in ("predict_proba", "decision_function", "predict")
                  if hasattr(plain, m))  # fmt: skip
    found = [getattr(model, method)(X) for model in (plain, *dropped)]
    assert np.array_equal(found[1], found[2])
    assert method == "predict" or not np.allclose(found[0], found[1])
    assert dropped[0].score(X, y) > plain.score(X, y) - 0.1


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize(
    "container",
    [
        lambda model: sk.FixedThresholdClassifier(model, threshold=0.4),
        lambda model: sk.SelfTrainingClassifier(model),
    ],
)
def test_containers_of_two_classes(container, keep):
    X, y = load_iris(return_X_y=True)
    y = (y == 1).astype(int)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(container(forest()), **settings).fit(X, y)
    dropped = PrunedClassifier(container(forest()), dropout=0.3, **settings).fit(X, y)
    assert not np.allclose(plain.predict_proba(X), dropped.predict_proba(X))


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize("container", [sk.MultiOutputClassifier, sk.ClassifierChain])
def test_containers_of_several_class_outputs(container, keep):
    X, y = load_iris(return_X_y=True)
    Y = np.stack([y == 1, X[:, 0] > 6], axis=1).astype(int)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(container(forest()), **settings).fit(X, Y)
    dropped = PrunedClassifier(container(forest()), dropout=0.3, **settings).fit(X, Y)
    first, other = (np.array(model.predict_proba(X)) for model in (plain, dropped))
    assert first.shape == other.shape
    assert not np.allclose(first, other)


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize(
    "container", [sk.MultiOutputRegressor, sk.RegressorChain, sk.TransformedTargetRegressor]
)
def test_containers_of_regressors(container, keep):
    X, y = load_diabetes(return_X_y=True)
    y = y if container is sk.TransformedTargetRegressor else np.stack([y, X[:, 2]], axis=1)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    model = container(sk.RandomForestRegressor(5, max_depth=4, random_state=0))
    plain = PrunedRegressor(model, **settings).fit(X, y).predict(X)
    found = PrunedRegressor(model, dropout=0.3, **settings).fit(X, y).predict(X)
    assert found.shape == plain.shape
    assert not np.allclose(found, plain)


def test_calibrators_learn_from_members_with_dropout():
    X, y = load_iris(return_X_y=True)
    model = sk.CalibratedClassifierCV(forest(), cv=2)
    first, other = (
        PrunedClassifier(model, keep=1.0, dropout=dropout, random_state=0).fit(X, y)
        for dropout in (0.0, 0.4)
    )
    assert not np.allclose(first.compact_.curves_, other.compact_.curves_)
