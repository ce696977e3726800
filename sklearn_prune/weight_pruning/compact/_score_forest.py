"""What compact tree ensembles share, and those whose leaves hold scores to be summed."""

import numpy as np

from sklearn_prune.weight_pruning.compact._base import Compact
from sklearn_prune.weight_pruning.compact._leaves import ShareLeaves
from sklearn_prune.weight_pruning.compact._rows import is_sparse


class CompactTrees(Compact):
    """What the compact forms of tree ensembles share."""

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
        if is_sparse(X):  # missing values are for dense rows only
            from sklearn.utils.validation import validate_data

            return validate_data(
                self, X, reset=False, dtype=self._dtype, accept_sparse="csr"
            )
        return super()._check(X)

    def _sums(self, X, baseline=None):
        """What the leaves of all trees add up to, shape (n_samples, n_outputs)."""
        return self.trees_.sum(self._check(X), baseline=baseline, n_jobs=self.n_jobs)

    def n_parameters(self):
        """Two numbers for each split, and the outputs of each leaf."""
        return self.trees_.n_parameters()

    def n_nonzero(self):
        """Number of those that are not zero."""
        return self.trees_.n_nonzero()

    def apply(self, X):
        """Number of the leaf, within its tree, of each row in each tree.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_trees), uint32
        """
        return self.trees_.apply_leaves(self._check(X), n_jobs=self.n_jobs)


def compact_score_forest(trees, intercept, classes=None):
    """A predictor whose trees add scores to an intercept.

    Parameters
    ----------
    trees : FlatTrees
        One output for regression and for two classes, else one for each class; or one
        for each target.
    intercept : float or array-like of shape (n_outputs,)
        What the sums start from.
    classes : ndarray of shape (n_classes,), or None
        Labels; None for regression.

    Returns
    -------
    CompactScoreForestClassifier or CompactScoreForestRegressor
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

    def raw_scores(self, X):
        """Sums of the scores, shape (n_samples, n_outputs)."""
        return self._sums(X, self.intercept_)

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        from scipy.special import expit, softmax

        scores = self.raw_scores(X)
        if scores.shape[1] > 1:
            return softmax(scores, axis=1)
        if len(self.classes_) == 1:
            return np.ones_like(scores)
        return expit(np.hstack([-scores, scores]))

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
        from scipy.special import log_expit, log_softmax

        scores = self.raw_scores(X)
        if scores.shape[1] > 1:
            return log_softmax(scores, axis=1)
        if len(self.classes_) == 1:
            return np.zeros_like(scores)
        return log_expit(np.hstack([-scores, scores]))

    def predict(self, X):
        """The class of the highest score.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
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

    def predict(self, X):
        """Predicted targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        sums = self._sums(X, self.intercept_)
        return sums[:, 0] if sums.shape[1] == 1 else sums
