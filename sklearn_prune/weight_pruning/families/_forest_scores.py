"""Trees whose leaves hold scores, and what those add up to."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune.weight_pruning.compact._tree_arrays import TreeArrays


@dataclass(frozen=True)
class ScoredTrees:
    """Trees whose leaves add scores to an intercept.

    Parameters
    ----------
    arrays : TreeArrays
        The trees; `value` of a leaf is what it adds.
    intercept : ndarray of shape (n_outputs,)
        What the sums start from.
    scale : ndarray of shape (n_outputs,), or None
        The scores are integers from -127 to 127 times this, where they are rounded.
    """

    arrays: TreeArrays
    intercept: np.ndarray
    scale: np.ndarray | None = None

    def sums(self, leaves, counted=None):
        """Scores of rows, given the leaf of each in each tree; see `added_up`."""
        return added_up(self.arrays.value, leaves, self.intercept, counted)


def added_up(values, leaves, start, counted=None):
    """What the leaves of all trees add to `start`, for each row.

    Parameters
    ----------
    values : ndarray of shape (n_nodes, width)
        What each leaf adds.
    leaves : ndarray of shape (n_trees, n_samples), int
        The leaf of each row in each tree.
    start : ndarray of shape (width,)
        What the sums start from.
    counted : ndarray of shape (n_trees, n_samples), bool, or None
        The trees that speak about each row, here also for those that do not.
    """
    total = np.zeros((leaves.shape[1], values.shape[1]))
    for t, of_tree in enumerate(leaves):
        added = values[of_tree]
        total += added if counted is None else added * counted[t, :, None]
    if counted is not None:
        total *= (len(leaves) / np.maximum(counted.sum(axis=0), 1))[:, None]
    return total + start
