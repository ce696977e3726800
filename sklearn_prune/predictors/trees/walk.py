"""Walks through flat trees by numpy, all trees and rows at once."""

import numpy as np

from .columns import (
    CATEGORIES,
    MISSING_LEFT,
    MISSING_RIGHT,
    MISSING_ZERO,
    NOT_A_SPLIT,
    float32_keys,
)

LARGEST_KEPT = 1 << 21  # nodes of trees that are written out as slots
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

    def __init__(self, trees):
        start = trees.node_start.astype(np.int64)
        _, inner, column, keys = trees.node_parts()
        n_trees, n_nodes = trees.n_trees, len(keys)
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
        self.leaf += int(trees.leaf_start[0])
        alone = np.flatnonzero(~walks[roots])
        self.leaf[alone] = trees.leaf_start[alone]
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
            return (np.hstack([X, self.right(X)]) if len(self.sets) else X), False
        found = X[:, self.feature]
        for columns, value in self.filled:
            part = found[:, columns]
            part[missing[:, self.feature[columns]]] = value
            found[:, columns] = part
        if len(self.sets):
            found[:, self.sets] = self.right(X)
        return found, True

    def right(self, X):
        """Whether each row goes right at each set: 0 or 1."""
        values = X[:, self.feature[self.sets]]
        with np.errstate(invalid="ignore"):
            listed = (values > -1.0) & (values < self.n_categories)
            at = np.where(listed, values, -1.0).astype(np.int64) + 2
        at[np.isnan(values)] = 0
        return self.bits.take(self.first + at)


def walk_packed(trees, keys):
    """Position of the leaf of each (tree, row), from the nodes as they are stored.

    It takes three times as long as `Slots.walk`, and no memory for the trees.
    """
    n_trees, n_rows = trees.n_trees, len(keys)
    found = np.empty(n_trees * n_rows, dtype=np.intp)
    tree = np.repeat(np.arange(n_trees), n_rows)
    start = trees.node_start[:-1].astype(np.int64)[tree]
    row = np.tile(np.arange(n_rows), n_trees)
    pair, at = np.arange(len(tree)), np.zeros(len(tree), dtype=np.int64)
    bits = trees.column_bits
    while len(pair):
        node = start + at
        word = trees.nodes[node]
        low = (word & np.uint64(0xFFFFFFFF)).astype(np.int64)
        column = low & ((1 << bits) - 1) if bits else trees.wide_column[node]
        right = (keys[row, column] > word >> np.uint64(32)).astype(np.int64)
        left_is_inner, first = (low >> bits) & 1, low >> (bits + 2)
        goes_on = ((low >> (bits + right)) & 1).astype(bool)
        ends = ~goes_on
        found[pair[ends]] = (2 * at - first + 1 + (right & ~left_is_inner))[ends]
        at = (first + (right & left_is_inner))[goes_on]
        pair, start, row = pair[goes_on], start[goes_on], row[goes_on]
    return (found + trees.leaf_start[:-1].astype(np.int64)[tree]).reshape(n_trees, n_rows)


def packed_keys(columns, X):
    """Keys of rows, as the compiled kernels make them."""
    values = X[:, columns.feature]
    missing, kinds = np.isnan(values), columns.kind
    values[missing & (kinds == MISSING_ZERO)] = 0.0
    keys = np.zeros((len(X), len(columns) + 1), dtype=np.uint32)
    if columns.first is None:
        keys[:, :-1] = float32_keys(values)
    else:
        for column, kind in enumerate(kinds):
            if kind != CATEGORIES:
                edges = columns.edges[columns.first[column] : columns.last[column]]
                keys[:, column] = np.searchsorted(edges, values[:, column]) + 1
    keys[:, :-1][missing & (kinds == MISSING_RIGHT)] = 0xFFFFFFFF
    keys[:, :-1][missing & (kinds == MISSING_LEFT)] = 0
    return keys
