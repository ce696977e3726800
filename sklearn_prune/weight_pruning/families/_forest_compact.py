"""Compact forms of fitted trees and forests of scikit-learn."""

import numpy as np
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

from sklearn_prune.weight_pruning.compact._forest import (
    CompactBaggingClassifier,
    CompactForestClassifier,
    CompactForestRegressor,
)
from sklearn_prune.weight_pruning.compact._trees import FlatTrees
from sklearn_prune.weight_pruning.readers.sklearn_trees import read_trees

FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)


def compact_forest(model):
    """The flat form of a fitted decision tree, forest, or bagging of decision trees.

    Parameters
    ----------
    model : DecisionTree*, ExtraTree*, RandomForest*, ExtraTrees* or Bagging*
        A fitted model of scikit-learn; it is not changed.

    Returns
    -------
    CompactForestClassifier or CompactForestRegressor
        Predicts the same to the bit. Of a model that sums its trees in several threads,
        what it predicts with ``n_jobs=None``.

    Raises
    ------
    TypeError
        If the model is not made of scikit-learn's decision trees.
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
    compact.n_features_in_ = model.n_features_in_
    if hasattr(model, "feature_names_in_"):
        compact.feature_names_in_ = model.feature_names_in_
    if hasattr(model, "feature_importances_"):
        compact._importances = model.feature_importances_.astype(np.float32)
    return compact


def is_forest_of_trees(model):
    """Whether `compact_forest` takes this fitted model."""
    if isinstance(model, BaggingClassifier | BaggingRegressor):
        return all(isinstance(tree, BaseDecisionTree) for tree in model.estimators_)
    return isinstance(model, (*FORESTS, BaseDecisionTree))
