"""Kernel machines of several classes with one basis, and a score for each class."""

from operator import matmul

import numpy as np

from .base import available_if
from .kernel import KernelExpansion, pairs_of


def _has_probability(compact):
    if compact.scale_ is None:
        raise AttributeError("predict_proba is not available when probability=False")
    return True


class CompactKernelClassifier(KernelExpansion):
    """Classification by a score for each class: sums of kernels with the same points.

    `coefficients_` and `offsets_` have a column for each class. `scale_` is what scores are
    multiplied by in the softmax of the probabilities, or None where there are none.
    """

    def _scores(self, X):
        return self._sums(X, matmul).astype(np.float64, copy=False) + self.offsets_

    def decision_function(self, X):
        """Scores of the classes, or their differences.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_pairs)
            As `decision_function_shape` of the inner model says. The score of a pair is the
            difference of the scores of its classes.
        """
        scores = self._scores(X)
        if self.shape_ == "ovr":
            return scores
        return scores @ pairs_of(len(self.classes_))[2].T

    def predict(self, X):
        """Predict the class with the largest score."""
        if self.break_ties_ and self.shape_ == "ovo":
            raise ValueError(
                "break_ties must be False when decision_function_shape is 'ovo'"
            )
        return self.classes_.take(self._scores(X).argmax(axis=1))

    @available_if(_has_probability)
    def predict_proba(self, X):
        """Class probabilities: the softmax of the scaled scores."""
        scores = self.scale_ * self._scores(X)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    @available_if(_has_probability)
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        return np.log(self.predict_proba(X))
