"""Scikit-learn's trees and forests from arrays of nodes."""

from copy import copy
from dataclasses import replace

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.tree import BaseDecisionTree

from sklearn_prune._sklearn_compat import Tree
from sklearn_prune.models.readers import inner_estimator
from sklearn_prune.predictors import copy_attributes


def with_trees(model, arrays):
    """A copy of a fitted forest, bagging or tree that holds the trees of the arrays."""
    if isinstance(model, BaseDecisionTree):
        return _tree_like(model, arrays, 0)
    members = [
        _tree_like(
            model.estimators_[number], arrays, position, getattr(model, "classes_", None)
        )
        for position, number in enumerate(arrays.tree)
    ]
    pruned = copy(model)
    pruned.estimators_ = members
    if hasattr(model, "estimators_features_"):
        pruned.estimators_features_ = [np.arange(model.n_features_in_) for _ in members]
        pruned._seeds = model._seeds[arrays.tree]
    if len(members) < len(model.estimators_):
        pruned.n_estimators = len(members)
    for name in list(vars(pruned)):
        if name.startswith("oob_"):
            delattr(pruned, name)
    return pruned


def _tree_like(estimator, arrays, position, classes=None):
    """A copy of a fitted tree that holds one of the trees of the arrays."""
    pruned = copy(estimator)
    n_classes, n_outputs = np.atleast_1d(estimator.tree_.n_classes), estimator.n_outputs_
    if is_classifier(estimator) and n_outputs == 1 and classes is not None:
        n_classes = np.array([len(classes)])
        if len(estimator.classes_) != len(classes):
            pruned.classes_ = np.arange(len(classes))
            pruned.n_classes_ = len(classes)
    n_features = max(int(arrays.feature.max(initial=0)) + 1, estimator.n_features_in_)
    pruned.tree_ = tree_of(arrays, position, n_features, n_classes, n_outputs)
    pruned.n_features_in_ = n_features
    return pruned


def tree_of(arrays, position, n_features, n_classes, n_outputs):
    """One tree of the arrays as scikit-learn's `Tree`."""
    nodes = slice(int(arrays.start[position]), int(arrays.start[position + 1]))
    is_leaf = arrays.left[nodes] < 0
    n_nodes = len(is_leaf)
    tree = Tree(n_features, n_classes.astype(np.intp), n_outputs)
    records = np.zeros(n_nodes, dtype=tree.__getstate__()["nodes"].dtype)
    for name, side in (("left_child", arrays.left), ("right_child", arrays.right)):
        records[name] = np.where(is_leaf, -1, side[nodes].astype(np.int64) - nodes.start)
    records["feature"] = np.where(is_leaf, -2, arrays.feature[nodes])
    records["threshold"] = np.where(is_leaf, -2.0, arrays.threshold[nodes])
    records["missing_go_to_left"] = arrays.missing[nodes]
    records["impurity"] = arrays.impurity[nodes]
    records["n_node_samples"] = arrays.rows[nodes]
    records["weighted_n_node_samples"] = arrays.weight[nodes]
    values = np.zeros((n_nodes, n_outputs, n_classes.max()))
    bounds = np.concatenate([[0], np.cumsum(n_classes)])
    for output in range(n_outputs):
        part = arrays.value[nodes, bounds[output] : bounds[output + 1]]
        values[:, output, : n_classes[output]] = part
    tree.__setstate__(
        {
            "max_depth": _depth(records["left_child"], records["right_child"]),
            "node_count": n_nodes,
            "nodes": records,
            "values": values,
        }
    )
    return tree


def _depth(left, right):
    depth, level = -1, np.zeros(1, dtype=np.int64)
    while len(level):
        depth += 1
        inner = level[left[level] >= 0]
        level = np.concatenate([left[inner], right[inner]])
    return depth


def arrays_of_compact(compact):
    """The arrays of a predictor of averages; impurity NaN, no numbers of rows."""
    arrays = compact.trees_.to_arrays()
    nothing = np.zeros(arrays.n_nodes)
    return replace(
        arrays,
        weight=nothing,
        rows=nothing.astype(np.int64),
        impurity=nothing + np.nan,
        tree=np.arange(arrays.n_trees),
    )


def restored(compact, template):
    """A fitted model of the class of an unfitted one, from a predictor of averages.

    Predictions are equal to the bit. Impurities are NaN and numbers of rows 0: they are
    not in the predictor.
    """
    classifies = is_classifier(template)
    if classifies and compact.is_rounded:
        raise AttributeError(
            f"{type(template).__name__} averages class shares that sum to one, and rounded "
            "ones do not. Use compact_ instead."
        )
    arrays = arrays_of_compact(compact)
    model = copy(template)
    classes = getattr(compact, "classes_", [])
    if classifies and compact.n_outputs_ == 1:
        classes = [classes]
    n_outputs = compact.n_outputs_
    n_classes = np.array([len(of) for of in classes] if classifies else [1] * n_outputs)
    n_features = compact.n_features_in_

    def fill(estimator, labels):
        estimator.n_features_in_, estimator.n_outputs_ = n_features, n_outputs
        if classifies:
            estimator.classes_ = labels if n_outputs > 1 else labels[0]
            counts = [int(count) for count in n_classes]
            estimator.n_classes_ = counts if n_outputs > 1 else counts[0]
        return estimator

    codes = [np.arange(count, dtype=np.float64) for count in n_classes]

    def member(estimator, position):
        fill(estimator, classes if isinstance(template, BaseDecisionTree) else codes)
        estimator.tree_ = tree_of(arrays, position, n_features, n_classes, n_outputs)
        estimator.max_features_ = n_features
        return estimator

    if isinstance(template, BaseDecisionTree):
        model = member(model, 0)
    elif hasattr(template, "bootstrap_features"):
        fill(model, classes)
        model.estimator_ = clone(inner_estimator(template))
        model.estimators_ = [
            member(clone(model.estimator_), t) for t in range(arrays.n_trees)
        ]
        model.estimators_features_ = [np.arange(n_features)] * arrays.n_trees
    else:
        fill(model, classes)
        model._validate_estimator()
        model.estimators_ = [
            member(model._make_estimator(append=False), t) for t in range(arrays.n_trees)
        ]
    if hasattr(model, "estimators_"):
        model.n_estimators = arrays.n_trees
    return copy_attributes(compact, model, "feature_names_in_")
