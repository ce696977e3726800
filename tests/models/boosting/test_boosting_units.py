"""Boosted trees while they are pruned: orders, penalties, rounds, weights, rounding."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.models.boosting.family import BoostingFamily
from sklearn_prune.models.boosting.iterations import margins_of
from sklearn_prune.models.boosting.refit import penalised_path
from sklearn_prune.weight_pruning import (
    IterativeSchedule,
    PenaltyCriterion,
)
from sklearn_prune.weight_pruning._context import PruningContext


def classes(n_classes, *, n=300):
    X, y = make_classification(
        n, 5, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0
    )
    return X, np.array(["red", "green", "blue"])[y]


def numbers(*, n=400):
    return make_friedman1(n, noise=1.0, random_state=0)


SCHEMES = ("int8", "float16", "codebook")


@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_quantized_leaves_are_close_and_thresholds_exact(scheme, keep):
    X, y = classes(2, n=600)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    exact = PrunedClassifier(model, keep=keep, cv=2, random_state=0).fit(X, y)
    small = clone(exact).set_params(quantize=scheme).fit(X, y)
    for name in ("nodes", "node_start", "leaf_start"):
        np.testing.assert_array_equal(
            getattr(small.compact_.trees_, name), getattr(exact.compact_.trees_, name)
        )
    largest = np.abs(exact.compact_.trees_.leaf_values()).max()
    moved = small.compact_.trees_.leaf_values() - exact.compact_.trees_.leaf_values()
    assert np.abs(moved).max() <= largest / 100
    scores = small.decision_function(X)
    assert 0 < np.abs(scores - exact.decision_function(X)).max() < 0.2 or keep < 1
    assert np.mean(small.predict(X) == exact.predict(X)) > 0.99
    table = 4 * 256 if scheme == "codebook" else 0
    limit = len(pickle.dumps(exact.compact_)) + 200 + table
    assert len(pickle.dumps(small.compact_)) <= limit
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(small.compact_)).decision_function(X[:3]), scores[:3]
    )


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 20.0}, "balanced"])
def test_class_weights_count_in_the_refit(class_weight):
    X, y = classes(2)
    rare = np.flatnonzero((y == "red") & (np.arange(len(y)) % 5 == 0))
    rows = np.sort(np.concatenate([np.flatnonzero(y == "green"), rare]))
    X, y = X[rows], y[rows]
    model = HistGradientBoostingClassifier(max_iter=5, class_weight=class_weight)
    family, context = BoostingFamily(), PruningContext(model.fit(X, y), X, y)
    weights = family.training_rows(family.start(model, context), context).row_weights
    counts = np.sum(y == "green") / np.sum(y == "red")
    ratio = counts if class_weight == "balanced" else 20.0
    light = weights[y == "green"][0]
    np.testing.assert_allclose(weights, np.where(y == "red", ratio, 1.0) * light)
    pruned = PrunedClassifier(model, unit="node", keep=0.2, random_state=0).fit(X, y)
    plain = clone(pruned).set_params(estimator__class_weight=None).fit(X, y)
    assert np.mean(pruned.predict(X) == "red") > np.mean(plain.predict(X) == "red")


@pytest.mark.parametrize("unit", ["auto", "node", "iteration"])
def test_rows_without_weight_do_not_count(unit):
    X, y = classes(2)
    counts = np.arange(len(y)) < 200
    junk = y.copy()
    junk[~counts] = y[0]
    model = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    found = []
    for labels in (y, junk):
        pruned = PrunedClassifier(model, unit=unit, keep=0.5, cv=2, random_state=0)
        pruned.fit(X, labels, sample_weight=counts.astype(float))
        found.append(pruned.score(X[counts], y[counts]))
    assert min(found) > 0.85


@pytest.mark.parametrize("unit", ["auto", "node", "iteration"])
def test_rounds_meet_the_size_and_change_the_model(unit):
    X, y = numbers(n=800)
    model = HistGradientBoostingRegressor(max_iter=30, random_state=0)
    at_once = PrunedRegressor(model, unit=unit, keep=0.2, cv=2, random_state=0).fit(X, y)
    rounds = clone(at_once).set_params(schedule=IterativeSchedule(3)).fit(X, y)
    limit = 0.2 if unit == "auto" else 1.0
    after, before = rounds.report_.after, rounds.report_.before
    assert after["parameters"] <= limit * before["parameters"]
    if unit == "auto":
        assert after["parameters"] >= 0.8 * limit * before["parameters"]
    else:
        assert len(rounds.kept_) == len(at_once.kept_)
    assert not np.array_equal(rounds.predict(X), at_once.predict(X))
    assert rounds.score(X, y) > 0.7


def test_each_measure_orders_the_iterations_in_its_own_way():
    X, y = classes(3)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
    X_numbers, y_numbers = numbers()
    regressor = HistGradientBoostingRegressor(max_iter=20, random_state=0)
    regressor.fit(X_numbers, y_numbers)
    family = BoostingFamily()
    for fitted, rows, target in ((model, X, y), (regressor, X_numbers, y_numbers)):
        context = PruningContext(fitted, rows, target, seed=0)
        work = family.start(fitted, context)
        orders = {
            tuple(family.contributions(work, "iteration", measure, context).order)
            for measure in ("reduced_error", "complementarity", "margin")
        }
        assert len(orders) == 3
        assert all(sorted(order) == list(range(20)) for order in orders)


def test_greedy_order_takes_the_iteration_that_leaves_least():
    X, y = numbers(n=200)
    model = GradientBoostingRegressor(n_estimators=6, random_state=0).fit(X, y)
    family, context = BoostingFamily(), PruningContext(model, X, y)
    work = family.start(model, context)
    rows = family.training_rows(work, context)
    wanted = rows.target[0] - work.model.start[0]
    left = []
    for leaves in rows.leaves:
        found = np.zeros(len(wanted))
        for leaf in np.unique(leaves):
            inside = leaves == leaf
            found[inside] = wanted[inside].sum() / (inside.sum() + 10)
        left.append(np.sum((wanted - found) ** 2))
    order = family.contributions(work, "iteration", "reduced_error", context).order
    assert order[0] == np.argmin(left)


def test_margins():
    scores = np.array([[1.0, 0.0], [3.0, 2.0], [2.0, 5.0]])
    np.testing.assert_array_equal(margins_of(scores, np.array([1.0, 0.0])), [1.0, -5.0])
    np.testing.assert_array_equal(margins_of(scores[:1], np.array([1.0, 0.0])), [1.0, 0.0])


def test_an_l1_penalty_empties_leaves_and_an_l2_penalty_shrinks_them():
    X, y = numbers(n=300)
    model = GradientBoostingRegressor(n_estimators=10, random_state=0).fit(X, y)
    family, context = BoostingFamily(), PruningContext(model, X, y)
    work = family.start(model, context)
    rows = family.training_rows(work, context)
    reached = np.unique(rows.leaves)
    own = work.model.trees.value[reached]
    lasso = penalised_path(work.model, rows, "l1").value[reached]
    ridge = penalised_path(work.model, rows, "l2").value[reached]
    assert np.count_nonzero(lasso) < 0.9 * len(lasso)
    assert np.count_nonzero(ridge) == len(ridge)
    assert np.sum(ridge**2) < np.sum(own**2)


def test_a_penalised_tree_has_its_optimum():
    X, y = numbers(n=200)
    model = GradientBoostingRegressor(n_estimators=1, learning_rate=1.0).fit(X, y)
    family, context = BoostingFamily(), PruningContext(model, X, y)
    work = family.start(model, context)
    rows = family.training_rows(work, context)
    leaves, sizes = np.unique(rows.leaves, return_counts=True)
    own = work.model.trees.value[leaves]
    path = penalised_path(work.model, rows, "l2")
    np.testing.assert_allclose(path.value[leaves], own * sizes / (sizes + path.ridge))
    path = penalised_path(work.model, rows, "l1")
    expected = np.sign(own) * np.maximum(np.abs(own) - path.lasso / sizes, 0)
    np.testing.assert_allclose(path.value[leaves], expected)


def test_enough_judged_rows_end_the_folds(monkeypatch):
    X, y = numbers(n=300)
    seen = []
    own = BoostingFamily._fold_scores

    def counted(self, shares, requests, context, train, test):
        seen.append(len(test))
        return own(self, shares, requests, context, train, test)

    monkeypatch.setattr(BoostingFamily, "_fold_scores", counted)
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    pruned = PrunedRegressor(model, keep="auto", cv=3, random_state=0).fit(X, y)
    assert seen == [100, 100, 100]
    assert min(entry["keep"] for entry in pruned.report_.path) == 0.02
    monkeypatch.setattr("sklearn_prune.models.boosting.family.ENOUGH_JUDGED", 101)
    clone(pruned).fit(X, y)
    assert seen[3:] == [100, 100]


@pytest.mark.parametrize("unit", ["node", "iteration"])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_a_constant_target_is_no_trouble(unit, penalty):
    X, _ = numbers(n=100)
    y = np.ones(len(X))
    for model in (
        GradientBoostingRegressor(n_estimators=3),
        HistGradientBoostingRegressor(max_iter=3),
    ):
        criterion = PenaltyCriterion(penalty)
        pruned = PrunedRegressor(model, criterion, unit=unit, keep=0.5).fit(X, y)
        np.testing.assert_allclose(pruned.predict(X), 1.0)
