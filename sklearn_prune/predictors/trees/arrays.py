"""Trees as arrays of nodes: one form for all models, while they are read and pruned."""

from dataclasses import dataclass, replace

import numpy as np

from .columns import CATEGORIES, NOT_A_SPLIT

_DTYPES = {
    "left": np.int32,
    "right": np.int32,
    "feature": np.int32,
    "missing": np.uint8,
    "category": np.int32,
    "rows": np.int64,
    "node": np.int64,
    "tree": np.int64,
    "iteration": np.int64,
    "output": np.int64,
}
_OF_TREES = ("tree", "iteration", "output")
_OF_NODES = ("feature", "threshold", "value", "missing", "category", "weight", "rows")
_OF_NODES += ("impurity", "gain", "node")


@dataclass
class TreeArrays:
    """The nodes of one or more trees, one tree after the other, parents before children.

    Parameters
    ----------
    left, right : ndarray of int, shape (n_nodes,)
        Positions of the children in these arrays, -1 for a leaf.
    feature, threshold : ndarray of shape (n_nodes,)
        A row goes left if its feature is at most the threshold.
    value : ndarray of shape (n_nodes, width) or (n_nodes,)
        What a leaf adds to the outputs; at other nodes a mean of the leaves below.
    missing : ndarray of int or bool, or None
        Where a missing value goes: 1 or True left, 0 or False right, 2 as zero would.
    category : ndarray of int, or None
        Number of the set of categories that a node asks for, -1 for a threshold.
    weight : ndarray of float, or None
        Weight of the training rows of each node, or sum of their second derivatives.
        Class shares times it are class weights.
    start : ndarray of shape (n_trees + 1,), int64, or None
        Position of the root of each tree, and the end. None for one tree.
    rows, impurity : ndarray of shape (n_nodes,), or None
        Number and impurity of the training rows of each node.
    gain : ndarray of shape (n_nodes,), or None
        How much a split improved the fit.
    node : ndarray of shape (n_nodes,), int64, or None
        Number of the node, or of the split, in the model as it was fitted.
    tree : ndarray of shape (n_trees,), int64, or None
        Number of the tree there.
    iteration, output : ndarray of shape (n_trees,), int64, or None
        Boosting iteration of each tree, and the column of the raw score that it adds to.
    category_sets : tuple of CategorySet
        What `category` points into.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    missing: np.ndarray | None = None
    category: np.ndarray | None = None
    weight: np.ndarray | None = None
    start: np.ndarray | None = None
    rows: np.ndarray | None = None
    impurity: np.ndarray | None = None
    gain: np.ndarray | None = None
    node: np.ndarray | None = None
    tree: np.ndarray | None = None
    iteration: np.ndarray | None = None
    output: np.ndarray | None = None
    category_sets: tuple = ()

    def __post_init__(self):
        if self.start is None:
            self.start = np.array([0, len(self.left)])

    @property
    def n_nodes(self):
        """Number of nodes, leaves included."""
        return len(self.left)

    @property
    def n_trees(self):
        return len(self.start) - 1

    @property
    def roots(self):
        """Position of the root of each tree."""
        return self.start[:-1]

    @property
    def is_leaf(self):
        return self.left < 0

    @property
    def n_leaves(self):
        return int(np.count_nonzero(self.is_leaf))

    def tree_of_nodes(self):
        """Which of these trees each node belongs to."""
        return np.repeat(np.arange(self.n_trees), np.diff(self.start))

    def n_parameters(self):
        """Two for each split, and the outputs of each leaf."""
        n_leaves = self.n_leaves
        return 2 * (self.n_nodes - n_leaves) + n_leaves * self.value.shape[1]

    def one_by_one(self):
        """The trees, each in arrays of its own."""
        for t in range(self.n_trees):
            own = slice(int(self.start[t]), int(self.start[t + 1]))
            columns = {"start": None}
            for name in ("left", "right"):
                child = getattr(self, name)[own]
                columns[name] = np.where(child < 0, -1, child - own.start)
            for names, positions in ((_OF_NODES, own), (_OF_TREES, slice(t, t + 1))):
                columns |= _taken(self, names, positions)
            yield replace(self, **columns)


def _taken(arrays, names, positions):
    """Entries of those of the columns that there are."""
    found = {name: getattr(arrays, name) for name in names}
    return {name: of[positions] for name, of in found.items() if of is not None}


def joined(trees):
    """The arrays of all trees, with the columns that the first of them has.

    Parameters
    ----------
    trees : list of TreeArrays
        Their columns may be of any type that holds the numbers.
    """
    sizes = [tree.n_nodes for tree in trees]
    offset = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    columns = {}
    for name in ("left", "right", *_OF_NODES, *_OF_TREES):
        if getattr(trees[0], name) is not None:
            dtype = _DTYPES.get(name, np.float64)
            parts = [np.asarray(getattr(tree, name), dtype=dtype) for tree in trees]
            columns[name] = np.concatenate(parts)
    is_leaf = columns["left"] < 0
    for name in ("left", "right"):
        columns[name] = np.where(is_leaf, -1, columns[name] + offset).astype(np.int32)
    columns["feature"][is_leaf] = 0
    counts = np.concatenate([np.diff(tree.start) for tree in trees])
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return TreeArrays(**columns, start=start)


def picked(arrays, nodes, left, right, trees):
    """Some nodes of some trees, in the order given, children renumbered.

    Parameters
    ----------
    arrays : TreeArrays
        All trees.
    nodes : ndarray of int
        Positions of the nodes.
    left, right : ndarray of shape (n_nodes,), int
        Children, -1 for what is, or becomes, a leaf.
    trees : sequence of int
        The trees that the nodes belong to, in their order.
    """
    renumbered = np.full(arrays.n_nodes, -1, dtype=np.int64)
    renumbered[nodes] = np.arange(len(nodes))
    of_tree = arrays.tree_of_nodes()[nodes]
    counts = np.bincount(of_tree, minlength=arrays.n_trees)[trees]
    is_leaf = left[nodes] < 0
    return replace(
        arrays,
        left=np.where(is_leaf, -1, renumbered[left[nodes]]).astype(np.int32),
        right=np.where(is_leaf, -1, renumbered[right[nodes]]).astype(np.int32),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        **_taken(arrays, _OF_NODES, nodes),
        **_taken(arrays, _OF_TREES, trees),
    )


def pick_trees(arrays, positions):
    """The trees at the positions, in their order."""
    nodes = np.concatenate(
        [np.arange(arrays.start[t], arrays.start[t + 1]) for t in positions]
    )
    return picked(arrays, nodes, arrays.left, arrays.right, positions)


def levels(arrays):
    """Positions of the splits of one depth of all trees, tree by tree, roots first."""
    found = []
    front = arrays.roots[arrays.left[arrays.roots] >= 0]
    while len(front):
        found.append(front)
        front = np.stack([arrays.left[front], arrays.right[front]], axis=1).ravel()
        front = front[arrays.left[front] >= 0]
    return found


def flat_order(arrays):
    """The order of the nodes in `FlatTrees`: tree by tree, breadth first.

    A tree without a split counts as a split whose children are its one leaf.

    Returns
    -------
    splits : ndarray of int
        Positions of the splits.
    inner : ndarray of bool, shape (2 * n_splits,)
        Whether the left and the right child of each is a split.
    leaves : ndarray of int
        Positions of the leaves.
    """
    single = arrays.roots[arrays.left[arrays.roots] < 0]
    splits = np.concatenate([single, *levels(arrays)])
    of_tree = np.searchsorted(arrays.start, splits, side="right")
    splits = splits[np.argsort(of_tree, kind="stable")]
    children = np.stack([arrays.left[splits], arrays.right[splits]], axis=1).ravel()
    children = np.where(children < 0, np.repeat(splits, 2), children)
    inner = arrays.left[children] >= 0
    return splits, inner, children[~inner]


class FlatNodes:
    """The splits and leaves of trees as `FlatTrees` stores them; see `flat_order`.

    Parameters
    ----------
    parts : list of TreeArrays
        One after the other.
    """

    def __init__(self, parts):
        orders = [flat_order(part) for part in parts]
        self.inner = np.concatenate([inner for _, inner, _ in orders])

        def taken(name, which, dtype, fill=0):
            columns = []
            for part, order in zip(parts, orders, strict=True):
                values, at = getattr(part, name), order[which]
                columns.append(np.full(len(at), fill) if values is None else values[at])
            return np.concatenate(columns).astype(dtype, copy=False)

        self.is_split = taken("left", 0, np.int64) >= 0
        self.feature = taken("feature", 0, np.int64)
        self.threshold = taken("threshold", 0, np.float64)
        self.missing = taken("missing", 0, np.int64)
        self.category = taken("category", 0, np.int64, -1)
        self.value = taken("value", 2, np.float64)
        self.value = self.value.reshape(len(self.value), -1)
        self.weight = None
        if all(part.weight is not None for part in parts):
            self.weight = taken("weight", 2, np.float64)
        self.sizes = np.concatenate(
            [
                np.bincount(np.searchsorted(part.start, splits, side="right") - 1)
                for part, (splits, *_) in zip(parts, orders, strict=True)
            ]
        )


def arrays_of_flat(flat):
    """The trees of a `FlatTrees`; see `FlatTrees.to_arrays`."""
    sizes, inner, column, keys = flat.node_parts()
    n_nodes = len(keys)
    threshold = flat.columns.thresholds(column, keys)
    first = np.cumsum(sizes) - sizes
    single = keys[first] == NOT_A_SPLIT
    start = np.concatenate([[0], np.cumsum(np.where(single, 1, 1 + 2 * sizes))])
    is_split = np.ones(n_nodes, dtype=bool)
    is_split[first[single]] = False
    is_root = np.zeros(start[-1], dtype=bool)
    is_root[start[:-1]] = True
    inside = is_root.copy()
    inside[is_root] = ~single
    inside[~is_root] = inner[np.repeat(is_split, 2)]
    within = np.arange(n_nodes) - np.repeat(first, sizes)
    left = (np.repeat(start[:-1], sizes) + 1 + 2 * within)[is_split]
    kind = flat.columns.kind[column]

    def spread(of_splits, fill):
        full = np.full(len(inside), fill, dtype=of_splits.dtype)
        full[inside] = of_splits[is_split]
        return full

    children = np.full((2, len(inside)), -1, dtype=np.int32)
    children[:, inside] = left, left + 1
    stays = np.ones(int(flat.leaf_start[-1]), dtype=bool)
    stays[flat.leaf_start[:-1][single].astype(np.int64) + 1] = False
    leaves = flat.leaf_values()[stays]
    value = np.zeros((len(inside), leaves.shape[1]))
    value[~inside] = leaves
    return TreeArrays(
        *children,
        spread(flat.columns.feature[column].astype(np.int32), 0),
        spread(threshold, 0.0),
        value,
        spread(np.where(kind == CATEGORIES, 0, kind).astype(np.uint8), 0),
        spread(np.where(kind == CATEGORIES, column, -1).astype(np.int32), -1),
        start=start.astype(np.int64),
    )
