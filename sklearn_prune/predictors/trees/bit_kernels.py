"""Compiled sums over trees of at most 64 leaves, by bit vectors.

The leaves of a tree are the bits of a word, from the left. A node that sends a row right
clears the bits of the leaves to its left; the lowest bit that is left over is the leaf of
the row. Nodes are sorted by column, then by threshold: those that send a value right come
first. Eight rows are compared at once.

References
----------
Lucchese, Nardini, Orlando, Perego, Tonellotto, Venturini (2015). QuickScorer: a fast
algorithm to rank documents with additive ensembles of regression trees. SIGIR.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .columns import CATEGORIES, SINGLE, TINY, TINY_IS_ZERO
from .kernels import finish, is_readable

FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
FEATURE, KIND, FIRST_NODE, FIRST_BIT, N_CATEGORIES = range(5)  # of a column


@intrinsic
def _lowest_bit(typingctx, word):
    """Position of the lowest bit that is set."""

    def code(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), code


@intrinsic
def _clear(typingctx, v0, v1, v2, v3, v4, v5, v6, v7, threshold, mask, address):
    """Clear the bits of a mask in those of 8 words whose values are not <= threshold.

    numba alone does not make one vector operation of the loop over the 8 rows.
    """
    number, word = types.float64, types.uint64

    def code(context, builder, signature, args):
        position = ir.IntType(32)
        values = ir.VectorType(ir.DoubleType(), 8)
        words = ir.VectorType(ir.IntType(64), 8)

        def lanes(kind, scalars):
            vector = ir.Constant(kind, ir.Undefined)
            for lane, scalar in enumerate(scalars):
                place = ir.Constant(position, lane)
                vector = builder.insert_element(vector, scalar, place)
            return vector

        pointer = builder.inttoptr(args[10], words.as_pointer())
        before = builder.load(pointer)
        before.align = 8
        limit = lanes(values, [args[8]] * 8)
        stays = builder.fcmp_ordered("<=", lanes(values, args[:8]), limit)
        cleared = builder.and_(before, lanes(words, [args[9]] * 8))
        builder.store(builder.select(stays, before, cleared), pointer).align = 8
        return context.get_dummy_value()

    return types.void(*[number] * 9, word, types.int64), code


@njit(inline="always")
def _as_read(value, flags):
    """A number as the library reads it, in float64."""
    value = np.float64(np.float32(value)) if flags & SINGLE else np.float64(value)
    return 0.0 if flags & TINY_IS_ZERO and abs(value) <= TINY else value


@njit(inline="always")
def _goes_right(value, column, category_bits):
    """Whether the row goes right at a set of categories: 0.0 or 1.0."""
    at = np.int64(column[FIRST_BIT])
    if value == value:
        at += 1
        if -1.0 < value < column[N_CATEGORIES]:
            at += 1 + np.int64(value)
    return np.float64((category_bits[at >> 3] >> (at & 7)) & 1)


@njit(cache=True, nogil=True)
def bit_sums(
    columns,
    category_bits,
    threshold,
    mask,
    tree,
    first_leaf,
    first_tree,
    values,
    X,
    flags,
    start,
    out,
):
    """Sums of the values of leaves; False where X holds what `flags` refuse.

    The trees of output k are those from ``first_tree[k]`` on.
    """
    if not is_readable(X, flags):
        return False
    n_rows, n_trees, n_sums = len(X), len(first_leaf), len(first_tree) - 1
    n_columns, beside = len(columns) - 1, out.shape[1] - n_sums
    per_row = n_sums if len(start) > n_sums else 0
    sums = np.empty(8, out.dtype)
    missing = (np.nan, -np.inf, 0.0, np.nan)  # by kind: right, left, as zero
    if n_rows < 8:
        bits = np.empty(n_trees, np.uint64)
        for i in range(n_rows):
            bits[:] = FULL
            for c in range(n_columns):
                value = _as_read(X[i, columns[c, FEATURE]], flags)
                kind = columns[c, KIND]
                if kind == CATEGORIES:
                    value = _goes_right(value, columns[c], category_bits)
                elif value != value:
                    value = missing[kind]
                first, last = columns[c, FIRST_NODE], columns[c + 1, FIRST_NODE]
                for k in range(np.uint64(first), np.uint64(last)):  # signed is slower
                    if value <= threshold[k]:
                        break
                    bits[np.uint64(tree[k])] &= mask[k]
            for j in range(n_sums):
                sums[0] = start[i * per_row + j]
                for t in range(np.uint64(first_tree[j]), np.uint64(first_tree[j + 1])):
                    sums[0] += values[np.uint64(first_leaf[t]) + _lowest_bit(bits[t])]
                out[i, beside + j] = sums[0]
        finish(out, n_trees, flags)
        return True
    room = np.empty(8 * n_trees + 8, np.uint64)
    offset = (-(np.int64(room.ctypes.data) >> 3)) & 7
    bits = room[offset : offset + 8 * n_trees]  # a vector across cache lines is slower
    base = np.int64(bits.ctypes.data)
    v = np.empty(8)
    for begin in range(0, n_rows, 8):
        i = min(begin, n_rows - 8)
        bits[:] = FULL
        for c in range(n_columns):
            feature, kind = columns[c, FEATURE], columns[c, KIND]
            absent, largest = missing[kind], -np.inf
            for r in range(8):
                value = _as_read(X[i + r, feature], flags)
                if kind == CATEGORIES:
                    value = _goes_right(value, columns[c], category_bits)
                elif value != value:
                    value = absent
                if value != value or value > largest:
                    largest = value if largest == largest else largest
                v[r] = value
            v0, v1, v2, v3 = v[0], v[1], v[2], v[3]
            v4, v5, v6, v7 = v[4], v[5], v[6], v[7]
            first, last = columns[c, FIRST_NODE], columns[c + 1, FIRST_NODE]
            for k in range(np.uint64(first), np.uint64(last)):
                limit = threshold[k]
                if largest <= limit:
                    break
                words = base + np.int64(64) * np.int64(tree[k])
                _clear(v0, v1, v2, v3, v4, v5, v6, v7, limit, mask[k], words)
        for j in range(n_sums):
            for r in range(8):
                sums[r] = start[(i + r) * per_row + j]
            for t in range(np.uint64(first_tree[j]), np.uint64(first_tree[j + 1])):
                leaf = np.uint64(first_leaf[t])
                for r in range(8):
                    word = bits[np.uint64(8) * t + np.uint64(r)]
                    sums[r] += values[leaf + _lowest_bit(word)]
            for r in range(begin - i, 8):
                out[i + r, beside + j] = sums[r]
    finish(out, n_trees, flags)
    return True
