"""DROP3 and ICF against their definitions, written out on a full matrix of distances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs, make_classification, make_regression
from sklearn.neighbors import KNeighborsClassifier

from sklearn_prune._space import Space
from sklearn_prune.sample_selection import _drop, _icf
from sklearn_prune.sample_selection._drop import DROP3Selector
from sklearn_prune.sample_selection._icf import ICFSelector


def squared_distances(X):
    points = Space.of(np.asarray(X, dtype=float)).points
    D = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    return np.round(D, 9)


def vote_is_right(y, a, neighbors):
    return len(neighbors) > 0 and np.bincount(y[neighbors]).argmax() == y[a]


def error_of_mean(y, a, neighbors):
    mean = y[neighbors].mean() if len(neighbors) else y.mean()
    return abs(y[a] - mean)


def naive_drop3(X, y, k=3):
    """The kept rows, the removed ones in order, and those that the filter takes."""
    D, n, is_class = squared_distances(X), len(y), y.dtype.kind == "i"
    ranked = [
        np.array([j for j in np.argsort(d, kind="stable") if j != a], dtype=int)
        for a, d in enumerate(D)
    ]
    k_filter = k if is_class else max(k, 9)
    first = [r[:k_filter] for r in ranked]
    if is_class:
        noise = [not vote_is_right(y, a, first[a]) for a in range(n)]
        S = [a for a in range(n) if not noise[a]]
        enemies = y[:, None] != y[None]
    else:
        slack = 1e-9 * y.std()
        error = np.array([error_of_mean(y, a, first[a]) for a in range(n)])
        noise = error > 5 * np.array([y[f].std() for f in first]) + slack
        S = [a for a in range(n) if not noise[a]]
        enemies = np.abs(y[:, None] - y[None]) > 0.5 * y[S].std() + slack
    reach = {p: min((D[p, q] for q in S if enemies[p, q]), default=np.inf) for p in S}
    removed = []
    for p in sorted(S, key=lambda p: (-reach[p], y[p], -p)):
        if len(S) == 1:
            break
        in_S = np.isin(np.arange(n), S)
        with_p = without_p = 0
        for a in range(n):
            near = ranked[a][in_S[ranked[a]]][: k + 1]
            if p not in near:
                continue
            others = near[near != p]
            if is_class:
                with_p += vote_is_right(y, a, near[:k])
                without_p += vote_is_right(y, a, others[:k])
            else:
                with_p -= error_of_mean(y, a, near[:k])
                without_p -= error_of_mean(y, a, others[:k])
        if without_p >= with_p - (0 if is_class else slack):
            S.remove(p)
            removed.append(p)
    return sorted(S), removed, np.flatnonzero(noise)


def assert_equals_naive(selector, X, y, k=3):
    kept, removed, noise = naive_drop3(X, y, k)
    order, size = selector.order_, selector.natural_size_
    assert_array_equal(np.sort(order[:size]), kept)
    assert_array_equal(order[size : size + len(removed)], removed[::-1])
    assert_array_equal(np.sort(order[size + len(removed) :]), noise)
    return kept, removed, noise


def classes(n=300, seed=0):
    return make_classification(
        n, 6, n_informative=4, n_classes=3, flip_y=0.1, random_state=seed
    )


@pytest.mark.parametrize("k", [1, 3, 4])
def test_equals_its_definition_for_classes(k):
    X, y = classes()
    selector = DROP3Selector(k).fit(X, y)
    kept, removed, noise = assert_equals_naive(selector, X, y, k)
    assert min(len(kept), len(removed), len(noise)) > 20


@pytest.mark.parametrize("k", [1, 3, 9])
def test_equals_its_definition_for_numbers(k):
    X, y = make_regression(200, 4, noise=20.0, random_state=0)
    y[:5] += 500
    selector = DROP3Selector(k).fit(X, y)
    kept, removed, _ = assert_equals_naive(selector, X, y, k)
    assert min(len(kept), len(removed)) > 20


def test_equals_its_definition_on_ties():
    X = np.random.RandomState(0).randint(0, 3, (300, 3)).astype(float)
    y = (X.sum(axis=1) + np.random.RandomState(1).randint(0, 2, 300)).astype(int) // 2
    assert_equals_naive(DROP3Selector().fit(X, y), X, y)
    target = y.astype(float)
    selector = DROP3Selector(task="regression").fit(X, target)
    assert_equals_naive(selector, X, target)


def test_long_lists_are_renewed_exactly():
    # Two far clusters: all of the inside goes, and lists run out again and again.
    X, y = make_blobs(300, 2, centers=[[0, 0], [8, 0]], random_state=0)
    _, removed, _ = assert_equals_naive(DROP3Selector(1).fit(X, y), X, y, 1)
    assert len(removed) > 280


def test_scores_order_the_rows():
    X, y = classes()
    selector = DROP3Selector().fit(X, y)
    scores, order = selector.scores_, selector.order_
    assert np.all(np.diff(scores[order]) <= 0)
    assert np.all(scores[order[: selector.natural_size_]] >= 2)
    assert np.all(scores[order[selector.natural_size_ :]] < 2)
    neighbors = KNeighborsClassifier(3).fit(Space.of(X).points, y)
    near = neighbors.kneighbors(return_distance=False)
    noise = scores < 1
    assert_allclose(scores[noise], (y[near] == y[:, None]).mean(axis=1)[noise])


def test_one_class_keeps_two_rows_that_have_each_other():
    X = np.random.RandomState(0).randn(80, 3)
    selector = DROP3Selector().fit(X, np.zeros(80, dtype=int))
    assert selector.natural_size_ == 2
    assert_equals_naive(selector, X, np.zeros(80, dtype=int))


def test_constant_targets_keep_one_row():
    X = np.random.RandomState(0).randn(80, 3)
    selector = DROP3Selector(task="regression").fit(X, np.full(80, 1e3 + 0.1))
    assert selector.natural_size_ == 1


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_equal_rows(task):
    y = np.arange(2000) % 2
    selector = DROP3Selector(task=task).fit(np.ones((2000, 2)), y)
    assert_array_equal(np.sort(selector.order_), np.arange(2000))
    small = DROP3Selector(task=task).fit(np.ones((60, 2)), y[:60])
    y = y[:60] if task == "classification" else y[:60].astype(float)
    assert_equals_naive(small, np.ones((60, 2)), y)


def test_class_of_one_row_is_noise():
    X, y = make_blobs(50, 2, centers=2, random_state=0)
    y[7] = 2
    drop, icf = DROP3Selector().fit(X, y), ICFSelector().fit(X, y)
    assert drop.order_[-1] == icf.order_[-1] == 7
    assert_equals_naive(drop, X, y)
    assert_equals_naive_icf(icf, squared_distances(X), y)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_more_neighbors_than_rows(n):
    X, y = np.arange(n)[:, None] * 1.0, np.zeros(n, dtype=int)
    assert DROP3Selector(10).fit(X, y).natural_size_ == min(n, 2)
    X, y = np.array([[0.0], [0.1], [5.0], [5.1], [5.2]])[:n], np.array([0, 0, 1, 1, 1])[:n]
    selector = DROP3Selector(10).fit(X, y)
    assert_array_equal(np.sort(selector.order_), np.arange(n))
    if n > 1:
        assert_equals_naive(selector, X, y, min(10, n - 1))


@pytest.mark.parametrize("selector", [DROP3Selector(), ICFSelector()])
def test_two_rows_of_two_classes_are_both_noise(selector):
    assert selector.fit([[0.0], [1.0]], [0, 1]).natural_size_ == 0


def test_threads_and_gower():
    X, y = classes(2500)
    one = DROP3Selector(metric="gower", n_jobs=1).fit(X, y)
    two = DROP3Selector(metric="gower", n_jobs=2).fit(X, y)
    assert_array_equal(one.order_, two.order_)


def naive_gower(X, y):
    X = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    return np.abs(X[:, None] - X[None]).mean(axis=-1)


def test_equals_its_definition_with_gower(monkeypatch):
    X, y = classes(200)
    selector = DROP3Selector(metric="gower").fit(X, y)
    monkeypatch.setitem(
        globals(), "squared_distances", lambda X: naive_gower(X, y).round(10)
    )
    assert_equals_naive(selector, X, y)


@pytest.mark.rest  # pynndescent compiles
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_approximation_keeps_nearly_the_same_rows(task, monkeypatch):
    X, y = make_blobs(2000, 4, centers=6, cluster_std=3.0, random_state=0)
    y = y % 3 if task == "classification" else X[:, 0] ** 2 + X[:, 1]
    exact = DROP3Selector(task=task).fit(X, y)
    monkeypatch.setattr(_drop, "EXACT_UP_TO", 100)
    rough = DROP3Selector(task=task).fit(X, y)
    again = DROP3Selector(task=task, n_jobs=2).fit(X, y)
    assert_array_equal(again.order_, rough.order_)
    assert abs(rough.natural_size_ - exact.natural_size_) < 0.05 * exact.natural_size_
    kept = exact.order_[: exact.natural_size_]
    both = np.intersect1d(kept, rough.order_[: rough.natural_size_])
    assert len(both) > 0.85 * len(kept)


@pytest.mark.rest  # pynndescent compiles
def test_approximation_finds_enemies_across_a_gap(monkeypatch):
    X, y = make_blobs(500, 2, centers=[[0, 0], [40, 0], [0, 60]], random_state=0)
    monkeypatch.setattr(_drop, "EXACT_UP_TO", 100)
    space = Space.of(X)
    near = np.argsort(squared_distances(X) + np.diag(np.full(500, np.inf)), axis=1)[:, :32]
    scanner = _drop.Scanner(space, False, None)
    alive = np.ones(500, dtype=bool)
    near = near.astype(np.int32)
    _, distances = _drop.nearest_enemies(scanner, near, y.astype(float), 0.5, alive)
    D = np.where(y[:, None] != y, squared_distances(X), np.inf).min(axis=1)
    assert np.mean(np.isclose(distances, D)) > 0.9
    assert np.all(distances >= D - 1e-8)


@pytest.mark.parametrize(
    ("selector", "most", "loss"), [(DROP3Selector(), 250, 0.03), (ICFSelector(), 400, 0.05)]
)
def test_keeps_what_a_neighbour_classifier_needs(selector, most, loss):
    X, y = make_blobs(1500, 5, centers=5, cluster_std=2.5, random_state=3)
    selector.fit(X[:1000], y[:1000])
    kept = selector.order_[: selector.natural_size_]
    whole = KNeighborsClassifier(3).fit(X[:1000], y[:1000]).score(X[1000:], y[1000:])
    few = KNeighborsClassifier(3).fit(X[kept], y[kept]).score(X[1000:], y[1000:])
    assert len(kept) < most
    assert few > whole - loss


def test_refuses_unknown_metric():
    with pytest.raises(ValueError, match="metric"):
        DROP3Selector(metric="minkowski").fit([[0.0], [1.0]], [0, 1])


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


def assert_equals_naive_icf(selector, D, y, k=3):
    gone = naive_icf(D, y, k)
    order, size = selector.order_, selector.natural_size_
    assert_array_equal(np.sort(order[:size]), np.flatnonzero(gone == -1))
    later = gone[order[size:]]
    assert np.all(np.diff(later) <= 0)
    assert_array_equal(np.floor(selector.scores_[gone >= 0]), gone[gone >= 0])
    return gone


@pytest.mark.parametrize("k", [1, 3, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_icf_equals_its_definition(k, seed):
    X, y = classes(300, seed)
    gone = assert_equals_naive_icf(ICFSelector(k).fit(X, y), squared_distances(X), y, k)
    assert gone.max() >= 3
    assert min(np.sum(gone == -1), np.sum(gone == 0), np.sum(gone > 0)) > 20


def test_equals_its_definition_where_rows_reach_many():
    X, y = make_blobs(300, 2, centers=[[0, 0], [9, 0]], random_state=0)
    assert_equals_naive_icf(ICFSelector().fit(X, y), squared_distances(X), y)


def test_icf_equals_its_definition_on_ties():
    X = np.random.RandomState(0).randint(0, 4, (300, 3)).astype(float)
    y = (X.sum(axis=1) + np.random.RandomState(1).randint(0, 2, 300)).astype(int) // 3
    assert_equals_naive_icf(ICFSelector().fit(X, y), squared_distances(X), y)


def test_icf_equals_its_definition_with_gower():
    X, y = classes(200)
    scaled = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    D = np.abs(scaled[:, None] - scaled[None]).mean(axis=-1).round(10)
    assert_equals_naive_icf(ICFSelector(metric="gower").fit(X, y), D, y)


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


def test_icf_equal_rows():
    X, y = np.ones((60, 2)), np.arange(60) % 2
    selector = ICFSelector().fit(X, y)
    assert_equals_naive_icf(selector, squared_distances(X), y)
    assert_array_equal(
        np.sort(ICFSelector().fit(np.ones((3000, 2)), np.arange(3000) % 2).order_),
        np.arange(3000),
    )


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_icf_more_neighbors_than_rows(n):
    X, y = np.array([[0.0], [0.1], [5.0], [5.1], [5.2]])[:n], np.array([0, 0, 1, 1, 1])[:n]
    selector = ICFSelector(10).fit(X, y)
    assert_array_equal(np.sort(selector.order_), np.arange(n))
    assert_equals_naive_icf(selector, squared_distances(X), y, 10)


def test_threads_make_no_difference():
    X, y = classes(5000)
    one, two = ICFSelector(n_jobs=1).fit(X, y), ICFSelector(n_jobs=2).fit(X, y)
    assert_array_equal(one.scores_, two.scores_)


@pytest.mark.rest  # pynndescent compiles
@pytest.mark.parametrize("pairs", [10**9, 10**5])
def test_icf_approximation_keeps_nearly_the_same_rows(pairs, monkeypatch):
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


@pytest.mark.rest  # pynndescent compiles
@pytest.mark.parametrize("pairs", [10**9, 10])
def test_approximation_keeps_classes_without_a_border(pairs, monkeypatch):
    X, y = make_blobs(300, 2, centers=[[0, 0], [90, 0], [0, 90]], random_state=0)
    monkeypatch.setattr(_icf, "EXACT_UP_TO", 100)
    monkeypatch.setattr(_icf, "PAIRS", pairs)
    assert ICFSelector().fit(X, y).natural_size_ == 300


def test_refuses_numbers():
    with pytest.raises(ValueError, match=r"Got a regression target\. Write DROP3Selector"):
        ICFSelector().fit(np.arange(50.0)[:, None], np.linspace(0, 1, 50))
