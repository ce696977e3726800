"""Predictors inherit nothing of scikit-learn, and work wherever it takes estimators."""

import inspect
import pickle
from functools import cache

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.persistence import load, save
from tests.estimators import sk

SCALED = sk.StandardScaler()
CLASSIFIERS = {
    "forest": sk.RandomForestClassifier(5, random_state=0),
    "linear": sk.LogisticRegression(),
    "machine": sk.SVC(),
    "net": sk.MLPClassifier((4,), solver="lbfgs", random_state=0),
    "pipeline": make_pipeline(sk.StandardScaler(), sk.LogisticRegression()),
    "features": sk.LogisticRegression(),
}
REGRESSORS = {"forest": sk.RandomForestRegressor(5, random_state=0), "linear": sk.Ridge()}


@cache
def rows(task):
    X, y = (load_breast_cancer if task == "classes" else load_diabetes)(return_X_y=True)
    return SCALED.fit_transform(X[:150, :8]), y[:150]


@cache
def fitted(task, name):
    X, y = rows(task)
    wrapper, models = PrunedClassifier, CLASSIFIERS
    if task == "numbers":
        wrapper, models = PrunedRegressor, REGRESSORS
    unit = "feature" if name == "features" else "auto"
    model = wrapper(models[name], keep=0.7, unit=unit, random_state=0)
    return model.fit(X, y).compact_


@pytest.fixture(params=[False, True], ids=["plain", "routing"])
def routing(request):
    with config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture(params=["as it is", "loaded"])
def arrived(request, tmp_path):
    """How the predictor came here."""

    def arrive(compact):
        if request.param == "loaded":
            pytest.importorskip("skops")
            save(compact, tmp_path / "model.skops")
            return load(tmp_path / "model.skops")
        return compact

    return arrive


@pytest.fixture(params=CLASSIFIERS)
def classifier(request, arrived, routing):
    return arrived(fitted("classes", request.param))


@pytest.fixture(params=REGRESSORS)
def regressor(request, arrived, routing):
    return arrived(fitted("numbers", request.param))


def check_estimator_protocol(model, X, y):
    assert not isinstance(model, BaseEstimator)
    check_is_fitted(model)
    assert clone(model) is model
    assert model.get_params() == {}
    assert model.set_params() is model
    with pytest.raises(ValueError, match="no parameters"):
        model.set_params(keep=1.0)
    with pytest.raises(TypeError, match=r"Write FrozenEstimator\(model\)"):
        model.fit(X, y)
    assert repr(model) == f"{type(model).__name__}()"
    assert type(model).__name__ in model._repr_html_()
    assert type(model).__name__ in repr(sk.FrozenEstimator(model))
    assert type(model).__name__ in sk.FrozenEstimator(model)._repr_html_()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    folds = cross_val_predict(sk.FrozenEstimator(model), X, y, cv=3)
    np.testing.assert_allclose(folds, model.predict(X))


def test_protocol_of_classifiers(classifier):
    X, y = rows("classes")
    check_estimator_protocol(classifier, X, y)
    assert is_classifier(classifier)
    assert not is_regressor(classifier)
    tags = get_tags(classifier)
    assert tags.classifier_tags is not None
    assert tags.regressor_tags is None
    assert classifier.score(X, y) == np.mean(classifier.predict(X) == y)
    weights = np.arange(len(y)) + 1.0
    share = np.average(classifier.predict(X) == y, weights=weights)
    assert classifier.score(X, y, sample_weight=weights) == pytest.approx(share)


def test_protocol_of_regressors(regressor):
    X, y = rows("numbers")
    check_estimator_protocol(regressor, X, y)
    assert is_regressor(regressor)
    assert not is_classifier(regressor)
    assert get_tags(regressor).regressor_tags is not None
    assert not hasattr(regressor, "predict_proba")
    assert regressor.score(X, y) == get_scorer("r2")(regressor, X, y)
    assert np.all(cross_val_score(sk.FrozenEstimator(regressor), X, y, cv=3) <= 1)


def test_scorers(classifier):
    X, y = rows("classes")
    for name in ("accuracy", "roc_auc", "neg_log_loss"):
        if name != "neg_log_loss" or hasattr(classifier, "predict_proba"):
            score = get_scorer(name)(classifier, X, y)
            assert np.isfinite(score)
            assert np.isfinite(
                cross_val_score(sk.FrozenEstimator(classifier), X, y, cv=3, scoring=name)
            ).all()


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibration(classifier, method):
    X, y = rows("classes")
    frozen = sk.FrozenEstimator(classifier)
    calibrated = sk.CalibratedClassifierCV(frozen, method=method, cv=3).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1.0)
    assert calibrated.score(X, y) > 0.8


def test_thresholds(classifier):
    X, y = rows("classes")
    frozen = sk.FrozenEstimator(classifier)
    fixed = sk.FixedThresholdClassifier(frozen, threshold=-1e9).fit(X, y)
    np.testing.assert_array_equal(fixed.predict(X), 1)
    tuned = sk.TunedThresholdClassifierCV(frozen, cv="prefit", refit=False).fit(X, y)
    assert tuned.score(X, y) > 0.8


def test_ensembles_of_classifiers(classifier):
    X, y = rows("classes")
    frozen = sk.FrozenEstimator(classifier)
    vote = sk.VotingClassifier([("one", frozen), ("two", frozen)]).fit(X, y)
    np.testing.assert_array_equal(vote.predict(X), classifier.predict(X))
    stack = sk.StackingClassifier([("one", classifier)], cv="prefit").fit(X, y)
    assert stack.score(X, y) > 0.8
    same = sk.StandardScaler(with_mean=False, with_std=False)
    pipeline = make_pipeline(same, frozen).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict(X), classifier.predict(X))


def test_ensembles_of_regressors(regressor):
    X, y = rows("numbers")
    frozen = sk.FrozenEstimator(regressor)
    vote = sk.VotingRegressor([("one", frozen), ("two", frozen)]).fit(X, y)
    np.testing.assert_allclose(vote.predict(X), regressor.predict(X))
    stack = sk.StackingRegressor([("one", regressor)], cv="prefit").fit(X, y)
    assert stack.score(X, y) > 0.3


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_inspection(task, arrived, routing):
    X, y = rows(task)
    model = arrived(fitted(task, "forest"))
    found = permutation_importance(model, X, y, n_repeats=2, random_state=0)
    assert found.importances_mean.max() > 0
    average = partial_dependence(model, X, [0], grid_resolution=5)["average"]
    assert average.shape == (1, 5)


def test_conditional_methods_are_those_of_the_model():
    machine, forest = fitted("classes", "machine"), fitted("classes", "forest")
    assert hasattr(machine, "decision_function")
    assert not hasattr(machine, "predict_proba")
    with pytest.raises(AttributeError, match="predict_proba"):
        machine.predict_proba
    assert hasattr(type(machine), "predict_proba")
    assert inspect.getdoc(type(machine).predict_proba).startswith("Class probabilities")
    assert not hasattr(forest, "decision_function")
