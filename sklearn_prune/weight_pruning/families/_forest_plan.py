"""What unit="auto" does: first trees, no small nodes, joint refit, sibling merge."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune._ranking import Ranking
from sklearn_prune.weight_pruning.compact._tree_arrays import pick_trees
from sklearn_prune.weight_pruning.families._forest_arrays import (
    collapse,
    impurity_decreases,
    leaves_of_rows,
    shared_thresholds,
)
from sklearn_prune.weight_pruning.families._forest_units import closed_order
from sklearn_prune.weight_pruning.families._forest_work import (
    parameters_of,
    splits_within,
    voted,
)
from sklearn_prune.weight_pruning.families._tree_dropout import dropout_of

FIRST_SWEEPS = 8
SWEEPS_AT_SIZE = 1


@dataclass(frozen=True)
class Option:
    """One of the ways to make a forest smaller.

    Parameters
    ----------
    trees : float
        At most this share of the trees is used, the first ones.
    min_rows : int
        Nodes that fewer rows have reached become leaves.
    strength : float or None
        Of the ridge penalty of the joint refit; None keeps the trees' own votes.
    """

    trees: float = 1.0
    min_rows: int = 1
    strength: float | None = None


class ForestPath:
    """Ever smaller forests from one fitted one.

    Parameters
    ----------
    work : ForestWork
        The whole forest.
    shares : list of float
        Descending, of the parameters.
    context : PruningContext
        Rows to estimate on.
    n_trees : int
        Number of trees that the shares mean; more than there are where only the first
        were fitted.
    watched : ndarray or None
        Rows to predict.
    counted : ndarray of shape (n_trees, n_watched), bool, or None
        Which trees may speak about each of them.
    """

    def __init__(self, work, shares, context, *, n_trees=None, watched=None, counted=None):
        self.work, self.context, self.fitted = work, context, work.fitted
        self.n_trees = self.fitted.n_trees if n_trees is None else n_trees
        total = round(self.fitted.n_parameters * self.n_trees / self.fitted.n_trees)
        self.budgets = [parameters_of(share, total) for share in shares]
        self.width = (
            int(self.fitted.n_classes.sum())
            if self.fitted.classifies
            else (self.fitted.n_outputs)
        )
        self._leaves, self._watched_leaves = None, None
        self.watched, self.counted = watched, counted

    def _start(self, option):
        """First trees without their small nodes, and the leaves of the rows in them."""
        n_trees = min(self.fitted.n_trees, max(1, round(option.trees * self.n_trees)))
        arrays = self.work.nodes
        first = (
            pick_trees(arrays, np.arange(n_trees)) if n_trees < arrays.n_trees else arrays
        )
        smaller, position = collapse(first, first.rows >= option.min_rows)
        watched = None
        if self.watched is not None:
            if self._watched_leaves is None:
                self._watched_leaves = leaves_of_rows(arrays, self.watched)
            watched = position[self._watched_leaves[:n_trees]]
        return smaller, position, watched

    def _refit(self, option):
        if self._leaves is None:
            X = self.fitted.rows(self.context)
            self._leaves = leaves_of_rows(self.work.nodes, X)
        smaller, position, watched = self._start(option)
        leaves = position[self._leaves[: smaller.n_trees]]
        refit = self.fitted.joint_refit(
            smaller,
            leaves,
            self.context,
            option.strength,
            watched=watched,
            **dropout_of(self.context),
        )
        return refit.sweep(FIRST_SWEEPS)

    def works(self, option):
        """The smaller working forms."""
        if option.strength is None:
            arrays, _, _ = self._start(option)
            return [
                self.work.cut(self._within(arrays, budget)[0]) for budget in self.budgets
            ]
        return [self._finished(refit) for refit in self._merged(option)]

    def predictions(self, option):
        """What the smaller forests predict for the watched rows."""
        if option.strength is None:
            arrays, _, watched = self._start(option)
            found = []
            for budget in self.budgets:
                smaller, position = self._within(arrays, budget)
                leaves = watched[: smaller.n_trees]
                leaves = leaves if position is None else position[leaves]
                found.append(voted(self.fitted, smaller, leaves, self._counted(smaller)))
            return found
        return [
            self.fitted.labels(refit.watched_scores(self._counted(refit.arrays)))
            for refit in self._merged(option)
        ]

    def _counted(self, arrays):
        return None if self.counted is None else self.counted[arrays.tree]

    def _merged(self, option):
        """The same refit, at one size after the other."""
        refit = self._refit(option)
        for budget in self.budgets:
            n_splits = splits_within(budget, self.width, refit.arrays.n_trees)
            refit.merge_to(n_splits)
            yield refit.sweep(SWEEPS_AT_SIZE)

    def _finished(self, refit):
        X = self.fitted.rows(self.context)
        scored = refit.finished(
            lambda arrays: leaves_of_rows(arrays, X), share_thresholds=shared_thresholds
        )
        arrays, _ = collapse(refit.arrays, refit.alive & ~refit.leaf)
        return type(self.work)(self.fitted, arrays, scored)

    def _within(self, arrays, budget):
        """The first trees that fit, or as much of the first one as does."""
        n_nodes, n_leaves = (
            np.diff(arrays.start),
            np.add.reduceat(arrays.is_leaf.astype(np.int64), arrays.start[:-1]),
        )
        sizes = 2 * (n_nodes - n_leaves) + self.width * n_leaves
        fitting = int(np.searchsorted(np.cumsum(sizes), budget, side="right"))
        if fitting > 0:
            return pick_trees(arrays, np.arange(fitting)), None
        return within_splits(arrays, budget, self.width)


def within_splits(arrays, budget, width):
    """The first tree with the splits that lower the impurity most."""
    first = pick_trees(arrays, np.arange(1))
    n_splits = max(0, int((budget - width) // (2 + width)))
    inner = np.flatnonzero(~first.is_leaf)
    order = closed_order(first, Ranking.from_scores(impurity_decreases(first)[inner])).order
    stays = np.zeros(len(first.left), dtype=bool)
    stays[inner[order[:n_splits]]] = True
    smaller, position = collapse(first, stays)
    whole = np.arange(len(arrays.left), dtype=np.int32)
    whole[: len(position)] = position
    return smaller, whole
