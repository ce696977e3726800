"""A compact predictor that reads some of the columns of X."""

from copy import copy

import numpy as np

from sklearn_prune.weight_pruning.compact._base import Compact, available_if
from sklearn_prune.weight_pruning.compact._quantized import dense
from sklearn_prune.weight_pruning.compact._rows import take_columns


def _inner_has(method):
    return available_if(lambda self: hasattr(self.inner_, method))


class CompactColumns(Compact):
    """Reads the columns that are left and hands them to the predictor that needs them."""

    @classmethod
    def around(cls, inner, columns, n_features, names=None):
        """The predictor `inner`, asked with rows of all columns."""
        compact = cls()
        compact.inner_ = inner
        compact.columns_ = columns.astype(np.min_scalar_type(max(n_features - 1, 0)))
        compact.n_features_in_ = n_features
        if hasattr(inner, "classes_"):
            compact.classes_ = inner.classes_
        if names is not None:
            compact.feature_names_in_ = names
        return compact

    def __sklearn_tags__(self):
        if not hasattr(self, "inner_"):
            return super().__sklearn_tags__()
        return self.inner_.__sklearn_tags__()

    def _take(self, X):
        if self._is_plain(X):
            return X[:, self.columns_]
        from sklearn.utils.validation import validate_data

        if hasattr(X, "columns"):
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            finite = True
            if self.inner_.__sklearn_tags__().input_tags.allow_nan:
                finite = not getattr(self.inner_, "allows_infinity", False) and "allow-nan"
            X = validate_data(
                self,
                X,
                reset=False,
                dtype=None,
                accept_sparse=("csr", "csc"),
                ensure_all_finite=finite,
            )
        return take_columns(X, self.columns_)

    def predict(self, X, **params):
        """Predict from the columns that are left."""
        return self.inner_.predict(self._take(X), **params)

    @_inner_has("predict_proba")
    def predict_proba(self, X):
        """Class probabilities from the columns that are left."""
        return self.inner_.predict_proba(self._take(X))

    @_inner_has("predict_log_proba")
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        return self.inner_.predict_log_proba(self._take(X))

    @_inner_has("decision_function")
    def decision_function(self, X):
        """Scores from the columns that are left."""
        return self.inner_.decision_function(self._take(X))

    @_inner_has("score_samples")
    def score_samples(self, X):
        """Log-likelihoods from the columns that are left."""
        return self.inner_.score_samples(self._take(X))

    @property
    def coef_(self):
        """Coefficients of all columns, zeros for those that are gone."""
        found = dense(self.inner_.coef_)
        full = np.zeros((*found.shape[:-1], self.n_features_in_), dtype=found.dtype)
        full[..., self.columns_] = found
        return full

    @property
    def intercept_(self):
        """Intercepts of the inner predictor."""
        return self.inner_.intercept_

    def quantized(self, quantizer):
        """A copy around the quantized inner predictor."""
        small = copy(self)
        small.inner_ = self.inner_.quantized(quantizer)
        return small

    def n_parameters(self):
        """Number of stored numbers that the inner predictor reads."""
        return self.inner_.n_parameters()

    def n_nonzero(self):
        """Number of those that are not zero."""
        return self.inner_.n_nonzero()
