"""Rules of trees: boxes in the space of the features, and what each adds to the score."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.predictors import (
    MISSING_LEFT,
    MISSING_RIGHT,
    MISSING_ZERO,
    CategorySet,
    CompactBoosting,
    CompactForestClassifier,
    CompactForestRegressor,
    CompactScoreForestClassifier,
    CompactScoreForestRegressor,
    TreeArrays,
)

_AVERAGES = (CompactForestClassifier, CompactForestRegressor)
_SUMS = (CompactScoreForestClassifier, CompactScoreForestRegressor)
BLOCK = 8192  # rows whose conditions are tested at once


class Interval(NamedTuple):
    """A condition on one feature: values above `low` and up to `high`.

    Parameters
    ----------
    low, high : float
        The bounds, which may be infinite.
    missing : bool
        Whether missing values are inside, too.
    """

    low: float
    high: float
    missing: bool

    def both(self, other):
        """The condition that this one and another hold."""
        return Interval(
            max(self.low, other.low),
            min(self.high, other.high),
            self.missing and other.missing,
        )

    def holds(self, values):
        """Whether it holds for each value."""
        inside = (values > self.low) & (values <= self.high)
        return inside | np.isnan(values) if self.missing else inside

    def splits(self):
        """(threshold, category set, where missing values go, whether inside is right)."""
        right = MISSING_RIGHT if self.missing else MISSING_LEFT
        left = MISSING_LEFT if self.missing else MISSING_RIGHT
        if self.low > -np.inf:
            yield self.low, None, right, True
        if self.high < np.inf or self.low == -np.inf:  # else all but missing values
            yield self.high, None, left, False


class Categories(NamedTuple):
    """A condition on one feature: that its category is in a set.

    Parameters
    ----------
    inside : tuple of bool
        Whether category 0, 1, ... is in the set.
    other, missing : bool
        Whether categories beyond the tuple, and missing values, are.
    """

    inside: tuple
    other: bool
    missing: bool

    @classmethod
    def of(cls, inside, other, missing):
        """The condition, without entries at the end that say what `other` does."""
        n_needed = len(inside)
        while n_needed and inside[n_needed - 1] == other:
            n_needed -= 1
        return cls(tuple(inside[:n_needed]), other, missing)

    def both(self, other):
        """The condition that this one and another hold."""
        size = max(len(self.inside), len(other.inside))
        sides = (
            [*side.inside, *[side.other] * (size - len(side.inside))]
            for side in (self, other)
        )
        inside = [a and b for a, b in zip(*sides, strict=True)]
        return Categories.of(
            inside, self.other and other.other, self.missing and other.missing
        )

    def holds(self, values):
        """Whether it holds for each value."""
        listed = (values > -1) & (values < len(self.inside))
        at = np.where(listed, values, len(self.inside)).astype(np.intp)
        found = np.array([*self.inside, self.other])[at]
        return np.where(np.isnan(values), self.missing, found)

    def splits(self):
        """(threshold, category set, where missing values go, whether inside is right)."""
        outside = ~np.array(self.inside, dtype=bool)
        of_set = CategorySet(outside, not self.other, not self.missing)
        yield 0.0, of_set, MISSING_RIGHT, True


@dataclass(frozen=True)
class AdditiveTrees:
    """The trees of a predictor, whose leaves add to the raw score.

    Parameters
    ----------
    arrays : TreeArrays
        The trees, with `output`: the first column of the raw score that each adds to.
    scale : float
        Leaf values times this are added.
    start : ndarray of shape (n_outputs,)
        Raw score before the first tree.
    """

    arrays: TreeArrays
    scale: float
    start: np.ndarray


def is_additive(compact):
    """Whether `additive_trees` takes this predictor."""
    return isinstance(compact, (*_AVERAGES, *_SUMS, CompactBoosting))


def additive_trees(compact):
    """The trees of a predictor of trees, a forest or boosting, as a sum.

    The raw score is the mean share of each class for forests, else the log odds or the
    target before the link.
    """
    flat = compact.trees_
    arrays = flat.to_arrays()
    arrays.output = np.resize(flat.output_column, arrays.n_trees)
    arrays.category_sets = tuple(flat.columns.category_sets())
    if isinstance(compact, _AVERAGES):
        return AdditiveTrees(arrays, 1 / arrays.n_trees, np.zeros(flat.n_outputs))
    if isinstance(compact, _SUMS):
        return AdditiveTrees(arrays, 1.0, compact.intercept_)
    scale = compact.slope_ / compact.divisor_
    return AdditiveTrees(arrays, scale, scale * compact.start_.astype(np.float64))


@dataclass(frozen=True)
class RuleSet:
    """Rules whose contributions, added to an intercept, are a raw score.

    Parameters
    ----------
    boxes : list of tuple
        For each rule its conditions: pairs of a feature, ascending, and an `Interval` or
        `Categories`. Each feature is there once.
    values : ndarray of shape (n_rules, n_outputs)
        What a rule adds for the rows for which it holds.
    intercept : ndarray of shape (n_outputs,)
        What the sums start from.
    tree, leaf : ndarray of shape (n_rules,), int, or None
        A tree, and the number of a leaf in it, that holds the rows of the rule.
    """

    boxes: list
    values: np.ndarray
    intercept: np.ndarray
    tree: np.ndarray | None = None
    leaf: np.ndarray | None = None

    def __len__(self):
        return len(self.boxes)

    def picked(self, positions):
        """Some of the rules, in this order."""
        return RuleSet(
            [self.boxes[k] for k in positions],
            self.values[positions],
            self.intercept,
            None if self.tree is None else self.tree[positions],
            None if self.leaf is None else self.leaf[positions],
        )

    def holds(self, rows):
        """Which rules hold for each row, bool of shape (n_rows, n_rules).

        The rows are those that trees read: codes in the place of categories.
        """
        return boxes_hold(self.boxes, rows)

    def scores(self, rows):
        """The raw score of rows, shape (n_rows, n_outputs)."""
        found = np.tile(self.intercept, (rows.shape[0], 1))
        for first in range(0, rows.shape[0], BLOCK):
            block = slice(first, first + BLOCK)
            found[block] += self.holds(rows[block]) @ self.values
        return found


def boxes_hold(boxes, rows):
    """Which boxes hold each row, bool of shape (n_rows, n_boxes)."""
    found = np.ones((rows.shape[0], len(boxes)), dtype=bool, order="F")
    known, columns = {}, {}
    for number, box in enumerate(boxes):
        for feature, condition in box:
            if (feature, condition) not in known:
                if feature not in columns:
                    columns[feature] = column_of(rows, feature)
                known[feature, condition] = condition.holds(columns[feature])
            found[:, number] &= known[feature, condition]
    return found


def column_of(rows, feature):
    """A column of dense or sparse rows, as a float array of shape (n_rows,)."""
    if issparse(rows):
        return rows[:, [feature]].toarray().ravel()
    return rows[:, feature]


def extract_rules(compact, rows=None, *, missing=None):
    """The rules of a predictor of trees, those of equal conditions as one.

    Of a tree with n leaves, n - 1 become rules: one leaf is the default, whose value goes
    into the intercept. It is a leaf with the most frequent value, and among those the one
    with most rows; of a tree with two leaves the left one, so that equal trees give equal
    rules.

    Parameters
    ----------
    compact : Compact
        One for which `is_additive` holds.
    rows : array or sparse matrix of shape (n_rows, n_features), or None
        Rows that were checked by the predictor. None counts leaves instead of rows.
    missing : ndarray of shape (n_features,), bool, or None
        Features that may be missing. Conditions on others do not tell where missing
        values go. None stands for all.

    Returns
    -------
    rules : RuleSet
        In the order in which they are found.
    n_leaves : int
        Number of leaves of all trees that have a split.

    Notes
    -----
    Cost: O(n_leaves * depth), in Python.
    """
    sums = additive_trees(compact)
    arrays = sums.arrays
    value = sums.scale * np.asarray(arrays.value, dtype=np.float64)
    value = value.reshape(arrays.n_nodes, -1)
    width, n_outputs = value.shape[1], len(sums.start)
    counts = _rows_of_leaves(compact, rows)
    intercept, merged, n_leaves = sums.start.astype(np.float64), {}, 0
    boxes = node_boxes(arrays, missing)
    for t in range(arrays.n_trees):
        own = np.arange(arrays.start[t], arrays.start[t + 1])
        leaves = own[arrays.is_leaf[own]]
        columns = slice(int(arrays.output[t]), int(arrays.output[t]) + width)
        default = 0
        if len(leaves) > 1:
            n_leaves += len(leaves)
            default = _default(value[leaves], None if counts is None else counts[t])
        intercept[columns] += value[leaves[default]]
        for number, leaf in enumerate(leaves):
            if np.array_equal(value[leaf], value[leaves[default]]):
                continue
            box = tuple(sorted(boxes[leaf].items()))
            if box not in merged:
                merged[box] = np.zeros(n_outputs), t, number
            merged[box][0][columns] += value[leaf] - value[leaves[default]]
    merged = {box: found for box, found in merged.items() if found[0].any()}
    values, trees, numbers = zip(*merged.values(), strict=True) if merged else ((),) * 3
    values = np.array(values).reshape(len(merged), n_outputs)
    places = (np.array(each, dtype=np.intp) for each in (trees, numbers))
    return RuleSet(list(merged), values, intercept, *places), n_leaves


def _rows_of_leaves(compact, rows):
    """For each tree the number of rows of each leaf, or None without rows."""
    if rows is None:
        return None
    flat = compact.trees_
    sizes = np.diff(flat.leaf_start.astype(np.int64))
    numbers = flat.apply_leaves(rows)
    return [
        np.bincount(of_tree, minlength=size)
        for of_tree, size in zip(numbers.T, sizes, strict=True)
    ]


def _default(values, counts):
    """Which leaf of a tree is the default; see `extract_rules`."""
    if len(values) == 2:
        return 0
    _, same, frequency = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    n_equal = frequency[same.ravel()]
    counts = np.zeros(len(values)) if counts is None else counts
    return int(np.lexsort((-counts, -n_equal))[0])


def node_boxes(arrays, missing=None):
    """The conditions on the way to each node: a list of dicts from feature to condition.

    `missing` is as in `extract_rules`.
    """
    left, right = arrays.left.tolist(), arrays.right.tolist()
    feature, threshold = arrays.feature.tolist(), arrays.threshold.tolist()
    sides = {}
    boxes = [None] * arrays.n_nodes
    for root in arrays.roots.tolist():
        boxes[root] = {}
    for node, box in enumerate(boxes):  # parents come before children
        if left[node] < 0:
            continue
        on, known = feature[node], box.get(feature[node])
        may_miss = missing is None or bool(missing[on])
        code = _where_missing_goes(arrays, node)
        number = -1 if arrays.category is None else int(arrays.category[node])
        key = on, number, threshold[node] if number < 0 else None, code
        if key not in sides:
            of_set = None if number < 0 else arrays.category_sets[number]
            sides[key] = _sides(threshold[node], of_set, code, may_miss)
        for child, side in zip((left[node], right[node]), sides[key], strict=True):
            boxes[child] = {**box, on: side if known is None else known.both(side)}
    return boxes


def _where_missing_goes(arrays, node):
    return MISSING_RIGHT if arrays.missing is None else int(arrays.missing[node])


def _sides(threshold, of_set, code, may_miss):
    """The conditions for the left and the right side of a split."""
    if of_set is None:
        goes_left = code == MISSING_LEFT or (code == MISSING_ZERO and threshold >= 0)
        return (
            Interval(-np.inf, threshold, goes_left or not may_miss),
            Interval(threshold, np.inf, not goes_left or not may_miss),
        )
    inside = np.asarray(of_set.left, dtype=bool)
    other, goes_left = bool(of_set.other_left), bool(of_set.missing_left)
    return (
        Categories.of(inside.tolist(), other, goes_left or not may_miss),
        Categories.of((~inside).tolist(), not other, not goes_left or not may_miss),
    )


def trees_of_rules(boxes, values):
    """A tree for each box: a chain of splits, with the value where all conditions hold.

    Parameters
    ----------
    boxes : list of tuple
        As those of a `RuleSet`, each with a condition.
    values : ndarray of shape (n_boxes, width)
        What a row inside a box adds; it adds zero outside.

    Returns
    -------
    TreeArrays
        With `category_sets`.
    """
    nodes, start, sets = [], [0], []
    for box, value in zip(boxes, values, strict=True):
        sides = [(on, *side) for on, condition in box for side in condition.splits()]
        for on, threshold, of_set, missing, inside_right in sides:
            number = -1
            if of_set is not None:
                number = len(sets)
                sets.append(of_set)
            at = len(nodes)
            # The leaf outside comes next; the chain goes on behind it.
            children = (at + 1, at + 2) if inside_right else (at + 2, at + 1)
            nothing = np.zeros(len(value))
            nodes.append((*children, on, threshold, missing, number, nothing))
            nodes.append((-1, -1, 0, 0.0, 0, -1, nothing))
        nodes.append((-1, -1, 0, 0.0, 0, -1, value))
        start.append(len(nodes))
    left, right, feature, threshold, missing, category, value = zip(*nodes, strict=True)
    return TreeArrays(
        left=np.array(left, dtype=np.int32),
        right=np.array(right, dtype=np.int32),
        feature=np.array(feature, dtype=np.int32),
        threshold=np.array(threshold, dtype=np.float64),
        value=np.array(value, dtype=np.float64),
        missing=np.array(missing, dtype=np.uint8),
        category=np.array(category, dtype=np.int32),
        start=np.array(start, dtype=np.int64),
        tree=np.arange(len(boxes)),
        category_sets=tuple(sets),
    )
