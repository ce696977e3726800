"""Trees as files hold them: arrays that compress well, from which all else follows."""

import zlib
from copy import copy

import numpy as np

from ..quantized import is_array, is_count, need
from .columns import (
    CATEGORIES,
    MISSING_RIGHT,
    NOT_A_SPLIT,
    KeyColumns,
    float32_keys,
    float32_values,
)
from .leaves import FEW, MOST, integers, shortened, smallest_int

_LAID_OUT = ("nodes", "node_start", "leaf_start", "leaf_ids", "wide_column", "column_bits")
_LAID_OUT += ("columns", "id_bytes")
_OF_TREES = ("n_features", "n_outputs", "n_pure", "output_column", "table")


def pack(trees, *, mapped=False):
    """The state that `unpack` reads; if `mapped`, the arrays as they lie in memory.

    A node is two bits for its children, its feature, the number of its column among those
    of the feature (mostly one bit), and the place of its threshold among those of the
    feature. Thresholds are differences of integers that are ordered as they are.
    """
    state = {name: getattr(trees, name) for name in _OF_TREES}
    if mapped:
        return state | {name: getattr(trees, name) for name in _LAID_OUT}
    sizes, inner, column, keys = trees.node_parts()
    columns, is_split = trees.columns, keys != NOT_A_SPLIT
    used, column = np.unique(column, return_inverse=True)
    feature_of, kind_of = columns.feature[used].astype(np.int64), columns.kind[used]
    feature = feature_of[column]
    within = column - np.searchsorted(feature_of, feature_of)[column]
    numeric = is_split & (kind_of[column] != CATEGORIES)
    if columns.first is None:
        ordered = keys[numeric].astype(np.uint32)
    else:
        ordered = _ordered(columns.thresholds(used[column[numeric]], keys[numeric]))
        state["double"] = True
    order = np.lexsort((ordered, feature[numeric]))
    edges, of = ordered[order], feature[numeric][order]
    new = np.ones(len(edges), dtype=bool)
    new[1:] = (edges[1:] != edges[:-1]) | (of[1:] != of[:-1])
    rank = np.empty(len(edges), dtype=np.int64)
    rank[order] = np.cumsum(new) - 1
    places = is_split.astype(np.int64)
    places[numeric] += rank - np.searchsorted(of[new], feature[numeric])
    edges = edges[new]
    state["edges"] = _edges_stored(edges)
    by_feature = np.argsort(feature, kind="stable")
    state["places"] = _planes(places[by_feature])
    state["sizes"], state["feature"] = smallest_int(sizes), smallest_int(feature)
    state["inner"] = np.packbits(inner)
    if len(feature_of) > 1 and (np.diff(feature_of) == 0).any():
        state["features"] = smallest_int(feature_of)
        is_bit = within.max() == 1
        state["within"] = np.packbits(within > 0) if is_bit else smallest_int(within)
    if kind_of.any():
        same = (kind_of == kind_of[0]).all()
        state["kinds"] = int(kind_of[0]) if same else kind_of
    sets = used[kind_of == CATEGORIES]
    if len(sets):
        bits = np.unpackbits(columns.category_bits, bitorder="little")
        parts = [bits[columns.first[c] : columns.last[c]] for c in sets]
        state["set_sizes"] = smallest_int(np.array([len(part) for part in parts]))
        state["set_bits"] = np.packbits(np.concatenate(parts), bitorder="little")
    if trees.id_bytes:
        ids = trees.leaf_ids.reshape(-1, trees.id_bytes).T
        state["leaf_ids"] = np.ascontiguousarray(ids).ravel()
    if np.array_equal(state["output_column"], [0]):
        del state["output_column"]
    return shortened(state)


def unpack(trees, state):
    """Set the attributes of the trees from their state.

    Parts that do not fit together raise a ValueError before larger arrays are made of them.
    """
    if "nodes" in state:
        need(state.keys() == {*_OF_TREES, *_LAID_OUT}, "a part of trees")
        vars(trees).update(state)
        if not isinstance(getattr(trees.nodes, "base", None), np.memmap):
            _check_layout(trees)
        return
    trees.n_features, trees.table = state.pop("n_features"), state.pop("table")
    trees.n_outputs = state.pop("n_outputs", 1)
    trees.n_pure = state.pop("n_pure", 0)
    double = state.pop("double", False)
    need(double in (True, False), "the type of thresholds")
    edges, same = state.pop("edges"), state.get("kinds")
    if type(same) is int:
        del state["kinds"]
        need(0 <= same <= CATEGORIES, "the kinds of columns")
    ints = {name: integers(value, name) for name, value in state.items()}
    trees.output_column = ints.pop("output_column", np.zeros(1, int)).astype(np.int64)
    sizes, feature = ints.pop("sizes"), ints.pop("feature")
    feature_of = ints.pop("features") if "features" in ints else _distinct(feature)
    n_nodes, n_columns = len(feature), len(feature_of)
    sizes = sizes.astype(np.int64)
    need(0 < n_nodes < MOST and n_columns > 0, "the number of nodes")
    need(
        sizes.min(initial=0) >= 0 and sizes.max(initial=0) <= n_nodes, "the sizes of trees"
    )
    need(len(sizes) <= n_nodes and sizes.sum() == n_nodes, "the sizes of trees")
    inner = ints.pop("inner")
    need(len(inner) == -(-2 * n_nodes // 8), "the children of nodes")
    inner = np.unpackbits(inner.astype(np.uint8), count=2 * n_nodes).astype(bool)
    same = same if type(same) is int else MISSING_RIGHT
    kind = ints.pop("kinds", np.full(n_columns, same)).astype(np.uint8)
    within = ints.pop("within", np.zeros(n_nodes, dtype=np.uint8))
    if len(within) != n_nodes:
        need(len(within) == -(-n_nodes // 8), "the columns of nodes")
        within = np.unpackbits(within.astype(np.uint8), count=n_nodes)
    need(len(kind) == n_columns and kind.max() <= CATEGORIES, "the kinds of columns")
    feature, feature_of = feature.astype(np.int64), feature_of.astype(np.int64)
    need((feature_of[1:] >= feature_of[:-1]).all(), "the features of columns")
    column = np.searchsorted(feature_of, feature) + within.astype(np.int64)
    need(column.max() < n_columns, "the columns of nodes")
    need((feature_of[column] == feature).all(), "the columns of nodes")
    places = np.empty(n_nodes, dtype=np.int64)
    by_feature = np.argsort(feature, kind="stable")
    places[by_feature] = _of_planes(ints.pop("places"), n_nodes, 4)
    numeric = (places > 0) & (kind[column] != CATEGORIES)
    counts = np.zeros(n_columns, dtype=np.int64)
    first_of = np.searchsorted(feature_of, feature_of)  # the first column of its feature
    np.maximum.at(counts, first_of[column[numeric]], places[numeric])
    n_edges, width = int(counts.sum()), 8 if double else 4
    need(n_edges <= n_nodes, "the places of thresholds")
    edges = _edges_of(edges, n_edges, width)
    begin = (np.cumsum(counts) - counts)[first_of]
    columns = trees.columns = KeyColumns()
    columns.feature = feature_of.astype(np.min_scalar_type(max(trees.n_features - 1, 0)))
    need((columns.feature == feature_of).all(), "a feature")
    columns.kind = kind
    keys = np.zeros(n_nodes, dtype=np.int64)
    at = places[numeric] - 1
    if double:
        keys[numeric] = at + 1
        columns.edges = _floats(edges)
        columns.first, columns.last = begin, begin + counts[first_of]
        _set_categories(columns, ints)
        columns.first, columns.last = (
            part.astype(np.uint32) for part in (columns.first, columns.last)
        )
    else:
        need((kind != CATEGORIES).all(), "the kinds of columns")
        keys[numeric] = edges[begin[column[numeric]] + at]
    keys[places == 0] = NOT_A_SPLIT
    n_leaves = 2 * n_nodes - int(np.count_nonzero(inner))
    ids = ints.pop("leaf_ids", np.zeros(0, np.uint8))
    trees.id_bytes = len(ids) // n_leaves
    need(trees.id_bytes <= 4 and len(ids) == trees.id_bytes * n_leaves, "leaf ids")
    ids = ids.astype(np.uint8).reshape(trees.id_bytes, n_leaves)
    trees.leaf_ids = np.ascontiguousarray(ids.T).ravel()
    need(not ints, "a part of trees")
    trees.set_nodes(sizes, inner, column, keys)


def _check_layout(trees):
    """Raise ValueError unless the nodes are as `set_nodes` lays them out."""
    starts, wide, bits = trees.node_start, trees.wide_column, trees.column_bits
    need(is_array(trees.nodes, "u", 1) and trees.nodes.itemsize == 8, "nodes")
    need(is_array(starts, "u", 1) and is_array(trees.leaf_start, "u", 1), "nodes")
    need(is_count(bits) and bits <= 30 and is_array(wide, "u", 1), "column_bits")
    need(len(wide) == (0 if bits else len(trees.nodes)), "the columns of nodes")
    starts = starts.astype(np.int64)
    sizes = np.diff(starts)
    need(len(sizes) and starts[0] == 0 and (sizes > 0).all(), "the sizes of trees")
    need(starts[-1] == len(trees.nodes), "the sizes of trees")
    need(isinstance(trees.columns, KeyColumns), "the columns of trees")
    _, inner, column, keys = trees.node_parts()
    need(column.max() < len(trees.columns), "the columns of nodes")
    children = inner.reshape(-1, 2).sum(axis=1, dtype=np.int64)
    need((np.add.reduceat(children, starts[:-1]) == sizes - 1).all(), "a child of a node")
    other = copy(trees)
    other.set_nodes(sizes, inner, column, keys)
    for name in ("nodes", "node_start", "leaf_start", "wide_column", "column_bits"):
        same = np.array_equal(getattr(other, name), getattr(trees, name))
        need(same, "the order of nodes")


def _set_categories(columns, ints):
    """Where the bits of each set begin and end, and the bits."""
    sets = columns.kind == CATEGORIES
    sizes = ints.pop("set_sizes", np.zeros(0, np.uint8)).astype(np.int64)
    bits = ints.pop("set_bits", np.zeros(0, np.uint8))
    need(len(sizes) == np.count_nonzero(sets) and (sizes >= 2).all(), "sets of categories")
    ends = np.cumsum(sizes)
    need(not len(sizes) or ends[-1] <= 8 * len(bits), "sets of categories")
    columns.category_bits = bits.astype(np.uint8)
    columns.first[sets], columns.last[sets] = ends - sizes, ends


def _edges_stored(edges):
    """Few thresholds as numbers; else their differences, or bytes of these."""
    if len(edges) <= FEW // 2:
        numbers = _floats(edges) if edges.itemsize == 8 else float32_values(edges)
        if np.isfinite(numbers).all():
            return numbers
    differences = np.diff(edges, prepend=edges.dtype.type(0))
    planes = _planes(differences, edges.itemsize)
    size = [len(zlib.compress(part, 1)) for part in (planes, differences)]
    return planes if size[0] < size[1] else differences


def _edges_of(stored, n_edges, width):
    """The inverse of `_edges_stored`: integers of `width` bytes."""
    need(type(stored) is np.ndarray and stored.ndim == 1, "thresholds")
    if stored.dtype.kind == "f":
        need(stored.itemsize == width and len(stored) == n_edges, "thresholds")
        return _ordered(stored) if width == 8 else float32_keys(stored)
    need(stored.dtype.kind == "u", "thresholds")
    if stored.itemsize == 1:
        stored = _of_planes(stored, n_edges, width)
    need(len(stored) == n_edges, "thresholds")
    return np.cumsum(stored, dtype=f"u{width}")


def _ordered(values):
    """Unsigned integers that are ordered as these floats are."""
    bits = (values + 0.0).view(np.uint64)
    top = np.uint64(1 << 63)
    return np.where(bits & top, ~bits, bits | top)


def _floats(ordered):
    """The inverse of `_ordered`."""
    top = np.uint64(1 << 63)
    return np.where(ordered & top, ordered & ~top, ~ordered).view(np.float64)


def _planes(values, n_bytes=None):
    """The lowest bytes of unsigned integers, then the next ones, as many as they need."""
    if n_bytes is None:
        n_bytes = max(1, (int(values.max(initial=0)).bit_length() + 7) // 8)
    parts = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(parts[:, :n_bytes].T).ravel()


def _of_planes(planes, size, most):
    """The inverse of `_planes`."""
    n_bytes = len(planes) // size if size else 0
    need(len(planes) == n_bytes * size and n_bytes <= most, "bytes of integers")
    parts = np.zeros((size, 8), dtype=np.uint8)
    parts[:, :n_bytes] = planes.astype(np.uint8).reshape(n_bytes, size).T
    return parts.view("<u8").ravel().astype(np.uint64)


def _distinct(values):
    """Sorted, each once; a plain np.unique would import numpy.ma."""
    return np.unique(values, return_index=True)[0]
