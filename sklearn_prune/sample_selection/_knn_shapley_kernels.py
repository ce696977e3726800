"""Compiled loops of KNN-Shapley: the settled order of neighbours, and two recursions."""

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import distance


@njit(cache=True, nogil=True)
def settle(positions, near, slack, points, kind, nominal, rows):
    """Sort by distance, then position, lists that ascend in nearly the right distance.

    Rows that are closer together in their list than `slack` are compared by the exact
    distance, rounded as in the neighbour graph.
    """
    m = positions.shape[1]
    for t in range(len(rows)):
        start = 0
        for stop in range(1, m + 1):
            if stop < m and near[t, stop] - near[t, stop - 1] <= slack:
                continue
            if stop - start > 1:
                run = np.sort(positions[t, start:stop])
                exact = np.empty(len(run))
                for c in range(len(run)):
                    exact[c] = distance(points, kind, nominal, rows[t], run[c])
                positions[t, start:stop] = run[np.argsort(exact, kind="mergesort")]
            start = stop


@njit(cache=True, nogil=True)
def add_class_values(positions, rows, codes, k, weights, totals):
    """Add the values of all rows for the unweighted k-NN vote on some test rows."""
    n = positions.shape[1]
    for t in range(len(rows)):
        own, weight = codes[rows[t]], weights[rows[t]]
        last = positions[t, n - 1]
        agrees = codes[last] == own
        value = weight * agrees * min(k, n) / (n * k)
        totals[last] += value
        for i in range(n - 1, 0, -1):  # the i-th nearest, from 1
            row = positions[t, i - 1]
            agreed, agrees = agrees, codes[row] == own
            if agrees != agreed:
                step = weight * min(k, i) / (k * i)
                value += step if agrees else -step
            totals[row] += value


@njit(cache=True, nogil=True)
def add_target_values(positions, rows, targets, k, weights, totals):
    """Add the values of all rows for the unweighted k-NN mean at some test rows.

    The theorem of the paper with its double sum taken apart: `before` and `behind` are
    what the nearer and the farther rows add to the difference of two adjacent values.
    """
    n = positions.shape[1]
    for t in range(len(rows)):
        own, weight = targets[rows[t]], weights[rows[t]]
        before, behind = 0.0, 0.0
        for j in range(n - 1):
            before += targets[positions[t, j]]
        last = positions[t, n - 1]
        m = min(k, n)
        bracket = m * (targets[last] / k - 2.0 * own)
        if n > 1:
            bracket += m * (m - 1) / (k * (n - 1)) * before
        value = -targets[last] / (n * k) * bracket
        totals[last] += weight * value
        for i in range(n - 1, 0, -1):  # the i-th nearest, from 1, and the next
            nearer, farther = targets[positions[t, i - 1]], targets[positions[t, i]]
            before -= nearer
            if i < n - 1:
                share = min(k, i + 1) * min(k - 1, i) / (2.0 * i * (i + 1))
                behind += share * targets[positions[t, i + 1]]
            m = min(k, i)
            bracket = m / i * ((nearer + farther) / k - 2.0 * own) + 2.0 / k * behind
            if i > 1:
                bracket += m * (m - 1.0) / (k * i * (i - 1.0)) * before
            value += (farther - nearer) / k * bracket
            totals[positions[t, i - 1]] += weight * value
