import numpy as np
import pytest

from sklearn_prune.sample_selection._k_center import KCenterSelector


def naive_order(points):
    squared = ((points[:, None] - points) ** 2).sum(axis=-1)
    order = [np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1))]
    while len(order) < len(points):
        gap = squared[order].min(axis=0)
        gap[order] = -1
        order.append(np.argmax(gap))
    return np.array(order)


def test_without_guard_it_is_the_naive_order():
    X = np.random.default_rng(0).normal(size=(300, 4)) * [1, 10, 100, 1000]
    order = KCenterSelector(guard=0).fit(X).order_
    assert np.array_equal(order, naive_order((X - X.mean(axis=0)) / X.std(axis=0)))


def test_each_class_is_covered_for_itself(X, y):
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    order = KCenterSelector(guard=0).fit(X, y).order_
    for label in range(3):
        rows = np.flatnonzero(y == label)
        assert np.array_equal(order[y[order] == label], rows[naive_order(Z[rows])])


def test_any_two_rows_of_a_prefix_are_as_far_apart_as_the_worst_covered_row():
    X = np.random.default_rng(1).uniform(size=(300, 2))
    order = KCenterSelector(guard=0).fit(X).order_
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    distances = np.sqrt(((Z[:, None] - Z) ** 2).sum(axis=-1))
    for k in (5, 20, 80):
        radius = distances[order[:k]].min(axis=0).max()
        within = distances[np.ix_(order[:k], order[:k])] + np.diag(np.full(k, np.inf))
        assert within.min() >= radius


@pytest.mark.parametrize(("guard", "first"), [(0, True), (0.05, False)])
def test_guard_puts_outliers_last(guard, first):
    X = np.random.default_rng(0).normal(size=(100, 2))
    X[[3, 50, 71]] = [[40, 0], [0, 40], [-40, 40]]
    order = KCenterSelector(guard=guard).fit(X).order_
    where = order[1:4] if first else order[-5:]
    assert {3, 50, 71} <= set(where)


def test_rows_of_no_weight_come_last(X, y):
    weights = np.ones(len(y))
    weights[::4] = 0
    order = KCenterSelector().fit(X, y, sample_weight=weights).order_
    assert np.array_equal(order[180:], np.arange(0, 240, 4))
    assert sorted(order) == list(range(240))


def test_guard_is_checked(classes):
    with pytest.raises(ValueError, match="'guard' parameter of KCenterSelector must be"):
        KCenterSelector(guard=1.0).fit(*classes)
