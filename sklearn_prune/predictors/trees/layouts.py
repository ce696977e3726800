"""Trees as the compiled sums read them: made by the first call, and never stored."""

from functools import cache, partial

import numpy as np

from ..base import kernels
from ..links import expit
from .columns import (
    CATEGORIES,
    LARGEST_TABLE,
    LOGISTIC,
    MIRRORED,
    NOT_A_SPLIT,
    REFUSE_NAN,
    SINGLE,
)
from .leaves import ValueLeaves, narrow_floats
from .walk import LARGEST_KEPT

MOST_LEAVES = 64  # of a tree, whose leaves are the bits of a word


@cache
def has_exact_logistic():
    """Whether the compiled logistic function rounds as `links.expit` does."""
    scores = np.linspace(-750, 750, 2051)
    positive, negative = expit(scores), expit(-scores)
    for flags, other in ((LOGISTIC, 1 - positive), (LOGISTIC | MIRRORED, negative)):
        found = np.stack([scores, scores], axis=1)
        kernels("trees.kernels").finish(found, 1, flags)
        if not np.array_equal(found, np.stack([other, positive], axis=1)):
            return False
    return True


def layout_of(trees, reads_nan=False):
    """The trees as compiled sums read them; False where no such form fits them.

    Parameters
    ----------
    trees : FlatTrees
    reads_nan : bool, default=False
        Whether rows may hold missing values, for which some forms are larger.

    Returns
    -------
    layout : BitVectors, Pairs or False
        ``layout.sums(X, flags | layout.flags, start, out)`` sets `out` to the sums from
        `start` on. It returns False where X has what the flags refuse.
    """
    if len(trees.nodes) > LARGEST_KEPT:
        return False
    if BitVectors.fits(trees):
        return BitVectors(trees)
    return Pairs.fits(trees) and Pairs(trees, reads_nan)


class BitVectors:
    """Nodes sorted by column and threshold, each with the leaves that it leaves over.

    It takes 18 bytes a node, and the values of the leaves. See `bit_kernels`.
    """

    reads_nan = reads_floats = True
    has_exact_logistic = staticmethod(has_exact_logistic)

    def __init__(self, trees):
        _, inner, column, keys = trees.node_parts()
        roots = trees.node_start[:-1].astype(np.int64) - int(trees.node_start[0])
        first_leaf = trees.leaf_start.astype(np.int64) - int(trees.leaf_start[0])
        sizes = np.diff(trees.node_start.astype(np.int64))
        first, n_left, of_leaves = _places_of_leaves(roots, inner.reshape(-1, 2))
        n_trees = trees.n_trees
        output = trees.output_column[np.arange(n_trees) % len(trees.output_column)]
        order = np.argsort(output, kind="stable")  # trees of one output follow each other
        number = np.empty(n_trees, dtype=np.int64)
        number[order] = np.arange(n_trees)
        first_tree = np.searchsorted(output[order], np.arange(trees.n_outputs + 1))
        tree = np.repeat(np.arange(n_trees), sizes)
        values = np.empty(first_leaf[-1])
        at = (first_leaf[tree][:, None] + of_leaves)[~inner.reshape(-1, 2)]
        own = slice(int(trees.leaf_start[0]), int(trees.leaf_start[-1]))
        values[at] = trees.leaf_values()[own, 0]
        columns = trees.columns
        threshold = columns.thresholds(column, keys)
        threshold[columns.kind[column] == CATEGORIES] = 0.5  # of 0 (left) and 1 (right)
        tree = number[tree]
        chosen = np.flatnonzero(keys != NOT_A_SPLIT)
        chosen = chosen[np.lexsort((tree[chosen], threshold[chosen], column[chosen]))]
        left = (np.uint64(1) << n_left[chosen].astype(np.uint64)) - np.uint64(1)
        table = np.zeros((len(columns) + 1, 5), dtype=np.int32)
        table[:-1, 0], table[:-1, 1] = columns.feature, columns.kind
        table[:, 2] = np.searchsorted(column[chosen], np.arange(len(columns) + 1))
        category_bits = np.zeros(0, dtype=np.uint8)
        if columns.first is not None:
            category_bits = np.array(columns.category_bits)
            table[:-1, 3] = columns.first
            table[:-1, 4] = columns.last.astype(np.int64) - columns.first - 2
        self.arrays = (
            table,
            category_bits,
            threshold[chosen],
            ~(left << first[chosen].astype(np.uint64)),
            tree[chosen].astype(np.uint16 if n_trees <= 1 << 16 else np.uint32),
            first_leaf[:-1][order].astype(np.uint32),
            first_tree.astype(np.uint32),
            narrow_floats(values),
        )
        self.zeros = np.zeros(trees.n_outputs)
        self.flags = SINGLE if trees.dtype == np.float32 else 0
        self.sums = partial(kernels("trees.bit_kernels").bit_sums, *self.arrays)

    @staticmethod
    def fits(trees):
        """Whether each tree has few leaves, which add to one output."""
        if trees.n_pure or np.diff(trees.leaf_start).max() > MOST_LEAVES:
            return False
        table = trees.table
        return isinstance(table, ValueLeaves) and table.values.shape[1] == 1


class Pairs:
    """Each tree as pairs of siblings, 16 bytes a node, and the values of leaf ids.

    Without missing values, columns that differ in where these go are one.
    """

    has_exact_logistic = staticmethod(has_exact_logistic)

    def __init__(self, trees, reads_nan):
        compiled, table = kernels("trees.kernels"), trees.table
        self.columns, place = trees.columns.merged(apart=reads_nan)
        self.reads_nan = len(self.columns) == len(trees.columns)
        starts = (trees.node_start, trees.leaf_start)
        ids = (trees.leaf_ids, trees.id_bytes, trees.column_bits)
        words, begin = compiled.expand(trees.nodes, *starts, *ids, place)
        values = _plain_values(table)
        values = table.rows(trees.n_outputs) if values is None else values
        self.arrays = (
            words,
            begin,
            trees.column_bits,
            trees.n_pure,
            np.require(values, requirements="CW"),
            trees.output_column,
        )
        self.zeros = np.zeros(trees.n_outputs)
        self.flags = 0 if self.reads_nan else REFUSE_NAN
        self.reads_floats = trees.dtype == np.float32
        if self.reads_floats:
            features = np.stack([self.columns.feature, self.columns.kind], axis=1)
            self.arrays = (features.astype(np.int32), *self.arrays)
            self.sums = partial(compiled.pair_sums, *self.arrays)

    @staticmethod
    def fits(trees):
        """Whether values are not too many, and keys not slower than they are worth."""
        n_values = len(trees.table) * trees.n_outputs
        small = _plain_values(trees.table) is not None or n_values <= LARGEST_TABLE
        return small and trees.column_bits > 0 and not trees.has_few_visits()

    def sums(self, X, flags, start, out):
        """As the kernels of floats, for features in float64."""
        with np.errstate(invalid="ignore", over="ignore"):
            if flags & REFUSE_NAN and np.isnan(np.sum(X)):  # or both infinities
                return False
        key_sums = kernels("trees.kernels").key_sums
        key_sums(*self.arrays, self.columns.keys(X), flags, start, out)
        return True


def _plain_values(table):
    """The values of leaves as they are stored, if compiled code reads them so."""
    values = table.values if isinstance(table, ValueLeaves) else None
    plain = isinstance(values, np.ndarray) and values.dtype.kind == "f"
    return values if plain else None


def _places_of_leaves(roots, inner):
    """The first leaf below each node, the number to its left, and places of its leaves.

    Leaves are numbered from the left in each tree, whose nodes are breadth first.
    """
    child = np.full(inner.shape, -1)
    is_root = np.zeros(len(inner), dtype=bool)
    is_root[roots] = True
    child[inner] = np.flatnonzero(~is_root)
    levels = []
    while len(roots):
        levels.append(roots)
        below = child[roots].ravel()
        roots = below[below >= 0]
    count = np.ones(inner.shape, dtype=np.int64)
    for level in reversed(levels):
        below = child[level]
        count[level] = np.where(below < 0, 1, count[below].sum(axis=2))
    first = np.zeros(len(inner), dtype=np.int64)
    of_leaves = np.zeros(inner.shape, dtype=np.int64)
    for level in levels:
        below = child[level]
        begin = first[level][:, None] + np.stack([0 * level, count[level, 0]], axis=1)
        first[below[below >= 0]] = begin[below >= 0]
        of_leaves[level] = begin
    return first, count[:, 0], of_leaves
