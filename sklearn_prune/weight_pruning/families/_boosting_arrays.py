"""Boosted trees as arrays, whichever library fitted them."""

from dataclasses import dataclass, field

import numpy as np

NAN_RIGHT, NAN_LEFT, NAN_IS_ZERO = range(3)  # as FlatTrees counts them


@dataclass(frozen=True)
class BoostedTrees:
    """The nodes of all trees, one entry for each.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,), int32
        Positions of the children; -1 at a leaf. Children come after their parents.
    feature : ndarray of shape (n_nodes,), int32
        Column that the node reads.
    threshold : ndarray of shape (n_nodes,), float64
        A row goes left where its value is at most this.
    missing : ndarray of shape (n_nodes,), uint8
        Where missing values go: one of the names above.
    category : ndarray of shape (n_nodes,), int32
        Which of `category_sets` the node asks, -1 for a threshold.
    value : ndarray of shape (n_nodes,), float64
        What a leaf adds to the raw score; at other nodes the mean of the leaves below.
    cover : ndarray of shape (n_nodes,), float64
        Weight of the training rows, or sum of their second derivatives.
    gain : ndarray of shape (n_nodes,), float64
        How much the split improved the fit.
    roots, iteration, output : ndarray of shape (n_trees,), int
        First node, boosting iteration and column of the raw score of each tree.
    category_sets : tuple of CategorySet
        Asked by the nodes.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing: np.ndarray
    category: np.ndarray
    value: np.ndarray
    cover: np.ndarray
    gain: np.ndarray
    roots: np.ndarray
    iteration: np.ndarray
    output: np.ndarray
    category_sets: tuple = ()

    @property
    def n_nodes(self):
        """Number of nodes, leaves included."""
        return len(self.left)

    def tree_of_nodes(self):
        """Number of the tree of each node."""
        sizes = np.diff(np.append(self.roots, self.n_nodes))
        return np.repeat(np.arange(len(self.roots)), sizes)


@dataclass
class TreeStack:
    """Collects trees one by one; `stacked` joins them."""

    parts: list = field(default_factory=list)
    n_nodes: int = 0

    def add(self, iteration, output, *, left, right, **columns):
        """Add one tree, whose children are positions in it and -1 at leaves."""
        left, right = np.asarray(left, dtype=np.int32), np.asarray(right, dtype=np.int32)
        is_leaf = left < 0
        columns["left"] = np.where(is_leaf, -1, left + self.n_nodes).astype(np.int32)
        columns["right"] = np.where(is_leaf, -1, right + self.n_nodes).astype(np.int32)
        self.parts.append((self.n_nodes, iteration, output, columns))
        self.n_nodes += len(left)

    def stacked(self, category_sets=()):
        """All trees."""
        types = {
            "left": np.int32,
            "right": np.int32,
            "feature": np.int32,
            "threshold": np.float64,
            "missing": np.uint8,
            "category": np.int32,
            "value": np.float64,
            "cover": np.float64,
            "gain": np.float64,
        }
        joined = {}
        for name, dtype in types.items():
            missing = -1 if name == "category" else 0
            joined[name] = np.concatenate(
                [
                    np.asarray(part[3].get(name, missing), dtype=dtype)
                    * np.ones(len(part[3]["left"]), dtype=dtype)
                    if np.ndim(part[3].get(name, missing)) == 0
                    else np.asarray(part[3][name], dtype=dtype)
                    for part in self.parts
                ]
            )
        is_leaf = joined["left"] < 0
        joined["feature"][is_leaf] = 0
        joined["threshold"][is_leaf] = 0.0
        trees = BoostedTrees(
            roots=np.array([part[0] for part in self.parts], dtype=np.int64),
            iteration=np.array([part[1] for part in self.parts], dtype=np.int64),
            output=np.array([part[2] for part in self.parts], dtype=np.int64),
            category_sets=tuple(category_sets),
            **joined,
        )
        fill_inner_values(trees)
        return trees


def fill_inner_values(trees):
    """Write at each split the mean of its children, weighted by their cover, in place."""
    for level in reversed(levels(trees)):
        left, right = trees.left[level], trees.right[level]
        weights = trees.cover[left] + trees.cover[right]
        share = np.divide(
            trees.cover[left], weights, out=np.full(len(level), 0.5), where=weights > 0
        )
        trees.value[level] = share * trees.value[left] + (1 - share) * trees.value[right]


def levels(trees):
    """Positions of the splits of one depth of all trees, tree by tree, roots first."""
    found = []
    front = trees.roots[trees.left[trees.roots] >= 0]
    while len(front):
        found.append(front)
        front = np.stack([trees.left[front], trees.right[front]], axis=1).ravel()
        front = front[trees.left[front] >= 0]
    return found


def pruned_nodes(trees, becomes_leaf, tree_kept=None):
    """The trees without what lies below the nodes that become leaves.

    Parameters
    ----------
    trees : BoostedTrees
        The trees.
    becomes_leaf : ndarray of shape (n_nodes,), bool
        Nodes below which all goes.
    tree_kept : ndarray of shape (n_trees,), bool, or None
        Trees that stay.

    Returns
    -------
    smaller : BoostedTrees
        The trees that are left.
    kept : ndarray of int
        The nodes of `trees` that they hold.
    home : ndarray of shape (n_nodes,), int
        For each old node the new one that stands for it, -1 in trees that are gone.
    """
    tree_kept = np.ones(len(trees.roots), dtype=bool) if tree_kept is None else tree_kept
    home = np.full(trees.n_nodes, -1)
    home[trees.roots[tree_kept]] = trees.roots[tree_kept]
    left = np.where(becomes_leaf, -1, trees.left)
    for level in levels(trees):
        for child in (trees.left[level], trees.right[level]):
            stays = (left[level] >= 0) & (home[level] == level)
            home[child] = np.where(stays, child, home[level])
    kept = np.flatnonzero(home == np.arange(trees.n_nodes))
    new = np.full(trees.n_nodes + 1, -1)
    new[kept] = np.arange(len(kept))
    is_leaf = left[kept] < 0
    columns = {
        name: getattr(trees, name)[kept].copy()
        for name in (
            "feature",
            "threshold",
            "missing",
            "category",
            "value",
            "cover",
            "gain",
        )
    }
    for name, empty in (("feature", 0), ("threshold", 0), ("missing", 0), ("category", -1)):
        columns[name][is_leaf] = empty
    smaller = BoostedTrees(
        left=new[left[kept]].astype(np.int32),
        right=np.where(is_leaf, -1, new[trees.right[kept]]).astype(np.int32),
        roots=new[trees.roots[tree_kept]],
        iteration=trees.iteration[tree_kept],
        output=trees.output[tree_kept],
        category_sets=trees.category_sets,
        **columns,
    )
    return smaller, kept, np.where(home >= 0, new[home], -1)


def above_children(trees, score):
    """The score of each split, or the largest of one below it."""
    score = score.copy()
    for level in reversed(levels(trees)):
        for child in (trees.left[level], trees.right[level]):
            below = np.where(trees.left[child] >= 0, score[child], -np.inf)
            score[level] = np.maximum(score[level], below)
    return score[trees.left >= 0]


def collapse_costs(trees, curvature):
    """Sum of squares of the leaves below each split around their mean, by curvature."""
    weight, mean, spread = curvature.copy(), trees.value.copy(), np.zeros(trees.n_nodes)
    for level in reversed(levels(trees)):
        left, right = trees.left[level], trees.right[level]
        g, h = weight[left], weight[right]
        share = np.divide(g, g + h, out=np.full(len(level), 0.5), where=g + h > 0)
        weight[level] = g + h
        mean[level] = share * mean[left] + (1 - share) * mean[right]
        between = share * h * (mean[left] - mean[right]) ** 2
        spread[level] = spread[left] + spread[right] + between
    return spread[trees.left >= 0] / 2
