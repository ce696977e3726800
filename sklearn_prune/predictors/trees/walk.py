"""Walks through flat trees by numpy, all trees and rows at once."""

import numpy as np

from .columns import CATEGORIES, MISSING_LEFT, MISSING_RIGHT, MISSING_ZERO, NOT_A_SPLIT

LARGEST_KEPT = 1 << 21  # nodes whose slots are kept for the next call
PAIRS = 1 << 19  # of a tree and a row that are walked together
_FEW = 2048  # pairs that are all walked to the deepest level
_STAY = 0.7  # share of pairs still walking above which the others are not taken out


class Slots:
    """The nodes and leaves of trees as slots, in which a step is three lookups.

    The first slots are the roots. The right and the left child of a node stand side by
    side, so that the next slot is ``child[slot] + (value <= threshold[slot])``. A leaf
    points to itself, and compares with NaN, which is False.

    Missing values need no test. Those that go right stay NaN, those that go left become
    minus infinity. A set of categories is a column of 0 (left) and 1 (right).
    """

    def __init__(self, trees, first, last):
        start = trees.node_start[first : last + 1].astype(np.int64)
        _, inner, column, keys = trees.node_parts(first, last)
        n_trees, n_nodes = last - first, len(keys)
        total = n_trees + 2 * n_nodes
        # Slot 1 + 2j of the pair of node j is the left child, 2j the right one.
        slots = n_trees + np.arange(2 * n_nodes).reshape(-1, 2)[:, ::-1].ravel()
        of_node = np.empty(n_nodes, dtype=np.int64)
        roots = start[:-1] - start[0]
        of_node[roots] = np.arange(n_trees)
        rest = np.ones(n_nodes, dtype=bool)
        rest[roots] = False
        of_node[rest] = slots[inner]  # the k-th inner child is the k-th node of its tree
        walks = keys != NOT_A_SPLIT
        parents = of_node[walks]
        self.child = np.arange(total, dtype=np.intp)
        self.child[parents] = n_trees + 2 * np.flatnonzero(walks)
        self.threshold = np.full(total, np.nan, dtype=trees.dtype)
        columns = trees.columns
        asks_set = columns.kind == CATEGORIES
        threshold = columns.thresholds(column, keys)
        threshold[asks_set[column]] = 0.0
        self.threshold[parents] = threshold[walks]
        self.column = np.zeros(total, dtype=np.intp)
        self.column[parents] = column[walks]
        # Where nothing is missing, columns are features, with those of sets behind them.
        place = columns.feature.astype(np.intp)
        place[asks_set] = trees.n_features + np.arange(np.count_nonzero(asks_set))
        self.place = np.zeros(total, dtype=np.intp)
        self.place[parents] = place[column[walks]]
        self.leaf = np.zeros(total, dtype=np.intp)
        self.leaf[slots[~inner]] = np.arange(np.count_nonzero(~inner))
        self.leaf += int(trees.leaf_start[first])
        alone = np.flatnonzero(~walks[roots])
        self.leaf[alone] = trees.leaf_start[first + alone]
        self.n_trees = n_trees
        self.depth = self._depth()

    def _depth(self):
        level, depth = np.arange(self.n_trees), 0
        while True:
            level = self.child[level][self.child[level] != level]
            if not len(level):
                return depth
            level = np.concatenate([level, level + 1])
            depth += 1

    def walk(self, X, all_columns):
        """Position of the leaf of each (tree, row), of what `Reader` gives of the rows."""
        column = self.column if all_columns else self.place
        column, threshold, child = column.take, self.threshold.take, self.child.take
        n_rows, width = X.shape
        values = X.ravel().take
        at = np.arange(self.n_trees, dtype=np.intp)
        if n_rows == 1:
            for _ in range(self.depth):
                at = child(at) + (values(column(at)) <= threshold(at))
            return self.leaf.take(at)[:, None]
        found = np.empty((self.n_trees, n_rows), dtype=np.intp)
        block = max(1, PAIRS // self.n_trees)
        for start in range(0, n_rows, block):
            rows = np.arange(start, min(start + block, n_rows), dtype=np.intp)
            slots, base = np.repeat(at, len(rows)), np.tile(rows * width, len(at))
            ends = self._ends(slots, base, column, values)
            found[:, start : start + block] = self.leaf.take(ends).reshape(len(at), -1)
        return found

    def _ends(self, at, base, column, values):
        """Where pairs of a tree and a row end that start from some slots."""
        ends = left = None
        for level in range(self.depth):
            goes_left = values(base + column(at)) <= self.threshold.take(at)
            new = self.child.take(at) + goes_left
            if len(at) > _FEW and level > 3 and level % 2:
                moved = new != at
                if np.count_nonzero(moved) < _STAY * len(at):
                    if ends is None:
                        ends, left = np.empty_like(at), np.arange(len(at))
                    ends[left[~moved]] = new[~moved]
                    new, base, left = new[moved], base[moved], left[moved]
            at = new
        if ends is None:
            return at
        ends[left] = at
        return ends


class Reader:
    """Rows as `Slots` read them."""

    def __init__(self, trees):
        columns = trees.columns
        kind, self.feature = columns.kind, columns.feature.astype(np.intp)
        self.has_one_kind = bool((kind == MISSING_RIGHT).all())
        self.filled = [
            (np.flatnonzero(kind == of), value)
            for of, value in ((MISSING_LEFT, -np.inf), (MISSING_ZERO, 0.0))
            if (kind == of).any()
        ]
        self.sets = np.flatnonzero(kind == CATEGORIES)
        if len(self.sets):
            first = columns.first[self.sets].astype(np.int64)
            self.n_categories = columns.last[self.sets].astype(np.int64) - first - 2
            self.first = first
            bits = np.unpackbits(columns.category_bits, bitorder="little")
            self.bits = bits.astype(trees.dtype)

    def __call__(self, X):
        """The rows, and whether they hold all columns of the trees.

        If not, they hold the features, and behind them the columns of sets of categories.
        """
        missing = None if self.has_one_kind else np.isnan(X)
        if missing is None or not missing.any():
            return (np.hstack([X, self._right(X)]) if len(self.sets) else X), False
        found = X[:, self.feature]
        for columns, value in self.filled:
            part = found[:, columns]
            part[missing[:, self.feature[columns]]] = value
            found[:, columns] = part
        if len(self.sets):
            found[:, self.sets] = self._right(X)
        return found, True

    def _right(self, X):
        """Whether each row goes right at each set: 0 or 1."""
        values = X[:, self.feature[self.sets]]
        with np.errstate(invalid="ignore"):
            listed = (values > -1.0) & (values < self.n_categories)
            at = np.where(listed, values, -1.0).astype(np.int64) + 2
        at[np.isnan(values)] = 0
        return self.bits.take(self.first + at)
