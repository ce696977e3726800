"""ONNX graphs of trees: thresholds between floats, missing values, sets of categories."""

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import PrunedClassifier, PrunedRegressor
from tests.persistence.onnx_session import assert_same

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6))
X[::7, 2] = np.nan
y = (np.nan_to_num(X[:, 2]) + X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
OLD = {"": 17, "ai.onnx.ml": 3}


def at_thresholds(model, X):
    """Rows with values at thresholds, and one float to each side, in single precision."""
    rows = X[:60].copy()
    thresholds = {}
    for tree in model.estimators_:
        tree = getattr(tree, "tree_", tree)
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                thresholds.setdefault(feature, []).append(threshold)
    for feature, values in thresholds.items():
        values = np.resize(values, len(rows)).astype(np.float32)
        rows[:20, feature] = values[:20]
        rows[20:40, feature] = np.nextafter(values[20:40], np.float32(np.inf))
        rows[40:, feature] = np.nextafter(values[40:], np.float32(-np.inf))
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target_opset", [None, OLD])
def test_rows_on_the_thresholds(dtype, target_opset):
    whole = np.nan_to_num(X)
    forest = RandomForestClassifier(10, random_state=0).fit(whole, y)
    rows = at_thresholds(forest, whole)
    model = PrunedClassifier(forest, keep=1.0).fit(whole, y)
    assert_same(model, rows.astype(dtype), target_opset=target_opset)
    assert_same(model, X[:50, :].astype(dtype) * 0 + 1e-42, target_opset=target_opset)


@pytest.mark.parametrize("target_opset", [None, OLD])
@pytest.mark.parametrize(
    "inner",
    [
        RandomForestClassifier(5, random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
        DecisionTreeClassifier(random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_missing_values_go_their_way(inner, target_opset):
    model = PrunedClassifier(inner, keep=0.8, random_state=0).fit(X[:200], y[:200])
    rows = X[200:].copy()
    rows[::3, 0] = np.nan
    for precise in (rows, rows.astype(np.float32)):
        assert_same(model, precise, target_opset=target_opset)


@pytest.mark.parametrize("target_opset", [None, OLD])
def test_sets_of_categories(target_opset):
    rows = X.copy()
    rows[:, 0], rows[:, 1] = np.arange(300) % 11, np.arange(300) % 4
    rows[::9, 1] = np.nan
    target = np.isin(rows[:, 0], [2, 3, 7]) + (rows[:, 1] == 2) + 0.1
    model = HistGradientBoostingRegressor(
        max_iter=5, min_samples_leaf=5, categorical_features=[0, 1]
    )
    model = PrunedRegressor(model, keep=0.9).fit(rows[:200], target[:200])
    assert (model.compact_.trees_.to_arrays().category >= 0).any()
    asked = rows[200:].copy()
    asked[:5, 0] = [np.nan, 10.0, 30.0, 254.0, 5.0]
    assert_same(model, asked, tolerance=1e-12, target_opset=target_opset)


@pytest.mark.parametrize("target_opset", [None, OLD])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_stumps_and_trees_without_a_split(n_classes, target_opset):
    whole, labels = np.nan_to_num(X), y % n_classes
    for inner in (
        GradientBoostingClassifier(n_estimators=4, max_depth=1, random_state=0),
        GradientBoostingClassifier(n_estimators=3, max_leaf_nodes=2, min_samples_split=400),
        DecisionTreeClassifier(max_depth=1),
    ):
        model = PrunedClassifier(inner, keep=1.0).fit(whole, labels)
        assert_same(model, whole, tolerance=1e-12, target_opset=target_opset)
    constant = DecisionTreeRegressor().fit(whole, np.full(300, 4.0))
    assert_same(constant, whole, tolerance=0, target_opset=target_opset)


@pytest.mark.parametrize("n_classes", [2, 40])
def test_ties_between_classes_go_as_in_predict(n_classes):
    labels = RNG.integers(n_classes, size=300)
    whole = np.nan_to_num(X)
    for keep in (1.0, 0.5):
        forest = RandomForestClassifier(6, min_samples_leaf=3, random_state=0)
        model = PrunedClassifier(forest, keep=keep, random_state=0).fit(whole, labels)
        assert_same(model, whole + RNG.normal(size=X.shape), tolerance=1e-12)


def test_many_trees_of_many_outputs_are_summed_in_parts():
    labels = RNG.normal(size=(300, 300))
    forest = RandomForestRegressor(9, max_depth=3, random_state=0)
    whole = np.nan_to_num(X)
    assert_same(forest.fit(whole, labels), whole, tolerance=1e-12)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_other_libraries(library, n_classes):
    pytest.importorskip(library)
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        inner = LGBMClassifier(n_estimators=4, min_child_samples=5, verbose=-1, n_jobs=1)
    else:
        from xgboost import XGBClassifier

        inner = XGBClassifier(n_estimators=4, n_jobs=1)
    labels = y % n_classes
    rows = X.copy()
    rows[::5, 4] = 0.0
    for keep in (0.8, 1.0):
        model = PrunedClassifier(inner, keep=keep, random_state=0)
        model.fit(rows[:200], labels[:200])
        tolerance = 1e-12 if library == "lightgbm" else 1e-6
        assert_same(model, rows[200:], tolerance=tolerance)
        assert_same(model, rows[200:].astype(np.float32))


def test_regressors_of_other_libraries():
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    target = np.exp(np.nan_to_num(X[:, 2]))
    for objective in ("poisson", "regression_l1", "huber"):
        inner = lightgbm.LGBMRegressor(
            n_estimators=4, verbose=-1, n_jobs=1, objective=objective
        )
        model = PrunedRegressor(inner, keep=0.8).fit(X, target)
        assert_same(model, X, tolerance=1e-12)
    model = PrunedRegressor(xgboost.XGBRegressor(n_estimators=4, n_jobs=1), keep=0.8).fit(
        X, target
    )
    assert_same(model, X, tolerance=1e-6)
