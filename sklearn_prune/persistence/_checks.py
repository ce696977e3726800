"""Positions in loaded arrays, which compiled code follows: all must lie inside."""

import os
from inspect import getattr_static
from math import prod

import numpy as np
from scipy.sparse import issparse
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.preprocessing import OneHotEncoder

from sklearn_prune._sklearn_compat import columns_of_encoder
from sklearn_prune.weight_pruning.compact._kernel import CompactSVC
from sklearn_prune.weight_pruning.compact._leaves import (
    ShareLeaves,
    SparseLeaves,
    ValueLeaves,
)
from sklearn_prune.weight_pruning.compact._net import CompactNet
from sklearn_prune.weight_pruning.compact._net_layers import Dense, Layer
from sklearn_prune.weight_pruning.compact._net_weights import SparseWeights
from sklearn_prune.weight_pruning.compact._quantized import QuantizedArray
from sklearn_prune.weight_pruning.compact._tree_columns import CATEGORIES, KeyColumns
from sklearn_prune.weight_pruning.compact._trees import FlatTrees


def check_parts(loaded, max_bytes):
    """Raise ValueError unless the arrays of all parts fit together.

    Parameters
    ----------
    loaded : object
        Made of a file.
    max_bytes : int
        What a part may take when it is written out in full.

    Returns
    -------
    list
        The parts, each once.
    """
    seen, found, left = set(), [], [loaded]
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        found.append(part)
        if isinstance(part, dict):
            left.extend(part.values())
        elif isinstance(part, list | tuple | set):
            left.extend(part)
        elif isinstance(part, np.ndarray):
            if part.dtype == object:
                left.extend(part.ravel().tolist())
        elif issparse(part):
            part.check_format(full_check=True)
        elif type(part).__module__.startswith(("sklearn.", "sklearn_prune.")):
            _check_names(part)
            left.extend(vars(part).values())
    for part in found:
        if isinstance(part, QuantizedArray | SparseWeights) and part.size * 4 > max_bytes:
            raise ValueError(f"weights of the shape {part.shape} are larger than max_bytes")
        for kind, check in _CHECKS.items():
            if isinstance(part, kind):
                check(part)
        if hasattr(part, "trees_"):
            _check_ensemble(part)
        if hasattr(part, "cluster_centers_"):
            fits = np.shape(part.cluster_centers_)[1:] == (part.n_features_in_,)
            _need(fits, "cluster_centers_")
        for name in ("n_jobs", "_n_threads"):
            if isinstance(vars(part).get(name) if hasattr(part, "__dict__") else None, int):
                setattr(part, name, min(getattr(part, name), os.cpu_count() or 1))
        if isinstance(part, FeatureHasher | HashingVectorizer):
            _need(_is_count(part.n_features, 1), "n_features")
    return found


def _check_names(part):
    """No attribute may stand in the place of a method, or be set by a property."""
    for name in vars(part):
        known = getattr_static(type(part), name, None)
        method = callable(known) and not isinstance(known, type)
        fits = not method and not hasattr(type(known), "__get__")
        _need(fits and not name.startswith("__"), f"the attribute {name}")


def _need(holds, what):
    if not holds:
        raise ValueError(f"{what} does not fit the rest")


def _is_array(value, kinds, n_dims):
    return type(value) is np.ndarray and value.dtype.kind in kinds and value.ndim == n_dims


def _is_count(value, least=0):
    return isinstance(value, int | np.integer) and value >= least


def _check_quantized(array):
    codes, shape = array.codes, array.shape
    _need(isinstance(shape, tuple) and all(map(_is_count, shape)), "the shape of an array")
    _need(type(codes) is np.ndarray and codes.dtype.char in "ebB", "the codes of an array")
    for part in (array.scale, array.offset):
        if part is not None:
            fits = type(part) is np.ndarray and part.dtype.kind == "f"
            _need(fits and np.broadcast_shapes(part.shape, shape) == shape, "a scale")
    if array.values is None:
        _need(codes.shape == shape, "the codes of an array")
        return
    _need(_is_array(array.values, "f", 1) and codes.dtype == np.uint8, "shared values")
    n_values = len(array.values)
    if codes.shape == shape:
        _need(codes.max(initial=0) < n_values or not codes.size, "a code")
        return
    pairs = codes.ndim == 1 and codes.size == (array.size + 1) // 2 and n_values <= 16
    _need(pairs, "the codes of an array")
    _need(not codes.size or (codes & 15).max() < n_values > (codes >> 4).max(), "a code")


def _check_sparse_weights(weights):
    shape, counts, gaps = weights.shape, weights.counts, weights.gaps
    _need(
        isinstance(shape, tuple) and len(shape) > 1 and all(map(_is_count, shape)),
        "the shape of weights",
    )
    _need(_is_array(gaps, "u", 1) and gaps.itemsize <= 2, "the gaps of weights")
    _need(_is_array(counts, "u", 1) and len(counts) == shape[0], "the counts of weights")
    quantized = isinstance(weights.values, QuantizedArray)
    _need(quantized or _is_array(weights.values, "f", 1), "the values of weights")
    _need(len(weights.values.shape) == 1, "the values of weights")
    n_entries = len(weights.values)
    _need(counts.max(initial=0) <= n_entries, "the counts of weights")
    counts = counts.astype(np.int64)
    most = np.iinfo(gaps.dtype).max
    ends = np.flatnonzero(gaps != most)
    _need(counts.sum() == n_entries == len(ends), "the number of weights")
    _need(not len(gaps) or gaps[-1] != most, "the gaps of weights")
    if n_entries:
        places = np.cumsum(gaps, dtype=np.int64)[ends]
        first = (np.cumsum(counts) - counts)[counts > 0]
        before = np.concatenate([[0], places])[first]
        columns = places - np.repeat(before, counts[counts > 0])
        _need(columns.max() < prod(shape[1:]), "a column of weights")
    if weights.scale is not None:
        _need(_is_array(weights.scale, "f", 1), "the scale of weights")
        _need(len(weights.scale) == shape[0], "the scale of weights")


def _check_layer(layer):
    weights, bias = layer.weights, layer.bias
    if weights is None:
        return
    known = QuantizedArray | SparseWeights
    _need(isinstance(weights, known) or type(weights) is np.ndarray, "a weight")
    _need(not isinstance(layer, Dense) or len(weights.shape) == 2, "the shape of weights")
    if len(weights.shape) > 1:
        n_outputs = weights.shape[0]
        fits = bias is None or (_is_array(bias, "f", 1) and len(bias) == n_outputs)
        _need(fits, "a bias")
    integers = isinstance(weights, QuantizedArray) and weights.codes.dtype == np.int8
    if integers and len(weights.shape) == 2:
        _need(weights.scale is not None and weights.offset is None, "a scale")
        _need(weights.scale.size == n_outputs, "a scale")


def _check_net(net):
    _need(isinstance(net.layers_, tuple), "the layers of a net")
    for position, layer in enumerate(net.layers_):
        inputs = layer.inputs
        fits = isinstance(layer, Layer) and isinstance(inputs, tuple)
        _need(fits and all(_is_count(k) and k <= position for k in inputs), "a layer")


def _check_columns(columns):
    _need(_is_array(columns.feature, "u", 1) and len(columns.feature), "features")
    _need(_is_array(columns.kind, "u", 1), "the kinds of columns")
    _need(len(columns.kind) == len(columns.feature), "the kinds of columns")
    sorted_ = np.all(columns.feature[1:] >= columns.feature[:-1])
    _need(sorted_ and columns.kind.max() <= CATEGORIES, "the kinds of columns")
    sets = columns.kind == CATEGORIES
    if columns.first is None:
        _need(not sets.any() and columns.last is None, "sets of categories")
        return
    first, last = columns.first, columns.last
    _need(_is_array(first, "u", 1) and _is_array(last, "u", 1), "where thresholds begin")
    fits = len(first) == len(last) == len(sets) and max(first.itemsize, last.itemsize) <= 4
    _need(fits, "where thresholds begin")
    first, last = first.astype(np.int64), last.astype(np.int64)
    edges, bits = columns.edges, columns.category_bits
    _need(_is_array(edges, "f", 1) and edges.itemsize == 8, "thresholds")
    _need(_is_array(bits, "u", 1) and bits.itemsize == 1, "sets of categories")
    _need((first <= last).all() and (last[~sets] <= len(edges)).all(), "a threshold")
    inside = (last[sets] - first[sets] >= 2) & (last[sets] <= 8 * len(bits))
    _need(inside.all(), "a set of categories")


def _check_trees(trees):
    counts = (trees.n_features, trees.n_outputs)
    _need(all(_is_count(count, 1) for count in counts), "the size of trees")
    _need(_is_count(trees.n_pure) and trees.n_pure <= trees.n_outputs, "pure leaves")
    _need(_is_count(trees.id_bytes) and trees.id_bytes <= 4, "the size of leaf ids")
    columns, offsets = trees.columns, trees.output_column
    _need(isinstance(columns, KeyColumns), "the columns of trees")
    _need(columns.feature.max() < trees.n_features, "a feature of trees")
    _need(_is_array(offsets, "iu", 1) and len(offsets) and offsets.min() >= 0, "outputs")
    _check_structure(*trees.node_parts()[:2])
    n_leaves = int(trees.leaf_start[-1])
    ids = trees.leaf_ids
    _need(_is_array(ids, "u", 1) and ids.itemsize == 1, "leaf ids")
    _need(len(ids) == trees.id_bytes * n_leaves, "the number of leaf ids")
    table = trees.table
    _need(isinstance(table, ValueLeaves | ShareLeaves | SparseLeaves), "a table of leaves")
    n_ids = trees.n_pure + len(table)
    if trees.id_bytes:
        _need(trees._ids().max(initial=0) < n_ids, "a leaf id")
    else:
        _need(trees.n_pure == 0 and n_ids >= n_leaves, "the number of leaves")
    last = int(offsets.max())
    if isinstance(table, ValueLeaves):
        last += _width_of(table.values)
    elif isinstance(table, ShareLeaves):
        last = _last_of_shares(table)
    else:
        last = _last_of_sparse(table)
    _need(last <= trees.n_outputs, "the outputs of trees")


def _check_structure(sizes, inner):
    """Each node but the first of a tree has a parent before it, and no more than one."""
    children = inner.reshape(-1, 2).sum(axis=1, dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(sizes)])
    _need((sizes > 0).all() and start[-1] == len(children), "the number of nodes")
    after = np.cumsum(children)
    before = after - children
    known = 1 + before - np.repeat(before[start[:-1]], sizes)
    position = np.arange(len(children)) - np.repeat(start[:-1], sizes)
    _need((position < known).all(), "the order of nodes")
    _need((np.add.reduceat(children, start[:-1]) == sizes - 1).all(), "a child of a node")


def _width_of(values):
    is_array = isinstance(values, QuantizedArray) or _is_array(values, "fiu", 2)
    _need(is_array and len(values.shape) == 2, "the values of leaves")
    return values.shape[1]


def _last_of_shares(table):
    counts, bounds = table.counts, table.bounds
    _need(_is_array(counts, "u", 2) and _is_array(bounds, "iu", 1), "counts of leaves")
    bounds = bounds.astype(np.int64)
    _need(len(bounds) > 1 and bounds[0] >= 0, "where outputs begin")
    _need((np.diff(bounds) >= 0).all(), "where outputs begin")
    _need(bounds[-1] <= counts.shape[1], "where outputs end")
    return int(bounds[-1])


def _last_of_sparse(table):
    column, values = table.column, table.values
    _need(_is_array(table.start, "u", 1) and _is_array(column, "iu", 1), "leaf values")
    flat = isinstance(values, QuantizedArray) or _is_array(values, "fiu", 1)
    _need(flat and len(values.shape) == 1, "the values of leaves")
    ends = table.start.astype(np.int64)
    _need(ends[0] == 0 and (np.diff(ends) >= 0).all(), "where leaf values begin")
    _need(ends[-1] == len(column) == len(values), "the number of leaf values")
    _need(not column.size or column.min() >= 0, "an output of leaves")
    return int(column.max()) + 1 if column.size else 0


def _check_ensemble(model):
    """Rows are checked by the model, and read by the trees."""
    trees = model.trees_
    _need(isinstance(trees, FlatTrees), "trees")
    _need(getattr(model, "n_features_in_", None) == trees.n_features, "n_features_in_")
    start = getattr(model, "start_", None)
    if start is not None:
        _need(_is_array(start, "f", 1) and len(start) == trees.n_outputs, "start_")


def _check_votes(model):
    """What libsvm is handed for rows that are too close to call."""
    n_classes = len(model.classes_)
    n_pairs = n_classes * (n_classes - 1) // 2
    _need(_is_array(model.offsets_, "f", 1) and len(model.offsets_) == n_pairs, "offsets_")
    points, coefficients = model.points_, model.coefficients_
    if model.probability_ is not None:
        _need(np.shape(model.probability_) == (2, n_pairs), "probability_")
    handed = points is not None and model.kernel_.name in ("rbf", "sigmoid")
    _need(model.exact_ is None or handed, "exact_")
    if points is None:
        return
    _need(len(points.shape) == 2 == len(coefficients.shape), "support vectors")
    _need(points.shape[1] == model.n_features_in_, "support vectors")
    columns = 1 if n_classes == 2 else n_classes - 1
    _need(tuple(coefficients.shape) == (points.shape[0], columns), "coefficients")
    n_support = model.n_support_
    _need(_is_array(n_support, "iu", 1) and len(n_support) == n_classes, "n_support_")
    _need(n_support.min() >= 0 and n_support.sum() == points.shape[0], "n_support_")


def _check_vocabulary(vectorizer):
    """Columns of a matrix that scipy is handed without a look at them."""
    words = getattr(vectorizer, "vocabulary_", {})
    _need(sorted(words.values()) == list(range(len(words))), "vocabulary_")


def _check_encoder(encoder):
    """Likewise."""
    if hasattr(encoder, "categories_"):
        columns_of_encoder(encoder)


_CHECKS = {
    CountVectorizer: _check_vocabulary,
    DictVectorizer: _check_vocabulary,
    OneHotEncoder: _check_encoder,
    QuantizedArray: _check_quantized,
    SparseWeights: _check_sparse_weights,
    Layer: _check_layer,
    CompactNet: _check_net,
    KeyColumns: _check_columns,
    FlatTrees: _check_trees,
    CompactSVC: _check_votes,
}
