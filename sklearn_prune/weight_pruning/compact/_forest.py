"""Trees and forests as flat arrays that predict, to the bit, what the model predicts."""

import numpy as np

from sklearn_prune.weight_pruning.compact._quantized import QuantizedArray
from sklearn_prune.weight_pruning.compact._score_forest import CompactTrees


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


class CompactForestRegressor(CompactTrees):
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
