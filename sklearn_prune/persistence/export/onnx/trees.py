"""Trees as ONNX operators: one gives the leaf of each tree, the leaves are then summed.

The leaf of a row is exact in single precision, and leaves that share their values are
stored once, as in the flat form. Sums are made in double precision.
"""

from itertools import pairwise

import numpy as np

from sklearn_prune.persistence.export.onnx.graph import scattered
from sklearn_prune.persistence.export.onnx.writer import Writer
from sklearn_prune.predictors import (
    CATEGORIES,
    MISSING_LEFT,
    MISSING_ZERO,
    QuantizedArray,
    ShareLeaves,
    SparseLeaves,
    ValueLeaves,
)

_ML = "ai.onnx.ml"
LARGEST_ID = 1 << 24  # a single precision float holds all integers up to here
ENTRIES = 1024  # that a row may take while leaves are summed


def tree_sums(graph, trees, X, start=None):
    """What the leaves of all trees add to a start, of shape (n_samples, n_outputs).

    The sums are made in the order of the trees and in the precision of the start, as
    those of `predict` are: rounding decides ties in the same way.
    """
    ids = leaf_ids(graph, trees, X)
    n_outputs, n_trees = trees.n_outputs, trees.n_trees
    dtype = graph.float if start is None else np.result_type(start, np.float32)
    dtype = min(dtype, graph.float, key=lambda each: np.dtype(each).itemsize)
    values = table(graph, trees).cast(dtype)
    width = trees.id_values().shape[1]
    total = ids[:1].cast(dtype) * 0.0
    total = total + (np.zeros(n_outputs) if start is None else start).astype(dtype)
    columns = np.resize(trees.output_column, n_trees)
    if width == 1 and n_outputs > 1:
        added = values.ravel().take(ids)
        in_turn = np.resize(np.arange(n_outputs), n_trees)
        if n_trees % n_outputs == 0 and np.array_equal(columns, in_turn):
            return _added_in_order(graph, total, added.reshape(0, -1, n_outputs))
        return total + added @ np.equal.outer(columns, np.arange(n_outputs)).astype(float)
    if np.any(columns):
        raise TypeError(
            "to_onnx writes trees of several outputs that add to all of them. Got trees "
            "that add to some. Use save() and load() instead."
        )
    size = max(1, ENTRIES // width)
    for first in range(0, n_trees, size):
        own = ids[first : first + size] if n_trees > size else ids
        total = _added_in_order(graph, total, values.take(own))
    return total


def _added_in_order(graph, total, values):
    """Entries along axis 1 added to what there is, one after the other."""
    axis = graph.constant(np.array(1, dtype=np.int64))
    values = graph.concat([total.reshape(0, 1, -1), values])
    return graph.node("CumSum", [values, axis]).take(np.int64(-1), axis=1)


def table(graph, trees):
    """What each leaf id adds, of shape (n_ids, width)."""
    leaves, dtype = trees.table, graph.float
    width = trees.id_values().shape[1]
    if isinstance(leaves, ValueLeaves):
        found = graph.parameter(leaves.values, dtype)
    elif isinstance(leaves, ShareLeaves):
        counts = graph.constant(leaves.counts).cast(dtype)
        groups = [
            counts[first:last]
            for first, last in zip(leaves.bounds[:-1], leaves.bounds[1:], strict=True)
        ]
        found = graph.concat([group / group.sum(1, keepdims=True) for group in groups])
    elif isinstance(leaves, SparseLeaves):
        start = leaves.start.astype(np.int64)
        rows = np.repeat(np.arange(len(leaves)), np.diff(start))
        positions = rows * width + leaves.column.astype(np.int64)
        shape, values, scale = (len(leaves), width), leaves.values, float(leaves.scale)
        whole = isinstance(values, QuantizedArray) and values.codes.dtype == np.int8
        if whole and values.offset is None:
            values, scale = values.codes, scale * float(values.scale)
        found = scattered(graph, values, positions, shape, dtype)
        found = found / found.sum(1, keepdims=True) if leaves.shares else found * scale
    if not trees.n_pure:
        return found
    diagonal = np.arange(trees.n_pure) * (width + 1)
    ones = np.ones(trees.n_pure, dtype=np.uint8)
    pure = scattered(graph, ones, diagonal, (trees.n_pure, width), dtype)
    return pure if not len(leaves) else graph.concat([pure, found], axis=0)


def leaf_ids(graph, trees, X):
    """Id of the leaf of each row in each tree, of shape (n_samples, n_trees)."""
    from onnx import numpy_helper

    nodes = _Nodes(trees)
    wide = trees.dtype == np.float64 or int(nodes.ids.max(initial=0)) >= LARGEST_ID
    dtype = np.dtype(np.float64 if wide else np.float32)
    X = X.cast(trees.dtype).cast(dtype)
    X = _with_categories(graph, trees, nodes, X)
    if graph.ml_opset < 5:
        return _older_leaf_ids(graph, trees, nodes, X)
    leaf, leaves = nodes.distinct_leaves()
    children = np.where(nodes.inner, nodes.child, leaf[nodes.child * ~nodes.inner])
    found = graph.node(
        "TreeEnsemble",
        [X],
        dtype=dtype,
        domain=_ML,
        n_targets=trees.n_trees,
        tree_roots=nodes.first.tolist(),
        nodes_featureids=nodes.feature.tolist(),
        nodes_modes=numpy_helper.from_array(
            np.zeros(len(nodes.feature), np.uint8), "modes"
        ),
        nodes_splits=numpy_helper.from_array(nodes.threshold.astype(dtype), "splits"),
        nodes_truenodeids=children[:, 0].tolist(),
        nodes_falsenodeids=children[:, 1].tolist(),
        nodes_trueleafs=(~nodes.inner[:, 0]).astype(int).tolist(),
        nodes_falseleafs=(~nodes.inner[:, 1]).astype(int).tolist(),
        leaf_targetids=nodes.leaf_tree[leaves].tolist(),
        leaf_weights=numpy_helper.from_array(nodes.ids[leaves].astype(dtype), "leaves"),
        **_where_missing(nodes),
    )
    return found.cast(np.int64)


def _where_missing(nodes):
    if not nodes.missing_left.any():
        return {}
    return {"nodes_missing_value_tracks_true": nodes.missing_left.astype(int).tolist()}


class _Nodes:
    """The nodes of all trees, one after the other.

    `first` is the root of each tree. For the left and right child of each node, `inner`
    says whether it is a node, and `child` which node, or which leaf, it is. `feature`,
    `threshold` and `missing_left` are the conditions of the nodes, `ids` and `leaf_tree`
    the id and tree of each leaf.
    """

    def __init__(self, trees):
        sizes, inner, self.column, keys = trees.node_parts()
        self.first = trees.node_start[:-1].astype(np.int64)
        tree_of = np.repeat(np.arange(trees.n_trees), 2 * sizes)
        before = np.cumsum(inner) - inner
        within = before - before[2 * self.first][tree_of]
        nodes = self.first[tree_of] + 1 + within
        leaves = np.cumsum(~inner) - ~inner
        self.inner = inner.reshape(-1, 2)
        self.child = np.where(inner, nodes, leaves).reshape(-1, 2)
        self.tree = tree_of[::2]
        self.feature = trees.columns.feature[self.column].astype(np.int64)
        kind = trees.columns.kind[self.column]
        self.is_category = (kind == CATEGORIES) & (keys != 0xFFFFFFFF)
        threshold = trees.columns.thresholds(self.column, keys)
        self.threshold = np.where(np.isnan(threshold), 0.5, threshold)
        as_zero = (kind == MISSING_ZERO) & (self.threshold >= 0)
        self.missing_left = (kind == MISSING_LEFT) | as_zero
        self.ids = trees._ids()
        counts = np.diff(trees.leaf_start.astype(np.int64))
        self.leaf_tree = np.repeat(np.arange(trees.n_trees), counts)

    def distinct_leaves(self):
        """Which distinct (tree, id) each leaf is, and the position of one leaf of each."""
        code = self.leaf_tree * (int(self.ids.max(initial=0)) + 1) + self.ids
        _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        return inverse, first


def _with_categories(graph, trees, nodes, X):
    """X with a column for each set of categories: 0 where a row goes left, else 1."""
    if not nodes.is_category.any():
        return X
    sets = trees.columns.category_sets()
    used = np.unique(nodes.column[nodes.is_category])
    added = []
    for column in used:
        right = sets[column].right_bits()
        value = X.column(int(trees.columns.feature[column]))
        n_categories = len(right) - 2
        known = graph.node("And", [value > -1.0, value < float(n_categories)], dtype=bool)
        place = graph.where(known, value, -1.0).cast(np.int64) + 2
        place = graph.where(value.is_nan(), graph.constant(np.int64(0)), place)
        added.append(graph.constant(right).take(place).cast(X.dtype))
    place_of = {column: position for position, column in enumerate(used)}
    for node in np.flatnonzero(nodes.is_category):
        nodes.feature[node] = trees.n_features + place_of[nodes.column[node]]
    return graph.concat([X, graph.stack(added)])


def _older_leaf_ids(graph, trees, nodes, X):
    """The same by the operator of earlier versions, which spells out the leaves."""
    from onnx import numpy_helper

    n_inner = np.bincount(nodes.tree, minlength=trees.n_trees)
    n_leaves = np.bincount(nodes.leaf_tree, minlength=trees.n_trees)
    first_leaf = np.cumsum(n_leaves) - n_leaves
    offset = nodes.first[nodes.tree][:, None]
    of_leaf = n_inner[nodes.tree] - first_leaf[nodes.tree]
    child = np.where(nodes.inner, nodes.child - offset, nodes.child + of_leaf[:, None])
    own = np.arange(len(nodes.tree)) - nodes.first[nodes.tree]
    leaf = (
        np.arange(len(nodes.ids)) - first_leaf[nodes.leaf_tree] + n_inner[nodes.leaf_tree]
    )
    none = np.zeros(len(leaf), dtype=np.int64)
    order = np.argsort(np.concatenate([nodes.tree, nodes.leaf_tree]), kind="stable")

    def joined(of_nodes, of_leaves=none):
        return np.concatenate([of_nodes, of_leaves])[order]

    modes = np.array([b"BRANCH_LEQ", b"LEAF"], dtype=object)
    is_leaf = joined(0 * own, none + 1)
    threshold = joined(nodes.threshold, 0.0 * none)
    weights = nodes.ids.astype(float)
    attributes = {"nodes_values": threshold.tolist(), "target_weights": weights.tolist()}
    if X.dtype == np.float64:
        ids = numpy_helper.from_array(weights, "ids")
        values = numpy_helper.from_array(threshold, "values")
        attributes = {"nodes_values_as_tensor": values, "target_weights_as_tensor": ids}
    found = graph.node(
        "TreeEnsembleRegressor",
        [X],
        dtype=np.float32,
        domain=_ML,
        n_targets=trees.n_trees,
        nodes_treeids=joined(nodes.tree, nodes.leaf_tree).tolist(),
        nodes_nodeids=joined(own, leaf).tolist(),
        nodes_featureids=joined(nodes.feature).tolist(),
        nodes_modes=modes[is_leaf].tolist(),
        nodes_truenodeids=joined(child[:, 0]).tolist(),
        nodes_falsenodeids=joined(child[:, 1]).tolist(),
        nodes_missing_value_tracks_true=joined(nodes.missing_left.astype(int)).tolist(),
        target_treeids=nodes.leaf_tree.tolist(),
        target_nodeids=leaf.tolist(),
        target_ids=nodes.leaf_tree.tolist(),
        **attributes,
    )
    return found.cast(np.int64)


class _Trees(Writer):
    def _sums(self, rows, start=None):
        return tree_sums(self.graph, self.compact.trees_, rows.array(), start)


class _ForestRegressor(_Trees):
    def predict(self, rows):
        means = self._sums(rows) / float(self.compact.trees_.n_trees)
        return means.ravel() if self.compact.n_outputs_ == 1 else means


class _ForestClassifier(_Trees):
    def predict_proba(self, rows):
        shares = self._sums(rows) / float(self.compact.trees_.n_trees)
        if self.compact.n_outputs_ == 1:
            return shares
        bounds = np.cumsum([0, *self.compact.n_classes_])
        return [shares[a:b] for a, b in pairwise(bounds)]

    def predict(self, rows):
        found = self.ask(self.compact, "predict_proba", rows)
        if self.compact.n_outputs_ == 1:
            return self.labels(found.argmax())
        columns = [
            self.labels(part.argmax(), classes)
            for part, classes in zip(found, self.compact.classes_, strict=True)
        ]
        return self.graph.stack(columns)


class _ScoreRegressor(_Trees):
    def predict(self, rows):
        sums = self._sums(rows, self.compact.intercept_)
        return sums.ravel() if len(self.compact.intercept_) == 1 else sums


class _ScoreClassifier(_Trees):
    def _scores(self, rows):
        return self._sums(rows, self.compact.intercept_)

    def codes(self, rows):
        scores = self.ask(self.compact, "_scores", rows)
        if len(self.compact.intercept_) > 1:
            return scores.argmax()
        above = scores.ravel() > 0.0
        if len(self.compact.classes_) == 1:
            return above.cast(np.int64) * np.int64(0)
        return above

    def predict_proba(self, rows):
        scores = self.ask(self.compact, "_scores", rows)
        if len(self.compact.intercept_) > 1:
            return scores.softmax()
        if len(self.compact.classes_) == 1:
            return scores * 0.0 + 1.0
        return self.graph.concat([-scores, scores]).expit()


WRITERS = {
    "CompactForestRegressor": _ForestRegressor,
    "CompactForestClassifier": _ForestClassifier,
    "CompactScoreForestRegressor": _ScoreRegressor,
    "CompactScoreForestClassifier": _ScoreClassifier,
}
