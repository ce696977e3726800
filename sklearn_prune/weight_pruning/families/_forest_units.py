"""Nodes, leaves and trees of a forest as units, and what ranks them."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune._ranking import Ranking
from sklearn_prune.weight_pruning.compact._tree_arrays import pick_trees
from sklearn_prune.weight_pruning.families._forest_arrays import (
    collapse,
    max_below,
)


@dataclass(frozen=True)
class UnitNumbers:
    """Which unit each node is, in the forest as it was fitted.

    Parameters
    ----------
    split : ndarray of shape (n_nodes,), int64
        Number of each node among the splits, -1 for leaves.
    leaf : ndarray of shape (n_nodes,), int64
        Number of the leaf that stands for each node: itself, or the one among those below
        that was reached by the most rows.
    n_splits, n_leaves : int
        How many there are.
    """

    split: np.ndarray
    leaf: np.ndarray
    n_splits: int
    n_leaves: int

    @classmethod
    def of(cls, arrays):
        """Those of a whole forest."""
        from sklearn_prune.weight_pruning.families._forest_refit_kernels import (
            heaviest_below,
        )

        is_leaf = arrays.is_leaf
        split = np.where(is_leaf, -1, np.cumsum(~is_leaf) - 1)
        number = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)
        heaviest = heaviest_below(arrays.left, arrays.right, arrays.weight)
        return cls(split, number[heaviest], int(split.max() + 1), int(number.max() + 1))


def closed_order(arrays, ranking):
    """An order of the splits in which each comes after those above it.

    A split counts as good as the best below it, so the others keep their order.

    Parameters
    ----------
    arrays : TreeArrays
        The trees.
    ranking : Ranking
        An order of their splits.
    """
    inner = np.flatnonzero(~arrays.is_leaf)
    scores = np.full(len(arrays.left), -np.inf)
    scores[inner[ranking.order]] = -np.arange(len(inner), dtype=np.float64)
    best = max_below(arrays, scores)[inner]
    own = None if ranking.scores is None else ranking.scores
    return Ranking(np.argsort(-best, kind="stable"), own)


def leaf_order(arrays, splits, numbers):
    """The order of leaves that an order of splits means.

    Without a split, the lighter of the two leaves that stand for its sides is gone. The
    leaf that stands for a whole tree comes first.
    """
    inner, leaves = np.flatnonzero(~arrays.is_leaf), np.flatnonzero(arrays.is_leaf)
    standing = numbers.leaf[arrays.node]
    position = np.full(numbers.n_leaves, -1)
    position[standing[leaves]] = np.arange(len(leaves))
    parents = inner[splits.order]
    left, right = standing[arrays.left[parents]], standing[arrays.right[parents]]
    loser = np.where(left == standing[parents], right, left)
    roots = standing[arrays.start[:-1]]
    return Ranking(position[np.concatenate([roots, loser])])


def without_leaves(arrays, kept, numbers):
    """The trees with the leaves at the positions `kept` only; siblings are merged."""
    from sklearn_prune.weight_pruning.families._forest_refit_kernels import subtree_sum

    leaves = np.flatnonzero(arrays.is_leaf)
    counts = np.zeros(len(arrays.left))
    counts[leaves[kept]] = 1
    counts = subtree_sum(arrays.left, arrays.right, counts)
    smaller, _ = collapse(arrays, counts >= 2)
    has_any = np.flatnonzero(counts[arrays.start[:-1]] > 0)
    return pick_trees(smaller, has_any) if len(has_any) < smaller.n_trees else smaller


def greedy_order(predictions, truth, weight, counted, measure, *, classes):
    """Order the members of an ensemble, each next one the best beside those chosen.

    Parameters
    ----------
    predictions : ndarray of shape (n_members, n_samples, width)
        Class shares, or predicted targets.
    truth : ndarray of shape (n_samples, width)
        One column for each class with ones at the right ones, or the targets.
    weight : ndarray of shape (n_samples,)
        Of the rows.
    counted : ndarray of shape (n_members, n_samples), bool
        The rows that may judge a member.
    measure : {"reduced_error", "complementarity", "margin"}
        See `ContributionCriterion`.
    classes : bool
        Whether the columns are classes.

    Notes
    -----
    Cost: O(n_members**2 * n_samples * width).
    """
    n_members = len(predictions)
    counted = counted.astype(np.float64)
    usable = predictions * counted[:, :, None]
    total, count = np.zeros(truth.shape), np.zeros(len(truth))
    left, order = list(range(n_members)), []
    right = None
    if classes and measure == "complementarity":
        own = (predictions.argmax(axis=2) == truth.argmax(axis=1)) * counted
        right = own - (counted - own)
    while left:
        if right is not None and order:
            wrong = total.argmax(axis=1) != truth.argmax(axis=1)
            gains = right[left] @ (weight * wrong)
        else:
            gains = np.array(
                [
                    _gain(
                        total + usable[m],
                        count + counted[m],
                        truth,
                        weight,
                        measure,
                        classes,
                    )
                    for m in left
                ]
            )
        best = left.pop(int(np.argmax(np.round(gains, 12))))
        order.append(best)
        total += usable[best]
        count += counted[best]
    return Ranking(np.array(order))


def _gain(total, count, truth, weight, measure, classes):
    """How good the mean of some members is on the rows that may judge them."""
    judged = count > 0
    mean = total[judged] / count[judged, None]
    target, weight = truth[judged], weight[judged]
    if not judged.any():
        return -np.inf
    if not classes:
        return -np.average(((mean - target) ** 2).sum(axis=1), weights=weight)
    if measure != "margin":
        hits = mean.argmax(axis=1) == target.argmax(axis=1)
        # of equal accuracies the larger share of the right class decides
        return np.average(hits + 1e-3 * (mean * target).sum(axis=1), weights=weight)
    right = (mean * target).sum(axis=1)
    margins = right - np.where(target > 0, -1.0, mean).max(axis=1)
    return -np.average((np.minimum(margins, 0.075) - 0.075) ** 2, weights=weight)
