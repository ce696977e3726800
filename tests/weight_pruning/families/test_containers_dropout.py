"""Dropout of what is inside of containers."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetClassifier


def forest():
    return RandomForestClassifier(5, max_depth=4, random_state=0)


CONTAINERS = {
    "pipeline": lambda: make_pipeline(StandardScaler(), forest()),
    "subset": lambda: SampleSubsetClassifier(forest()),
    "search": lambda: GridSearchCV(forest(), {"max_depth": [3, 4]}, cv=2),
    "elimination": lambda: RFE(forest(), n_features_to_select=3),
    "one-vs-rest": lambda: OneVsRestClassifier(forest()),
    "one-vs-one": lambda: OneVsOneClassifier(forest()),
    "codes": lambda: OutputCodeClassifier(forest(), random_state=0),
    "voting": lambda: VotingClassifier(
        [("forest", forest()), ("bayes", GaussianNB())], voting="soft"
    ),
    "stacking": lambda: StackingClassifier(
        [("forest", forest()), ("bayes", GaussianNB())], cv=2
    ),
    "bagging": lambda: BaggingClassifier(MultinomialNB(), 3, random_state=0),
    "calibrated": lambda: CalibratedClassifierCV(forest(), cv=2),
    "calibrated-once": lambda: CalibratedClassifierCV(forest(), cv=2, ensemble=False),
    "nested": lambda: OneVsRestClassifier(make_pipeline(StandardScaler(), forest())),
    "frozen": lambda: FrozenEstimator(forest().fit(*load_iris(return_X_y=True))),
}


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize("name", CONTAINERS)
def test_dropout_reaches_what_is_inside(name, keep):
    X, y = load_iris(return_X_y=True)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(CONTAINERS[name](), **settings).fit(X, y)
    zero = PrunedClassifier(CONTAINERS[name](), dropout=0.0, **settings).fit(X, y)
    silenced = [
        PrunedClassifier(CONTAINERS[name](), dropout=0.3, n_jobs=n_jobs, **settings).fit(
            X, y
        )
        for n_jobs in (1, 2)
    ]
    method = next(m for m in ("predict_proba", "decision_function", "predict")
                  if hasattr(plain, m))  # fmt: skip
    found = [getattr(model, method)(X) for model in (plain, zero, *silenced)]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[2], found[3])
    assert method == "predict" or not np.allclose(found[0], found[2])
    assert silenced[0].score(X, y) > plain.score(X, y) - 0.1


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize(
    "container",
    [
        lambda model: FixedThresholdClassifier(model, threshold=0.4),
        lambda model: SelfTrainingClassifier(model),
    ],
)
def test_containers_of_two_classes(container, keep):
    X, y = load_iris(return_X_y=True)
    y = (y == 1).astype(int)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(container(forest()), **settings).fit(X, y)
    silenced = PrunedClassifier(container(forest()), dropout=0.3, **settings).fit(X, y)
    assert not np.allclose(plain.predict_proba(X), silenced.predict_proba(X))


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize("container", [MultiOutputClassifier, ClassifierChain])
def test_containers_of_several_class_outputs(container, keep):
    X, y = load_iris(return_X_y=True)
    Y = np.stack([y == 1, X[:, 0] > 6], axis=1).astype(int)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(container(forest()), **settings).fit(X, Y)
    silenced = PrunedClassifier(container(forest()), dropout=0.3, **settings).fit(X, Y)
    first, other = (np.array(model.predict_proba(X)) for model in (plain, silenced))
    assert first.shape == other.shape
    assert not np.allclose(first, other)


@pytest.mark.parametrize("keep", [1.0, 0.4])
@pytest.mark.parametrize(
    "container", [MultiOutputRegressor, RegressorChain, TransformedTargetRegressor]
)
def test_containers_of_regressors(container, keep):
    X, y = load_diabetes(return_X_y=True)
    y = y if container is TransformedTargetRegressor else np.stack([y, X[:, 2]], axis=1)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    model = container(RandomForestRegressor(5, max_depth=4, random_state=0))
    plain = PrunedRegressor(model, **settings).fit(X, y).predict(X)
    found = PrunedRegressor(model, dropout=0.3, **settings).fit(X, y).predict(X)
    assert found.shape == plain.shape
    assert not np.allclose(found, plain)


def test_calibrators_learn_from_members_with_dropout():
    X, y = load_iris(return_X_y=True)
    model = CalibratedClassifierCV(forest(), cv=2)
    first, other = (
        PrunedClassifier(model, keep=1.0, dropout=dropout, random_state=0).fit(X, y)
        for dropout in (0.0, 0.4)
    )
    assert not np.allclose(first.compact_.curves_, other.compact_.curves_)
