"""Merge sibling leaves of boosted trees and refit all leaves together."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from sklearn_prune.weight_pruning.families._boosting_arrays import levels, pruned_nodes

_CODES = ("squared", "logistic", "softmax", "exponential", "poisson", "gamma", None)
MERGED_AT_ONCE = 0.3  # share of the sibling pairs that a round may merge


@dataclass(frozen=True)
class TrainingRows:
    """What a refit reads of the rows.

    Parameters
    ----------
    leaves : ndarray of shape (n_trees, n_samples), int32
        Node in which each row ends.
    y, weights : ndarray of shape (n_samples,), float64
        Targets or class codes, and weights.
    """

    leaves: np.ndarray
    y: np.ndarray
    weights: np.ndarray


class LeafPath:
    """Trees on their way to fewer leaves.

    Parameters
    ----------
    model : BoostedModel
        Where it starts; it is not changed.
    rows : TrainingRows
        The rows.
    ridge : float
        Strength of the pull to the model's own leaves, in units of the second
        derivative of the loss; infinite for no refit.
    keys : ndarray of shape (n_nodes,), or None
        The pair below the node with the smallest key is merged first; None for the pair
        that costs least.

    Notes
    -----
    Two sibling leaves with values v, w and second derivatives g, h cost
    ``g h / (g + h) (v - w)**2 / 2`` when they become one, to second order. The refit is
    block-coordinate Newton, a tree a block.
    """

    def __init__(self, model, rows, ridge, keys=None):
        self.model, self.rows, self.keys = model, rows, keys
        trees = model.trees
        self.ridge = ridge
        self.is_leaf = trees.left < 0
        self.home = np.arange(trees.n_nodes, dtype=np.int32)
        self.value = trees.value.copy()
        self.anchor = trees.value.copy()
        self.curvature = np.zeros(trees.n_nodes)
        self.ends = np.append(trees.roots, trees.n_nodes)
        self.rounds = _rounds(trees)
        self.loss = self.code(model.loss)
        self.n_splits = int(np.count_nonzero(~self.is_leaf))
        self.sweep(0)

    @staticmethod
    def code(loss):
        """Number by which the kernels know a loss."""
        return _CODES.index(loss)

    def n_parameters(self):
        """Two for each split, one for each leaf of a tree that has a split."""
        roots = self.model.trees.roots
        return 3 * self.n_splits + int(np.count_nonzero(~self.is_leaf[roots]))

    def sweep(self, n_sweeps):
        """Newton steps over all trees; with none, second derivatives only."""
        from sklearn_prune.weight_pruning.families import _boosting_kernels as kernels

        trees, rows = self.model.trees, self.rows
        raw = np.empty((rows.leaves.shape[1], self.model.n_outputs))
        raw[:] = self.model.start
        kernels.add_leaves(rows.leaves, self.home, trees.output, self.value, raw)
        step = 0.0 if not n_sweeps else 1.0 if self.model.loss == "squared" else 0.8
        for _ in range(max(1, n_sweeps)):
            kernels.newton_sweep(
                rows.leaves,
                self.rounds,
                self.ends,
                trees.output,
                self.home,
                self.loss,
                rows.y,
                rows.weights,
                raw,
                self.value,
                self.anchor,
                float(self.ridge),
                step,
                self.curvature,
            )

    def shrink(self, n_parameters):
        """Merge sibling leaves down to this number of parameters."""
        trees = self.model.trees
        while (excess := self.n_parameters() - n_parameters) > 0 and self.n_splits:
            nodes = np.flatnonzero(~self.is_leaf)
            left, right = trees.left[nodes], trees.right[nodes]
            both = self.is_leaf[left] & self.is_leaf[right]
            nodes, left, right = nodes[both], left[both], right[both]
            g, h = self.curvature[left], self.curvature[right]
            total = g + h
            if self.keys is None:
                difference = self.value[left] - self.value[right]
                cost = np.divide(g * h, total, out=np.zeros(len(g)), where=total > 0)
                cost *= difference**2
            else:
                cost = self.keys[nodes]
            size = min(-(-excess // 3), max(1, int(MERGED_AT_ONCE * len(nodes))))
            chosen = np.argsort(np.round(cost, 300), kind="stable")[:size]
            nodes, left, right = nodes[chosen], left[chosen], right[chosen]
            share = np.divide(
                g[chosen], total[chosen], out=np.full(size, 0.5), where=total[chosen] > 0
            )
            for values in (self.value, self.anchor):
                values[nodes] = share * values[left] + (1 - share) * values[right]
            self.curvature[nodes] = total[chosen]
            self.is_leaf[nodes] = True
            new = np.arange(len(self.home), dtype=np.int32)
            new[left] = new[right] = nodes
            self.home = new[self.home]
            self.n_splits -= size

    def trees_now(self):
        """The model with the trees as they are now, and the nodes that are left.

        A tree without a split is added to where the raw score starts.
        """
        trees = self.model.trees
        single = self.is_leaf[trees.roots]
        start = self.model.start.copy()
        if single.all():
            single = single.copy()
            single[0] = False
        np.add.at(start, trees.output[single], self.value[trees.roots[single]])
        valued = replace(trees, value=self.value)
        smaller, kept, _ = pruned_nodes(valued, self.is_leaf, ~single)
        return replace(self.model, trees=smaller, start=start), kept

    def copy(self):
        """Another path that starts where this one is."""
        other = copy(self)
        for name in ("is_leaf", "value", "anchor", "curvature"):
            setattr(other, name, getattr(self, name).copy())
        return other


def _rounds(trees):
    """Where the rounds of trees begin that add to different outputs."""
    first, seen, starts = None, set(), []
    for number, (iteration, output) in enumerate(
        zip(trees.iteration.tolist(), trees.output.tolist(), strict=True)
    ):
        if iteration != first or output in seen:
            starts.append(number)
            first, seen = iteration, set()
        seen.add(output)
    return np.array([*starts, len(trees.roots)])


def leaf_nodes(trees, flat, X):
    """Node in which each row ends, by (tree, row)."""
    order = np.concatenate([np.zeros(0, dtype=np.int64), *levels(trees)])
    of_tree = trees.tree_of_nodes()
    order = order[np.argsort(of_tree[order], kind="stable")]
    children = np.stack([trees.left[order], trees.right[order]], axis=1).ravel()
    single = trees.roots[trees.left[trees.roots] < 0]
    leaves = np.concatenate([children[trees.left[children] < 0], single])
    leaves = leaves[np.argsort(of_tree[leaves], kind="stable")]
    first = np.searchsorted(of_tree[leaves], np.arange(len(trees.roots)))
    local = flat.apply_leaves(X)
    found = np.empty((local.shape[1], local.shape[0]), dtype=np.int32)
    for t in range(len(found)):
        found[t] = leaves[first[t] + np.where(trees.left[trees.roots[t]] < 0, 0, local[:, t])]
    return found
