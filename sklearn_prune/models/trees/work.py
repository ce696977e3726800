"""The working form of a forest while it is pruned, and its predictor."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import BaseDecisionTree
from sklearn.utils import get_tags

from sklearn_prune.models.readers import read_trees
from sklearn_prune.models.trees.arrays import impurity_decreases, leaves_of_rows
from sklearn_prune.models.trees.refit import JointRefit, added_up
from sklearn_prune.models.trees.restore import with_trees
from sklearn_prune.models.trees.units import UnitNumbers
from sklearn_prune.predictors import (
    CompactBaggingClassifier,
    CompactForestClassifier,
    CompactForestRegressor,
    FlatTrees,
    QuantizedArray,
    SparseLeaves,
    ValueLeaves,
    compact_score_forest,
    copy_attributes,
    joined,
)
from sklearn_prune.weight_pruning import Outputs

FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)


def compact_forest(model):
    """The flat form of a fitted decision tree, forest, or bagging of decision trees.

    Its predictions are bit-identical to those of the model with ``n_jobs=None``: several
    threads may sum the trees in another order. Other models raise a TypeError.
    """
    if not is_forest_of_trees(model):
        raise TypeError(
            "compact_forest takes fitted decision trees, random forests, extra trees and "
            f"bagging of decision trees. Got {model!r} instead."
        )
    bagged = isinstance(model, BaggingClassifier | BaggingRegressor)
    arrays = read_trees(model)
    if is_classifier(model):
        compact = CompactBaggingClassifier() if bagged else CompactForestClassifier()
        compact.classes_, compact.n_classes_ = model.classes_, model.n_classes_
        compact.n_outputs_ = 1 if bagged else model.n_outputs_
        several = compact.n_outputs_ > 1
        compact.trees_ = FlatTrees.build(
            arrays,
            model.n_features_in_,
            one_hot_classes=None if several else int(model.n_classes_),
            bounds=np.cumsum([0, *model.n_classes_]) if several else None,
        )
    else:
        compact = CompactForestRegressor()
        compact.trees_ = FlatTrees.build(arrays, model.n_features_in_)
        compact.n_outputs_ = compact.trees_.n_outputs
    member = model.estimators_[0] if hasattr(model, "estimators_") else model
    compact._allow_nan = get_tags(member).input_tags.allow_nan
    compact.n_jobs = getattr(model, "n_jobs", None)
    copy_attributes(model, compact, "n_features_in_", "feature_names_in_")
    if hasattr(model, "feature_importances_"):
        compact._importances = model.feature_importances_.astype(np.float32)
    return compact


def is_forest_of_trees(model):
    """Whether `compact_forest` takes this fitted model."""
    if isinstance(model, BaggingClassifier | BaggingRegressor):
        return all(isinstance(tree, BaseDecisionTree) for tree in model.estimators_)
    return isinstance(model, (*FORESTS, BaseDecisionTree))


class FittedForest:
    """A fitted tree, forest or bagging of trees, with quantities that are cached.

    Parameters
    ----------
    model : estimator
        It is not changed.
    """

    def __init__(self, model):
        self.model = model
        self.classifies = is_classifier(model)
        single = isinstance(model, BaseDecisionTree)
        self.estimators = [model] if single else model.estimators_
        self.n_outputs = self.estimators[0].n_outputs_

    @property
    def n_trees(self):
        return len(self.estimators)

    @cached_property
    def n_classes(self):
        """Number of classes of each output, of shape (n_outputs,); ones for regression."""
        if not self.classifies:
            return np.ones(self.n_outputs, dtype=np.int64)
        return np.atleast_1d(self.model.n_classes_)

    @cached_property
    def sizes(self):
        """Number of nodes and of leaves of each tree."""
        trees = [estimator.tree_ for estimator in self.estimators]
        return np.array([[tree.node_count, tree.n_leaves] for tree in trees])

    @property
    def n_parameters(self):
        nodes, leaves = self.sizes.sum(axis=0)
        return int(2 * (nodes - leaves) + leaves * self.n_classes.sum())

    def n_nonzero(self):
        """Number of parameters that are not zero."""
        nodes, leaves = self.sizes.sum(axis=0)
        values = sum(
            np.count_nonzero(estimator.tree_.value[estimator.tree_.children_left < 0])
            for estimator in self.estimators
        )
        return int(2 * (nodes - leaves) + values)

    def arrays(self, n_trees=None):
        """The nodes of all trees, or of the first `n_trees`."""
        arrays = joined(read_trees(self.model, n_trees))
        return replace(
            arrays, node=np.arange(arrays.n_nodes), tree=np.arange(arrays.n_trees)
        )

    @cached_property
    def whole(self):
        """The nodes of all trees."""
        return self.arrays()

    @cached_property
    def numbers(self):
        """The numbers of splits and leaves as units, for each node."""
        return UnitNumbers.of(self.whole)

    @property
    def loss(self):
        """The loss of a leaf refit; None for several class outputs, and for one class."""
        if not self.classifies:
            return "squared"
        if self.n_outputs > 1 or self.n_classes[0] < 2:
            return None
        return "logistic" if self.n_classes[0] == 2 else "softmax"

    @cached_property
    def is_monotonic(self):
        """Whether predictions have to rise or fall with a feature."""
        given = (getattr(tree, "monotonic_cst", None) for tree in self.estimators)
        return any(np.any(signs) for signs in given if signs is not None)

    @property
    def can_refit(self):
        """Whether the leaves can be estimated together.

        Under monotonic constraints they keep their own values, or that of the split which
        they replace: scikit-learn bounds the values of all nodes.
        """
        return self.loss is not None and not self.is_monotonic

    def targets(self, context):
        """Class codes, or targets of shape (n_samples, n_outputs)."""
        if self.classifies:
            return np.searchsorted(self.model.classes_, context.target)
        return context.target.reshape(len(context.target), -1).astype(np.float64)

    def rows(self, context):
        """X as trees read it: float32, dense or CSR."""
        X = context.array
        return X.astype(np.float32) if issparse(X) else np.asarray(X, dtype=np.float32)

    def joint_refit(self, arrays, leaves, context, strength, **options):
        """A `JointRefit` of the leaves; only refits pass dropout among the `options`."""
        options = {"votes": arrays.value, **options}
        return JointRefit(
            arrays,
            leaves,
            self.targets(context),
            weight=context.row_weights(),
            loss=self.loss,
            strength=strength,
            n_classes=int(self.n_classes[0]),
            **options,
        )

    def outputs(self, sums, are_scores=False):
        """Labels and probabilities from sums of scores, or from mean votes."""
        labels = self.labels(sums)
        if self.loss in (None, "squared"):
            return Outputs(labels)
        if are_scores and sums.shape[1] == 1:
            proba = expit(np.hstack([-sums, sums]))
        elif are_scores:
            proba = softmax(sums, axis=1)
        else:
            proba = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-300)
        return Outputs(labels, self.model.classes_, proba)

    def labels(self, sums):
        """Predictions from the sums of votes, or of scores, of shape (n_samples, width)."""
        if not self.classifies:
            return sums[:, 0] if self.n_outputs == 1 else sums
        if self.n_outputs > 1:
            parts = np.split(sums, np.cumsum(self.n_classes)[:-1], axis=1)
            outputs = zip(self.model.classes_, parts, strict=True)
            labels = [classes[part.argmax(axis=1)] for classes, part in outputs]
            return np.stack(labels, axis=1)
        if sums.shape[1] == 1 and self.n_classes[0] == 2:
            return self.model.classes_[(sums[:, 0] > 0).astype(np.intp)]
        return self.model.classes_[sums.argmax(axis=1)]


@dataclass(frozen=True)
class ForestWork:
    """A fitted forest and what pruning left of it.

    Parameters
    ----------
    fitted : FittedForest
        The forest as it was fitted.
    arrays : TreeArrays or None
        The trees that are left, with their fitted values; None for the whole forest.
    scored : ScoredTrees or None
        The trees with refitted scores, which replace `arrays` in predictions.
    strength : float or None
        Strength of the ridge penalty of a refit; None for the default of the loss.
    """

    fitted: FittedForest
    arrays: object = None
    scored: object = None
    strength: float | None = None

    @property
    def nodes(self):
        """The nodes that are left, with their fitted values."""
        return self.fitted.whole if self.arrays is None else self.arrays

    def cut(self, arrays):
        """The working form with smaller trees, without the scores of a refit."""
        return replace(self, arrays=arrays, scored=None)

    def outputs(self, X, counted=None):
        """Predictions for rows as trees read them, without a predictor, as `Outputs`.

        `counted` says which trees of the whole forest predict each row.
        """
        arrays = self.nodes if self.scored is None else self.scored.arrays
        leaves = leaves_of_rows(arrays, X)
        counted = None if counted is None else counted[arrays.tree]
        if self.scored is not None:
            return self.fitted.outputs(self.scored.sums(leaves, counted), True)
        start = np.zeros(arrays.value.shape[1])
        votes = added_up(arrays.value, leaves, start, counted)
        return self.fitted.outputs(votes / arrays.n_trees)

    def compact(self):
        """The standalone predictor."""
        model = self.fitted.model
        if self.arrays is None:
            return compact_forest(model)
        if self.scored is None:
            return compact_forest(with_trees(model, self.arrays))
        compact = _scored_compact(self)
        compact.n_features_in_ = model.n_features_in_
        compact._allow_nan = get_tags(self.fitted.estimators[0]).input_tags.allow_nan
        copy_attributes(model, compact, "feature_names_in_")
        importances = self.importances()
        if importances is not None:
            compact._importances = importances.astype(np.float32)
        return compact

    def importances(self):
        """Importance of each feature, from the splits that are left."""
        if not hasattr(self.fitted.model, "feature_importances_"):
            return None
        if self.arrays is None:
            return self.fitted.model.feature_importances_
        nodes, n_features = self.arrays, self.fitted.model.n_features_in_
        cells = nodes.tree_of_nodes() * n_features + nodes.feature
        sums = np.bincount(
            cells, impurity_decreases(nodes), minlength=nodes.n_trees * n_features
        ).reshape(nodes.n_trees, n_features)
        totals = sums.sum(axis=1, keepdims=True)
        shares = sums / np.where(totals > 0, totals, 1.0)
        if isinstance(self.fitted.model, BaseDecisionTree):
            return shares[0]
        total = shares[np.diff(nodes.start) > 1].sum(axis=0)
        return total / total.sum() if total.sum() > 0 else total


def _scored_compact(work):
    """The predictor of a forest with refitted scores."""
    arrays, scale = work.scored.arrays, work.scored.scale

    def leaf_table(rows, totals=None, bounds=None):
        if rows.shape[1] > 1 and work.fitted.classifies:
            if scale is None:
                return SparseLeaves.of(rows, dtype=np.float32)
            leaves = SparseLeaves.of(np.rint(rows / scale), dtype=np.float64)
            leaves.values, leaves.scale = leaves.values.astype(np.int8), float(scale[0])
            return leaves
        if scale is None:
            return ValueLeaves(rows.astype(np.float32))
        codes = np.rint(rows / scale).astype(np.int8)
        return ValueLeaves(QuantizedArray(codes, scale.astype(np.float32)))

    classes = work.fitted.model.classes_ if work.fitted.classifies else None
    flat = FlatTrees.build(arrays, work.fitted.model.n_features_in_, table=leaf_table)
    compact = compact_score_forest(flat, work.scored.intercept, classes)
    compact.n_outputs_ = work.fitted.n_outputs
    return compact
