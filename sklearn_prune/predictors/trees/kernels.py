"""Compiled loops of the flat trees: keys of rows, walks to leaves, sums of leaves.

A node is 64 bits: the key of its threshold in the upper half; in the lower half, from
above, the position of its first internal child within the tree, whether its right child
is internal, whether its left one is, and the column of keys that it compares.
"""

import math

import numpy as np
from numba import njit

from .columns import LOGISTIC, MEAN, MIRRORED, REFUSE_INFINITE, REFUSE_NAN

HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(0xFFFFFFFF00000000)
ONE = np.uint64(1)
BLOCK = 4096  # rows whose keys are made at once

MISSING_RIGHT, MISSING_LEFT, MISSING_ZERO, CATEGORIES, KEY = 0, 1, 2, 3, 4


@njit(cache=True, nogil=True)
def is_readable(X, flags):
    """Whether X holds nothing that `flags` refuse, in single precision."""
    refuses_nan = flags & REFUSE_NAN != 0
    refuses_infinite = flags & REFUSE_INFINITE != 0
    if not (refuses_nan or refuses_infinite):
        return True
    bad = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):  # without an exit, which would be slower
            value = abs(np.float32(X[i, j]))
            bad |= refuses_nan & (value != value)
            bad |= refuses_infinite & (value == np.float32(np.inf))
    return not bad


@njit(cache=True, nogil=True)
def finish(out, n_trees, flags):
    """Make means of sums, or probabilities of two classes of the scores in column 1."""
    if flags & MEAN:
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] /= n_trees
    if flags & LOGISTIC:
        for i in range(out.shape[0]):
            score = out[i, 1]
            out[i, 1] = 1.0 / (1.0 + math.exp(-score))
            if flags & MIRRORED:
                out[i, 0] = 1.0 / (1.0 + math.exp(score))
            else:
                out[i, 0] = 1.0 - out[i, 1]


@njit(cache=True, nogil=True)
def _float_key(value, kind):
    """Key of a float32 value, given as its bits, which is ordered as the values are."""
    if kind == KEY:
        return value
    if (value & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):  # missing
        if kind == MISSING_RIGHT:
            return np.uint32(0xFFFFFFFF)
        if kind == MISSING_LEFT:
            return np.uint32(0)
        return np.uint32(0x80000000)
    if value == np.uint32(0x80000000):  # minus zero
        return value
    if value >> np.uint32(31):
        return ~value
    return value | np.uint32(0x80000000)


@njit(cache=True, nogil=True)
def float_keys(bits, feature, kind, keys):
    """Keys of float32 values, given as their bits."""
    for i in range(bits.shape[0]):
        for c in range(len(feature)):
            keys[i, c] = _float_key(bits[i, feature[c]], kind[c])


@njit(cache=True, nogil=True)
def rank_keys(X, feature, kind, first, last, edges, category_bits, keys):
    """Keys of float64 values: how many of the thresholds of the feature lie below.

    For a set of categories, `first` is the position of its bits: whether a missing
    value goes right, whether a category beyond the list does, then each category.
    """
    for i in range(X.shape[0]):
        for c in range(len(feature)):
            value = X[i, feature[c]]
            if kind[c] == CATEGORIES:
                at = np.int64(first[c])
                n_categories = np.int64(last[c]) - at - 2
                if not np.isnan(value):
                    at += 1
                    if -1.0 < value < n_categories:
                        at += 1 + np.int64(value)
                keys[i, c] = (category_bits[at >> 3] >> (at & 7)) & 1
                continue
            if np.isnan(value):
                if kind[c] == MISSING_RIGHT:
                    keys[i, c] = np.uint32(0xFFFFFFFF)
                    continue
                if kind[c] == MISSING_LEFT:
                    keys[i, c] = np.uint32(0)
                    continue
                value = 0.0
            low, high = np.int64(first[c]), np.int64(last[c])
            while low < high:
                middle = (low + high) >> 1
                if edges[middle] < value:
                    low = middle + 1
                else:
                    high = middle
            # Leaves one key free below all others, for missing values that go left.
            keys[i, c] = np.uint32(low - np.int64(first[c]) + 1)


@njit(cache=True, nogil=True)
def _leaf_id(leaf_ids, id_bytes, position):
    """The id of a leaf; without ids, its position among all leaves."""
    if id_bytes == 0:
        return np.uint32(position)
    value = np.uint32(0)
    for b in range(id_bytes):
        value |= np.uint32(leaf_ids[position * id_bytes + b]) << np.uint32(8 * b)
    return value


@njit(cache=True, nogil=True)
def _step(nodes, first, keys, at, mask, shift):
    """The next node of a walk without a branch; ~leaf where the node is a leaf.

    `at` is a position within the tree, or negative: a walk that has ended stays.
    """
    ended = at >> 63
    node = at & ~ended
    word = nodes[np.uint64(first + node)]
    right = np.int64(np.uint64(keys[word & mask]) > (word >> HALF))
    low = np.int64(word & LOW)
    left_bit = (low >> shift) & 1
    base = low >> (shift + 2)
    internal = -((low >> (shift + right)) & 1)
    leaf = ~(2 * node - base + 1 + (right & ~left_bit))
    child = leaf ^ ((leaf ^ (base + (right & left_bit))) & internal)
    return (at & ended) | (child & ~ended)


@njit(cache=True, nogil=True)
def walk_rows(keys, nodes, node_start, leaf_start, leaf_ids, id_bytes, shift, leaves):
    """Leaf of each tree for each of few rows: four trees at a time, to hide latency."""
    mask = (ONE << np.uint64(shift)) - ONE
    n_trees = len(node_start) - 1
    for i in range(keys.shape[0]):
        row = keys[i]
        for t in range(0, n_trees, 4):
            t1, t2 = min(t + 1, n_trees - 1), min(t + 2, n_trees - 1)
            t3 = min(t + 3, n_trees - 1)
            first0, first1 = np.int64(node_start[t]), np.int64(node_start[t1])
            first2, first3 = np.int64(node_start[t2]), np.int64(node_start[t3])
            at0 = at1 = at2 = at3 = np.int64(0)
            while (at0 & at1 & at2 & at3) >= 0:
                at0 = _step(nodes, first0, row, at0, mask, shift)
                at1 = _step(nodes, first1, row, at1, mask, shift)
                at2 = _step(nodes, first2, row, at2, mask, shift)
                at3 = _step(nodes, first3, row, at3, mask, shift)
            leaves[t, i] = _leaf_id(leaf_ids, id_bytes, leaf_start[t] + ~at0)
            leaves[t1, i] = _leaf_id(leaf_ids, id_bytes, leaf_start[t1] + ~at1)
            leaves[t2, i] = _leaf_id(leaf_ids, id_bytes, leaf_start[t2] + ~at2)
            leaves[t3, i] = _leaf_id(leaf_ids, id_bytes, leaf_start[t3] + ~at3)


@njit(cache=True, nogil=True)
def walk_values(
    bits,
    feature,
    kind,
    nodes,
    columns,
    node_start,
    leaf_start,
    leaf_ids,
    id_bytes,
    shift,
    leaves,
):
    """Leaf of each tree for each row, from values whose keys are found on the way.

    For few nodes beside many columns, and for columns that are stored beside the nodes.
    """
    mask = (np.int64(1) << shift) - 1
    for t in range(len(node_start) - 1):
        first = np.int64(node_start[t])
        for i in range(bits.shape[0]):
            at = np.int64(0)
            while at >= 0:
                word = nodes[first + at]
                low = np.int64(word & LOW)
                column = np.int64(columns[first + at]) if shift == 0 else low & mask
                key = np.uint64(_float_key(bits[i, feature[column]], kind[column]))
                right = np.int64(key > (word >> HALF))
                left_bit = (low >> shift) & 1
                base = low >> (shift + 2)
                if (low >> (shift + right)) & 1:
                    at = base + (right & left_bit)
                else:
                    at = ~(2 * at - base + 1 + (right & ~left_bit))
            leaves[t, i] = _leaf_id(leaf_ids, id_bytes, leaf_start[t] + ~at)


@njit(cache=True, nogil=True)
def _expand(nodes, first, last, leaf, leaf_ids, id_bytes, shift, place, tree):
    """Write one tree as pairs of siblings: the root at 0, children of node j at 2j + 1.

    A leaf holds its id as key, and points to itself by a column that is always zero.
    """
    mask = (np.int64(1) << shift) - 1
    zeros = np.int64(place[-1])
    word = nodes[np.uint64(first)]
    column = np.int64(place[np.int64(word & LOW) & mask])
    tree[0] = (word & HIGH) | np.uint64((1 << shift) | column)
    child = np.int64(1)
    for j in range(last - first):
        low = np.int64(nodes[np.uint64(first + j)] & LOW)
        for side in range(2):
            slot = 1 + 2 * j + side
            if (low >> (shift + side)) & 1:
                word = nodes[np.uint64(first + child)]
                column = np.int64(place[np.int64(word & LOW) & mask])
                target = ((1 + 2 * child) << shift) | column
                tree[np.uint64(slot)] = (word & HIGH) | np.uint64(target)
                child += 1
            else:
                key = np.uint64(_leaf_id(leaf_ids, id_bytes, leaf)) << HALF
                tree[np.uint64(slot)] = key | np.uint64((slot << shift) | zeros)
                leaf += 1


@njit(cache=True, nogil=True)
def expand(nodes, node_start, leaf_start, leaf_ids, id_bytes, shift, place):
    """All trees as pairs of siblings, and where each tree begins."""
    n_trees = len(node_start) - 1
    begin = np.zeros(n_trees + 1, np.int64)
    for t in range(n_trees):
        n_nodes = np.int64(node_start[t + 1]) - np.int64(node_start[t])
        begin[t + 1] = begin[t] + 2 * n_nodes + 1
    words = np.empty(begin[-1], np.uint64)
    for t in range(n_trees):
        first, last = np.int64(node_start[t]), np.int64(node_start[t + 1])
        leaf, tree = np.int64(leaf_start[t]), words[begin[t] : begin[t + 1]]
        _expand(nodes, first, last, leaf, leaf_ids, id_bytes, shift, place, tree)
    return words, begin


@njit(cache=True, nogil=True)
def _next(tree, word, keys, mask, shift):
    """The word of the child that a row goes to."""
    right = np.uint64(np.uint64(keys[word & mask]) > (word >> HALF))
    return tree[((word & LOW) >> shift) + right]


@njit(inline="always")
def _walk_tree(tree, keys, shift, leaves):
    """Leaf of each of at least 8 rows in one tree: 8 rows at a time, to hide latency."""
    move = np.uint64(shift)
    mask = (ONE << move) - ONE
    n_rows = len(keys)
    for start in range(0, n_rows, 8):
        i = min(start, n_rows - 8)
        k0, k1, k2, k3 = keys[i], keys[i + 1], keys[i + 2], keys[i + 3]
        k4, k5, k6, k7 = keys[i + 4], keys[i + 5], keys[i + 6], keys[i + 7]
        w0 = w1 = w2 = w3 = w4 = w5 = w6 = w7 = tree[0]
        while True:
            v0 = _next(tree, w0, k0, mask, move)
            v1 = _next(tree, w1, k1, mask, move)
            v2 = _next(tree, w2, k2, mask, move)
            v3 = _next(tree, w3, k3, mask, move)
            v4 = _next(tree, w4, k4, mask, move)
            v5 = _next(tree, w5, k5, mask, move)
            v6 = _next(tree, w6, k6, mask, move)
            v7 = _next(tree, w7, k7, mask, move)
            w0 = _next(tree, v0, k0, mask, move)
            w1 = _next(tree, v1, k1, mask, move)
            w2 = _next(tree, v2, k2, mask, move)
            w3 = _next(tree, v3, k3, mask, move)
            w4 = _next(tree, v4, k4, mask, move)
            w5 = _next(tree, v5, k5, mask, move)
            w6 = _next(tree, v6, k6, mask, move)
            w7 = _next(tree, v7, k7, mask, move)
            moved = (v0 ^ w0) | (v1 ^ w1) | (v2 ^ w2) | (v3 ^ w3)
            moved |= (v4 ^ w4) | (v5 ^ w5) | (v6 ^ w6) | (v7 ^ w7)
            if moved == np.uint64(0):
                break
        leaves[i], leaves[i + 1] = w0 >> HALF, w1 >> HALF
        leaves[i + 2], leaves[i + 3] = w2 >> HALF, w3 >> HALF
        leaves[i + 4], leaves[i + 5] = w4 >> HALF, w5 >> HALF
        leaves[i + 6], leaves[i + 7] = w6 >> HALF, w7 >> HALF


@njit(inline="always")
def _walk_row(words, begin, keys, shift, leaves):
    """Leaf of one row in each tree: 8 trees at a time."""
    move = np.uint64(shift)
    mask = (ONE << move) - ONE
    last = len(begin) - 2
    for t in range(0, last + 1, 8):
        b0, b1 = begin[t], begin[min(t + 1, last)]
        b2, b3 = begin[min(t + 2, last)], begin[min(t + 3, last)]
        b4, b5 = begin[min(t + 4, last)], begin[min(t + 5, last)]
        b6, b7 = begin[min(t + 6, last)], begin[min(t + 7, last)]
        t0, t1, t2, t3 = words[b0:], words[b1:], words[b2:], words[b3:]
        t4, t5, t6, t7 = words[b4:], words[b5:], words[b6:], words[b7:]
        w0, w1, w2, w3 = t0[0], t1[0], t2[0], t3[0]
        w4, w5, w6, w7 = t4[0], t5[0], t6[0], t7[0]
        while True:
            v0 = _next(t0, w0, keys, mask, move)
            v1 = _next(t1, w1, keys, mask, move)
            v2 = _next(t2, w2, keys, mask, move)
            v3 = _next(t3, w3, keys, mask, move)
            v4 = _next(t4, w4, keys, mask, move)
            v5 = _next(t5, w5, keys, mask, move)
            v6 = _next(t6, w6, keys, mask, move)
            v7 = _next(t7, w7, keys, mask, move)
            w0 = _next(t0, v0, keys, mask, move)
            w1 = _next(t1, v1, keys, mask, move)
            w2 = _next(t2, v2, keys, mask, move)
            w3 = _next(t3, v3, keys, mask, move)
            w4 = _next(t4, v4, keys, mask, move)
            w5 = _next(t5, v5, keys, mask, move)
            w6 = _next(t6, v6, keys, mask, move)
            w7 = _next(t7, v7, keys, mask, move)
            moved = (v0 ^ w0) | (v1 ^ w1) | (v2 ^ w2) | (v3 ^ w3)
            moved |= (v4 ^ w4) | (v5 ^ w5) | (v6 ^ w6) | (v7 ^ w7)
            if moved == np.uint64(0):
                break
        leaves[t], leaves[t + 1] = w0 >> HALF, w1 >> HALF
        leaves[t + 2], leaves[t + 3] = w2 >> HALF, w3 >> HALF
        leaves[t + 4], leaves[t + 5] = w4 >> HALF, w5 >> HALF
        leaves[t + 6], leaves[t + 7] = w6 >> HALF, w7 >> HALF


@njit(cache=True, nogil=True)
def walk_block(
    keys, nodes, node_start, leaf_start, leaf_ids, id_bytes, shift, place, leaves
):
    """Leaf of each tree for each of at least 8 rows, tree by tree."""
    largest = 0
    for t in range(len(node_start) - 1):
        largest = max(largest, np.int64(node_start[t + 1]) - np.int64(node_start[t]))
    tree = np.empty(2 * largest + 1, np.uint64)
    for t in range(len(node_start) - 1):
        first, last = np.int64(node_start[t]), np.int64(node_start[t + 1])
        leaf = np.int64(leaf_start[t])
        _expand(nodes, first, last, leaf, leaf_ids, id_bytes, shift, place, tree)
        _walk_tree(tree, keys, shift, leaves[t])


@njit(inline="always")
def _add_leaf(leaf, n_pure, values, out, i, first):
    """Add the values of a leaf to outputs of row i; a pure leaf adds 1."""
    leaf = np.int64(leaf)
    if leaf < n_pure:
        out[i, leaf] += 1.0
    else:
        for k in range(values.shape[1]):
            out[i, first + k] += values[leaf - n_pure, k]


@njit(cache=True, nogil=True)
def key_sums(words, begin, shift, n_pure, values, column, keys, flags, start, out):
    """Sums of the values of leaves, for keys of rows; in pairs of siblings."""
    n_rows, n_trees, n_columns = len(keys), len(begin) - 1, len(column)
    beside = 1 if flags & LOGISTIC else 0
    n_sums = out.shape[1] - beside
    per_row = n_sums if len(start) > n_sums else 0
    for i in range(n_rows):
        for j in range(n_sums):
            out[i, beside + j] = start[i * per_row + j]
    if n_rows < 8:
        leaves = np.empty(n_trees + 7, np.uint32)
        for i in range(n_rows):
            _walk_row(words, begin, keys[i], shift, leaves)
            for t in range(n_trees):
                first = beside + column[t % n_columns]
                _add_leaf(leaves[t], n_pure, values, out, i, first)
    else:
        leaves = np.empty(n_rows, np.uint32)
        for t in range(n_trees):
            _walk_tree(words[begin[t] : begin[t + 1]], keys, shift, leaves)
            first = beside + column[t % n_columns]
            for i in range(n_rows):
                _add_leaf(leaves[i], n_pure, values, out, i, first)
    finish(out, n_trees, flags)


@njit(cache=True, nogil=True)
def pair_sums(columns, words, begin, shift, n_pure, values, column, X, flags, start, out):
    """As `key_sums`, for floats; False where X holds what `flags` refuse."""
    if not is_readable(X, flags):
        return False
    n_rows, n_columns = len(X), len(columns)
    per_row = len(start) // n_rows if len(start) > out.shape[1] else 0
    size = min(n_rows, BLOCK)
    keys = np.zeros((size, n_columns + 1), np.uint32)
    for first in range(0, n_rows, size):
        last = min(first + size, n_rows)
        for i in range(first, last):
            for c in range(n_columns):
                bits = np.float32(X[i, columns[c, 0]]).view(np.uint32)
                keys[i - first, c] = _float_key(bits, columns[c, 1])
        block, begins = keys[: last - first], start[first * per_row :]
        trees = (words, begin, shift, n_pure, values, column)
        key_sums(*trees, block, flags, begins, out[first:last])
    return True


@njit(cache=True, nogil=True)
def add_values(leaves, n_pure, values, column, out):
    """Add the values of the leaves to the outputs, tree by tree; a pure leaf adds 1.

    Tree t adds to the outputs from ``column[t % len(column)]`` on.
    """
    width = values.shape[1]
    for t in range(leaves.shape[0]):
        first = column[t % len(column)]
        if width == 1 and n_pure == 0:
            for i in range(leaves.shape[1]):
                out[i, first] += values[leaves[t, i], 0]
            continue
        for i in range(leaves.shape[1]):
            leaf = np.int64(leaves[t, i])
            if leaf < n_pure:
                out[i, leaf] += 1.0
            else:
                for c in range(width):
                    out[i, first + c] += values[leaf - n_pure, c]


@njit(cache=True, nogil=True)
def add_shares(leaves, n_pure, counts, bounds, out):
    """Add the class shares that follow from the counts of the leaves.

    The counts of output k, whose shares sum to 1, are those from ``bounds[k]`` on.
    """
    for t in range(leaves.shape[0]):
        for i in range(leaves.shape[1]):
            leaf = np.int64(leaves[t, i])
            if leaf < n_pure:
                out[i, leaf] += 1.0
                continue
            leaf -= n_pure
            for k in range(len(bounds) - 1):
                total = np.int64(0)
                for c in range(bounds[k], bounds[k + 1]):
                    total += np.int64(counts[leaf, c])
                for c in range(bounds[k], bounds[k + 1]):
                    if counts[leaf, c]:
                        out[i, c] += np.float64(counts[leaf, c]) / np.float64(total)


@njit(cache=True, nogil=True)
def add_sparse(leaves, n_pure, start, column, values, scale, shares, out):
    """Add the few values of each leaf: scaled, or shares of their sum."""
    for t in range(leaves.shape[0]):
        for i in range(leaves.shape[1]):
            leaf = np.int64(leaves[t, i])
            if leaf < n_pure:
                out[i, leaf] += 1.0
                continue
            first, last = np.int64(start[leaf - n_pure]), np.int64(start[leaf - n_pure + 1])
            if shares:
                total = 0.0
                for k in range(first, last):
                    total += np.float64(values[k])
                for k in range(first, last):
                    out[i, column[k]] += np.float64(values[k]) / total
            else:
                for k in range(first, last):
                    out[i, column[k]] += np.float64(values[k]) * scale
