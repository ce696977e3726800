"""The nodes of many trees in arrays, and what is left of them when some are cut."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse

SPLITS_SHARING = 3  # a threshold, where a feature has many splits
MIN_VALUES, MAX_VALUES = 16, 128  # different thresholds of such a feature


@dataclass(frozen=True)
class ForestArrays:
    """Trees one after the other; each node comes after its parent.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,), int32
        Positions of the children in these arrays, -1 for a leaf.
    start : ndarray of shape (n_trees + 1,), int64
        Position of the root of each tree, and the end.
    feature : ndarray of shape (n_nodes,), int32
        Column that a node reads.
    threshold : ndarray of shape (n_nodes,), float64
        A row goes left if its value is at most this.
    missing : ndarray of shape (n_nodes,), uint8
        Whether missing values go left.
    value : ndarray of shape (n_nodes, width), float64
        Mean of the targets, or class shares, of the training rows of a node.
    weight : ndarray of shape (n_nodes,), float64
        Weight of those rows.
    rows : ndarray of shape (n_nodes,), int64
        Their number.
    impurity : ndarray of shape (n_nodes,), float64
        Their impurity.
    node : ndarray of shape (n_nodes,), int64
        Number of the node in the forest as it was fitted, all trees counted.
    tree : ndarray of shape (n_trees,), int64
        Number of the tree there.
    """

    left: np.ndarray
    right: np.ndarray
    start: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    rows: np.ndarray
    impurity: np.ndarray
    node: np.ndarray
    tree: np.ndarray

    @property
    def is_leaf(self):
        return self.left < 0

    @property
    def n_trees(self):
        return len(self.tree)

    @property
    def n_leaves(self):
        return int(np.count_nonzero(self.is_leaf))

    def tree_of_node(self):
        """Which of these trees each node belongs to."""
        return np.repeat(np.arange(self.n_trees), np.diff(self.start))

    def n_parameters(self):
        """Two for each split, and the outputs of each leaf."""
        n_leaves = self.n_leaves
        return 2 * (len(self.left) - n_leaves) + n_leaves * self.value.shape[1]


def concatenated(trees, features=None, classes=None, width=None):
    """The arrays of trees of scikit-learn.

    Parameters
    ----------
    trees : list of (int, Tree)
        The number of each tree among all, where its nodes start there, and its `tree_`.
    features : list of ndarray or None
        For each tree the columns that it was fitted on.
    classes : list of ndarray or None
        For each tree the codes of the classes that it has seen, of `width`.
    """
    sizes = [tree.node_count for _, _, tree in trees]
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def stacked(name, dtype):
        return np.concatenate([getattr(tree, name) for *_, tree in trees]).astype(dtype)

    offset = np.repeat(start[:-1], sizes)
    left, right = stacked("children_left", np.int64), stacked("children_right", np.int64)
    is_leaf = left < 0
    columns = [tree.feature for *_, tree in trees]
    if features is not None:
        columns = [
            np.asarray(of)[np.maximum(column, 0)]
            for column, of in zip(columns, features, strict=True)
        ]
    values = [
        np.hstack(
            [tree.value[:, k, :n] for k, n in enumerate(np.atleast_1d(tree.n_classes))]
        )
        for *_, tree in trees
    ]
    if classes is not None:
        values = [
            _among(own, np.asarray(of, dtype=np.intp), width)
            for own, of in zip(values, classes, strict=True)
        ]
    return ForestArrays(
        np.where(is_leaf, -1, left + offset).astype(np.int32),
        np.where(is_leaf, -1, right + offset).astype(np.int32),
        start,
        np.where(is_leaf, 0, np.concatenate(columns)).astype(np.int32),
        stacked("threshold", np.float64),
        stacked("missing_go_to_left", np.uint8),
        np.concatenate(values),
        stacked("weighted_n_node_samples", np.float64),
        stacked("n_node_samples", np.int64),
        stacked("impurity", np.float64),
        np.concatenate([first + np.arange(tree.node_count) for _, first, tree in trees]),
        np.array([number for number, *_ in trees], dtype=np.int64),
    )


def _among(shares, classes, width):
    """Shares of some classes as shares of all."""
    full = np.zeros((len(shares), width))
    full[:, classes] = shares
    return full


def pick_trees(arrays, positions):
    """The trees at the positions, in their order."""
    nodes = np.concatenate(
        [np.arange(arrays.start[t], arrays.start[t + 1]) for t in positions]
    )
    return _pick_nodes(arrays, nodes, arrays.left, arrays.right, positions)


def collapse(arrays, inner):
    """The trees whose nodes become leaves unless `inner`.

    Parameters
    ----------
    arrays : ForestArrays
        The trees.
    inner : ndarray of shape (n_nodes,), bool
        Nodes that may stay inner: those do whose ancestors do.

    Returns
    -------
    arrays : ForestArrays
        What is left.
    position : ndarray of shape (n_nodes,), int32
        For each node before, the position of the node or leaf that is left of it.
    """
    from sklearn_prune.weight_pruning.families._forest_refit_kernels import keepers

    keeper = keepers(arrays.left, arrays.right, inner)
    alive = keeper == np.arange(len(keeper))
    stays = alive & inner & ~arrays.is_leaf
    left = np.where(stays, arrays.left, -1)
    right = np.where(stays, arrays.right, -1)
    kept = _pick_nodes(
        arrays, np.flatnonzero(alive), left, right, np.arange(arrays.n_trees)
    )
    renumbered = np.cumsum(alive) - 1
    return kept, renumbered[keeper].astype(np.int32)


def _pick_nodes(arrays, nodes, left, right, positions):
    """The nodes in the order given, children renumbered."""
    renumbered = np.full(len(arrays.left), -1, dtype=np.int64)
    renumbered[nodes] = np.arange(len(nodes))
    tree_of = arrays.tree_of_node()[nodes]
    counts = np.bincount(tree_of, minlength=arrays.n_trees)[positions]
    is_leaf = left[nodes] < 0
    return replace(
        arrays,
        left=np.where(is_leaf, -1, renumbered[left[nodes]]).astype(np.int32),
        right=np.where(is_leaf, -1, renumbered[right[nodes]]).astype(np.int32),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        feature=arrays.feature[nodes],
        threshold=arrays.threshold[nodes],
        missing=arrays.missing[nodes],
        value=arrays.value[nodes],
        weight=arrays.weight[nodes],
        rows=arrays.rows[nodes],
        impurity=arrays.impurity[nodes],
        node=arrays.node[nodes],
        tree=arrays.tree[positions],
    )


def leaves_of_rows(arrays, X, block=8192):
    """Position of the leaf of each row in each tree, shape (n_trees, n_samples), int32."""
    from sklearn_prune.weight_pruning.families._forest_refit_kernels import walk

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
    from sklearn_prune.weight_pruning.families._forest_refit_kernels import subtree_max

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
