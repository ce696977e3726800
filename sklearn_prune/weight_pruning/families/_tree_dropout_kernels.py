"""Compiled Newton sweeps over copies of the rows in which some trees are dropped."""

import numpy as np
from numba import njit

from sklearn_prune.weight_pruning.families._forest_refit_kernels import moved_weight


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_logistic_copies(
    A, masks, n_copies, share, y, weight, start, intercept, W, prior, strength, l1, rate,
    n_sweeps, grid, H,
):  # fmt: skip
    """Newton steps on the leaves of one tree after the other, logistic loss.

    Bit c of ``masks[t, i]`` says whether tree t counts, ``1 / share`` times, in copy c of
    row i, which weighs ``weight[i] / n_copies``. O(n_copies * n_samples * n_trees) for each
    sweep; kept are the scores of the copies, as exp(-score).
    """
    n_trees, n = A.shape
    step = np.zeros(len(W))
    state = np.empty((n_copies, n))
    for c in range(n_copies):
        for i in range(n):
            total = intercept[0]
            for t in range(n_trees):
                if (masks[t, i] >> c) & 1:
                    total += W[A[t, i], 0] / share
            state[c, i] = np.exp(-min(max(total, -300.0), 300.0))
    for _ in range(n_sweeps):
        for t in range(n_trees):
            for node in range(start[t], start[t + 1]):
                step[node] = H[node] = 0.0
            for c in range(n_copies):
                for i in range(n):
                    if (masks[t, i] >> c) & 1:
                        q = 1.0 / (1.0 + state[c, i])
                        mass = weight[i] / (n_copies * share)
                        step[A[t, i]] += mass * (q - y[i])
                        H[A[t, i]] += mass / share * q * (1.0 - q)
            for node in range(start[t], start[t + 1]):
                new = moved_weight(
                    W[node, 0], step[node], H[node], prior[node, 0], strength, l1, rate,
                    grid,
                )  # fmt: skip
                step[node] = np.exp((W[node, 0] - new) / share)
                W[node, 0] = new
            for c in range(n_copies):
                for i in range(n):
                    if (masks[t, i] >> c) & 1:
                        moved = state[c, i] * step[A[t, i]]
                        state[c, i] = min(max(moved, 1e-150), 1e150)


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_softmax_copies(
    A, masks, n_copies, share, y, weight, start, intercept, first, column, W, prior,
    strength, l1, rate, n_sweeps, grid, H,
):  # fmt: skip
    """The same for several classes; see `sweep_softmax` and `sweep_logistic_copies`."""
    n_trees, n = A.shape
    n_classes = len(intercept)
    step = np.zeros(len(W))
    odds = np.empty((n_copies, n, n_classes))
    for copy in range(n_copies):
        for i in range(n):
            of_row = odds[copy, i]
            of_row[:] = intercept
            for t in range(n_trees):
                if (masks[t, i] >> copy) & 1:
                    for e in range(first[A[t, i]], first[A[t, i] + 1]):
                        of_row[column[e]] += W[e] / share
            of_row[:] = np.exp(of_row - of_row.max())
    total = np.empty((n_copies, n))
    for _ in range(n_sweeps):
        for copy in range(n_copies):
            for i in range(n):
                of_row = odds[copy, i]
                z = of_row.sum()
                for c in range(n_classes):
                    of_row[c] = max(of_row[c] / z, 1e-100)
                total[copy, i] = 1.0
        for t in range(n_trees):
            low, high = first[start[t]], first[start[t + 1]]
            for e in range(low, high):
                step[e] = H[e] = 0.0
            for copy in range(n_copies):
                for i in range(n):
                    if not (masks[t, i] >> copy) & 1:
                        continue
                    per = 1.0 / total[copy, i]
                    mass = weight[i] / (n_copies * share)
                    for e in range(first[A[t, i]], first[A[t, i] + 1]):
                        q = odds[copy, i, column[e]] * per
                        step[e] += mass * (q - (1.0 if column[e] == y[i] else 0.0))
                        H[e] += mass / share * q * (1.0 - q)
            for e in range(low, high):
                new = moved_weight(W[e], step[e], H[e], prior[e], strength, l1, rate, grid)
                step[e] = np.exp((new - W[e]) / share)
                W[e] = new
            for copy in range(n_copies):
                for i in range(n):
                    if not (masks[t, i] >> copy) & 1:
                        continue
                    change = 0.0
                    for e in range(first[A[t, i]], first[A[t, i] + 1]):
                        old = odds[copy, i, column[e]]
                        new = old * step[e]
                        odds[copy, i, column[e]] = new
                        change += new - old
                    total[copy, i] = max(total[copy, i] + change, 1e-300)
