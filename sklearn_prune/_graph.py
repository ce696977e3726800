"""One nearest-neighbour graph, exact or approximate, for every method that reads one."""

from dataclasses import dataclass

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from scipy.sparse import issparse
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches
from sklearn.utils.extmath import row_norms
from sklearn.utils.validation import check_memory

from sklearn_prune._lazy import import_or_raise
from sklearn_prune._ranking import round_significant
from sklearn_prune._seeds import limited_threads
from sklearn_prune._space import Space

EXACT_UP_TO = 20_000  # rows
SMALLEST_K = 32  # neighbours that are found and cached, whatever is asked
SPARE = 8  # further candidates, among which ties are settled


@dataclass(frozen=True, eq=False)
class NeighborGraph:
    """The k nearest neighbours of each row, nearest first, ties by position.

    `indices` (int32) and `distances` have the shape (n_samples, k); `exact` says whether no
    neighbour can have been missed. A row is no neighbour of itself.
    """

    indices: np.ndarray
    distances: np.ndarray
    exact: bool

    def nearest(self, k):
        """The graph of the k nearest, a view."""
        return NeighborGraph(self.indices[:, :k], self.distances[:, :k], self.exact)


def neighbor_graph(X, k, *, metric="seuclidean", memory=None, n_jobs=None, exact=None):
    """Find the ``min(k, n_samples - 1)`` nearest neighbours of each row.

    Distances are those of a `Space`. At least 32 neighbours are found, so that one graph,
    cached in `memory`, serves every smaller k. The graph does not depend on `n_jobs`.

    Exact up to 20,000 rows unless `exact` is given: O(n^2 d) time, O(n k) memory. Above,
    about O(n^1.2 d) by nearest-neighbour descent, which misses a few neighbours in a
    hundred.
    """
    n = X.shape[0]
    if exact is None:
        exact = n <= EXACT_UP_TO or metric in ("gower", "precomputed")
    wanted = min(n - 1, max(k, SMALLEST_K))
    build = check_memory(memory).cache(_build_graph, ignore=["n_jobs"])
    return build(X, wanted, metric, exact, n_jobs).nearest(k)


def _build_graph(X, k, metric, exact, n_jobs):
    space = Space.of(X, metric, owner="The neighbour graph", sparse=True)
    n = space.points.shape[0]
    rows = np.arange(n)
    if k < 1:
        return NeighborGraph(np.empty((n, 0), dtype=np.int32), np.empty((n, 0)), exact=True)
    if not exact:
        indices, distances = _descend(space, k, n_jobs)
        return NeighborGraph(indices, distances, exact=False)
    indices, distances = exact_neighbors(space, rows, k, n_jobs=n_jobs)
    return NeighborGraph(indices, distances, exact=True)


def look_again(X, graph, rows, k, *, metric="seuclidean", n_jobs=None):
    """Return a copy of a graph, cut to k neighbours, in which the given rows are exact.

    A graph that is exact already is returned as it is.
    """
    graph = graph.nearest(k)
    if graph.exact or not len(rows):
        return graph
    space = Space.of(X, metric, owner="The neighbour graph", sparse=True)
    indices, distances = graph.indices.copy(), graph.distances.copy()
    indices[rows], distances[rows] = exact_neighbors(
        space, rows, indices.shape[1], n_jobs=n_jobs
    )
    return NeighborGraph(indices, distances, exact=False)


def exact_neighbors(space, rows, k, *, n_jobs=None):
    """Find the k nearest neighbours of some rows among all others, ties by position.

    Returns indices (int32) and distances, of shape (len(rows), k); k must be below the
    number of points.
    """
    points, n = space.points, space.points.shape[0]
    candidates = None
    if not space.kind and (n > k + 1 + SPARE or issparse(points)):
        wanted = min(n, k + 1 + SPARE)
        finder = NearestNeighbors(n_neighbors=wanted, algorithm="brute").fit(points)
        with limited_threads(min(effective_n_jobs(n_jobs), cpu_count())):
            candidates = finder.kneighbors(points[rows], return_distance=False)
    return _settle(space, rows, candidates, k, n_jobs)


def _settle(space, rows, candidates, k, n_jobs):
    """Take the k nearest of the candidates, of all points where there may be a tie."""
    from sklearn_prune._graph_kernels import (
        csr_nearest,
        nearest_of_all,
        nearest_of_candidates,
    )

    points, kind, nominal = space.points, space.kind, space.nominal
    indices = np.empty((len(rows), k), dtype=np.int32)
    distances = np.empty((len(rows), k))
    slack = 0.0
    if candidates is not None:
        slack = 1e-10 * row_norms(points, squared=True).max()

    def settle(batch):
        part = (indices[batch], distances[batch])
        if issparse(points):
            csr = (points.data, points.indices, points.indptr)
            csr_nearest(*csr, rows[batch], candidates[batch], slack, *part)
            return
        if candidates is None:
            unsure = np.arange(len(part[0]))
        else:
            unsure = np.flatnonzero(
                nearest_of_candidates(points, rows[batch], candidates[batch], slack, *part)
            )
        nearest_of_all(points, kind, nominal, rows[batch], unsure, *part)

    in_threads(settle, len(rows), n_jobs)
    return indices, _scaled(distances, space)


def _descend(space, k, n_jobs):
    """Approximate neighbours: fewer by descent, the rest among the neighbours of these."""
    from sklearn_prune._graph_kernels import nearest_of_all, nearest_of_neighbors

    descent = import_or_raise(
        "pynndescent", f"A neighbour graph of more than {EXACT_UP_TO} rows", extra="approx"
    )
    points = space.points
    if space.metric == "gower":
        points = _numbers_for(space)
    few = min(k, 15 if k <= SMALLEST_K else k // 2)
    index = descent.NNDescent(
        points,
        n_neighbors=(k if issparse(points) else few) + 1,
        metric="manhattan" if space.metric == "manhattan" else "euclidean",
        random_state=0,
        n_jobs=1,  # what it finds depends on the number of threads
    )
    found, found_distances = index.neighbor_graph
    rows = np.arange(points.shape[0])
    if issparse(points):
        return _sort_found(rows, found, _scaled(found_distances**2, space), k)
    # Rows are looked up all over the memory: half of the digits are twice as fast.
    points = np.ascontiguousarray(space.points, dtype=np.float32)
    kind, nominal = space.kind, space.nominal
    indices = np.empty((len(rows), k), dtype=np.int32)
    distances = np.empty((len(rows), k))

    def widen(batch):
        part = (indices[batch], distances[batch])
        nearest_of_neighbors(points, kind, nominal, rows[batch], found, *part)
        short = np.flatnonzero(np.isinf(part[1][:, -1]))
        nearest_of_all(points, kind, nominal, rows[batch], short, *part)

    in_threads(widen, len(rows), n_jobs)
    return indices, _scaled(distances, space)


def in_threads(work, n_rows, n_jobs, *, batch_size=2048):
    """Do the work on slices of rows, which do not depend on the number of threads."""
    batches = gen_batches(n_rows, batch_size) if n_rows else ()
    return Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")(
        delayed(work)(batch) for batch in batches
    )


def _scaled(distances, space):
    """Distances of the metric from what orders the points of its space."""
    if space.metric in ("seuclidean", "euclidean"):
        return np.sqrt(distances)
    if space.metric == "manhattan":
        return distances * space.points.shape[1]
    return distances / 2 if space.metric == "cosine" else distances


def _sort_found(rows, found, distances, k):
    """Drop each row from its own list and settle ties by position."""
    distances = np.where(found == rows[:, None], np.inf, round_significant(distances, 10))
    nearest = np.lexsort((found, distances), axis=1)[:, :k]
    found = np.take_along_axis(found, nearest, axis=1)
    return found.astype(np.int32), np.take_along_axis(distances, nearest, axis=1)


def _numbers_for(space):
    """Points whose Euclidean neighbours are mostly those by Gower's distance."""
    numbers = space.points[:, ~space.nominal]
    missing = np.isnan(numbers)
    parts = [np.where(missing, 0.5, numbers), missing[:, missing.any(axis=0)]]
    for column in np.flatnonzero(space.nominal):
        labels, codes = np.unique(space.points[:, column], return_inverse=True)
        parts.append(codes[:, None] == np.arange(len(labels)))
    return np.hstack(parts).astype(np.float32)
