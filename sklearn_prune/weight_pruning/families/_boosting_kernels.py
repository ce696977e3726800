"""Compiled loops of the joint refit of the leaves of boosted trees."""

import numpy as np
from numba import njit

SQUARED, LOGISTIC, SOFTMAX, EXPONENTIAL, POISSON, GAMMA, NONE = range(7)


@njit(cache=True, nogil=True)
def derivatives(loss, raw, y, weights, gradient, hessian):
    """First and second derivatives of the loss of each row by its raw scores."""
    n_rows, n_outputs = raw.shape
    for i in range(n_rows):
        weight = weights[i]
        if loss == SOFTMAX:
            largest = raw[i, 0]
            for k in range(1, n_outputs):
                largest = max(largest, raw[i, k])
            total = 0.0
            for k in range(n_outputs):
                gradient[i, k] = np.exp(raw[i, k] - largest)
                total += gradient[i, k]
            for k in range(n_outputs):
                share = gradient[i, k] / total
                hessian[i, k] = weight * share * (1.0 - share)
                gradient[i, k] = weight * (share - (1.0 if y[i] == k else 0.0))
            continue
        score, target = raw[i, 0], y[i]
        if loss == SQUARED:
            first, second = score - target, 1.0
        elif loss == LOGISTIC:
            share = 1.0 / (1.0 + np.exp(-score))
            first, second = share - target, share * (1.0 - share)
        elif loss == EXPONENTIAL:
            second = np.exp(-score) if target > 0 else np.exp(score)
            first = -second if target > 0 else second
        elif loss == POISSON:
            second = np.exp(score)
            first = second - target
        elif loss == GAMMA:
            second = target * np.exp(-score)
            first = 1.0 - second
        else:
            first, second = 0.0, 1.0
        gradient[i, 0], hessian[i, 0] = weight * first, weight * second


@njit(cache=True, nogil=True)
def add_leaves(leaves, home, output, value, raw):
    """Add to the raw scores what the leaves of the rows hold."""
    for t in range(leaves.shape[0]):
        k = output[t]
        for i in range(leaves.shape[1]):
            raw[i, k] += value[home[leaves[t, i]]]


@njit(cache=True, nogil=True)
def newton_sweep(
    leaves, rounds, roots, output, home, loss, y, weights, raw, value, anchor, ridge, step,
    curvature,
):  # fmt: skip
    """One Newton step for the leaves of each tree, in turn; with no step, curvatures only.

    The leaves of a tree part the rows, so that its Hessian is diagonal. `curvature` gets
    it; `value` and `raw` move. The trees of a round add to different outputs and move
    together. Nodes of tree t stand from ``roots[t]`` on.
    """
    n_rows, n_outputs = raw.shape
    gradient = np.empty((n_rows, n_outputs))
    hessian = np.empty((n_rows, n_outputs))
    move = np.zeros(len(value))
    for r in range(len(rounds) - 1):
        if step > 0.0 or r == 0:
            derivatives(loss, raw, y, weights, gradient, hessian)
        for t in range(rounds[r], rounds[r + 1]):
            k = output[t]
            move[roots[t] : roots[t + 1]] = 0.0
            curvature[roots[t] : roots[t + 1]] = 0.0
            for i in range(n_rows):
                leaf = home[leaves[t, i]]
                move[leaf] += gradient[i, k]
                curvature[leaf] += hessian[i, k]
            if step == 0.0:
                continue
            for leaf in range(roots[t], roots[t + 1]):
                if curvature[leaf] > 0.0:
                    pull = move[leaf] + ridge * (value[leaf] - anchor[leaf])
                    move[leaf] = -step * pull / (curvature[leaf] + ridge)
                    value[leaf] += move[leaf]
            for i in range(n_rows):
                raw[i, k] += move[home[leaves[t, i]]]
