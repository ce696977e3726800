"""Trees as one stream of bytes, for models of 0.5 to 8 kB."""

from copy import copy

import numpy as np
from sklearn.cluster import KMeans

from sklearn_prune.persistence.export.c.text import smallest
from sklearn_prune.predictors import (
    MISSING_LEFT,
    MISSING_ZERO,
    TINY,
    CompactBoosting,
    ValueLeaves,
    float32_below,
    levels,
)

LEAF_BITS = 5
_MOST_STEPS = (1 << 15) - 1
_MOST_SUM = (1 << 31) - 1
_EXACT = 1 << 22  # sums below are as far apart in single precision as before
_LEAST_SHARE = 1e-6  # of rows in a leaf
MOST_LEAVES = 12  # of trees without lengths, on average
# Bytes of code by gcc -Os for x86-64: of the walk, and of what only some models need.
_WALK, _PAGES, _MISSING, _SETS, _OUTPUTS = 140, 30, 35, 110, 20


class DoesNotFit(ValueError):
    """The reason why a model cannot be written as a stream."""


class StreamTrees:
    """Trees as bytes in pre-order: a pair of feature and threshold, or a code of a leaf.

    Bytes below `n_inner` are pairs, the others codes. A split is its pair, its left child
    and its right child. The length of what follows may stand behind the pair of a left
    child, and before each root. Pairs from `n_single` on have a second byte, behind the
    length.

    Parameters
    ----------
    compact : Compact
        With `trees_`, and `start_` or `intercept_` if there are any.
    leaf_bits : int or None, default=5
        Leaf values are rounded to 2**leaf_bits means, in integer steps of one scale, and
        added up as integers. If None, they are as in the model and added up in the same
        order: all scores are equal to the bit.
    lengths : bool or None, default=None
        Whether the stream holds lengths. Without them it takes 0.5 bytes less for each
        split, and all bytes of all trees are read. By default where trees have more than
        12 leaves, for which that takes too long.
    dtype : {np.float32, np.float64}, default=np.float32
        Type of rows and thresholds. Thresholds of a model in double precision are rounded
        down to float32, which changes nothing for rows in single precision.
    score : {np.float32, np.float64}, default=np.float64
        Type of leaf values and sums without `leaf_bits`.

    Attributes
    ----------
    n_bytes : int
        Estimated size of tables and code.
    columns : ndarray of int, or None
        The columns of the rows that are the features of the trees; None is all.
    stream : ndarray of uint8
    start : ndarray of shape (n_outputs,)
        Sums before the first tree.
    is_ordered : bool
        Whether scores are equal only where sums are.
    scale : numpy.float32 or None
        What a step is worth; None without `leaf_bits`.

    Raises
    ------
    DoesNotFit
        If the model does not fit; the message is the reason.

    Notes
    -----
    The means are found by k-means, in which a leaf weighs 2**-depth. Cost: O(n) for n
    nodes, and that of k-means.
    """

    columns = None

    def __init__(
        self,
        compact,
        leaf_bits=LEAF_BITS,
        *,
        lengths=None,
        dtype=np.float32,
        score=np.float64,
    ):
        self.compact, self.trees, self.dtype = compact, compact.trees_, np.dtype(dtype)
        self.score = np.float64 if leaf_bits is not None else score
        self.arrays = self.trees.to_arrays()
        self._set_leaves(leaf_bits)
        self._set_pairs()
        self._set_bytes_of_pairs()
        if lengths is None:
            lengths = len(self.code) > MOST_LEAVES * self.trees.n_trees
        self._set_bytes(lengths)

    def _set_leaves(self, leaf_bits):
        """Set the table of leaf values, the code of each leaf, and the trees by output."""
        arrays, compact = self.arrays, self.compact
        start = getattr(compact, "start_", getattr(compact, "intercept_", None))
        n_outputs = self.trees.n_outputs
        start = np.broadcast_to(0.0 if start is None else start, n_outputs)
        self.start, self.scale = start.astype(self.score), None
        leaves = np.flatnonzero(arrays.is_leaf)
        values = arrays.value[leaves].astype(self.score)
        columns = self.trees.output_column
        self.output = columns[np.arange(arrays.n_trees) % len(columns)]
        self.width = values.shape[1]
        if self.width > 1 and (self.output.any() or self.width != n_outputs):
            raise DoesNotFit("its trees add to some of the outputs")
        if not np.isfinite(values).all():
            raise DoesNotFit("its leaf values are not finite")
        of_tree = arrays.tree_of_nodes()[leaves]
        single = arrays.left[arrays.roots] < 0
        self.order = np.argsort(self.output, kind="stable")
        constant = np.zeros(arrays.n_trees, dtype=bool)
        if leaf_bits is not None or single.all():
            constant = single
            for tree in np.flatnonzero(single):
                part = self.start[self.output[tree] :][: self.width]
                part += values[np.searchsorted(of_tree, tree)]
            self.order = self.order[~constant[self.order]]
        used = ~constant[of_tree]
        self.code = np.zeros(len(leaves), dtype=np.int64)
        if leaf_bits is None:
            table, self.code[used] = _distinct(values[used])
            narrow = table.astype(np.float32)
            self.values = narrow if (narrow == table).all() else table
            return
        weight = self._shares()[leaves]
        if hasattr(compact, "start_") and len(np.unique(values, axis=0)) > 1 << leaf_bits:
            # LightGBM adds the start to the leaves of the first tree.
            share = np.bincount(of_tree, weight)
            mean = np.bincount(of_tree, weight * values[:, 0]) / share
            mean[constant] = 0
            values = values - mean[of_tree, None]
            np.add.at(self.start, self.output, mean)
        table, self.code[used] = _means(values[used], weight[used], 1 << leaf_bits)
        self._set_steps(table, of_tree, used)

    def _shares(self):
        """The share of the rows that reaches each node, if splits halve them."""
        share = np.ones(self.arrays.n_nodes)
        for splits in levels(self.arrays):
            for child in (self.arrays.left, self.arrays.right):
                share[child[splits]] = share[splits] / 2
        return np.maximum(share, _LEAST_SHARE)

    def _set_steps(self, table, of_tree, used):
        """Set the start and the table in steps so large that no sum overflows."""
        size = np.abs(table).max(axis=1, initial=0.0)
        largest = np.zeros(self.arrays.n_trees)
        np.maximum.at(largest, of_tree[used], size[self.code[used]])
        bound = np.abs(self.start).max() + largest.sum()
        most = _MOST_SUM - len(largest) - 256  # for what is rounded up
        scale = max(size.max(initial=0.0) / _MOST_STEPS, bound / most)
        with np.errstate(over="ignore"):
            self.scale = np.float32(scale or 1.0)
        if not np.finfo(np.float32).tiny <= self.scale < np.inf:
            raise DoesNotFit("single precision has no room for its leaf values")
        self.is_ordered = bool(bound / self.scale < _EXACT - len(largest))
        steps = np.clip(np.rint(table / self.scale), -_MOST_STEPS, _MOST_STEPS)
        self.values = steps.astype(np.int16)
        self.start = np.rint(self.start / np.float64(self.scale)).astype(np.int32)

    def _set_pairs(self):
        """Set the tables of pairs and the pair of each split, -1 for leaves."""
        arrays = self.arrays
        split = arrays.left >= 0
        numbers = np.flatnonzero(split & (arrays.category < 0))
        feature, threshold = arrays.feature[numbers], arrays.threshold[numbers]
        kind = arrays.missing[numbers]
        left = (kind == MISSING_LEFT) | ((kind == MISSING_ZERO) & (threshold >= 0))
        if getattr(self.compact, "dialect", None) and self.compact.dialect.tiny_is_zero:
            below = np.nextafter(self.dtype.type(-TINY), self.dtype.type(-np.inf))
            tiny = np.abs(threshold) <= TINY
            threshold = np.where(tiny, np.where(threshold >= 0, TINY, below), threshold)
        if self.dtype == np.float32:
            threshold = float32_below(threshold)
        self.missing = "right"
        if self.compact._allow_nan and left.any():
            self.missing = "pair"
            if left.all():
                self.missing = "left"
            elif (left == (threshold >= 0)).all():
                self.missing = "zero"
        rows = np.stack([feature, threshold, left & (self.missing == "pair")], axis=1)
        pairs, of_numbers = np.unique(rows.reshape(-1, 3), axis=0, return_inverse=True)
        asks_set = split & (arrays.category >= 0)
        sets, of_sets = np.unique(arrays.category[asks_set], return_inverse=True)
        self.pair = np.full(arrays.n_nodes, -1)
        self.pair[numbers] = of_numbers.ravel()
        self.pair[asks_set] = len(pairs) + of_sets
        self.thresholds = pairs[:, 1].astype(self.dtype)
        known = self.trees.columns.category_sets()
        bits = [known[each].right_bits() for each in sets]
        self.set_start = np.cumsum([0, *map(len, bits)])
        self.set_bits = np.concatenate([np.zeros(0, dtype=bool), *bits])
        of_set = self.trees.columns.feature[sets]
        self.features = np.concatenate([pairs[:, 0], of_set]).astype(np.int64)
        self.missing_left = np.concatenate([pairs[:, 2], 0 * of_set]).astype(bool)

    def _set_bytes_of_pairs(self):
        """Number the pairs, frequent ones first, and say which take a second byte."""
        n_pairs, n_numbers = len(self.features), len(self.thresholds)
        counts = np.bincount(self.pair[self.pair >= 0], minlength=n_pairs)
        counts[n_numbers:] = 0  # sets come last
        order = np.argsort(-counts, kind="stable")
        number = np.append(np.argsort(order), -1)
        self.pair = number[self.pair]
        self.features, self.missing_left = self.features[order], self.missing_left[order]
        self.thresholds = self.thresholds[order[:n_numbers]]
        room, self.n_pages = 256 - len(self.values), 0
        while room + 255 * self.n_pages < n_pairs:
            self.n_pages += 1
        if self.n_pages >= room:
            raise DoesNotFit(
                f"{n_pairs} thresholds and {len(self.values)} leaf values are too many"
            )
        self.n_single = min(room - self.n_pages, n_pairs)
        self.n_inner = self.n_single + self.n_pages

    def _set_bytes(self, lengths):
        """Set the stream, and where the trees of each output end."""
        arrays, is_leaf = self.arrays, self.arrays.is_leaf
        has_page = self.pair >= self.n_single
        self.length_bytes, rest = 0, has_page
        if lengths:
            rest = self._lengths(has_page)
        page = self.n_single + (self.pair - self.n_single) // 256
        head = np.where(has_page, page, self.pair)
        head[is_leaf] = self.n_inner + self.code
        low = (self.pair - self.n_single) % 256
        columns = (arrays.left, arrays.right, head, low, has_page, rest)
        left, right, head, low, has_page, rest = (column.tolist() for column in columns)
        stream, ends = bytearray(), [0]
        for tree in self.order:
            root = int(arrays.roots[tree])
            stream += rest[root].to_bytes(self.length_bytes, "little") if lengths else b""
            stack = [(root, False)]
            while stack:
                node, is_left = stack.pop()
                stream.append(head[node])
                if left[node] < 0:
                    continue
                if lengths and is_left:
                    stream += rest[node].to_bytes(self.length_bytes, "little")
                if has_page[node]:
                    stream.append(low[node])
                stack += [(right[node], False), (left[node], True)]
            ends.append(len(stream))
        self.stream = np.frombuffer(bytes(stream), dtype=np.uint8)
        last = np.searchsorted(self.output[self.order], np.arange(self.n_groups), "right")
        self.ends = np.array(ends)[np.concatenate([[0], last])]

    def _lengths(self, has_page):
        """How many bytes follow the pair of each split, up to the end of its subtree."""
        arrays, is_leaf = self.arrays, self.arrays.is_leaf
        inner_left = ~is_leaf & ~is_leaf[arrays.left]
        has_length = np.append(arrays.roots, arrays.left[inner_left])
        for self.length_bytes in (1, 2):
            size = 1 + has_page + self.length_bytes * inner_left
            for node in np.flatnonzero(~is_leaf)[::-1]:
                size[node] += size[arrays.left[node]] + size[arrays.right[node]]
            if size[has_length].max() <= 1 << 8 * self.length_bytes:
                return size - 1
        raise DoesNotFit("a tree takes more than 65,535 bytes")

    @property
    def n_groups(self):
        """Number of outputs that have trees of their own."""
        return len(self.start) if self.width == 1 else 1

    @property
    def tables(self):
        """The tables of the C source by name, the widest types first."""
        start = self.start if len(self.start) > 1 else self.start[:0]
        if not len(self.stream):
            return {"start": start} if len(start) else {}
        features = self.features
        if self.columns is not None:
            features = np.asarray(self.columns, dtype=np.int64)[features]
        if self.missing == "pair":
            kind = np.min_scalar_type(2 * int(features.max()) + 1)
            flag = self.missing_left.astype(kind) << (8 * kind.itemsize - 1)
            features = features.astype(kind) | flag
        tables = {
            "start": start,
            "end": smallest(self.ends if self.n_groups > 1 else self.ends[:0]),
            "threshold": self.thresholds,
            "value": self.values.ravel(),
            "set_start": smallest(self.set_start if len(self.set_bits) else self.ends[:0]),
            "set_bits": np.packbits(self.set_bits, bitorder="little"),
            "feature": smallest(features),
            "stream": self.stream,
        }
        tables = {key: table for key, table in tables.items() if len(table)}
        return dict(sorted(tables.items(), key=lambda item: -item[1].itemsize))

    @property
    def n_bytes(self):
        """Estimated size of tables and code, by gcc -Os for x86-64."""
        code = _WALK + _PAGES * (self.n_pages > 0)
        code += _MISSING * (self.missing == "pair") + _SETS * (len(self.set_bits) > 0)
        code += _OUTPUTS * (len(self.start) > 1)
        return code + sum(table.nbytes for table in self.tables.values())

    def predictor(self):
        """The predictor that answers as the C does, if leaf values are rounded."""
        rounded = copy(self.compact)
        rounded.trees_ = self
        for name in ("start_", "intercept_"):
            if hasattr(rounded, name):
                setattr(rounded, name, np.zeros(len(self.start), dtype=np.float32))
        if isinstance(rounded, CompactBoosting):
            rounded.__class__ = _RoundedBoosting
        return rounded

    n_outputs = property(lambda self: len(self.start))
    n_trees = property(lambda self: self.trees.n_trees)
    table = property(lambda self: ValueLeaves(self.values))

    def add_to(self, out, X):
        """Set the outputs to the raw scores of rows, float32 as in C."""
        out[:] = self.steps(X).astype(np.float32) * self.scale

    def sum(self, X, *, baseline=None, n_jobs=None):
        """Raw scores of rows, float32 of shape (n_samples, n_outputs)."""
        out = np.empty((len(X), self.n_outputs), dtype=np.float32)
        self.add_to(out, X)
        return out

    def quick_sums(self, X, flags, start):
        """None: there is no compiled call, so that predictors ask `add_to` or `sum`."""
        return None

    def steps(self, X):
        """Sums in steps of `scale`, int32 of shape (n_samples, n_outputs).

        X are checked rows.
        """
        trees = self.trees
        leaves = trees.apply_leaves(X.astype(trees.dtype))
        leaves = leaves[:, self.order] + trees.leaf_start[self.order].astype(np.int64)
        stays = np.ones(int(trees.leaf_start[-1]), dtype=np.int64)
        stays[trees.leaf_start[:-1][trees._are_stumps()].astype(np.int64) + 1] = 0
        codes = self.code[np.cumsum(stays)[leaves] - 1]
        sums = np.tile(self.start.astype(np.int64), (len(X), 1))
        for tree, of_tree in zip(self.order, codes.T, strict=True):
            first = self.output[tree]
            sums[:, first : first + self.width] += self.values[of_tree]
        return sums.astype(np.int32)


class _RoundedBoosting(CompactBoosting):
    """Boosting whose classes are found from raw scores, as in a stream."""

    @property
    def dialect(self):
        return super().dialect._replace(decides_by_scores=True)


def _distinct(rows):
    """The distinct rows, and which of them each row is."""
    found, of = np.unique(rows, axis=0, return_inverse=True)
    return found, of.ravel()


def _means(rows, weights, n_means):
    """The means of at most `n_means` clusters of rows, and the cluster of each row."""
    found, of = _distinct(rows)
    if len(found) <= n_means:
        return found, of
    clusters = KMeans(n_means, n_init=4, random_state=0)
    clusters.fit(found, sample_weight=np.bincount(of, weights))
    return clusters.cluster_centers_, clusters.labels_[of]
