"""Trees and forests as flat arrays that predict, to the bit, what the model predicts."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier
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

from sklearn_prune.weight_pruning._quantize import QuantizedArray
from sklearn_prune.weight_pruning.compact._score_forest import (
    CompactScoreForestClassifier,
    CompactScoreForestRegressor,
    CompactTrees,
    compact_score_forest,
)
from sklearn_prune.weight_pruning.compact._trees import FlatTrees
from sklearn_prune.weight_pruning.readers.sklearn_trees import read_trees

__all__ = [
    "CompactBaggingClassifier",
    "CompactForestClassifier",
    "CompactForestRegressor",
    "CompactScoreForestClassifier",
    "CompactScoreForestRegressor",
    "compact_forest",
    "compact_score_forest",
    "is_forest_of_trees",
]

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


class CompactForestClassifier(ClassifierMixin, CompactTrees):
    """Mean of the class shares of trees; `compact_forest` makes one.

    Attributes
    ----------
    trees_ : FlatTrees
    classes_ : ndarray of shape (n_classes,), or list of such arrays
    n_jobs : int or None
        Number of threads for many rows; results do not depend on it.
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def is_rounded(self):
        """Whether class shares were rounded, so that they no longer sum to one."""
        return isinstance(self.leaf_values_, QuantizedArray)

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows; they are compared in float32.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or list of such arrays
            One array for each output.
        """
        shares = self._sums(X)
        shares /= self.trees_.n_trees
        if self.n_outputs_ == 1:
            return _summing_to_one(shares) if self.is_rounded else shares
        bounds = np.cumsum(self.n_classes_)[:-1]
        parts = [np.ascontiguousarray(part) for part in np.split(shares, bounds, axis=1)]
        return [_summing_to_one(part) for part in parts] if self.is_rounded else parts

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or list of such arrays
        """
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            if self.n_outputs_ == 1:
                return np.log(probabilities)
            return [np.log(part) for part in probabilities]

    def predict(self, X):
        """The most probable class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        probabilities = self.predict_proba(X)
        if self.n_outputs_ == 1:
            return self.classes_.take(probabilities.argmax(axis=1), axis=0)
        labels = np.empty((len(probabilities[0]), self.n_outputs_), self.classes_[0].dtype)
        for k, part in enumerate(probabilities):
            labels[:, k] = self.classes_[k].take(part.argmax(axis=1), axis=0)
        return labels


def _summing_to_one(shares):
    """Rounded class shares as probabilities."""
    total = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1 / shares.shape[1])
    return np.divide(shares, total, out=even, where=total > 0)


class CompactBaggingClassifier(CompactForestClassifier):
    """Bagged trees, whose log probabilities are summed by logaddexp as in scikit-learn."""

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        if self.is_rounded:
            return super().predict_log_proba(X)
        leaves = self.trees_.leaf_ids_of(self._check(X), n_jobs=self.n_jobs)
        with np.errstate(divide="ignore"):
            log_shares = np.log(self.trees_.id_values())
        total = np.full((len(leaves), len(self.classes_)), -np.inf)
        for of_tree in leaves.T:
            total = np.logaddexp(total, log_shares[of_tree])
        return total - np.log(self.trees_.n_trees)


class CompactForestRegressor(RegressorMixin, CompactTrees):
    """Mean of the values of trees; `compact_forest` makes one.

    Attributes
    ----------
    trees_ : FlatTrees
    n_jobs : int or None
        Number of threads for many rows; results do not depend on it.
    """

    def predict(self, X):
        """Predicted targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows; they are compared in float32.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        sums = self._sums(X)
        sums /= self.trees_.n_trees
        return sums[:, 0] if self.n_outputs_ == 1 else sums
