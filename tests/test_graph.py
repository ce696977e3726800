import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import make_blobs
from sklearn.preprocessing import StandardScaler

from sklearn_prune import _graph, _space
from sklearn_prune._graph import look_again, neighbor_graph
from sklearn_prune._space import MixedRows, Space


def brute_force(distances, k):
    """Neighbours from a full matrix, rounded, ties by position."""
    distances = np.round(distances, 9)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


def euclidean(X):
    return np.sqrt(np.square(X[:, None] - X[None]).sum(axis=2))


def gower(rows):
    """Gower's distance by its definition, one pair and one column at a time."""
    n, d = rows.shape
    span = np.nanmax(rows.values, axis=0) - np.nanmin(rows.values, axis=0)
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            for c in range(d):
                a, b = rows.values[i, c], rows.values[j, c]
                if np.isnan(a) or np.isnan(b):
                    out[i, j] += np.isnan(a) != np.isnan(b)
                elif rows.nominal[c]:
                    out[i, j] += a != b
                elif span[c] > 0:
                    out[i, j] += abs(a - b) / span[c]
    return out / d


ROWS = {
    "scattered": np.random.default_rng(0).normal(size=(300, 5)),
    "ties everywhere": np.random.default_rng(0).integers(0, 2, (300, 4)).astype(float),
    "duplicates": np.repeat(np.random.default_rng(0).normal(size=(6, 3)), 40, axis=0),
    "all equal": np.ones((60, 3)),
    "few": np.arange(8.0).reshape(4, 2),
    "far from zero": np.random.default_rng(0).normal(1e6, 1, (200, 3)),
}


@pytest.mark.parametrize("X", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_euclidean_neighbors_are_those_of_a_full_matrix(X, dtype):
    X = X.astype(dtype)
    for k in (1, 7, 50, 500):
        graph = neighbor_graph(X, k)
        points = _space.standardized_rows(X).astype(float)
        indices, distances = brute_force(euclidean(points), min(k, len(X) - 1))
        np.testing.assert_allclose(graph.distances, distances, atol=1e-8)
        if not (dtype == np.float32 and abs(X).max() > 1e5):  # ties but for rounding
            np.testing.assert_array_equal(graph.indices, indices)


def test_cosine_distances():
    X = np.random.default_rng(0).normal(size=(80, 4))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    graph = neighbor_graph(X, 5, metric="cosine")
    indices, distances = brute_force(1 - unit @ unit.T, 5)
    np.testing.assert_array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.distances, distances, atol=1e-9)


def mixed_rows(n):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "count": rng.integers(0, 5, n),
        }
    )
    return MixedRows.of(frame.mask(rng.random((n, 3)) < 0.1))


def test_gower_distances_follow_the_definition():
    rows = mixed_rows(90)
    graph = neighbor_graph(rows, 6, metric="gower")
    indices, distances = brute_force(gower(rows), 6)
    np.testing.assert_array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.distances, distances, atol=1e-9)


@pytest.mark.parametrize("limit", [0, 2**31])
@pytest.mark.parametrize("metric", ["seuclidean", "euclidean", "cosine"])
def test_sparse_rows_have_the_neighbors_of_dense_ones(metric, limit, monkeypatch):
    monkeypatch.setattr(_space, "DENSE_LIMIT", limit)
    X = np.random.default_rng(0).poisson(0.5, (200, 30)) * 1.0
    X[:, 0] += 1  # no row of zeros
    dense, sparse = (neighbor_graph(x, 5, metric=metric) for x in (X, csr_array(X)))
    np.testing.assert_allclose(dense.distances, sparse.distances, rtol=1e-9)
    np.testing.assert_array_equal(dense.indices, sparse.indices)


@pytest.mark.parametrize("metric", ["seuclidean", "euclidean", "cosine"])
def test_sparse_rows_of_few_entries_are_measured_exactly(metric):
    X = np.random.default_rng(0).poisson(0.03, (120, 150)) * 1.0
    X[100:] = X[:20]  # at distance 0, and ties beyond the candidates
    X[3:9] = 0
    graph, sparse = (neighbor_graph(x, 20, metric=metric) for x in (X, csr_array(X)))
    np.testing.assert_array_equal(graph.indices, sparse.indices)
    assert np.array_equal(graph.distances == 0, sparse.distances == 0)
    pairs = Space.of(csr_array(X), metric)
    assert pairs.in_pairs
    points = Space.of(X, metric).points
    np.testing.assert_allclose(
        pairs.points, np.square(points[:, None] - points).sum(axis=2), atol=1e-9
    )


def test_rows_of_zeros_are_at_cosine_distance_one():
    X = np.array([[1.0, 0], [0, 0], [2.0, 2.0], [0, 0]])
    for rows in (X, csr_array(X)):
        graph = neighbor_graph(rows, 3, metric="cosine")
        np.testing.assert_allclose(graph.distances[1], [0, 1, 1])
        np.testing.assert_allclose(graph.distances[0], [1 - np.sqrt(0.5), 1, 1])


def test_rows_in_another_order_have_the_same_neighbors():
    X = np.random.default_rng(0).normal(size=(200, 6))
    shuffled = np.random.default_rng(1).permutation(200)
    graph, other = neighbor_graph(X, 9), neighbor_graph(X[shuffled], 9)
    np.testing.assert_array_equal(shuffled[other.indices], graph.indices[shuffled])


@pytest.mark.rest  # pynndescent compiles
def test_the_number_of_threads_does_not_matter():
    pytest.importorskip("pynndescent")
    X, _ = make_blobs(3000, 8, random_state=0)
    for exact in (True, False):
        one, two = (neighbor_graph(X, 10, exact=exact, n_jobs=jobs) for jobs in (1, 2))
        np.testing.assert_array_equal(one.indices, two.indices)


@pytest.mark.rest  # pynndescent compiles
@pytest.mark.parametrize("metric", ["seuclidean", "euclidean", "cosine", "gower"])
def test_an_approximate_graph_misses_little(metric):
    pytest.importorskip("pynndescent")
    X = mixed_rows(2000) if metric == "gower" else make_blobs(2000, 8, random_state=0)[0]
    exact = neighbor_graph(X, 10, metric=metric, exact=True)
    rough = neighbor_graph(X, 10, metric=metric, exact=False)
    assert not rough.exact
    found = [
        len(np.intersect1d(a, b)) for a, b in zip(exact.indices, rough.indices, strict=True)
    ]
    # Categories tie many rows, of which either may be found.
    assert np.mean(found) > (6 if metric == "gower" else 9.5)
    np.testing.assert_allclose(rough.distances, exact.distances, rtol=0.5, atol=1e-9)
    rows = np.arange(0, 2000, 7)
    again = look_again(X, rough, rows, 10, metric=metric)
    np.testing.assert_array_equal(again.indices[rows], exact.indices[rows])
    others = np.setdiff1d(np.arange(2000), rows)
    np.testing.assert_array_equal(again.indices[others], rough.indices[others])


@pytest.mark.rest  # pynndescent compiles
def test_clusters_smaller_than_the_lists_are_filled_up():
    pytest.importorskip("pynndescent")
    X = np.repeat(100 * np.arange(100.0)[:, None], 20, axis=0)
    X = X + np.random.default_rng(0).normal(size=X.shape)
    graph = neighbor_graph(X, 32, exact=False)
    assert graph.indices.max() < len(X)
    assert np.isfinite(graph.distances).all()


def test_one_cached_graph_serves_every_smaller_k(tmp_path, monkeypatch):
    X = StandardScaler().fit_transform(make_blobs(200, 4, random_state=0)[0])
    memory, calls = joblib.Memory(tmp_path, verbose=0), []
    found = _graph.exact_neighbors
    monkeypatch.setattr(
        _graph, "exact_neighbors", lambda *a, **k: calls.append(1) or found(*a, **k)
    )
    first = neighbor_graph(X, 32, memory=memory)
    for k, jobs in ((3, 1), (10, 2), (32, None)):
        graph = neighbor_graph(X, k, memory=memory, n_jobs=jobs)
        np.testing.assert_array_equal(graph.indices, first.indices[:, :k])
    assert len(calls) == 1
    neighbor_graph(X, 40, memory=memory)
    neighbor_graph(X, 3, metric="cosine", memory=memory)
    assert len(calls) == 3
