"""Linear models as coefficients of the columns that they read."""

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metaestimators import available_if

from sklearn_prune.weight_pruning._quantize import QuantizedArray, dense
from sklearn_prune.weight_pruning.compact._base import Compact


def _modified_huber(scores):
    """Class probabilities under the modified Huber loss, as SGDClassifier gives them."""
    shares = (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0
    if scores.ndim == 1:
        return np.column_stack([1.0 - shares, shares])
    sums = shares.sum(axis=1, keepdims=True)
    nowhere = sums[:, 0] == 0
    shares[nowhere] = 1.0
    sums[nowhere] = shares.shape[1]
    return shares / sums


def _one_against_rest(scores):
    """Logistic functions of the scores, brought to a sum of 1."""
    shares = expit(scores)
    if scores.ndim == 1:
        return np.column_stack([1 - shares, shares])
    return shares / shares.sum(axis=1, keepdims=True)


def _softmax(scores):
    return _one_against_rest(scores) if scores.ndim == 1 else softmax(scores, axis=1)


PROBABILITIES = {
    "softmax": _softmax,
    "logistic": _one_against_rest,
    "modified_huber": _modified_huber,
}
LINKS = {"log": np.exp, "logit": expit}


class CompactLinear(Compact):
    """Coefficients, intercepts and the columns that have any.

    Attributes
    ----------
    coefficients_ : ndarray of shape (n_columns,) or (n_outputs, n_columns)
        Of the columns that are read.
    intercepts_ : float or ndarray of shape (n_outputs,)
        Added to the products.
    columns_ : ndarray of shape (n_columns,), int, or None
        Sorted positions of the columns that are read; None for all.
    """

    _parameters = ("coefficients_", "intercepts_")
    _quantizable = ("coefficients_",)
    _accept_sparse = ("csr", "csc", "coo")

    def _products(self, X):
        X = self._check(X)
        coefficients = self.coefficients_
        if isinstance(coefficients, QuantizedArray):
            coefficients = coefficients.dense(X.dtype)
        if isinstance(X, np.ndarray):
            X = X if self.columns_ is None else X[:, self.columns_]
            return X @ coefficients.T + self.intercepts_
        X = X if self.columns_ is None else X.tocsc()[:, self.columns_]
        return safe_sparse_dot(X, coefficients.T, dense_output=True) + self.intercepts_

    @property
    def coef_(self):
        """Coefficients of all columns, zeros for those that are not read."""
        found = dense(self.coefficients_)
        if self.columns_ is None:
            return found.copy()
        full = np.zeros((*found.shape[:-1], self.n_features_in_), dtype=found.dtype)
        full[..., self.columns_] = found
        return full

    @property
    def intercept_(self):
        """Intercepts as the inner model had them."""
        return self.intercepts_


class CompactLinearRegressor(RegressorMixin, CompactLinear):
    """Regression by coefficients; `link_` names the function that the sums go through."""

    def predict(self, X, **params):
        """Predict targets, of shape (n_samples,) or (n_samples, n_outputs)."""
        if params:
            raise ValueError(
                "The compact form of a linear model predicts means only. Got "
                f"{', '.join(params)}. Use the fitted model itself."
            )
        sums = self._products(X)
        return LINKS[self.link_](sums) if self.link_ in LINKS else sums


def _has_probabilities(compact):
    if compact.probabilities_ is None:
        raise AttributeError("This linear classifier has no predict_proba.")
    return True


class CompactLinearClassifier(ClassifierMixin, CompactLinear):
    """Classification by coefficients; `probabilities_` names how scores become shares.

    `multilabel_` says that every output is a label of its own.
    """

    def decision_function(self, X):
        """Scores, of shape (n_samples,) for two classes, else (n_samples, n_classes)."""
        scores = self._products(X)
        return scores.ravel() if scores.ndim > 1 and scores.shape[1] == 1 else scores

    def predict(self, X):
        """Predict labels, of shape (n_samples,), or indicators of several labels."""
        scores = self.decision_function(X)
        if self.multilabel_:
            return (scores > 0).astype(int)
        codes = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_.take(codes)

    @available_if(_has_probabilities)
    def predict_proba(self, X):
        """Class probabilities, of shape (n_samples, n_classes)."""
        return PROBABILITIES[self.probabilities_](self.decision_function(X))

    @available_if(_has_probabilities)
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))
