"""Checks of loaded trees: compiled code follows the positions in their arrays."""

import numpy as np

from ..base import Compact
from ..quantized import QuantizedArray, is_array, is_count, need
from .columns import CATEGORIES, KeyColumns
from .flat import FlatTrees
from .leaves import ShareLeaves, SparseLeaves, ValueLeaves


def _check_columns(columns):
    need(is_array(columns.feature, "u", 1) and len(columns.feature), "features")
    need(is_array(columns.kind, "u", 1), "the kinds of columns")
    need(len(columns.kind) == len(columns.feature), "the kinds of columns")
    sorted_ = np.all(columns.feature[1:] >= columns.feature[:-1])
    need(sorted_ and columns.kind.max() <= CATEGORIES, "the kinds of columns")
    sets = columns.kind == CATEGORIES
    if columns.first is None:
        need(not sets.any() and columns.last is None, "sets of categories")
        return
    first, last = columns.first, columns.last
    need(is_array(first, "u", 1) and is_array(last, "u", 1), "where thresholds begin")
    fits = len(first) == len(last) == len(sets) and max(first.itemsize, last.itemsize) <= 4
    need(fits, "where thresholds begin")
    first, last = first.astype(np.int64), last.astype(np.int64)
    edges, bits = columns.edges, columns.category_bits
    need(is_array(edges, "f", 1) and edges.itemsize == 8, "thresholds")
    need(is_array(bits, "u", 1) and bits.itemsize == 1, "sets of categories")
    need((first <= last).all() and (last[~sets] <= len(edges)).all(), "a threshold")
    inside = (last[sets] - first[sets] >= 2) & (last[sets] <= 8 * len(bits))
    need(inside.all(), "a set of categories")


def _check_trees(trees):
    counts = (trees.n_features, trees.n_outputs)
    need(all(is_count(count, 1) for count in counts), "the size of trees")
    need(is_count(trees.n_pure) and trees.n_pure <= trees.n_outputs, "pure leaves")
    need(is_count(trees.id_bytes) and trees.id_bytes <= 4, "the size of leaf ids")
    columns, offsets = trees.columns, trees.output_column
    need(isinstance(columns, KeyColumns), "the columns of trees")
    need(columns.feature.max() < trees.n_features, "a feature of trees")
    need(is_array(offsets, "iu", 1) and len(offsets) and offsets.min() >= 0, "outputs")
    _check_structure(*trees.node_parts()[:2])
    n_leaves = int(trees.leaf_start[-1])
    ids = trees.leaf_ids
    need(is_array(ids, "u", 1) and ids.itemsize == 1, "leaf ids")
    need(len(ids) == trees.id_bytes * n_leaves, "the number of leaf ids")
    table = trees.table
    need(isinstance(table, ValueLeaves | ShareLeaves | SparseLeaves), "a table of leaves")
    n_ids = trees.n_pure + len(table)
    if trees.id_bytes:
        need(trees._ids().max(initial=0) < n_ids, "a leaf id")
    else:
        need(trees.n_pure == 0 and n_ids >= n_leaves, "the number of leaves")
    last = int(offsets.max())
    if isinstance(table, ValueLeaves):
        width = _width_of(table.values)
        last += width
        # Leaves of one class, and tables of all outputs, add to the first ones.
        need(not trees.n_pure or (last == width == trees.n_outputs), "pure leaves")
    elif isinstance(table, ShareLeaves):
        last = _last_of_shares(table)
    else:
        last = _last_of_sparse(table)
    need(isinstance(table, ValueLeaves) or not offsets.any(), "the outputs of trees")
    need(last <= trees.n_outputs, "the outputs of trees")


def _check_structure(sizes, inner):
    """Each node but the first of a tree has a parent before it, and no more than one."""
    children = inner.reshape(-1, 2).sum(axis=1, dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(sizes)])
    need((sizes > 0).all() and start[-1] == len(children), "the number of nodes")
    after = np.cumsum(children)
    before = after - children
    known = 1 + before - np.repeat(before[start[:-1]], sizes)
    position = np.arange(len(children)) - np.repeat(start[:-1], sizes)
    need((position < known).all(), "the order of nodes")
    need((np.add.reduceat(children, start[:-1]) == sizes - 1).all(), "a child of a node")


def _width_of(values):
    is_table = isinstance(values, QuantizedArray) or is_array(values, "fiu", 2)
    need(is_table and len(values.shape) == 2, "the values of leaves")
    short = not isinstance(values, QuantizedArray) and values.dtype == np.float16
    need(not short, "the values of leaves")
    return values.shape[1]


def _last_of_shares(table):
    counts, bounds = table.counts, table.bounds
    need(is_array(counts, "u", 2) and is_array(bounds, "iu", 1), "counts of leaves")
    bounds = bounds.astype(np.int64)
    need(len(bounds) > 1 and bounds[0] == 0, "where outputs begin")
    need((np.diff(bounds) >= 0).all(), "where outputs begin")
    need(bounds[-1] == counts.shape[1], "where outputs end")
    return int(bounds[-1])


def _last_of_sparse(table):
    column, values = table.column, table.values
    need(is_array(table.start, "u", 1) and is_array(column, "iu", 1), "leaf values")
    flat = isinstance(values, QuantizedArray) or is_array(values, "fiu", 1)
    need(flat and len(values.shape) == 1, "the values of leaves")
    ends = table.start.astype(np.int64)
    need(ends[0] == 0 and (np.diff(ends) >= 0).all(), "where leaf values begin")
    need(ends[-1] == len(column) == len(values), "the number of leaf values")
    need(not column.size or column.min() >= 0, "an output of leaves")
    return int(column.max()) + 1 if column.size else 0


def _check_ensemble(model):
    """Rows are checked by the model, and read by the trees."""
    trees = getattr(model, "trees_", None)
    if trees is None:
        return
    need(isinstance(trees, FlatTrees), "trees")
    need(getattr(model, "n_features_in_", None) == trees.n_features, "n_features_in_")
    start = getattr(model, "start_", None)
    if start is not None:
        need(is_array(start, "f", 1) and start.itemsize >= 4, "start_")
        need(len(start) == trees.n_outputs, "start_")
    iterations = getattr(model, "iterations_", None)
    if iterations is not None:
        pair = isinstance(iterations, tuple) and len(iterations) == 2
        fits = pair and is_count(iterations[0], 1) and is_count(iterations[1], 1)
        need(fits and trees.n_trees % iterations[0] == 0, "iterations_")


CHECKS = {
    KeyColumns: _check_columns,
    FlatTrees: _check_trees,
    Compact: _check_ensemble,
}
