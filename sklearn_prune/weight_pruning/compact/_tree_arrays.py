"""Trees as they come and go: arrays of one tree, and the nodes of many in their order."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune.weight_pruning.compact._tree_columns import CATEGORIES, NOT_A_SPLIT


@dataclass
class TreeArrays:
    """One tree; node 0 is its root.

    Parameters
    ----------
    left, right : ndarray of int, shape (n_nodes,)
        Children of each node, -1 for a leaf.
    feature, threshold : ndarray of shape (n_nodes,)
        A row goes left if its feature is at most the threshold.
    value : ndarray of shape (n_nodes, width)
        What a leaf adds to the outputs; rows of inner nodes are not read.
    missing : ndarray of int or bool, or None
        Where a missing value goes: 1 or True left, 0 or False right, 2 as zero would.
    category : ndarray of int, or None
        Number of the set of categories that a node asks for, -1 for a threshold.
    weight : ndarray of float, or None
        Weight of the training rows of each node, where the values of a leaf are class
        weights divided by it.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    missing: np.ndarray | None = None
    category: np.ndarray | None = None
    weight: np.ndarray | None = None


def split_trees(flat):
    """The trees of a `FlatTrees`, one by one; see `FlatTrees.to_arrays`."""
    _, inner, column, keys = flat.node_parts()
    threshold = flat.columns.thresholds(column, keys)
    values = flat.leaf_values()
    trees = []
    for t in range(flat.n_trees):
        first, last = int(flat.node_start[t]), int(flat.node_start[t + 1])
        leaves = values[int(flat.leaf_start[t]) : int(flat.leaf_start[t + 1])]
        if keys[first] == NOT_A_SPLIT:
            none = np.array([-1])
            trees.append(
                TreeArrays(none, none, none - 1, none - 1.0, leaves[:1], none > 0, none)
            )
            continue
        is_inner = np.concatenate([[True], inner[2 * first : 2 * last]])
        n_nodes = len(is_inner)
        own = column[first:last]
        kind = flat.columns.kind[own]

        def spread(of_inner, fill, is_inner=is_inner):
            full = np.full(len(is_inner), fill, dtype=np.asarray(of_inner).dtype)
            full[is_inner] = of_inner
            return full

        left = np.arange(1, n_nodes, 2)
        value = np.zeros((n_nodes, values.shape[1]))
        value[~is_inner] = leaves
        trees.append(
            TreeArrays(
                spread(left, -1),
                spread(left + 1, -1),
                spread(flat.columns.feature[own].astype(np.int64), -2),
                spread(threshold[first:last], -2.0),
                value,
                spread(np.where(kind == CATEGORIES, 0, kind), 0),
                spread(np.where(kind == CATEGORIES, own, -1), -1),
            )
        )
    return trees


class TreeNodes:
    """The inner nodes and leaves of trees, one tree after the other, breadth first."""

    def __init__(self, trees):
        parts = [_breadth_first(tree) for tree in trees]
        self.sizes = np.array([len(part[0]) for part in parts])
        self.inner = np.concatenate([part[1] for part in parts])
        self.is_split = np.repeat([tree.left[0] >= 0 for tree in trees], self.sizes)

        def of_nodes(name, fill):
            columns = []
            for tree, (order, *_) in zip(trees, parts, strict=True):
                values = getattr(tree, name)
                given = np.full(len(order), fill) if values is None else values[order]
                columns.append(given)
            return np.concatenate(columns)

        self.feature = of_nodes("feature", 0).astype(np.int64)
        self.threshold = of_nodes("threshold", 0.0).astype(np.float64)
        self.missing = of_nodes("missing", 0).astype(np.int64)
        self.category = of_nodes("category", -1).astype(np.int64)
        leaves = [part[2] for part in parts]
        self.value = np.concatenate(
            [tree.value[of] for tree, of in zip(trees, leaves, strict=True)]
        )
        self.weight = None
        if all(tree.weight is not None for tree in trees):
            self.weight = np.concatenate(
                [tree.weight[of] for tree, of in zip(trees, leaves, strict=True)]
            )


def _breadth_first(tree):
    """Inner nodes in order, whether each child is one of them, and leaves in order.

    A tree without a split becomes a node whose children are its one leaf.
    """
    left, right = tree.left, tree.right
    if left[0] < 0:
        return np.zeros(1, np.int64), np.zeros(2, bool), np.zeros(2, np.int64)
    level, levels = np.zeros(1, np.int64), []
    while len(level):
        levels.append(level)
        children = np.stack([left[level], right[level]], axis=1).ravel()
        level = children[left[children] >= 0]
    order = np.concatenate(levels)
    children = np.stack([left[order], right[order]], axis=1).ravel()
    inner = left[children] >= 0
    return order, inner, children[~inner]
