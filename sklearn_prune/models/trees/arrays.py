"""What is left of trees when nodes are cut, and what is asked of the nodes."""

from dataclasses import replace

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.predictors import picked

SPLITS_SHARING = 3  # a threshold, where a feature has many splits
MIN_VALUES, MAX_VALUES = 16, 128  # different thresholds of such a feature


def collapse(arrays, inner):
    """The trees whose nodes become leaves unless `inner`.

    Parameters
    ----------
    arrays : TreeArrays
        The trees.
    inner : ndarray of shape (n_nodes,), bool
        Nodes that may stay inner: those do whose ancestors do.

    Returns
    -------
    arrays : TreeArrays
        What is left.
    position : ndarray of shape (n_nodes,), int32
        For each node before, the position of the node or leaf that is left of it.
    """
    from sklearn_prune.models.trees.kernels import keepers

    keeper = keepers(arrays.left, arrays.right, inner)
    alive = keeper == np.arange(len(keeper))
    stays = alive & inner & ~arrays.is_leaf
    left = np.where(stays, arrays.left, -1)
    right = np.where(stays, arrays.right, -1)
    kept = picked(arrays, np.flatnonzero(alive), left, right, np.arange(arrays.n_trees))
    renumbered = np.cumsum(alive) - 1
    return kept, renumbered[keeper].astype(np.int32)


def leaves_of_rows(arrays, X, block=8192):
    """Position of the leaf of each row in each tree, shape (n_trees, n_samples), int32."""
    from sklearn_prune.models.trees.kernels import walk

    found = np.empty((arrays.n_trees, X.shape[0]), dtype=np.int32)
    for first in range(0, X.shape[0], block):
        rows = X[first : first + block]
        rows = rows.toarray() if issparse(rows) else rows
        walk(
            np.ascontiguousarray(rows, dtype=np.float32),
            arrays.start,
            arrays.left,
            arrays.right,
            arrays.feature,
            arrays.threshold,
            arrays.missing,
            first,
            found,
        )
    return found


def max_below(arrays, scores):
    """The largest score of the inner nodes at and below each node; -inf at leaves."""
    from sklearn_prune.models.trees.kernels import subtree_max

    scores = np.where(arrays.is_leaf, -np.inf, scores)
    return subtree_max(arrays.left, arrays.right, scores)


def impurity_decreases(arrays):
    """By how much each inner node lowers the impurity, times its share of the rows."""
    weighted = arrays.weight * arrays.impurity
    decrease = np.zeros(len(weighted))
    inner = ~arrays.is_leaf
    decrease[inner] = (
        weighted[inner] - weighted[arrays.left[inner]] - weighted[arrays.right[inner]]
    )
    root = np.repeat(arrays.weight[arrays.start[:-1]], np.diff(arrays.start))
    return np.maximum(decrease, 0) / np.where(root > 0, root, 1.0)


def shared_thresholds(arrays):
    """The arrays with fewer different thresholds: several splits of a feature share one.

    The thresholds of a feature are sorted and divided into groups of equal weight (by the
    rows that pass the nodes); all of a group become its median. Where a forest has many
    trees this moves few rows, and the place of a threshold among at most 128 takes one
    byte.
    """
    threshold = arrays.threshold.copy()
    inner = np.flatnonzero(~arrays.is_leaf)
    order = inner[np.lexsort((threshold[inner], arrays.feature[inner]))]
    bounds = np.flatnonzero(np.diff(arrays.feature[order])) + 1
    for nodes in np.split(order, bounds):
        values = threshold[nodes]
        n_values = min(max(len(nodes) // SPLITS_SHARING, MIN_VALUES), MAX_VALUES)
        if len(nodes) <= n_values or len(np.unique(values)) <= n_values:
            continue
        reach = np.cumsum(np.sqrt(arrays.weight[nodes]))
        group = np.minimum((reach / reach[-1] * n_values).astype(int), n_values - 1)
        is_first = np.diff(group, prepend=-1) > 0
        firsts = np.flatnonzero(is_first)
        middles = (firsts + np.append(firsts[1:], len(nodes)) - 1) // 2
        threshold[nodes] = values[middles][np.cumsum(is_first) - 1]
    return replace(arrays, threshold=threshold)
