"""Trees in ONNX: one operator finds the leaf of each tree, others sum the leaf values.

The operator returns leaf ids, which are exact in single precision. Leaves of equal values
share an id, as in the flat form. Sums are made in double precision.
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
ENTRIES = 1024  # largest number of leaf values of one row that are summed at once


def tree_sums(graph, trees, X, start=None):
    """The sums of `start` and the leaf values, of shape (n_samples, n_outputs).

    They are made in the order of the trees and in the precision of `start`, as in
    `predict`, so that ties are decided by the same rounding.
    """
    ids = leaf_ids(graph, trees, X)
    n_outputs, n_trees = trees.n_outputs, trees.n_trees
    dtype = graph.float if start is None else np.result_type(start, np.float32)
    dtype = min(dtype, graph.float, key=lambda kind: np.dtype(kind).itemsize)
    values = table(graph, trees).cast(dtype)
    width = trees.id_values().shape[1]
    total = ids[:1].cast(dtype) * 0.0
    total = total + (np.zeros(n_outputs) if start is None else start).astype(dtype)
    columns = np.resize(trees.output_column, n_trees)
    if width == 1 and n_outputs > 1:
        taken = values.ravel().take(ids)
        one_each = np.resize(np.arange(n_outputs), n_trees)  # in each round of boosting
        if n_trees % n_outputs == 0 and np.array_equal(columns, one_each):
            return _added_in_order(graph, total, taken.reshape(0, -1, n_outputs))
        return total + taken @ np.equal.outer(columns, np.arange(n_outputs)).astype(float)
    if np.any(columns):
        raise TypeError(
            "to_onnx writes trees that add to all outputs or to one. Got trees that add to "
            "some of the outputs. Use save() and load() instead."
        )
    size = max(1, ENTRIES // width)
    for first in range(0, n_trees, size):
        part = ids[first : first + size] if n_trees > size else ids
        total = _added_in_order(graph, total, values.take(part))
    return total


def _added_in_order(graph, total, values):
    """The total plus the values, which are added one after the other along axis 1."""
    axis = graph.constant(np.array(1, dtype=np.int64))
    values = graph.concat([total.reshape(0, 1, -1), values])
    return graph.node("CumSum", [values, axis]).take(np.int64(-1), axis=1)


def table(graph, trees):
    """Values of each leaf id, of shape (n_ids, width)."""
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
        is_int8 = isinstance(values, QuantizedArray) and values.codes.dtype == np.int8
        if is_int8 and values.offset is None:
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
        **_missing_values(nodes),
    )
    return found.cast(np.int64)


def _missing_values(nodes):
    """The attribute for nodes that send missing values left, if there are any."""
    if not nodes.missing_left.any():
        return {}
    return {"nodes_missing_value_tracks_true": nodes.missing_left.astype(int).tolist()}


class _Nodes:
    """The nodes of all trees, tree after tree.

    `first` is the root of each tree. `inner` tells if the left and the right child of each
    node are nodes, and `child` is the position of that node, or leaf, among all trees.
    `feature`, `threshold` and `missing_left` are the conditions of the nodes, `ids` and
    `leaf_tree` the id and the tree of each leaf.
    """

    def __init__(self, trees):
        sizes, inner, self.column, keys = trees.node_parts()
        self.first = trees.node_start[:-1].astype(np.int64)
        tree_of_child = np.repeat(np.arange(trees.n_trees), 2 * sizes)
        n_before = np.cumsum(inner) - inner
        n_before_in_tree = n_before - n_before[2 * self.first][tree_of_child]
        nodes = self.first[tree_of_child] + 1 + n_before_in_tree
        leaves = np.cumsum(~inner) - ~inner
        self.inner = inner.reshape(-1, 2)
        self.child = np.where(inner, nodes, leaves).reshape(-1, 2)
        self.tree = tree_of_child[::2]
        self.feature = trees.columns.feature[self.column].astype(np.int64)
        kind = trees.columns.kind[self.column]
        self.is_category = (kind == CATEGORIES) & (keys != 0xFFFFFFFF)
        threshold = trees.columns.thresholds(self.column, keys)  # NaN for categories
        self.threshold = np.where(np.isnan(threshold), 0.5, threshold)
        as_zero = (kind == MISSING_ZERO) & (self.threshold >= 0)
        self.missing_left = (kind == MISSING_LEFT) | as_zero
        self.ids = trees._ids()
        counts = np.diff(trees.leaf_start.astype(np.int64))
        self.leaf_tree = np.repeat(np.arange(trees.n_trees), counts)

    def distinct_leaves(self):
        """Number of the distinct (tree, id) of each leaf, and one leaf of each of them."""
        code = self.leaf_tree * (int(self.ids.max(initial=0)) + 1) + self.ids
        _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        return inverse, first


def _with_categories(graph, trees, nodes, X):
    """Add a column for each set of categories (1 for right) and let its nodes read it."""
    if not nodes.is_category.any():
        return X
    sets = trees.columns.category_sets()
    used = np.unique(nodes.column[nodes.is_category])
    added = []
    for column in used:
        goes_right = sets[column].right_bits()
        value = X.column(int(trees.columns.feature[column]))
        n_categories = len(goes_right) - 2
        known = graph.node("And", [value > -1.0, value < float(n_categories)], dtype=bool)
        position = graph.where(known, value, -1.0).cast(np.int64) + 2
        position = graph.where(value.is_nan(), graph.constant(np.int64(0)), position)
        added.append(graph.constant(goes_right).take(position).cast(X.dtype))
    of_sets = np.searchsorted(used, nodes.column[nodes.is_category])
    nodes.feature[nodes.is_category] = trees.n_features + of_sets
    return graph.concat([X, graph.stack(added)])


def _older_leaf_ids(graph, trees, nodes, X):
    """`leaf_ids` by the older operator, in which leaves are nodes too."""
    from onnx import numpy_helper

    n_inner = np.bincount(nodes.tree, minlength=trees.n_trees)
    n_leaves = np.bincount(nodes.leaf_tree, minlength=trees.n_trees)
    first_leaf = np.cumsum(n_leaves) - n_leaves
    to_node_id = -nodes.first  # of each tree, whose leaves follow its nodes
    to_leaf_id = n_inner - first_leaf
    node_id = np.arange(len(nodes.tree)) + to_node_id[nodes.tree]
    leaf_id = np.arange(len(nodes.ids)) + to_leaf_id[nodes.leaf_tree]
    shifts = np.where(nodes.inner.T, to_node_id[nodes.tree], to_leaf_id[nodes.tree]).T
    child = nodes.child + shifts
    zeros = np.zeros(len(leaf_id), dtype=np.int64)
    order = np.argsort(np.concatenate([nodes.tree, nodes.leaf_tree]), kind="stable")

    def joined(of_nodes, of_leaves=zeros):
        return np.concatenate([of_nodes, of_leaves])[order]

    modes = np.array([b"BRANCH_LEQ", b"LEAF"], dtype=object)
    is_leaf = joined(0 * node_id, zeros + 1)
    threshold = joined(nodes.threshold, 0.0 * zeros)
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
        nodes_nodeids=joined(node_id, leaf_id).tolist(),
        nodes_featureids=joined(nodes.feature).tolist(),
        nodes_modes=modes[is_leaf].tolist(),
        nodes_truenodeids=joined(child[:, 0]).tolist(),
        nodes_falsenodeids=joined(child[:, 1]).tolist(),
        nodes_missing_value_tracks_true=joined(nodes.missing_left.astype(int)).tolist(),
        target_treeids=nodes.leaf_tree.tolist(),
        target_nodeids=leaf_id.tolist(),
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
