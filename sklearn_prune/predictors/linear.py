"""Linear predictors that store only the non-zero coefficients."""

from copy import copy

import numpy as np

from .base import EITHER, Compact, available_if
from .links import expit, softmax
from .quantized import QuantizedArray, dense, is_sparse

_COST_OF_TAKING = 8  # of copying a column of X, in products of a column with a weight


class CompactLinear(Compact):
    """Scores that are linear in the columns of X with a non-zero coefficient.

    Attributes
    ----------
    weights_ : ndarray of shape (n_read, n_outputs), (n_read,) or (n_nonzero,)
        Coefficients of the columns that are read; if there is a mask, only the non-zero
        ones, as one vector.
    mask_ : ndarray of uint8, or None
        Packed bits: which coefficients of the columns that are read are not zero.
    columns_ : ndarray of shape (n_read,), int, or None
        The columns that are read; None for all.
    intercept_ : float or ndarray of shape (n_outputs,)
        Added to the scores.
    """

    _parameters = ("weights_", "intercept_")
    _quantizable = ("weights_",)
    _dtype = EITHER

    @classmethod
    def of(cls, coef, intercept, n_features, names=None, **attributes):
        """Store the coefficients, of shape (n_outputs, n_features) or (n_features,)."""
        compact = cls()
        weights = coef.T
        used = weights != 0 if weights.ndim == 1 else (weights != 0).any(axis=1)
        compact.columns_ = compact.mask_ = None
        if not used.all():
            columns = np.flatnonzero(used)
            compact.columns_ = columns.astype(np.min_scalar_type(max(n_features - 1, 0)))
            weights = weights[columns]
        compact._n_outputs = None if weights.ndim == 1 else weights.shape[1]
        mask = weights != 0
        # Leaving out the zeros saves more than the bits of the mask take.
        if 8 * weights.itemsize * (mask.size - np.count_nonzero(mask)) > mask.size:
            compact.mask_ = np.packbits(mask)
            compact.weights_ = weights[mask]
        else:
            compact.weights_ = np.copy(weights, order="K")
        compact.intercept_ = copy(intercept)
        compact.n_features_in_ = n_features
        if names is not None:
            compact.feature_names_in_ = names
        for name, value in attributes.items():
            setattr(compact, name, value)
        return compact

    def _weights(self):
        """Coefficients of the columns that are read."""
        weights = dense(self.weights_)
        if self.mask_ is None:
            return weights
        n_read = self.n_features_in_ if self.columns_ is None else len(self.columns_)
        shape = (n_read,) if self._n_outputs is None else (n_read, self._n_outputs)
        full = np.zeros(shape, dtype=weights.dtype)
        mask = np.unpackbits(self.mask_, count=full.size).view(bool)
        full.ravel()[mask] = weights
        return full

    def _full_weights(self):
        """Coefficients of all columns."""
        weights = self._weights()
        if self.columns_ is None:
            return weights
        shape = (*weights.shape[::-1][:-1], self.n_features_in_)
        full = np.zeros(shape, dtype=weights.dtype).T
        full[self.columns_] = weights
        return full

    def _scores(self, X):
        """Linear scores, of shape (n_samples, n_outputs) or (n_samples,)."""
        X = self._check(X)
        columns, n_outputs = self.columns_, self._n_outputs or 1
        take_columns = columns is not None and (
            len(columns) * (_COST_OF_TAKING + n_outputs) < n_outputs * self.n_features_in_
        )
        if take_columns and not is_sparse(X):
            weights = self._weights()
            X = X.take(columns, axis=1)
        else:
            weights = self._full_weights()
        if isinstance(self.weights_, QuantizedArray):
            weights = weights.astype(X.dtype, copy=False)
        return X @ weights + self.intercept_

    @property
    def coef_(self):
        """Coefficients of all columns, zeros for those that were pruned."""
        return np.array(self._full_weights().T)


class CompactLinearRegressor(CompactLinear):
    """A linear regressor; predicts the exponential of the score if `logarithmic_`."""

    logarithmic_ = False

    def predict(self, X):
        """Predict targets."""
        scores = self._scores(X)
        return np.exp(scores, out=scores) if self.logarithmic_ else scores


class CompactBayesianRegressor(CompactLinearRegressor):
    """The mean of a Bayesian linear model; its standard deviation if it is not pruned.

    The standard deviation needs `sigma_`, the covariance of the coefficients whose
    `lambda_` is below `threshold_`: a number for each pair of them. If coefficients were
    pruned or rounded it no longer holds, and is not stored.
    """

    sigma_ = None

    def predict(self, X, return_std=False):
        """Predict the mean of the targets, and its standard deviation if `return_std`."""
        mean = super().predict(X)
        if not return_std:
            return mean
        if self.sigma_ is None:
            raise ValueError(
                "The standard deviation needs all fitted coefficients, but some are pruned "
                "or rounded. Got return_std=True. Write return_std=False, or fit with "
                "keep=1.0 and quantize=None."
            )
        read = np.broadcast_to(self.lambda_ < self.threshold_, self.n_features_in_)
        X = (self._check(X) - self.X_offset_)[:, read]
        return mean, np.sqrt(((X @ self.sigma_) * X).sum(axis=1) + 1.0 / self.alpha_)

    def quantized(self, quantizer):
        """A copy with rounded coefficients, without the standard deviation."""
        small = super().quantized(quantizer)
        small.sigma_ = None
        return small


def _has_probabilities(predictor):
    return predictor.probability_ is not None


class CompactLinearClassifier(CompactLinear):
    """A linear classifier.

    `probability_` is the function from scores to probabilities: "expit" (normalised over
    the classes), "softmax", "clip" (of the modified Huber loss), or None.
    """

    probability_ = None

    def decision_function(self, X):
        """Linear scores: one for each class; of two classes that of the second."""
        scores = self._scores(X)
        return scores.ravel() if scores.ndim > 1 and scores.shape[1] == 1 else scores

    def predict(self, X):
        """Predict the class of largest score."""
        scores = self.decision_function(X)
        codes = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_.take(codes.astype(np.intp))

    @available_if(_has_probabilities)
    def predict_proba(self, X):
        """Class probabilities, as the model defines them."""
        scores = self.decision_function(X)
        if scores.ndim > 1 and self.probability_ == "softmax":
            return softmax(scores)
        if self.probability_ == "clip":
            positive = (np.clip(scores, -1, 1) + 1.0) / 2.0
        else:
            positive = expit(scores)
        if positive.ndim == 1:
            return np.stack([1 - positive, positive], axis=1)
        total = positive.sum(axis=1)
        is_zero = total == 0
        if is_zero.any():
            positive[is_zero], total[is_zero] = 1, positive.shape[1]
        positive /= total[:, None]
        return positive

    @available_if(_has_probabilities)
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


class CompactMultilabelClassifier(CompactLinearClassifier):
    """A linear classifier that predicts several binary labels for each row."""

    def predict(self, X):
        """Predict 1 for each label of positive score, else 0."""
        return (self._scores(X) > 0).astype(np.int64)
