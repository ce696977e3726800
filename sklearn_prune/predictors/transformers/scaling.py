"""Scalers of columns and rows."""

import numpy as np

from ..frames import CSR, FLOATS, is_sparse, row_of_entry
from .base import CompactTransformer


class _ColumnScaler(CompactTransformer):
    """Adds to columns and multiplies them, each result in the precision of the rows."""

    _allow_nan = True

    def _scaled(self, X, operations):
        """Operations (ufunc, values), as scikit-learn does them in place."""
        out = None
        for ufunc, values in operations:
            out = ufunc(
                X if out is None else out,
                values,
                out=np.empty_like(X) if out is None else out,
                casting="same_kind",
            )
        return np.copy(X) if out is None else out

    def _apply(self, X):
        X = self._ready(X, FLOATS, finite="allow-nan")
        return self._apply_sparse(X) if is_sparse(X) else self._apply_dense(X)

    def inverse_transform(self, X):
        """Undo `transform`, for an array."""
        return self._undone(self._ready(X, FLOATS, finite="allow-nan"))


def _times(X, factors):
    """A CSR matrix with its columns multiplied, in its own precision."""
    data = X.data.copy()
    data *= factors[X.indices]
    return CSR(data, X.indices, X.indptr, X.shape)


class CompactStandardScaler(_ColumnScaler):
    """StandardScaler: subtract the mean, divide by the standard deviation."""

    _reads_sparse = property(lambda self: self.mean_ is None)
    _sparse = True

    @classmethod
    def of(cls, fitted):
        """The form of a fitted StandardScaler."""
        scaler = super().of(fitted)
        scaler.mean_ = fitted.mean_.copy() if fitted.with_mean else None
        scaler.scale_ = fitted.scale_.copy() if fitted.with_std else None
        return scaler

    def _pairs(self, X, minus, divide):
        if self.mean_ is not None:
            yield minus, self.mean_.astype(X.dtype, copy=False)
        if self.scale_ is not None:
            yield divide, self.scale_.astype(X.dtype, copy=False)

    def _apply_dense(self, X):
        return self._scaled(X, self._pairs(X, np.subtract, np.divide))

    def _apply_sparse(self, X):
        if self.mean_ is not None:
            raise ValueError(
                "Cannot center sparse matrices. Write X.toarray(), or fit "
                "StandardScaler(with_mean=False)."
            )
        return X if self.scale_ is None else _times(X, 1 / self.scale_)

    def _undone(self, X):
        if is_sparse(X):
            return X if self.scale_ is None else _times(X, self.scale_)
        pairs = list(self._pairs(X, np.add, np.multiply))
        return self._scaled(X, pairs[::-1])


class CompactMinMaxScaler(_ColumnScaler):
    """MinMaxScaler: columns between two numbers."""

    _attributes = ("scale_", "min_", "clip")

    @classmethod
    def of(cls, fitted):
        """The form of a fitted MinMaxScaler."""
        scaler = super().of(fitted)
        scaler.feature_range = [float(each) for each in fitted.feature_range]
        return scaler

    def _apply_dense(self, X):
        X = self._scaled(X, [(np.multiply, self.scale_), (np.add, self.min_)])
        low, high = map(X.dtype.type, self.feature_range)
        return np.clip(X, low, high, out=X) if self.clip else X

    def _undone(self, X):
        return self._scaled(X, [(np.subtract, self.min_), (np.divide, self.scale_)])


class CompactMaxAbsScaler(_ColumnScaler):
    """MaxAbsScaler: columns divided by their largest absolute value."""

    _sparse = True
    _attributes = ("scale_", "clip")

    def _apply_dense(self, X):
        X = self._scaled(X, [(np.divide, self.scale_)])
        return self._clipped(X)

    def _apply_sparse(self, X):
        X = _times(X, 1.0 / self.scale_)
        self._clipped(X.data)
        return X

    def _clipped(self, X):
        one = X.dtype.type(1.0)
        return np.clip(X, -one, one, out=X) if self.clip else X

    def _undone(self, X):
        if is_sparse(X):
            return _times(X, self.scale_)
        return self._scaled(X, [(np.multiply, self.scale_)])


class CompactRobustScaler(_ColumnScaler):
    """RobustScaler: subtract the median, divide by the spread of quantiles."""

    _reads_sparse = property(lambda self: self.center_ is None)
    _sparse = True

    @classmethod
    def of(cls, fitted):
        """The form of a fitted RobustScaler."""
        scaler = super().of(fitted)
        scaler.center_ = fitted.center_.copy() if fitted.with_centering else None
        scaler.scale_ = fitted.scale_.copy() if fitted.with_scaling else None
        return scaler

    def _pairs(self, minus, divide):
        pairs = ((minus, self.center_), (divide, self.scale_))
        return [pair for pair in pairs if pair[1] is not None]

    def _apply_dense(self, X):
        return self._scaled(X, self._pairs(np.subtract, np.divide))

    def _apply_sparse(self, X):
        return X if self.scale_ is None else _times(X, 1.0 / self.scale_)

    def _undone(self, X):
        if is_sparse(X):
            return X if self.scale_ is None else _times(X, self.scale_)
        return self._scaled(X, self._pairs(np.add, np.multiply)[::-1])


class CompactNormalizer(CompactTransformer):
    """Normalizer: rows divided by their norm."""

    _sparse = True
    _attributes = ("norm",)

    def _apply(self, X):
        X = self._ready(X, "numeric")
        return normalized(self._ready(X, FLOATS, finite=False), self.norm)


def normalized(X, norm):
    """Rows divided by a norm; rows of norm zero stay."""
    if is_sparse(X):
        return _normalized_sparse(X, norm)
    if norm == "l1":
        norms = np.sum(np.abs(X), axis=1)
    elif norm == "l2":
        norms = np.sqrt(np.einsum("ij,ij->i", X, X))
    else:
        norms = np.max(np.abs(X), axis=1)
    norms[norms < 10 * np.finfo(norms.dtype).eps] = 1.0
    return X / norms[:, None]


def _normalized_sparse(X, norm):
    rows = row_of_entry(X)
    if norm == "max":
        norms = np.zeros(X.shape[0], X.dtype)
        np.maximum.at(norms, rows, np.abs(X.data))
    else:  # sums in double precision, one after the other
        sizes = np.abs(X.data) if norm == "l1" else X.data * X.data
        norms = np.bincount(rows, weights=sizes, minlength=X.shape[0])
        norms = np.sqrt(norms) if norm == "l2" else norms
    norms[norms == 0] = 1.0
    data = X.data.copy()
    data /= norms[rows]
    return CSR(data, X.indices, X.indptr, X.shape)


class CompactBinarizer(CompactTransformer):
    """Binarizer: 1 above a threshold, else 0."""

    _sparse = True
    _attributes = ("threshold",)

    def _apply(self, X):
        X = self._ready(X, "numeric")
        if not is_sparse(X):
            return self._above(X).astype(X.dtype)
        if self.threshold < 0:
            raise ValueError(
                f"A sparse matrix needs a threshold of at least 0. Got {self.threshold}. "
                "Write X.toarray()."
            )
        above = self._above(X.data)
        indptr = np.concatenate([[0], np.cumsum(above)])[X.indptr]
        return CSR(np.ones(above.sum(), X.dtype), X.indices[above], indptr, X.shape)

    def _above(self, X):
        kind = X.dtype if X.dtype.kind == "f" else np.float64
        return X.astype(kind, copy=False) > self.threshold
