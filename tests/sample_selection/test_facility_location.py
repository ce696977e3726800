import numpy as np
import pytest

from sklearn_prune.sample_selection import _facility_location
from sklearn_prune.sample_selection._facility_location import FacilityLocationSelector


def similarities(Z):
    squared = ((Z[:, None] - Z) ** 2).sum(axis=-1)
    apart = np.where(squared > 1e-12, squared, np.inf).min(axis=1)
    return np.exp(-squared / (4 * np.median(apart)))


def naive_order(similarity, weights=None):
    covered = np.zeros(len(similarity))
    weights = np.ones(len(similarity)) if weights is None else weights
    order = []
    while len(order) < len(similarity):
        gains = np.maximum(similarity - covered, 0) @ weights
        gains[order] = -1
        order.append(np.flatnonzero(gains >= gains.max() - 1e-11)[0])
        covered = np.maximum(covered, similarity[order[-1]])
    return np.array(order)


def standardized(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.fixture
def cloud():
    return np.random.default_rng(0).standard_t(4, size=(300, 4))


def test_order_is_the_naive_greedy_one(cloud):
    order = FacilityLocationSelector().fit(cloud).order_
    assert np.array_equal(order, naive_order(similarities(standardized(cloud))))


def test_ties_go_by_position():
    X = np.random.default_rng(0).integers(0, 3, size=(150, 3)).astype(float)
    order = FacilityLocationSelector().fit(X).order_
    assert np.array_equal(order, naive_order(similarities(standardized(X))))
    equal = FacilityLocationSelector().fit(np.ones((20, 2))).order_
    assert np.array_equal(equal, np.arange(20))


def test_weights_are_those_of_the_represented_rows(cloud):
    weights = np.random.default_rng(1).integers(1, 9, 300) * 1.0
    order = FacilityLocationSelector().fit(cloud, sample_weight=weights).order_
    similarity = similarities(standardized(cloud))
    assert np.array_equal(order, naive_order(similarity, weights))
    weights[::2] = 0
    order = FacilityLocationSelector().fit(cloud, sample_weight=weights).order_
    counted = np.flatnonzero(weights)
    similarity = similarities(standardized(cloud)[counted])
    assert np.array_equal(order[:150], counted[naive_order(similarity, weights[counted])])
    assert np.array_equal(order[150:], np.flatnonzero(weights == 0))


@pytest.mark.parametrize("most_pairs", [2000, 5000, 20_000])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_few_pairs_at_once_are_enough(cloud, monkeypatch, most_pairs, n_jobs):
    X = np.round(cloud, 1)
    expected = FacilityLocationSelector().fit(X).order_
    monkeypatch.setattr(_facility_location, "MOST_PAIRS", most_pairs)
    order = FacilityLocationSelector(n_jobs=n_jobs).fit(X).order_
    assert np.array_equal(order, expected)
    equal = FacilityLocationSelector().fit(np.full((300, 2), 1 / 3)).order_
    assert np.array_equal(equal, np.arange(300))


@pytest.mark.parametrize("most_pairs", [100, 5_000_000])
def test_gower(monkeypatch, most_pairs):
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=(80, 2)), rng.integers(0, 2, 80)]
    X[::9, 1] = np.nan
    monkeypatch.setattr(_facility_location, "MOST_PAIRS", most_pairs)
    order = FacilityLocationSelector(metric="gower").fit(X).order_
    scaled = X / (np.nanmax(X, axis=0) - np.nanmin(X, axis=0))
    gap = np.abs(scaled[:, None] - scaled)
    missing = np.isnan(scaled)
    gap[missing[:, None] & missing] = 0
    distance = np.nan_to_num(gap, nan=1.0).mean(axis=-1)
    nearest = np.where(distance > 0, distance, np.inf).min(axis=1)
    expected = naive_order(np.exp(-distance / (4 * np.median(nearest))))
    assert np.array_equal(order, expected)


def test_cosine(cloud):
    unit = cloud / np.linalg.norm(cloud, axis=1, keepdims=True)
    order = FacilityLocationSelector(metric="cosine").fit(cloud).order_
    assert np.array_equal(order, naive_order(similarities(unit)))


def test_each_class_is_covered_for_itself(X, y):
    Z = standardized(X)
    order = FacilityLocationSelector().fit(X, y).order_
    for label in range(3):
        rows = np.flatnonzero(y == label)
        expected = rows[naive_order(similarities(Z[rows]))]
        assert np.array_equal(order[y[order] == label], expected)


@pytest.mark.parametrize("metric", ["seuclidean", "euclidean", "gower"])
def test_regression_covers_the_target(metric):
    X = np.repeat(np.arange(3.0), 20)[:, None] * [1.0, -2.0]
    y = 100 + np.tile(np.repeat([0.0, 9.0], 10), 3)
    selector = FacilityLocationSelector(metric=metric, task="regression")
    first = selector.fit(X, y).order_[:6]
    assert set(first) == {0, 10, 20, 30, 40, 50}
    assert set(selector.fit(X).order_[:6]) != set(first)


@pytest.mark.parametrize("X", [np.zeros((1, 2)), np.array([[0.0], [1.0]])])
def test_one_and_two_rows(X):
    assert FacilityLocationSelector().fit(X).order_.tolist() == list(range(len(X)))
