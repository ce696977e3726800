import numpy as np
import pytest
from scipy.stats import mode
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_wine,
    make_classification,
)
from sklearn.preprocessing import StandardScaler

from sklearn_prune import _graph
from sklearn_prune._graph import NeighborGraph, neighbor_graph
from sklearn_prune.sample_selection import _edited, _editing
from sklearn_prune.sample_selection._edited import AllKNNSelector, ENNSelector, RENNSelector
from sklearn_prune.sample_selection._editing import CountedNeighbors, unsettled_rows

ALL = [ENNSelector, RENNSelector, AllKNNSelector]
each = pytest.mark.parametrize("make", ALL)


def noisy(n=300, n_classes=3, seed=0):
    return make_classification(
        n_samples=n,
        n_features=6,
        n_informative=4,
        n_classes=n_classes,
        n_clusters_per_class=1,
        flip_y=0.3,
        random_state=seed,
    )


def kept(selector):
    return np.sort(selector.order_[: selector.natural_size_])


def one_round(Z, y, rows, k, kind):
    """Positions left of `rows`, from a full matrix of their distances."""
    D = np.linalg.norm(Z[rows, None] - Z[None, rows], axis=2)
    np.fill_diagonal(D, np.inf)
    k = min(k, len(rows) - 1)
    labels = y[rows][np.argsort(D, axis=1, kind="stable")[:, :k]]
    if kind == "all":
        return rows[(labels == y[rows][:, None]).all(axis=1)]
    return rows[mode(labels, axis=1).mode == y[rows]] if k else rows


def one_regression_round(Z, y, rows, k, alpha):
    D = np.linalg.norm(Z[rows, None] - Z[None, rows], axis=2)
    np.fill_diagonal(D, np.inf)
    targets = y[rows][np.argsort(D, axis=1, kind="stable")[:, :k]]
    deviations = targets.std(axis=1)
    limits = alpha * np.maximum(deviations, 0.1 * deviations.mean())
    return rows[np.abs(y[rows] - targets.mean(axis=1)) <= limits]


@pytest.mark.parametrize("kind", ["all", "mode"])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_enn_equals_imbalanced_learn(kind, k):
    under_sampling = pytest.importorskip("imblearn.under_sampling")
    for X, y in (load_wine(return_X_y=True), load_breast_cancer(return_X_y=True), noisy()):
        peer = under_sampling.EditedNearestNeighbours(
            sampling_strategy="all", n_neighbors=k, kind_sel=kind
        )
        peer.fit_resample(StandardScaler().fit_transform(X), y)
        ours = ENNSelector(k, kind_sel=kind).fit(X, y)
        assert np.array_equal(kept(ours), np.sort(peer.sample_indices_))
        assert 0 < ours.natural_size_ < len(y)


@pytest.mark.parametrize("kind", ["all", "mode"])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("k", [3, 10])
def test_repetitions_equal_full_searches_among_the_survivors(kind, n_classes, k):
    X, y = noisy(n_classes=n_classes)
    Z = StandardScaler().fit_transform(X)
    rounds = [np.arange(300)]
    while len(rounds) < 2 or len(rounds[-1]) < len(rounds[-2]):
        rounds.append(one_round(Z, y, rounds[-1], k, kind))
    renn = RENNSelector(k, kind_sel=kind).fit(X, y)
    assert np.array_equal(kept(renn), rounds[-1])
    twice = RENNSelector(k, kind_sel=kind, max_iter=2).fit(X, y)
    assert np.array_equal(kept(twice), rounds[min(2, len(rounds) - 1)])
    outlived = sum(np.isin(np.arange(300), left) for left in rounds[1:])
    assert np.array_equal(
        np.floor(renn.scores_)[outlived == 0], np.zeros(300)[outlived == 0]
    )
    assert (np.diff(outlived[renn.order_]) <= 0).all()

    left = np.arange(300)
    for size in range(1, k + 1):
        left = one_round(Z, y, left, size, kind)
    assert np.array_equal(kept(AllKNNSelector(k, kind_sel=kind).fit(X, y)), left)


def test_lists_that_run_out_are_searched_again(monkeypatch):
    # Random labels, and lists of three: nearly every list runs out.
    monkeypatch.setattr(_edited, "DEPTH", 3)
    monkeypatch.setattr(_graph, "SMALLEST_K", 3)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), rng.integers(0, 2, 300)
    left, before = np.arange(300), 301
    while len(left) < before:
        before = len(left)
        left = one_round(StandardScaler().fit_transform(X), y, left, 3, "mode")
    for n_jobs in (1, 2):
        renn = RENNSelector(kind_sel="mode", n_jobs=n_jobs).fit(X, y)
        assert np.array_equal(kept(renn), left)


@pytest.mark.parametrize("alpha", [1.5, 5.0])
def test_regression_equals_full_searches(alpha):
    X, y = load_diabetes(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    options = {"alpha": alpha, "task": "regression"}
    first = one_regression_round(Z, y, np.arange(len(y)), 4, alpha)
    enn = ENNSelector(4, **options).fit(X, y)
    assert np.array_equal(kept(enn), first)
    assert np.array_equal(kept(enn), np.flatnonzero(enn.scores_ >= -alpha))
    left, before = first, len(y)
    while len(left) < before:
        before = len(left)
        left = one_regression_round(Z, y, left, 4, alpha)
    renn = RENNSelector(4, **options).fit(X, y)
    assert np.array_equal(kept(renn), left)
    left = np.arange(len(y))
    for size in (2, 3, 4):
        left = one_regression_round(Z, y, left, size, alpha)
    assert np.array_equal(kept(AllKNNSelector(4, **options).fit(X, y)), left)
    larger = ENNSelector(4, **options).fit(X, 1000 * y - 7)
    np.testing.assert_allclose(larger.scores_, enn.scores_, rtol=1e-9)


def test_regression_where_neighbors_do_not_vary():
    X = np.arange(40.0)[:, None]
    y = np.ones(40)
    for make in ALL:
        assert make(task="regression").fit(X, y * 0.1).natural_size_ == 40
    y[20] = 9.0
    enn = ENNSelector(3, task="regression").fit(X, y)
    assert enn.order_[-1] == 20
    assert np.array_equal(kept(enn), np.delete(np.arange(40), 20))
    # One neighbour has no deviation: that of y, 1.25, takes its place.
    alone = ENNSelector(1, task="regression").fit(X, y)
    assert alone.scores_[20] == pytest.approx(-8 / y.std())


def test_scores_of_one_round_are_shares():
    X, y = noisy()
    Z = StandardScaler().fit_transform(X)
    D = np.linalg.norm(Z[:, None] - Z, axis=2)
    np.fill_diagonal(D, np.inf)
    shares = (y[np.argsort(D, axis=1)[:, :5]] == y[:, None]).mean(axis=1)
    enn = ENNSelector(5).fit(X, y)
    np.testing.assert_allclose(enn.scores_, shares)
    assert np.array_equal(enn.order_, np.argsort(-shares, kind="stable"))


@each
def test_more_neighbors_than_rows(make):
    X, y = noisy(20)
    selector = make(50).fit(X, y)
    assert sorted(selector.order_) == list(range(20))
    if make is not AllKNNSelector:
        assert kept(selector).size == 0  # all others are neighbours, and not all agree
    assert make(50).fit(X[:1], y[:1]).natural_size_ == 1
    assert make(1, task="classification").fit([[0.0], [1.0]], [0, 1]).natural_size_ == 0
    assert make().fit(X, np.zeros(20, dtype=int)).natural_size_ == 20


@each
def test_duplicates_and_a_class_of_one(make):
    X, y = np.zeros((50, 2)), np.repeat([0, 1], [49, 1])
    selector = make(kind_sel="mode").fit(X, y)
    assert np.array_equal(kept(selector), np.arange(49))


def test_mode_ties_go_to_the_smallest_label():
    X, y = np.array([[0.0], [1.0], [2.2]]), np.array(["a", "b", "a"])
    # Row 0 sees b and a, row 1 sees a and a, row 2 sees b and a.
    assert np.array_equal(kept(ENNSelector(2, kind_sel="mode").fit(X, y)), [0, 2])
    y = np.array(["b", "a", "b"])
    assert kept(ENNSelector(2, kind_sel="mode").fit(X, y)).size == 0


@each
def test_rows_of_zero_weight_are_no_neighbors(make):
    X, y = noisy()
    X = StandardScaler().fit_transform(X)
    weights = np.ones(300)
    weights[::3] = 0
    counted = np.flatnonzero(weights)
    # Cosine does not depend on the columns of other rows.
    whole = make(metric="cosine").fit(X, y, sample_weight=weights)
    part = make(metric="cosine").fit(X[counted], y[counted])
    np.testing.assert_array_equal(whole.scores_[counted], part.scores_)
    assert np.array_equal(np.intersect1d(kept(whole), counted), counted[kept(part)])


@each
def test_gower_reads_categories_and_missing_values(make):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    frame = pd.DataFrame(
        {
            "number": np.where(rng.random(80) < 0.1, np.nan, y + 0.2 * rng.normal(size=80)),
            "category": np.where(y == 0, "a", "b"),
        }
    )
    y[5] = 1 - y[5]
    selector = make(metric="gower").fit(frame, y)
    assert 5 not in kept(selector)
    assert selector.natural_size_ > 60


@pytest.mark.rest  # pynndescent compiles
def test_an_approximate_graph_is_looked_at_again(monkeypatch):
    X, y = noisy(400)
    exact = neighbor_graph(X, 32)
    # The nearest neighbour of each row was missed.
    wrong = NeighborGraph(exact.indices[:, 1:], exact.distances[:, 1:], exact=False)
    monkeypatch.setattr(_editing, "SECOND_LOOK", 1.0)
    selector = ENNSelector()
    monkeypatch.setattr(selector, "_neighbors", lambda X, k, context: wrong, raising=False)
    selector.fit(X, y)
    full = ENNSelector().fit(X, y)
    better = (selector.scores_ == full.scores_).mean()
    monkeypatch.setattr(_editing, "SECOND_LOOK", 0.0)
    selector.fit(X, y)
    assert (selector.scores_ == full.scores_).mean() < 0.75 < 0.88 < better


def test_unsettled_rows_are_those_of_the_smallest_margin():
    # Row i is contradicted by its neighbour at place i only.
    y = np.arange(10)
    indices = np.tile(np.arange(8, dtype=np.int32), (10, 1))
    graph = NeighborGraph(indices, np.ones((10, 8)), exact=False)

    def judge(found, counts, judged):
        return found.shape[1] <= y, None

    counts = np.ones(10, dtype=bool)
    for limit, expected in ((0.2, [3, 2]), (0.4, [3, 2, 4, 1])):
        _editing.SECOND_LOOK, before = limit, _editing.SECOND_LOOK
        try:
            rows = unsettled_rows(graph, 3, judge, counts)
        finally:
            _editing.SECOND_LOOK = before
        assert np.array_equal(rows, np.sort(expected))


def test_counted_neighbors_shrink():
    X = np.arange(60.0)[:, None]
    graph = neighbor_graph(X, 32)
    find = CountedNeighbors(graph, lambda: _graph.Space.of(X))
    everyone = np.ones(60, dtype=bool)
    counts = np.arange(60) >= 40
    found = find(2, counts, everyone)
    assert found[0].tolist() == [40, 41]
    assert found[40].tolist() == [41, 42]
    counts[:] = False
    counts[59] = True
    assert find(2, counts, everyone)[0].tolist() == [59, -1]
    assert find(2, counts, everyone)[59].tolist() == [-1, -1]


@each
def test_parameters_are_checked(make):
    with pytest.raises(ValueError, match="'kind_sel' parameter"):
        make(kind_sel="most").fit([[0.0], [1.0]], [0, 1])
