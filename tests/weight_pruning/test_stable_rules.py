"""Stable rules: few, the same again, and as good as they say."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_friedman1
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_prune import StableRulesClassifier, StableRulesRegressor
from sklearn_prune.inspection import rules
from sklearn_prune.persistence import load, save


@parametrize_with_checks(
    [StableRulesClassifier(4, random_state=0), StableRulesRegressor(4, random_state=0)]
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("max_depth", [1, 2])
def test_rules_are_few_and_short(max_depth):
    X, y = load_breast_cancer(return_X_y=True)
    model = StableRulesClassifier(10, max_depth=max_depth, random_state=0).fit(X, y)
    read = rules(model, X, y).to_read()
    assert read["n_rules"] == 10
    assert read["longest_rule"] <= max_depth
    assert model.score(X, y) > 0.93
    assert model.feature_importances_.shape == (30,)


def test_several_classes_and_numbers(tmp_path):
    X, y = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    model = StableRulesClassifier(8, random_state=0).fit(X, labels)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert model.score(X, labels) > 0.93
    scores = rules(model, X, labels).scores(X)
    np.testing.assert_allclose(model.decision_function(X), scores, atol=1e-12)
    save(model, tmp_path / "rules.skprune")
    saved = load(tmp_path / "rules.skprune")
    np.testing.assert_array_equal(saved.predict(X), model.predict(X))
    X, y = make_friedman1(400, random_state=0)
    regressor = StableRulesRegressor(24, random_state=0).fit(X[:200], y[:200])
    assert regressor.score(X[200:], y[200:]) > 0.7
    assert set(np.argsort(regressor.feature_importances_)[-4:]) <= {0, 1, 3, 4, 2}


def test_depth_two_finds_an_interaction():
    rng = np.random.default_rng(0)
    X = rng.random((600, 4))
    y = (X[:, 0] > 0.5) ^ (X[:, 1] > 0.3)
    shallow, deep = (
        StableRulesClassifier(6, max_depth=depth, random_state=0).fit(X[:400], y[:400])
        for depth in (1, 2)
    )
    assert deep.score(X[400:], y[400:]) > 0.95
    first = rules(deep, X, y).texts()
    assert any("x0" in text and "x1" in text for text in first)
    proba = [each.predict_proba(X[400:])[:, 1] for each in (shallow, deep)]
    errors = [np.mean((each - y[400:]) ** 2) for each in proba]
    assert errors[1] < errors[0] / 2


def test_halves_agree_more_than_trees_do():
    X, y = load_diabetes(return_X_y=True)
    y = y > 140
    labels = {"stable": [], "tree": []}
    for seed in range(3):
        half, _, target, _ = train_test_split(
            X, y, train_size=0.5, stratify=y, random_state=seed
        )
        model = StableRulesClassifier(8, random_state=seed).fit(half, target)
        labels["stable"].append(model.predict(X))
        tree = DecisionTreeClassifier(random_state=seed).fit(half, target)
        labels["tree"].append(tree.predict(X))
    churn = {
        name: np.mean([np.mean(a != b) for a in found for b in found])
        for name, found in labels.items()
    }
    assert churn["stable"] < churn["tree"]


def test_frames_missing_values_and_weights():
    pandas = pytest.importorskip("pandas")
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X.iloc[:, :5].copy()
    X.iloc[::7, 0] = np.nan
    X["kind"] = pandas.Categorical(np.where(y == 1, "low", "high"))
    X.loc[X.index[::9], "kind"] = "low"
    model = StableRulesClassifier(5, random_state=0).fit(X, y)
    assert model.feature_names_in_.tolist() == list(X.columns)
    assert any("kind is" in text for text in rules(model, X, y).texts())
    assert model.score(X, y) > 0.9
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    plain = model.predict_proba(X)[:, 0].mean()
    weights = np.where(y == 0, 30.0, 1.0)
    groups = np.arange(len(y)) // 4
    model.fit(X, y, sample_weight=weights, groups=groups)
    assert model.predict_proba(X)[:, 0].mean() > plain
    with pytest.raises(ValueError, match="kind"):
        model.predict(X.drop(columns="kind"))


def test_metadata_routing():
    X, y = load_diabetes(return_X_y=True)
    weights = np.random.default_rng(0).random(len(y))
    model = StableRulesRegressor(4, random_state=0)
    expected = clone(model).fit(X, y, sample_weight=weights).predict(X)
    with sklearn.config_context(enable_metadata_routing=True):
        requested = clone(model).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(), requested)
        found = pipeline.fit(X, y, sample_weight=weights).predict(X)
    np.testing.assert_allclose(found, expected)


def test_same_seed_and_arguments():
    X, y = load_iris(return_X_y=True)
    model = StableRulesClassifier(5, random_state=0)
    first = model.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), first)
    for params in ({"n_rules": 1}, {"n_rules": 0.5}, {"max_depth": 0}):
        with pytest.raises(ValueError, match=next(iter(params))):
            StableRulesClassifier(**params).fit(X, y)
    with pytest.raises(NotFittedError):
        StableRulesClassifier().predict(X)
