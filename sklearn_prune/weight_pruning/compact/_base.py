"""What every compact form shares: standing alone, checking rows quickly, its arrays."""

from copy import copy

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.validation import validate_data

from sklearn_prune.weight_pruning._quantize import QuantizedArray

EITHER = [np.float64, np.float32]  # a `_dtype` under which single precision stays


class Compact(BaseEstimator):
    """A fitted predictor that holds the parameters of one model and nothing else.

    It has no constructor arguments: a family fills its attributes. A subclass names by
    `_parameters` the attributes whose arrays are what `predict` reads, and by
    `_quantizable` those of them that may be rounded.
    """

    _parameters = ()
    _quantizable = ()
    _allow_nan = False
    _accept_sparse = ("csr",)
    _dtype = np.float64

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        classifies = hasattr(self, "classes_")
        tags.estimator_type = "classifier" if classifies else "regressor"
        tags.classifier_tags = ClassifierTags() if classifies else None
        tags.regressor_tags = None if classifies else RegressorTags()
        tags.input_tags.sparse = bool(self._accept_sparse)
        tags.input_tags.allow_nan = self._allow_nan
        return tags

    def _check(self, X):
        """X as an array of the right width and dtype; refuse what scikit-learn refuses.

        A plain float array takes a few microseconds, anything else scikit-learn's check.
        """
        if self._is_plain(X):
            stays = self._dtype is EITHER or X.dtype == self._dtype
            return X if stays else self._narrow(X)
        return validate_data(
            self,
            X,
            reset=False,
            dtype=self._dtype,
            accept_sparse=self._accept_sparse or False,
            ensure_all_finite="allow-nan" if self._allow_nan else True,
        )

    def _is_plain(self, X):
        """Whether X is a float array without anything to refuse."""
        return (
            type(X) is np.ndarray
            and X.dtype.char in "fd"
            and X.ndim == 2
            and X.shape[1] == self.n_features_in_
            and X.shape[0] > 0
            and not hasattr(self, "feature_names_in_")
            and (not np.isinf(X).any() if self._allow_nan else _is_finite(X))
        )

    def _narrow(self, X):
        """X in the dtype of the compact form, if its values fit."""
        with np.errstate(over="ignore"):
            narrow = X.astype(self._dtype)
        if narrow.dtype.itemsize < X.dtype.itemsize and np.isinf(narrow).any():
            finite = "allow-nan" if self._allow_nan else True
            return validate_data(
                self, X, reset=False, dtype=self._dtype, ensure_all_finite=finite
            )
        return narrow

    def score(self, X, y, sample_weight=None):
        """Accuracy of a classifier, R2 of a regressor, on rows X with targets y."""
        metric = accuracy_score if is_classifier(self) else r2_score
        return metric(y, self.predict(X), sample_weight=sample_weight)

    def quantized(self, quantizer):
        """A copy whose quantizable arrays are rounded and stored small."""
        small = copy(self)
        for name in self._quantizable:
            values = getattr(self, name, None)
            if values is not None:
                setattr(small, name, quantizer.quantize(values))
        return small

    def n_parameters(self):
        """Number of stored numbers that `predict` reads."""
        return sum(np.size(values) for values in self._stored())

    def n_nonzero(self):
        """Number of those that are not zero."""
        return sum(int(np.count_nonzero(values)) for values in self._stored())

    def _stored(self):
        for name in self._parameters:
            values = getattr(self, name, None)
            if isinstance(values, QuantizedArray):
                values = values.dense()
            if values is not None:
                yield np.asarray(values)


def _is_finite(X):
    """Whether a float array is finite; False also where its squares add up to too much."""
    if X.flags.c_contiguous:
        flat = X.reshape(-1)
        return np.isfinite(np.dot(flat, flat))  # faster than a sum
    return np.isfinite(np.sum(X))
