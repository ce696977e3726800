"""Mixes of trees, nodes and leaves for unit="auto"."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune._ranking import Ranking, parameter_budget
from sklearn_prune.models.trees.arrays import (
    collapse,
    impurity_decreases,
    leaves_of_rows,
    shared_thresholds,
)
from sklearn_prune.models.trees.dropout import dropout_of
from sklearn_prune.models.trees.refit import added_up
from sklearn_prune.models.trees.units import closed_order
from sklearn_prune.predictors import pick_trees

FIRST_SWEEPS = 4
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
    merges : bool
        Whether votes are made fewer by merging sibling leaves, the cheapest first, of all
        trees at once. Otherwise the last trees are dropped.
    """

    trees: float = 1.0
    min_rows: int = 1
    strength: float | None = None
    merges: bool = False


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
    watched : ndarray or None
        Rows to predict.
    counted : ndarray of shape (n_trees, n_watched), bool, or None
        Which trees predict each of them.
    """

    def __init__(self, work, shares, context, *, watched=None, counted=None):
        self.work, self.context, self.fitted = work, context, work.fitted
        total = self.fitted.n_parameters
        self.budgets = [parameter_budget(share, total) for share in shares]
        self.width = (
            int(self.fitted.n_classes.sum())
            if self.fitted.classifies
            else (self.fitted.n_outputs)
        )
        self._leaves, self._watched_leaves = None, None
        self.watched, self.counted = watched, counted

    def _start(self, option):
        """First trees without their small nodes, and the leaves of the rows in them."""
        n_trees = max(1, round(option.trees * self.fitted.n_trees))
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

    def _leaves_of_rows(self):
        if self._leaves is None:
            X = self.fitted.rows(self.context)
            self._leaves = leaves_of_rows(self.work.nodes, X)
        return self._leaves

    def _refit(self, option):
        smaller, position, watched = self._start(option)
        leaves = position[self._leaves_of_rows()[: smaller.n_trees]]
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
            return [self.work.cut(arrays) for arrays, _ in self._voting(option)]
        return [self._finished(refit) for refit in self._merged(option)]

    def outputs(self, option):
        """Sums of votes or scores for the watched rows, and numbers stored, by size."""
        if option.strength is not None:
            for refit in self._merged(option):
                yield refit.watched_scores(self._counted(refit.arrays)), refit.n_stored()
            return
        for arrays, leaves in self._voting(option):
            votes = added_up(
                arrays.value,
                leaves,
                np.zeros(arrays.value.shape[1]),
                self._counted(arrays),
            )
            yield votes / arrays.n_trees, arrays.n_parameters()

    def _counted(self, arrays):
        return None if self.counted is None else self.counted[arrays.tree]

    def _merged(self, option):
        """The same refit, at one size after the other."""
        refit = self._refit(option)
        for budget in self.budgets:
            refit.merge_within(budget)
            yield refit.sweep(SWEEPS_AT_SIZE)

    def _voting(self, option):
        """Trees with their own votes, and the leaves of the watched rows, by size."""
        arrays, position, watched = self._start(option)
        n_trees, merging = arrays.n_trees, None
        for budget in self.budgets:
            n_splits = (budget - self.width * n_trees) // (2 + self.width)
            if option.merges and n_splits >= n_trees:
                merging = self._merging(arrays, position) if merging is None else merging
                smaller, place = merging(n_splits)
            else:
                smaller, place = self._within(arrays, budget)
            leaves = None if watched is None else watched[: smaller.n_trees]
            if leaves is not None and place is not None:
                leaves = place[leaves]
            yield smaller, leaves

    def _merging(self, arrays, position):
        """A function that merges leaves of the trees down to a number of splits."""
        if self.fitted.loss is None:  # several outputs: by the decrease of impurity
            inner = np.flatnonzero(~arrays.is_leaf)
            scores = impurity_decreases(arrays)[inner]
            order = inner[closed_order(arrays, Ranking.from_scores(scores)).order]

            def merge(n_splits):
                stays = np.zeros(arrays.n_nodes, dtype=bool)
                stays[order[:n_splits]] = True
                return collapse(arrays, stays)

            return merge
        leaves = position[self._leaves_of_rows()[: arrays.n_trees]]
        refit = self.fitted.joint_refit(arrays, leaves, self.context, 1.0, moves=False)
        refit.sweep()

        def merge(n_splits):
            refit.merge_to(n_splits)
            return collapse(arrays, refit.alive & ~refit.leaf)

        return merge

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
