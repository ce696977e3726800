"""Iterative case filtering against its definition on a full matrix of distances."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_blobs, make_classification
from sklearn.neighbors import KNeighborsClassifier

from sklearn_prune._space import Space
from sklearn_prune.sample_selection import _icf
from sklearn_prune.sample_selection._icf import ICFSelector


def squared_distances(X):
    points = Space.of(np.asarray(X, dtype=float)).points
    return np.round(((points[:, None] - points[None]) ** 2).sum(axis=-1), 9)


def naive_icf(D, y, k=3):
    """The round in which each row goes: 0 in the filter, -1 never."""
    n = len(y)
    gone = np.full(n, -1)
    for i in range(n):
        order = [j for j in np.argsort(D[i], kind="stable") if j != i][:k]
        if n > 1 and np.bincount(y[order]).argmax() != y[i]:
            gone[i] = 0
    turn = 0
    while True:
        turn += 1
        S = [i for i in range(n) if gone[i] == -1]
        reachable = {}
        for i in S:
            enemy = min((D[i, j] for j in S if y[j] != y[i]), default=np.inf)
            reachable[i] = {j for j in S if D[i, j] < enemy}
        coverage = {i: {j for j in S if i in reachable[j]} for i in S}
        flagged = [i for i in S if len(reachable[i]) > len(coverage[i])]
        if not flagged:
            return gone
        gone[flagged] = turn


def assert_equals_naive(selector, D, y, k=3):
    gone = naive_icf(D, y, k)
    order, size = selector.order_, selector.natural_size_
    assert_array_equal(np.sort(order[:size]), np.flatnonzero(gone == -1))
    later = gone[order[size:]]
    assert np.all(np.diff(later) <= 0)
    assert_array_equal(np.floor(selector.scores_[gone >= 0]), gone[gone >= 0])
    return gone


def classes(n=300, seed=0):
    return make_classification(
        n, 6, n_informative=4, n_classes=3, flip_y=0.1, random_state=seed
    )


@pytest.mark.parametrize("k", [1, 3, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_its_definition(k, seed):
    X, y = classes(300, seed)
    gone = assert_equals_naive(ICFSelector(k).fit(X, y), squared_distances(X), y, k)
    assert gone.max() >= 3
    assert min(np.sum(gone == -1), np.sum(gone == 0), np.sum(gone > 0)) > 20


def test_equals_its_definition_where_rows_reach_many():
    X, y = make_blobs(300, 2, centers=[[0, 0], [9, 0]], random_state=0)
    assert_equals_naive(ICFSelector().fit(X, y), squared_distances(X), y)


def test_equals_its_definition_on_ties():
    X = np.random.RandomState(0).randint(0, 4, (300, 3)).astype(float)
    y = (X.sum(axis=1) + np.random.RandomState(1).randint(0, 2, 300)).astype(int) // 3
    assert_equals_naive(ICFSelector().fit(X, y), squared_distances(X), y)


def test_equals_its_definition_with_gower():
    X, y = classes(200)
    scaled = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    D = np.abs(scaled[:, None] - scaled[None]).mean(axis=-1).round(10)
    assert_equals_naive(ICFSelector(metric="gower").fit(X, y), D, y)


@pytest.mark.parametrize("seed", range(3))
def test_no_class_that_survives_the_filter_vanishes(seed):
    X, y = classes(200, seed)
    selector = ICFSelector().fit(X, y)
    filtered = y[selector.scores_ >= 1]
    kept = y[selector.order_[: selector.natural_size_]]
    assert_array_equal(np.unique(kept), np.unique(filtered))


def test_one_class_keeps_all():
    X = np.random.RandomState(0).randn(50, 3)
    assert ICFSelector().fit(X, np.zeros(50)).natural_size_ == 50


def test_equal_rows():
    X, y = np.ones((60, 2)), np.arange(60) % 2
    selector = ICFSelector().fit(X, y)
    assert_equals_naive(selector, squared_distances(X), y)
    assert_array_equal(
        np.sort(ICFSelector().fit(np.ones((3000, 2)), np.arange(3000) % 2).order_),
        np.arange(3000),
    )


def test_class_of_one_row_is_noise():
    X, y = make_blobs(50, 2, centers=2, random_state=0)
    y[7] = 2
    selector = ICFSelector().fit(X, y)
    assert selector.order_[-1] == 7
    assert_equals_naive(selector, squared_distances(X), y)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_more_neighbors_than_rows(n):
    X, y = np.array([[0.0], [0.1], [5.0], [5.1], [5.2]])[:n], np.array([0, 0, 1, 1, 1])[:n]
    selector = ICFSelector(10).fit(X, y)
    assert_array_equal(np.sort(selector.order_), np.arange(n))
    assert_equals_naive(selector, squared_distances(X), y, 10)


def test_two_rows_of_two_classes_are_both_noise():
    assert ICFSelector().fit([[0.0], [1.0]], [0, 1]).natural_size_ == 0


def test_threads_make_no_difference():
    X, y = classes(5000)
    one, two = ICFSelector(n_jobs=1).fit(X, y), ICFSelector(n_jobs=2).fit(X, y)
    assert_array_equal(one.scores_, two.scores_)


@pytest.mark.parametrize("pairs", [10**9, 10**5])
def test_approximation_keeps_nearly_the_same_rows(pairs, monkeypatch):
    X, y = make_blobs(
        2000, 6, centers=20, center_box=(-5, 5), cluster_std=2, random_state=0
    )
    y = y % 10
    exact = ICFSelector().fit(X, y)
    monkeypatch.setattr(_icf, "EXACT_UP_TO", 100)
    monkeypatch.setattr(_icf, "PAIRS", pairs)
    rough = ICFSelector().fit(X, y)
    again = ICFSelector(n_jobs=2).fit(X, y)
    assert_array_equal(again.order_, rough.order_)
    assert abs(rough.natural_size_ - exact.natural_size_) < 0.1 * exact.natural_size_
    kept = exact.order_[: exact.natural_size_]
    both = np.intersect1d(kept, rough.order_[: rough.natural_size_])
    assert len(both) > 0.8 * len(kept)


@pytest.mark.parametrize("pairs", [10**9, 10])
def test_approximation_keeps_classes_without_a_border(pairs, monkeypatch):
    X, y = make_blobs(300, 2, centers=[[0, 0], [90, 0], [0, 90]], random_state=0)
    monkeypatch.setattr(_icf, "EXACT_UP_TO", 100)
    monkeypatch.setattr(_icf, "PAIRS", pairs)
    assert ICFSelector().fit(X, y).natural_size_ == 300


def test_keeps_what_a_neighbour_classifier_needs():
    X, y = make_blobs(1500, 5, centers=5, cluster_std=2.5, random_state=3)
    selector = ICFSelector().fit(X[:1000], y[:1000])
    kept = selector.order_[: selector.natural_size_]
    whole = KNeighborsClassifier(3).fit(X[:1000], y[:1000]).score(X[1000:], y[1000:])
    few = KNeighborsClassifier(3).fit(X[kept], y[kept]).score(X[1000:], y[1000:])
    assert len(kept) < 400
    assert few > whole - 0.05


def test_refuses_numbers():
    with pytest.raises(ValueError, match=r"Got a regression target\. Write DROP3Selector"):
        ICFSelector().fit(np.arange(50.0)[:, None], np.linspace(0, 1, 50))
