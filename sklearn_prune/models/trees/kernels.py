"""Compiled kernels of the joint leaf refit and of tree dropout."""

import numpy as np
from numba import njit

LOGISTIC, SQUARED = 0, 1
LONGEST_STEP = 30.0  # of a softmax score: what bends too little would go far too far
LARGEST_EXPONENT = 200.0  # of a factor of odds, which must not overflow
CANCELLED, OVERFLOWING = 1e-13, 1e100  # of a sum of odds: it is then added up again


@njit(cache=True, nogil=True)
def walk(X, start, left, right, feature, threshold, missing, first, found):
    """Write to `found` the leaf of each row in each tree, from column `first` on."""
    for t in range(len(start) - 1):
        for i in range(X.shape[0]):
            node = np.int64(start[t])
            while left[node] >= 0:
                x = X[i, feature[node]]
                if x <= threshold[node] or (missing[node] and np.isnan(x)):
                    node = np.int64(left[node])
                else:
                    node = np.int64(right[node])
            found[t, first + i] = node


@njit(cache=True, nogil=True)
def keepers(left, right, inner):
    """The node that stands for each node when those that are not `inner` are leaves."""
    keeper = np.arange(len(left))
    for node in range(len(left)):
        if left[node] < 0:
            continue
        stays = keeper[node] == node and inner[node]
        for child in (left[node], right[node]):
            if not stays:
                keeper[child] = keeper[node]
    return keeper


@njit(cache=True, nogil=True)
def subtree_max(left, right, scores):
    """The largest score at and below each node."""
    best = scores.copy()
    for node in range(len(left) - 1, -1, -1):
        if left[node] >= 0:
            best[node] = max(best[node], best[left[node]], best[right[node]])
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def moved_weight(old, gradient, curvature, prior, strength, l1, rate, grid):
    """A weight after a Newton step under a ridge, or an absolute, penalty."""
    if l1:
        damped = curvature + 1.0  # few rows bend the loss little and would go too far
        target = damped * (old - prior) - gradient
        shrunk = max(abs(target) - strength, 0.0) / damped
        new = old + rate * (prior + (shrunk if target > 0 else -shrunk) - old)
    else:
        pull = gradient + strength * (old - prior)
        new = old - rate * pull / (curvature + strength)
    if grid > 0:
        new = grid * min(max(np.rint(new / grid), -127.0), 127.0)
    return new


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(
    A, y, weight, start, intercept, W, prior, strength, l1, rate, loss, n_sweeps, grid, H,
    added,
):  # fmt: skip
    """Newton steps on the leaves of one tree after the other.

    What the steps keep up to date is exp(-score) for the logistic loss, and the score
    minus y for the squared one. With a grid each new weight is a multiple of it. `added`
    is the share of its curvature by which a leaf is pulled to zero besides.
    """
    n_trees, n = A.shape
    width = W.shape[1]
    step = np.zeros(W.shape)
    state = np.empty((n, width))
    state[:] = intercept
    for t in range(n_trees):
        for i in range(n):
            for c in range(width):
                state[i, c] += W[A[t, i], c]
    for i in range(n):
        for c in range(width):
            if loss == LOGISTIC:
                state[i, c] = np.exp(-min(max(state[i, c], -300.0), 300.0))
            else:
                state[i, c] -= y[i, c]
    for _ in range(n_sweeps):
        for t in range(n_trees):
            first, last = start[t], start[t + 1]
            for node in range(first, last):
                H[node] = 0.0
                for c in range(width):
                    step[node, c] = 0.0
            leaves = A[t]
            if loss == LOGISTIC:
                for i in range(n):
                    q = 1.0 / (1.0 + state[i, 0])
                    step[leaves[i], 0] += weight[i] * (q - y[i, 0])
                    H[leaves[i]] += weight[i] * q * (1.0 - q)
            else:
                for i in range(n):
                    H[leaves[i]] += weight[i]
                    for c in range(width):
                        step[leaves[i], c] += weight[i] * state[i, c]
            for node in range(first, last):
                for c in range(width):
                    pull = added * H[node]
                    new = moved_weight(
                        W[node, c], step[node, c] + pull * W[node, c], H[node] + pull,
                        prior[node, c], strength, l1, rate, grid,
                    )  # fmt: skip
                    moved = new - W[node, c]
                    W[node, c] = new
                    step[node, c] = np.exp(-moved) if loss == LOGISTIC else moved
            if loss == LOGISTIC:
                for i in range(n):
                    moved = state[i, 0] * step[leaves[i], 0]
                    state[i, 0] = min(max(moved, 1e-150), 1e150)
            else:
                for i in range(n):
                    for c in range(width):
                        state[i, c] += step[leaves[i], c]


@njit(cache=True, nogil=True, error_model="numpy")
def as_shares(odds):
    """Divide the odds of one row by their sum, in place."""
    z = 0.0
    for c in range(len(odds)):
        z += odds[c]
    for c in range(len(odds)):
        odds[c] = max(odds[c] / max(z, 1e-300), 1e-100)


@njit(cache=True, nogil=True, error_model="numpy")
def total_after(total, change, largest, odds):
    """The sum of the odds of one row after a step, and the largest since it was exact.

    Changes are added to the sum. If it became much smaller than it was, rounding errors
    may exceed it, and shares of it exceed 1: it is then added up again. So it is before
    it overflows.
    """
    total += change
    if CANCELLED * largest < total < OVERFLOWING:
        return total, max(total, largest)
    as_shares(odds)
    return 1.0, 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_softmax(
    A, y, weight, start, intercept, first, column, W, prior, strength, l1, rate, n_sweeps,
    grid, H,
):  # fmt: skip
    """The same for several classes; a leaf has weights for some of them.

    Entries ``first[node]`` to ``first[node + 1]`` are the classes of a leaf. What is kept
    up to date are probabilities up to a factor for each row.
    """
    n_trees, n = A.shape
    n_classes = len(intercept)
    odds = np.empty((n, n_classes))
    step = np.zeros(len(W))
    odds[:] = intercept
    for t in range(n_trees):
        for i in range(n):
            for e in range(first[A[t, i]], first[A[t, i] + 1]):
                odds[i, column[e]] += W[e]
    for i in range(n):
        highest = odds[i, 0]
        for c in range(1, n_classes):
            highest = max(highest, odds[i, c])
        for c in range(n_classes):
            odds[i, c] = np.exp(odds[i, c] - highest)
    total, largest = np.empty(n), np.empty(n)
    for _ in range(n_sweeps):
        for i in range(n):
            as_shares(odds[i])
            total[i] = largest[i] = 1.0
        for t in range(n_trees):
            low, high = first[start[t]], first[start[t + 1]]
            for e in range(low, high):
                step[e] = H[e] = 0.0
            leaves = A[t]
            for i in range(n):
                per = 1.0 / total[i]
                for e in range(first[leaves[i]], first[leaves[i] + 1]):
                    c = column[e]
                    q = odds[i, c] * per
                    step[e] += weight[i] * (q - (1.0 if c == y[i] else 0.0))
                    H[e] += weight[i] * q * (1.0 - q)
            for e in range(low, high):
                new = moved_weight(W[e], step[e], H[e], prior[e], strength, l1, rate, grid)
                if grid == 0 and abs(new - W[e]) > LONGEST_STEP:
                    new = W[e] + (LONGEST_STEP if new > W[e] else -LONGEST_STEP)
                step[e] = np.exp(min(new - W[e], 2 * LONGEST_STEP))
                W[e] = new
            for i in range(n):
                change = 0.0
                for e in range(first[leaves[i]], first[leaves[i] + 1]):
                    old = odds[i, column[e]]
                    new = min(old * step[e], 1e100)
                    odds[i, column[e]] = new
                    change += new - old
                total[i], largest[i] = total_after(total[i], change, largest[i], odds[i])


@njit(cache=True, nogil=True)
def subtree_sum(left, right, values):
    """The sum of values at and below each node."""
    total = values.copy()
    for node in range(len(left) - 1, -1, -1):
        if left[node] >= 0:
            total[node] += total[left[node]] + total[right[node]]
    return total


@njit(cache=True, nogil=True)
def heaviest_below(left, right, weight):
    """The leaf that stands for each node: at each split that of the heavier side."""
    leaf = np.arange(len(left))
    for node in range(len(left) - 1, -1, -1):
        if left[node] >= 0:
            heavier = weight[left[node]] >= weight[right[node]]
            leaf[node] = leaf[left[node]] if heavier else leaf[right[node]]
    return leaf


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
    total, largest = np.empty((n_copies, n)), np.empty((n_copies, n))
    for _ in range(n_sweeps):
        for copy in range(n_copies):
            for i in range(n):
                as_shares(odds[copy, i])
                total[copy, i] = largest[copy, i] = 1.0
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
                longest = LARGEST_EXPONENT * share
                new = min(max(new, W[e] - longest), W[e] + longest)
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
                    total[copy, i], largest[copy, i] = total_after(
                        total[copy, i], change, largest[copy, i], odds[copy, i]
                    )
