"""Compiled loops of facility location."""

import heapq

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import distance, rounded


@njit(cache=True, nogil=True)
def nearest_apart(points, kind, nominal, rows):
    """Distance from each of the rows to the nearest point that differs from it."""
    nearest = np.full(len(rows), np.inf)
    for t in range(len(rows)):
        for j in range(len(points)):
            d = distance(points, kind, nominal, rows[t], j)
            if 0 < d < nearest[t]:
                nearest[t] = d
    return nearest


@njit(cache=True, nogil=True)
def exact_exponents(points, kind, nominal, candidates, rows, bandwidth):
    """Logarithms of the similarities of candidates to rows."""
    exponents = np.empty((len(candidates), len(rows)), dtype=np.float32)
    for s in range(len(candidates)):
        for t in range(len(rows)):
            d = distance(points, kind, nominal, candidates[s], rows[t])
            exponents[s, t] = -d / bandwidth
    return exponents


@njit(cache=True, nogil=True)
def similarities(points, kind, nominal, candidates, rows, bandwidth):
    """Similarity of each candidate to the row beside it."""
    found = np.empty(len(rows))
    for t in range(len(rows)):
        d = distance(points, kind, nominal, candidates[t], rows[t])
        found[t] = np.exp(-d / bandwidth)
    return found


@njit(cache=True, nogil=True)
def cover(points, kind, nominal, taken, bandwidth):
    """Similarity of each point to the most similar one taken, 0 where there is none."""
    covered = np.zeros(len(points))
    for i in range(len(points)):
        for j in taken:
            d = distance(points, kind, nominal, j, i)
            covered[i] = max(covered[i], np.exp(-d / bandwidth))
    return covered


@njit(cache=True, nogil=True)
def gain(start, stop, served, similarity, weights, covered):
    """What a candidate adds to the rows that it would serve better."""
    total = 0.0
    for e in range(start, stop):
        i = served[e]
        if similarity[e] > covered[i]:
            total += weights[i] * (similarity[e] - covered[i])
    return rounded(total)


@njit(cache=True, nogil=True)
def lazy_greedy(bounds, served, similarity, weights, covered, taken):
    """Take all other candidates by descending gain, which never grows: lazily.

    Candidate j serves the rows ``served[bounds[j] : bounds[j + 1]]``.
    """
    n = len(weights)
    fresh = np.full(n, len(taken))
    fresh[taken] = -1
    heap = [
        (-gain(bounds[j], bounds[j + 1], served, similarity, weights, covered), j)
        for j in range(n)
        if fresh[j] >= 0
    ]
    heapq.heapify(heap)
    order = np.empty(n, dtype=np.int64)
    order[: len(taken)] = taken
    t = len(taken)
    while t < n:
        j = heap[0][1]
        if fresh[j] < t:
            fresh[j] = t
            new = gain(bounds[j], bounds[j + 1], served, similarity, weights, covered)
            heapq.heapreplace(heap, (-new, j))
            continue
        heapq.heappop(heap)
        order[t] = j
        t += 1
        for e in range(bounds[j], bounds[j + 1]):
            covered[served[e]] = max(covered[served[e]], similarity[e])
    return order
