from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import make_classification
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from sklearn_prune import SampleSubsetClassifier, SampleSubsetRegressor
from sklearn_prune._graph import neighbor_graph
from sklearn_prune._space import Space
from sklearn_prune.sample_selection import _knn_shapley
from sklearn_prune.sample_selection._knn_shapley import KNNShapleySelector


def class_utility(nearest, own, k):
    return sum(label == own for label in nearest[:k]) / k


def target_utility(nearest, own, k):
    return -((sum(nearest[:k]) / k - own) ** 2)


def shapley_over_subsets(y, own, utility, k):
    """Values of the rows behind y, nearest first, from the definition."""
    n = len(y)
    values = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            for chosen in combinations(others, size):
                without = [y[j] for j in chosen]
                with_row = [y[j] for j in sorted((*chosen, i))]
                gain = utility(with_row, own, k) - utility(without, own, k)
                values[i] += gain / (n * comb(n - 1, size))
    return values


def published_class_values(y, own, k):
    n = len(y)
    values = np.zeros(n)
    right = (y == own).tolist()
    values[-1] = right[-1] / n
    for i in range(n - 1, 0, -1):
        step = (right[i - 1] - right[i]) / k
        values[i - 1] = values[i] + step * min(k, i) / i
    return values


def published_target_values(y, own, k):
    """Jia et al. (2019) with its double sum written out; no rows are worth -own**2."""
    n = len(y)
    values = np.zeros(n)
    rest = 2 / (n - 1) * sum(y[:-1]) * (k - 1) / 2
    values[-1] = -y[-1] / (n * k) * (k * (y[-1] / k - 2 * own) + rest)
    places = np.arange(1, n + 1)
    far = np.maximum(places, 3)
    farther = np.minimum(k, far - 1) * np.minimum(k - 1, far - 2)
    farther = farther / (2 * (far - 1) * (far - 2))
    for i in range(n - 1, 0, -1):
        nearer = min(k, i) * (min(k, i) - 1) / (2 * max(i - 1, 1) * i)
        both = nearer * y[: i - 1].sum() + farther[i + 1 :] @ y[i + 1 :]
        pair = min(k, i) / i * ((y[i - 1] + y[i]) / k - 2 * own)
        values[i - 1] = values[i] + (y[i] - y[i - 1]) / k * (pair + 2 / k * both)
    return values


def mean_values(X, y, value_one, weights=None, *, scaled=True):
    """Mean over test rows of the values that the others have for them."""
    n = len(X)
    Z = (X - X.mean(axis=0)) / X.std(axis=0) if scaled else X
    weights = np.ones(n) if weights is None else weights
    totals, served = np.zeros(n), np.zeros(n)
    for t in range(n):
        others = np.delete(np.arange(n), t)
        distances = ((Z[others] - Z[t]) ** 2).sum(axis=1)
        others = others[np.argsort(distances, kind="stable")]
        totals[others] += weights[t] * value_one(y[others], y[t])
        served[others] += weights[t]
    return totals / served


@pytest.mark.parametrize("k", [1, 2, 3, 8, 12])
@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_class_values_are_those_over_all_subsets(n, k):
    rng = np.random.default_rng(n + k)
    X, y = rng.normal(size=(n, 3)), np.arange(n) % 3
    rng.shuffle(y)
    expected = mean_values(
        X, y, lambda y, own: shapley_over_subsets(y, own, class_utility, k)
    )
    values = KNNShapleySelector(k, task="classification").fit(X, y).scores_
    assert np.abs(values - expected).max() < 1e-12


@pytest.mark.parametrize("k", [1, 2, 3, 8, 12])
@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_target_values_are_those_over_all_subsets(n, k):
    rng = np.random.default_rng(n + k)
    X, y = rng.normal(size=(n, 3)), rng.normal(50, 2, size=n)
    centred = y - y.mean()
    expected = mean_values(
        X, centred, lambda y, own: shapley_over_subsets(y, own, target_utility, k)
    )
    values = KNNShapleySelector(k, task="regression").fit(X, y).scores_
    assert np.abs(values - expected).max() < 1e-9


@pytest.mark.parametrize(("k", "weighted"), [(1, False), (5, True)])
def test_values_are_those_of_the_published_recursions(k, weighted):
    X, y = make_classification(300, 10, n_informative=5, n_classes=3, random_state=0)
    weights = np.random.default_rng(0).integers(0, 3, 300).astype(float)
    weights = weights if weighted else None
    targets = X[:, 0] ** 2 + y
    centred = targets - np.average(targets, weights=weights)
    expected = mean_values(X, y, lambda y, own: published_class_values(y, own, k), weights)
    selector = KNNShapleySelector(k).fit(X, y, sample_weight=weights)
    assert np.abs(selector.scores_ - expected).max() < 1e-9
    expected = mean_values(
        X, centred, lambda y, own: published_target_values(y, own, k), weights
    )
    selector = KNNShapleySelector(k).fit(X, targets, sample_weight=weights)
    assert np.abs(selector.scores_ - expected).max() < 1e-9


def test_values_add_up_to_what_all_rows_are_worth():
    X, y = make_classification(100, 5, random_state=0)
    values = KNNShapleySelector(3).fit(X, y).scores_
    votes = y[neighbor_graph(X, 3).indices] == y[:, None]
    assert values.sum() * 99 / 100 == pytest.approx(votes.mean())


@pytest.mark.parametrize("metric", ["seuclidean", "euclidean", "cosine", "gower"])
def test_neighbours_come_in_the_order_of_the_graph(metric):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(150, 3)).astype(float) + 1  # ties everywhere
    y = rng.integers(0, 2, size=150)
    indices = neighbor_graph(X, 149, metric=metric).indices
    expected = np.zeros(150)
    for t, nearest in enumerate(indices):
        expected[nearest] += published_class_values(y[nearest], y[t], 1)
    selector = KNNShapleySelector(1, metric=metric).fit(X, y)
    assert np.abs(selector.scores_ - expected / 149).max() < 1e-12


def test_gower_reads_categories_and_missing_values():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    color = rng.choice(["red", "green"], 60)
    X = pd.DataFrame({"color": color, "size": rng.normal(size=60)})
    X.loc[::7, "size"] = np.nan
    y = (color == "red").astype(int)
    y[3] = 1 - y[3]
    selector = KNNShapleySelector(metric="gower").fit(X, y)
    assert selector.order_[-1] == 3


def test_values_do_not_depend_on_threads_or_blocks(monkeypatch):
    X, y = make_classification(300, 6, random_state=0)
    values = KNNShapleySelector().fit(X, y).scores_
    monkeypatch.setattr(_knn_shapley, "_BLOCK_BYTES", 8 * 300 * 7)
    one = KNNShapleySelector(n_jobs=1).fit(X, y).scores_
    two = KNNShapleySelector(n_jobs=2).fit(X, y).scores_
    assert np.array_equal(one, two)
    assert np.abs(one - values).max() < 1e-14


def test_rows_in_one_place_are_settled_by_position():
    X, y = np.ones((20, 2)), np.arange(20) % 2
    values = KNNShapleySelector(1).fit(X, y).scores_
    expected = np.zeros(20)
    for t in range(20):
        others = np.delete(np.arange(20), t)
        expected[others] += published_class_values(y[others], y[t], 1) / 19
    assert np.abs(values - expected).max() < 1e-12


def test_nearly_equal_distances_count_as_equal():
    X = np.array([[0.0], [0.1 + 0.2], [-0.3], [5.0]])  # 0.1 + 0.2 > 0.3
    y = np.array([0, 1, 0, 1])
    space = Space(X, "euclidean", np.zeros(1, dtype=bool))
    weights = np.array([1.0, 0, 0, 0])
    totals = _knn_shapley.shapley_totals(space, y, 1, weights)
    assert np.allclose(totals[1:], published_class_values(np.array([1, 0, 1]), 0, 1))


@pytest.mark.parametrize("n", [1, 2])
def test_few_rows(n):
    X, y = np.arange(n, dtype=float)[:, None], np.zeros(n)
    assert np.allclose(
        KNNShapleySelector(1, task="classification").fit(X, y).scores_, n - 1
    )
    assert np.allclose(KNNShapleySelector(task="regression").fit(X, y).scores_, 0)


def test_one_class_one_member_and_constant_targets():
    X = np.random.default_rng(0).normal(size=(30, 3))
    X[:, 1] = 4.0
    y = np.zeros(30)
    assert np.allclose(KNNShapleySelector().fit(X, y).scores_, 1 / 29)
    y[4] = 1
    assert KNNShapleySelector().fit(X, y).order_[-1] == 4
    selector = KNNShapleySelector(task="regression").fit(X, np.full(30, 0.1))
    assert not selector.scores_.any()


def test_rows_of_weight_0_are_no_test_rows():
    X, y = make_classification(80, 5, random_state=0)
    weights = np.zeros(80)
    weights[3] = 2.0
    selector = KNNShapleySelector().fit(X, y, sample_weight=weights)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    others = np.delete(np.arange(80), 3)
    nearest = others[np.argsort(((Z[others] - Z[3]) ** 2).sum(axis=1))]
    expected = published_class_values(y[nearest], y[3], 5)
    assert np.abs(selector.scores_[nearest] - expected).max() < 1e-12
    assert selector.scores_[3] == 0


def test_wrong_labels_come_last():
    X, y = make_classification(
        400, 6, n_informative=6, n_redundant=0, class_sep=2, flip_y=0, random_state=0
    )
    flipped = np.arange(0, 400, 10)
    y[flipped] = 1 - y[flipped]
    last = KNNShapleySelector().fit(csr_array(X), y).order_[-40:]
    assert len(np.intersect1d(last, flipped)) >= 36


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_values_are_those_on_the_columns_of_the_model(task):
    X, y = make_classification(120, 5, n_informative=3, n_redundant=0, random_state=0)
    X = np.exp(X * [0.3, 1, 2, 0.1, 1.5])
    step = PowerTransformer()
    kind, classes = SampleSubsetClassifier, task == "classification"
    value_one = published_class_values
    if not classes:
        kind, value_one, y = SampleSubsetRegressor, published_target_values, X[:, 0] + y
    centred = y if classes else y - y.mean()
    neighbors = (KNeighborsClassifier if classes else KNeighborsRegressor)(3)
    found = {}
    for name, model, columns in (
        ("raw", neighbors, X),
        ("piped", make_pipeline(step, neighbors), step.fit_transform(X)),
    ):
        fitted = kind(model, KNNShapleySelector(3)).fit(X, y)
        expected = mean_values(
            columns, centred, lambda y, own: value_one(y, own, 3), scaled=False
        )
        found[name] = fitted.sample_scores_
        assert np.abs(fitted.sample_scores_ - expected).max() < 1e-9, name
    alone = KNNShapleySelector(3, task=task).fit(X, y).scores_
    assert np.corrcoef(alone, found["raw"])[0, 1] < 0.999
