"""Naive Bayes and discriminant analysis: the arrays that predict reads."""

import numpy as np

from .base import EITHER, Compact, copy_attributes
from .frames import checked
from .links import expit, logsumexp, softmax
from .quantized import dense, is_sparse


class _CompactScores(Compact):
    """Classes by the largest joint log-likelihood."""

    _accept_sparse = ()

    @classmethod
    def of(cls, model, **arrays):
        """The predictor with the given arrays, for the rows that a fitted model takes."""
        compact = copy_attributes(model, cls())
        for name, values in arrays.items():
            setattr(compact, name, values)
        return compact

    def quantized(self, quantizer):
        """A copy with rounded arrays; refused where rounding breaks the likelihood."""
        for name in self._quantizable:
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(
                    "quantize rounds finite parameters. Got log-probabilities of minus "
                    "infinity. Write alpha=1.0 in the inner model, or quantize=None."
                )
        if not self._quantizable:
            raise ValueError(
                "quantize cannot round variances, which span too many magnitudes. Got "
                f"{type(self).__name__}. Write quantize=None."
            )
        return super().quantized(quantizer)

    def predict(self, X):
        """The class of the largest joint log-likelihood, the first of equals."""
        return self.classes_[np.argmax(self._scores(self._check(X)), axis=1)]

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        scores = self._scores(self._check(X))
        return scores - logsumexp(scores)

    def predict_proba(self, X):
        """Class probabilities."""
        return np.exp(self.predict_log_proba(X))


class CompactGaussian(_CompactScores):
    """Independent normal columns within each class."""

    _dtype = EITHER
    _parameters = ("theta_", "var_", "constants_")

    def _scores(self, X):
        squares = [
            np.sum((X - mean) ** 2 / variance, axis=1)
            for mean, variance in zip(self.theta_, self.var_, strict=True)
        ]
        return self.constants_ - 0.5 * np.column_stack(squares)


class CompactLogLinear(_CompactScores):
    """Multinomial, complement and Bernoulli: a weight of each column in each class."""

    _parameters = ("weights_", "constants_")
    _quantizable = ("weights_",)
    _accept_sparse = ("csr",)
    threshold_ = None

    def _scores(self, X):
        if self.threshold_ is not None:
            X = _above(X, self.threshold_)
        return X @ dense(self.weights_).T + self.constants_


def _above(X, threshold):
    """1 where a value is above the threshold, else 0."""
    if not is_sparse(X):
        return (threshold < X).astype(X.dtype)
    if threshold < 0:
        raise ValueError(
            "A threshold for sparse rows must be at least 0, as zeros are not stored. Got "
            f"binarize={threshold}. Pass X.toarray()."
        )
    X = X.copy()
    X.data = (X.data > threshold).astype(X.dtype)
    return X


class CompactCategorical(_CompactScores):
    """The categories of all columns in one table, those of a column in a row of places."""

    _parameters = ("table_", "constants_")
    _quantizable = ("table_",)

    def _check(self, X):
        X = checked(self, X, None).astype(np.int64)
        if X.min() < 0:
            raise ValueError(
                "Negative values in data passed to CategoricalNB (input X). Categories are "
                f"numbered from 0. Got {X.min()}. Write OrdinalEncoder() before the model."
            )
        unseen = np.greater_equal(X, self.n_categories_)
        if unseen.any():
            row, column = np.argwhere(unseen)[0]
            raise IndexError(
                "Each category must have been seen in fit, or be below min_categories. Got "
                f"{X[row, column]} in column {column}, which has "
                f"{self.n_categories_[column]} categories. Write min_categories="
                f"{X[row, column] + 1} in the inner model."
            )
        return X

    def _scores(self, X):
        table = dense(self.table_)
        starts = np.cumsum(self.n_categories_) - self.n_categories_
        scores = np.zeros((len(X), len(self.classes_)))
        for start, column in zip(starts, X.T, strict=True):
            scores += table[start + column]
        return scores + self.constants_


class CompactQuadratic(_CompactScores):
    """A normal density of its own covariance in each class."""

    _parameters = ("means_", "rotations_", "scalings_", "priors_")

    def _per_class(self):
        ends = np.cumsum(self.ranks_)
        for mean, end, rank in zip(self.means_, ends, self.ranks_, strict=True):
            part = slice(end - rank, end)
            yield mean, self.rotations_[:, part], self.scalings_[part]

    def _scores(self, X):
        squares, volumes = [], []
        for mean, rotation, scaling in self._per_class():
            squares.append(np.sum(((X - mean) @ (rotation * scaling**-0.5)) ** 2, axis=1))
            volumes.append(np.sum(np.log(scaling)))
        squares = np.column_stack(squares)
        return -0.5 * (squares + np.array(volumes)) + np.log(self.priors_)

    def decision_function(self, X):
        """Log-posteriors up to a constant; their difference for two classes."""
        scores = self._scores(self._check(X))
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores


class CompactDiscriminant(_CompactScores):
    """Linear discriminants."""

    _accept_sparse = ("csr",)
    _dtype = EITHER
    _parameters = ("coef_", "intercept_")
    _quantizable = ("coef_",)

    def decision_function(self, X):
        """Log-posteriors up to a constant; their difference for two classes."""
        scores = self._check(X) @ dense(self.coef_).T + self.intercept_
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X):
        """The class of the largest posterior."""
        scores = self.decision_function(X)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)
        return self.classes_[codes]

    def predict_proba(self, X):
        """Class probabilities."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            second = expit(scores)
            return np.column_stack([1 - second, second])
        return softmax(scores)

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        shares = self.predict_proba(X)
        shares[shares == 0.0] += np.finfo(shares.dtype).smallest_normal
        return np.log(shares)
