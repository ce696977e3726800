import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_prune import SampleSubsetSampler
from sklearn_prune._seeds import derive_seed, row_keys
from sklearn_prune.sample_selection import RandomSelector, RankingContext, _rmhc
from sklearn_prune.sample_selection._rmhc import RMHCSelector, nearest_lists


def objective(X, y, kept, judged, weights, k, task):
    """Weighted accuracy or minus the mean squared error of k-NN without the row itself."""
    X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    total = 0.0
    for i in judged:
        others = [j for j in sorted(kept) if j != i]
        distances = np.round([np.sum((X[i] - X[j]) ** 2) for j in others], 9)
        near = [others[place] for place in np.argsort(distances, kind="stable")[:k]]
        if task == "regression":
            guess = np.mean(y[near]) if near else np.average(y, weights=weights)
            total -= weights[i] * (y[i] - guess) ** 2
        elif near:
            labels, votes = np.unique(y[near], return_counts=True)
            total += weights[i] * (labels[votes.argmax()] == y[i])
    return total / weights[judged].sum()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_objective_is_that_of_nearest_neighbours_and_never_falls(task, weighted, k):
    random = np.random.RandomState(k)
    X = random.randint(4, size=(90, 3)).astype(float)  # many ties
    y = (X[:, 0] + random.randint(2, size=90)) % 3
    weights = random.randint(1, 4, size=90).astype(float) if weighted else np.ones(90)
    arguments = {"n_neighbors": k, "task": task, "random_state": 0}
    sample_weight = weights if weighted else None
    sets, paths = [], []
    for n_iter in (0, 60):
        selector = RMHCSelector(15, n_iter=n_iter, **arguments)
        selector.fit(X, y, sample_weight=sample_weight)
        sets.append(selector.order_[:15])
        paths.append(selector.objective_path_)
        assert sorted(selector.order_) == list(range(90))
    path = paths[1]
    assert len(path) == 61
    assert path[0] == paths[0][0]
    assert (np.diff(path) >= 0).all()
    assert path[-1] > path[0]
    for kept, value in zip(sets, path[[0, -1]], strict=True):
        truth = objective(X, y, kept, np.arange(90), weights, k, task)
        assert value == pytest.approx(truth, rel=1e-9)


def test_search_starts_from_the_rows_of_the_random_selector(X, y):
    start = RMHCSelector(n_iter=0, random_state=3)
    kept = [
        SampleSubsetSampler(selector, keep=0.15, random_state=3).fit(X, y).sample_indices_
        for selector in (start, RandomSelector())
    ]
    assert np.array_equal(*kept)


@pytest.mark.parametrize("stratify", ["auto", None])
def test_set_that_was_found_is_what_the_meta_estimator_keeps(X, y, stratify):
    sampler = SampleSubsetSampler(
        RMHCSelector(keep=0.9, n_iter=80), keep=31, stratify=stratify, random_state=0
    ).fit(X, y)
    found = sampler.selector_.order_[:31]
    assert np.array_equal(sampler.sample_indices_, np.sort(found))
    assert sampler.selector_.objective_path_[-1] > sampler.selector_.objective_path_[0]
    alone = RMHCSelector(keep=31, n_iter=80, random_state=0).fit(X, y)
    assert np.array_equal(alone.order_, sampler.selector_.order_)


def test_helpful_rows_come_first_inside_the_set(X, y):
    selector = RMHCSelector(20, n_iter=50, random_state=1).fit(X, y)
    kept = selector.order_[:20]
    X = StandardScaler().fit_transform(X)
    helps = np.zeros(len(y))
    for i in range(len(y)):
        others = np.sort(kept[kept != i])
        nearest = others[np.argmin(np.sum((X[others] - X[i]) ** 2, axis=1))]
        helps[nearest] += 1 if y[nearest] == y[i] else -1
    assert np.array_equal(kept, sorted(kept, key=lambda row: (-helps[row], row)))


def test_rows_found_classify_unseen_rows_better_than_the_start():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, random_state=0, stratify=y)
    scores = []
    for n_iter in (0, 3000):
        rows = RMHCSelector(40, n_iter=n_iter, random_state=0).fit(X, y).order_[:40]
        model = KNeighborsClassifier(1).fit(X[rows], y[rows])
        scores.append(model.score(X_test, y_test))
    assert scores[1] > scores[0] + 0.05


def test_each_class_keeps_a_row():
    X, y = np.arange(30.0)[:, None], np.repeat([0, 1, 2], [26, 3, 1])
    kept = RMHCSelector(2, n_iter=200, random_state=0).fit(X, y).order_[:3]
    assert sorted(y[kept]) == [0, 1, 2]


def test_rows_of_weight_zero_count_for_nothing():
    random = np.random.RandomState(0)
    X, y = random.randn(60, 3), random.randn(60)
    weights = np.append(random.rand(60) + 0.1, np.zeros(20))
    junk = np.vstack([X, 100 * random.randn(20, 3)]), np.append(y, 50 * random.randn(20))
    arguments = {"n_iter": 50, "task": "regression", "random_state": 0}
    without = RMHCSelector(12, **arguments).fit(X, y, sample_weight=weights[:60])
    within = RMHCSelector(12, **arguments).fit(*junk, sample_weight=weights)
    np.testing.assert_allclose(without.objective_path_, within.objective_path_, rtol=1e-12)
    assert np.array_equal(without.order_[:12], within.order_[:12])
    assert (within.order_[-20:] >= 60).all()
    more = RMHCSelector(70, **arguments).fit(*junk, sample_weight=weights)
    assert set(more.order_[:60]) == set(range(60))


def test_many_rows_are_judged_by_a_sample(X, y, monkeypatch):
    monkeypatch.setattr(_rmhc, "MOST_JUDGED", 50)
    selector = RMHCSelector(24, n_iter=40, random_state=5).fit(X, y)
    judged = np.argsort(row_keys(derive_seed(5, "judged"), len(y)))[:50]
    kept = selector.order_[:24]
    truth = objective(X, y, kept, judged, np.ones(len(y)), 1, "classification")
    assert selector.objective_path_[-1] == pytest.approx(truth)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nearest_lists_are_exact_where_distances_tie(dtype):
    random = np.random.RandomState(0)
    points = (random.randint(3, size=(1500, 4)) + 1e3).astype(dtype)
    kept, judged = random.permutation(1500)[:1300], np.arange(0, 1500, 37)
    near, distances = nearest_lists(points, 0, np.zeros(0, bool), judged, kept, 5)
    for i, found, squared in zip(judged, near, distances, strict=True):
        others = np.sort(kept[kept != i])
        truth = np.sum((points[others] - points[i]) ** 2, axis=1)
        assert np.array_equal(found, others[np.argsort(truth, kind="stable")[:5]])
        assert np.allclose(squared, np.sort(truth)[:5])


def test_containers_and_degenerate_rows(X, y):
    order = RMHCSelector(n_iter=20, random_state=0).fit(X, y).order_
    sparse = RMHCSelector(n_iter=20, random_state=0).fit(csr_array(X), y).order_
    assert np.array_equal(order, sparse)
    for X, y in [
        (np.zeros((1, 1)), [3]),
        (np.zeros((2, 1)), [0, 1]),
        (np.ones((9, 2)), np.arange(9) % 3),
        (np.ones((9, 2)), np.zeros(9)),
        (np.ones((30, 2)), np.arange(30) / 7),
    ]:
        selector = RMHCSelector(n_iter=5, n_neighbors=4, random_state=0).fit(X, y)
        assert sorted(selector.order_) == list(range(len(y)))
        assert np.isfinite(selector.objective_path_).all()


def test_more_rows_than_there_are_is_refused():
    with pytest.raises(ValueError, match="keep must not exceed the number of rows"):
        RMHCSelector(keep=10).fit(np.zeros((4, 1)), [0, 1, 0, 1])


@pytest.mark.parametrize("options", [{}, {"p": 1}, {"metric": "cosine"}, {"p": 3}])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_objective_is_the_accuracy_of_the_wrapped_model(options, weighted):
    X, y = make_classification(150, 5, n_informative=4, n_redundant=0, random_state=0)
    X = np.exp(X * [0.1, 0.5, 1, 1.5, 2])
    model = KNeighborsClassifier(1, **options)
    weights = np.random.default_rng(0).integers(0, 2, 150) if weighted else np.ones(150)
    selector = RMHCSelector(n_iter=60, random_state=0)
    selector._context = RankingContext(estimator=model, budget=30)
    selector.fit(X, y, sample_weight=weights)
    kept = selector.order_[:30]
    kept = kept[weights[kept] > 0]
    right = []
    for row in np.flatnonzero(weights):
        others = kept[kept != row]
        right.append(model.fit(X[others], y[others]).predict(X[[row]])[0] == y[row])
    assert selector.objective_path_[-1] == pytest.approx(np.mean(right))
