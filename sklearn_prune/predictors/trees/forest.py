"""Predictors of trees, forests, bagged trees and refitted forests."""

import numpy as np

from ..base import Compact
from ..frames import as_scipy, checked
from ..links import expit, log_expit, log_softmax, softmax
from ..quantized import QuantizedArray, is_sparse
from .columns import LOGISTIC, MEAN, MIRRORED, REFUSE_INFINITE, REFUSE_NAN
from .flat import BLOCK
from .leaves import ShareLeaves


class CompactTrees(Compact):
    """What the predictors of tree ensembles share.

    They take `check_input`, as decision trees do, and check rows whatever it says.
    """

    _quantizable = ("leaf_values_",)
    _allow_nan = False
    n_jobs = None

    _dtype = property(lambda self: self.trees_.dtype)

    @property
    def leaf_values_(self):
        """The table of leaf values; None where it holds small counts."""
        table = self.trees_.table
        if isinstance(table, ShareLeaves) or getattr(table, "shares", False):
            return None
        return table.values

    @leaf_values_.setter
    def leaf_values_(self, values):
        self.trees_ = self.trees_.with_leaf_values(values)

    @property
    def feature_importances_(self):
        """Importances of the features in the model, rounded to float32."""
        return self._importances.astype(np.float64)

    def _check(self, X):
        if is_sparse(X) and self._allow_nan:  # missing values are for dense rows only
            return as_scipy(checked(self, X, self._dtype, sparse=True))
        return super()._check(X)

    def _sums(self, X, start=None, flags=0):
        """What the leaves of all trees add up to, shape (n_samples, n_outputs).

        With the flag MEAN of `layouts`, it is divided by the number of trees.
        """
        found = self._quick(X, start, flags)
        if found is not None:
            return found
        sums = self.trees_.sum(self._check(X), baseline=start, n_jobs=self.n_jobs)
        if flags & MEAN:
            sums /= self.trees_.n_trees
        return sums

    def _quick(self, X, start, flags):
        """Sums by one compiled call, or None where rows need more than that."""
        if not self._is_ready(X) or (self.n_jobs not in (None, 1) and len(X) > BLOCK):
            return None
        refused = REFUSE_INFINITE | (0 if self._allow_nan else REFUSE_NAN)
        return self.trees_.quick_sums(X, flags | refused, start)

    def _compile(self):
        self.trees_.compile()

    def n_parameters(self):
        """Two numbers for each split, and the outputs of each leaf."""
        return self.trees_.n_parameters()

    def n_nonzero(self):
        """Number of those that are not zero."""
        return self.trees_.n_nonzero()

    def apply(self, X):
        """Number of the leaf, within its tree, of each row in each tree."""
        return self.trees_.apply_leaves(self._check(X), n_jobs=self.n_jobs)


def compact_score_forest(trees, intercept, classes=None):
    """A predictor whose trees add scores to an intercept.

    The trees have one output for regression and for two classes, else one for each class,
    or one for each target. `classes` is None for regression.
    """
    regression = classes is None
    compact = (
        CompactScoreForestRegressor() if regression else CompactScoreForestClassifier()
    )
    compact.trees_ = trees
    compact.intercept_ = np.broadcast_to(intercept, trees.n_outputs).astype(np.float64)
    compact.n_features_in_ = trees.n_features
    if not regression:
        compact.classes_ = np.asarray(classes)
    return compact


class CompactScoreForestClassifier(CompactTrees):
    """Sums of leaf scores: a logistic link for two classes, else softmax.

    Attributes
    ----------
    trees_ : FlatTrees
    intercept_ : ndarray of shape (n_outputs,)
    classes_ : ndarray of shape (n_classes,)
    """

    def n_parameters(self):
        """Two numbers for each split, and the scores that are stored for each leaf."""
        if self.trees_.n_outputs > 1:  # zeros are not stored
            return self.n_nonzero()
        return super().n_parameters()

    def raw_scores(self, X):
        """Sums of the scores, shape (n_samples, n_outputs)."""
        return self._sums(X, self.intercept_)

    def predict_proba(self, X, check_input=True):
        """Class probabilities, of shape (n_samples, n_classes)."""
        if len(self.classes_) == 2 and self.trees_.n_outputs == 1:
            found = self._quick(X, self.intercept_, LOGISTIC | MIRRORED)
            if found is not None:
                return found
        scores = self.raw_scores(X)
        if scores.shape[1] > 1:
            return softmax(scores)
        if len(self.classes_) == 1:
            return np.ones_like(scores)
        return expit(np.hstack([-scores, scores]))

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities, of shape (n_samples, n_classes)."""
        scores = self.raw_scores(X)
        if scores.shape[1] > 1:
            return log_softmax(scores)
        if len(self.classes_) == 1:
            return np.zeros_like(scores)
        return log_expit(np.hstack([-scores, scores]))

    def predict(self, X, check_input=True):
        """The class of the highest score, of shape (n_samples,)."""
        scores = self.raw_scores(X)
        if scores.shape[1] > 1:
            return self.classes_.take(scores.argmax(axis=1))
        above = scores[:, 0] > 0 if len(self.classes_) > 1 else np.zeros(len(scores), int)
        return self.classes_.take(above.astype(np.intp))


class CompactScoreForestRegressor(CompactTrees):
    """Sums of leaf values.

    Attributes
    ----------
    trees_ : FlatTrees
    intercept_ : ndarray of shape (n_outputs,)
    """

    def predict(self, X, check_input=True):
        """Predicted targets, of shape (n_samples,) or (n_samples, n_outputs)."""
        sums = self._sums(X, self.intercept_)
        return sums[:, 0] if sums.shape[1] == 1 else sums


class CompactForestClassifier(CompactTrees):
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
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = True
        return tags

    @property
    def is_rounded(self):
        """Whether class shares were rounded, so that they no longer sum to one."""
        return isinstance(getattr(self.trees_.table, "values", None), QuantizedArray)

    def predict_proba(self, X, check_input=True):
        """Class probabilities, of shape (n_samples, n_classes), or list of such arrays."""
        shares = self._sums(X, flags=MEAN)
        if self.n_outputs_ == 1:
            return _summing_to_one(shares) if self.is_rounded else shares
        bounds = np.cumsum(self.n_classes_)[:-1]
        parts = [np.ascontiguousarray(part) for part in np.split(shares, bounds, axis=1)]
        return [_summing_to_one(part) for part in parts] if self.is_rounded else parts

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            if self.n_outputs_ == 1:
                return np.log(probabilities)
            return [np.log(part) for part in probabilities]

    def predict(self, X, check_input=True):
        """The most probable class, of shape (n_samples,) or (n_samples, n_outputs)."""
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
        """Logarithms of the class probabilities, of shape (n_samples, n_classes)."""
        if self.is_rounded:
            return super().predict_log_proba(X)
        leaves = self.trees_.leaf_ids_of(self._check(X), n_jobs=self.n_jobs)
        with np.errstate(divide="ignore"):
            log_shares = np.log(self.trees_.id_values())
        total = np.full((len(leaves), len(self.classes_)), -np.inf)
        for of_tree in leaves.T:
            total = np.logaddexp(total, log_shares[of_tree])
        return total - np.log(self.trees_.n_trees)


class CompactForestRegressor(CompactTrees):
    """Mean of the values of trees; `compact_forest` makes one.

    Attributes
    ----------
    trees_ : FlatTrees
    n_jobs : int or None
        Number of threads for many rows; results do not depend on it.
    """

    def predict(self, X, check_input=True):
        """Predicted targets, of shape (n_samples,) or (n_samples, n_outputs)."""
        sums = self._sums(X, flags=MEAN)
        return sums[:, 0] if self.n_outputs_ == 1 else sums
