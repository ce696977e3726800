"""What the nodes of a forest compare: columns of integer keys made from the features."""

from copy import copy

import numpy as np

from ..base import kernels
from ..quantized import Stored, is_sparse

MISSING_RIGHT, MISSING_LEFT, MISSING_ZERO, CATEGORIES, KEY = range(5)
TINY = float(np.float32(1e-35))  # LightGBM reads numbers up to this as zeros
# What compiled sums refuse, how they read rows, and what they make of the sums.
REFUSE_NAN, REFUSE_INFINITE, SINGLE, TINY_IS_ZERO = 1, 2, 4, 8
MEAN, LOGISTIC, MIRRORED = 16, 32, 64
LARGEST_TABLE = 1 << 21  # numbers that leaves add, which are kept in float64
NOT_A_SPLIT = 0xFFFFFFFF  # the key of the one node of a tree without splits


class CategorySet:
    """The categories that go left, and where all else goes.

    Parameters
    ----------
    left : ndarray of bool, shape (n_categories,)
        Whether category 0, 1, ... goes left.
    other_left, missing_left : bool
        Whether categories beyond the list, and missing values, go left.
    """

    def __init__(self, left, other_left=False, missing_left=False):
        self.left = left
        self.other_left = other_left
        self.missing_left = missing_left

    def right_bits(self):
        """Whether missing values, other categories and each category go right."""
        head = [not self.missing_left, not self.other_left]
        return np.concatenate([head, ~np.asarray(self.left, dtype=bool)])


class KeyColumns(Stored):
    """Columns of keys: a feature, with where its missing values go or with categories.

    Keys of float32 features are their bits, put in order; keys of float64 features are
    ranks among the thresholds in use; the key for a set of categories is 1 if the row
    goes right. All comparisons by keys are those by values.

    Attributes
    ----------
    feature, kind : ndarray of shape (n_columns,)
    first, last : ndarray of shape (n_columns,), or None
        Where the thresholds, or the bits of the categories, begin and end; None for
        float32.
    edges : ndarray of float64, or None
        Sorted thresholds of each feature.
    category_bits : ndarray of uint8, or None
    """

    first = last = edges = category_bits = None

    def __len__(self):
        return len(self.feature)

    dtype = property(
        lambda self: np.dtype(np.float32 if self.first is None else np.float64)
    )

    @classmethod
    def of(cls, nodes, n_features, *, float64=False, category_sets=()):
        """The columns that these nodes need, and the column and key of each node."""
        if len(category_sets) and not float64:
            raise ValueError(
                "Sets of categories need features in float64. "
                "Write exact_float64_thresholds=True."
            )
        self = cls()
        sets, set_of = _distinct_sets(category_sets)
        n_kinds = CATEGORIES + len(sets)
        kind = np.where(
            nodes.category < 0, nodes.missing, CATEGORIES + set_of[nodes.category]
        )
        code = nodes.feature * n_kinds + kind
        used, column = np.unique(code[nodes.is_split], return_inverse=True)
        if not len(used):
            used = np.zeros(1, dtype=np.int64)
        columns = np.zeros(len(code), dtype=np.int64)
        columns[nodes.is_split] = column
        self.feature = (used // n_kinds).astype(np.min_scalar_type(n_features - 1))
        self.kind = np.minimum(used % n_kinds, CATEGORIES).astype(np.uint8)
        keys = np.full(len(code), NOT_A_SPLIT, dtype=np.uint32)
        if float64:
            self._set_ranks(nodes, [sets[s] for s in used % n_kinds - CATEGORIES if s >= 0])
            of_nodes = self._find(columns, nodes.threshold)
            of_nodes[nodes.category >= 0] = 0
        else:
            of_nodes = float32_keys(float32_below(nodes.threshold))
        keys[nodes.is_split] = of_nodes[nodes.is_split]
        return self, columns, keys

    def _set_ranks(self, nodes, sets):
        """Set thresholds and category bits, and where they begin and end."""
        numeric = nodes.is_split & (nodes.category < 0)
        feature, threshold = nodes.feature[numeric], nodes.threshold[numeric] + 0.0
        order = np.lexsort((threshold, feature))
        feature, threshold = feature[order], threshold[order]
        new = np.ones(len(feature), dtype=bool)
        new[1:] = (feature[1:] != feature[:-1]) | (threshold[1:] != threshold[:-1])
        feature, self.edges = feature[new], threshold[new]
        first = np.searchsorted(feature, self.feature, side="left")
        last = np.searchsorted(feature, self.feature, side="right")
        bits = [each.right_bits() for each in sets]
        at = np.cumsum([0] + [len(each) for each in bits])
        first[self.kind == CATEGORIES], last[self.kind == CATEGORIES] = at[:-1], at[1:]
        self.first, self.last = first.astype(np.uint32), last.astype(np.uint32)
        flat = np.concatenate([np.zeros(0, dtype=bool), *bits])
        self.category_bits = np.packbits(flat, bitorder="little")

    def _find(self, columns, threshold):
        """Key of each threshold: its place, from 1, among those of its column."""
        keys = np.zeros(len(columns), dtype=np.int64)
        order = np.argsort(columns, kind="stable")
        bounds = np.searchsorted(columns[order], np.arange(len(self) + 1))
        for c, (first, last) in enumerate(zip(self.first, self.last, strict=True)):
            if self.kind[c] != CATEGORIES:
                of = order[bounds[c] : bounds[c + 1]]
                keys[of] = np.searchsorted(self.edges[first:last], threshold[of]) + 1
        return keys

    def thresholds(self, columns, keys):
        """Thresholds of nodes, in float64; NaN for categories and single leaves."""
        if self.first is None:
            found = float32_values(keys).astype(np.float64)
        else:
            padded = np.append(self.edges, np.nan)
            at = self.first[columns].astype(np.int64) + keys.astype(np.int64) - 1
            found = padded[np.clip(at, 0, len(self.edges))]
            found[self.kind[columns] == CATEGORIES] = np.nan
        found[keys == NOT_A_SPLIT] = np.nan
        return found

    def category_sets(self):
        """The set of categories of each column; an empty one for thresholds."""
        if self.first is None:
            return []
        bits = np.unpackbits(self.category_bits, bitorder="little").astype(bool)
        sets = []
        for kind, first, last in zip(self.kind, self.first, self.last, strict=True):
            if kind == CATEGORIES:
                missing, other = ~bits[first : first + 2]
                sets.append(
                    CategorySet(~bits[first + 2 : last], bool(other), bool(missing))
                )
            else:
                sets.append(CategorySet(np.zeros(0, dtype=bool)))
        return sets

    def keys(self, X):
        """Keys of rows, uint32 of shape (n_samples, n_columns + 1); the last are zero."""
        X = self.dense(X)
        keys = np.empty((len(X), len(self) + 1), dtype=np.uint32)
        keys[:, -1] = 0
        compiled = kernels("trees.kernels")
        if self.first is None:
            compiled.float_keys(X.view(np.uint32), self.feature, self.kind, keys)
        else:
            rest = (self.first, self.last, self.edges, self.category_bits, keys)
            compiled.rank_keys(X, self.feature, self.kind, *rest)
        return keys

    def values(self, X):
        """Bits of the values of rows; for each column which they are, and their kind.

        The bits of float64 features are keys already.
        """
        if self.first is None:
            return self.dense(X).view(np.uint32), self.feature, self.kind
        own = np.arange(len(self), dtype=np.uint32)
        return self.keys(X), own, np.full(len(self), KEY, dtype=np.uint8)

    def dense(self, X):
        """Rows as an array in the order and the dtype that walks read."""
        if is_sparse(X):
            X = X.toarray()
        return np.ascontiguousarray(X, dtype=self.dtype)

    def needed_for(self, X):
        """The columns that the rows need, and where each column is among them."""
        values = X.data if is_sparse(X) else X
        with np.errstate(invalid="ignore", over="ignore"):
            total = np.sum(values)
        # NaN also where there are both infinities, for which all columns will do.
        return self.merged(apart=np.isnan(total))

    def merged(self, *, apart=False):
        """The columns that differ in more than where missing values go, or all if `apart`.

        Returns these columns, and where each column is among them.
        """
        if apart:
            return self, np.arange(len(self) + 1)
        feature = self.feature.astype(np.int64)
        sets = np.where(self.kind == CATEGORIES, np.arange(1, len(self) + 1), 0)
        code = feature * (len(self) + 1) + sets
        _, chosen, place = np.unique(code, return_index=True, return_inverse=True)
        few = copy(self)
        for name in ("feature", "kind", "first", "last"):
            if getattr(self, name) is not None:
                setattr(few, name, getattr(self, name)[chosen])
        return few, np.append(place, len(chosen)).astype(np.int64)


def float32_below(threshold):
    """The largest float32 that is not above each threshold."""
    with np.errstate(over="ignore"):
        narrow = threshold.astype(np.float32)
        down = np.nextafter(narrow, np.float32(-np.inf))
    return np.where(narrow.astype(np.float64) > threshold, down, narrow)


def float32_keys(values):
    """Unsigned integers that are ordered as these float32 values are."""
    bits = (values + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000)).astype(np.uint32)


def float32_values(keys):
    """The float32 values of these keys."""
    bits = np.where(keys >> 31, keys & np.uint32(0x7FFFFFFF), ~keys)
    return bits.astype(np.uint32).view(np.float32)


def _distinct_sets(category_sets):
    """Sets without repetition, and which of them each one is."""
    number, distinct = {}, []
    set_of = np.zeros(len(category_sets) + 1, dtype=np.int64)
    for k, each in enumerate(category_sets):
        bits = each.right_bits().tobytes()
        if bits not in number:
            number[bits] = len(distinct)
            distinct.append(each)
        set_of[k] = number[bits]
    return distinct, set_of
