"""Compiled loops of the orders that cover a cloud of points."""

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import rounded, squared_distance

TIE = 1e-6  # differences that rounding errors of the kernel in float32 can make


@njit(cache=True, nogil=True)
def herd(kernel, weights):
    """Greedy kernel herding without replacement: the order in which rows are taken."""
    n = len(kernel)
    wanted = np.zeros(n)  # the mean embedding
    total = weights.sum()
    for j in range(n):
        share = weights[j] / total
        for i in range(n):
            wanted[i] += share * kernel[j, i]
    covered = np.zeros(n)
    used = np.zeros(n, dtype=np.bool_)
    order = np.empty(n, dtype=np.int64)
    for t in range(n):
        best = -1
        best_value = -np.inf
        for i in range(n):
            if not used[i]:
                value = wanted[i] * (t + 1) - covered[i]
                if value > best_value + TIE:
                    best = i
                    best_value = value
        order[t] = best
        used[best] = True
        for i in range(n):
            covered[i] += kernel[best, i]
    return order


@njit(cache=True, nogil=True)
def farthest_first(points, start, size):
    """Take the point farthest from those taken; also squared distances to these."""
    n = len(points)
    order = np.empty(size, dtype=np.int64)
    nearest = np.full(n, np.inf)
    latest = start
    for t in range(size):
        order[t] = latest
        nearest[latest] = -1.0
        farthest = -1
        for i in range(n):
            if nearest[i] < 0:
                continue
            d = rounded(squared_distance(points[i], points[latest]))
            nearest[i] = min(nearest[i], d)
            if farthest < 0 or nearest[i] > nearest[farthest]:
                farthest = i
        latest = farthest
    return order, nearest
