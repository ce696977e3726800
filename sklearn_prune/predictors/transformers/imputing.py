"""Filling in missing values."""

import warnings

import numpy as np

from ..frames import CSR, FLOATS, as_csr, is_missing, is_sparse, row_of_entry, side_by_side
from ..quantized import need
from .base import CompactTransformer


class CompactSimpleImputer(CompactTransformer):
    """SimpleImputer: a statistic of the column, or a constant, where a value is missing.

    `missing_kind` is "nan", "none" and "na" for the missing values of Python and pandas,
    else "value", and `missing_values` is what stands for a missing value then.
    """

    _sparse = True
    _attributes = ("strategy", "keep_empty_features", "statistics_")
    _allow_nan = property(lambda self: self.missing_kind in ("nan", "na"))

    @classmethod
    def reason(cls, fitted):
        """Functions as strategy are not stored."""
        missing = fitted.missing_values
        plain = is_missing(missing) or isinstance(missing, str | int | float | np.number)
        return None if plain else f"missing_values={missing!r}"

    @classmethod
    def of(cls, fitted):
        """The form of a fitted SimpleImputer."""
        made = super().of(fitted)
        if callable(made.strategy):
            made.strategy = "mean"  # as which its statistics are read
        missing = fitted.missing_values
        made.missing_kind, made.missing_values = "value", None
        if missing is None:
            made.missing_kind = "none"
        elif is_missing(missing):
            is_nan = isinstance(missing, float | np.floating)
            made.missing_kind = "nan" if is_nan else "na"
        else:
            made.missing_values = missing.item() if hasattr(missing, "item") else missing
        made.fit_dtype = fitted._fit_dtype.str
        made.fill_dtype = fitted._fill_dtype.str
        made.indicated = None
        if fitted.add_indicator:
            made.indicated = fitted.indicator_.features_.copy()
        return made

    def check_attributes(self):
        """Raise ValueError unless there is a statistic for each column."""
        need(len(self.statistics_) == self.n_features_in_, "statistics_")
        own = self.indicated
        inside = own is None or not len(own) or 0 <= own.min() <= own.max()
        need(
            inside and (own is None or own.max(initial=0) < self.n_features_in_),
            "indicated",
        )
        need(self.missing_kind in ("nan", "none", "na", "value"), "missing_kind")
        need(
            {np.dtype(self.fit_dtype).kind, np.dtype(self.fill_dtype).kind} <= set("iufO"),
            "fit_dtype",
        )

    def _apply(self, X):
        dtype = FLOATS
        if self.strategy in ("most_frequent", "constant"):
            dtype = None
            if isinstance(X, list | tuple) and any(
                isinstance(v, str) for r in X for v in r
            ):
                dtype = np.object_
        if np.dtype(self.fit_dtype).kind == "O":
            dtype = np.object_
        X = self._ready(X, dtype, finite="allow-nan" if self._allow_nan else True)
        self._check_kind(X)
        if is_sparse(X):
            return self._apply_sparse(X)
        absent = self._absent(X)
        indicator = absent if self.indicated is None else absent[:, self.indicated]
        kept = self._kept(warn=True)
        fill = self.statistics_
        if kept is not None:
            X, absent, fill = X[:, kept], absent[:, kept], fill[kept]
        rows, columns = np.nonzero(absent)
        if len(rows):
            X = np.copy(X)
            X[rows, columns] = fill.astype(self.fill_dtype, copy=False)[columns]
        return X if self.indicated is None else np.hstack((X, indicator))

    def _check_kind(self, X):
        kind = X.dtype.kind
        texts = self.missing_kind == "none" or isinstance(self.missing_values, str)
        if kind not in "iufO":
            raise ValueError(
                f"SimpleImputer does not support data with dtype {X.dtype}. Write "
                "X.astype(object) for texts."
            )
        if kind != "O" and texts and self.missing_kind != "na":
            raise ValueError(
                "'X' and 'missing_values' types are expected to be both numerical. Got "
                f"X.dtype={X.dtype} and missing_values={self.missing_values!r}. Write "
                "X.astype(object)."
            )
        fits = np.can_cast(np.dtype(self.fill_dtype), X.dtype, casting="same_kind")
        if self.strategy == "constant" and not fits:
            raise ValueError(
                f"The filling value ({self.fill_dtype}) cannot be cast to the dtype of X. "
                f"Got {X.dtype}. Pass X with the dtypes that it had in fit."
            )

    def _absent(self, X):
        """Which values are missing."""
        if self.missing_kind == "value":
            return np.asarray(np.equal(X, self.missing_values, dtype=object), dtype=bool)
        if X.dtype.kind != "O":
            return np.isnan(X) if X.dtype.kind == "f" else np.zeros(X.shape, dtype=bool)
        wanted = _IS[self.missing_kind]
        found = [wanted(value) for value in X.flat]
        return np.reshape(np.array(found, dtype=bool), X.shape)

    def _kept(self, *, warn=False):
        """Positions of the columns that had a value in fit; None if all had one."""
        if self.keep_empty_features:
            return None
        empty = np.array([value != value for value in self.statistics_.tolist()], bool)
        if not empty.any():
            return None
        if warn:
            names = getattr(self, "feature_names_in_", np.arange(len(empty)))[empty]
            warnings.warn(
                f"Skipping features without any observed values: {names}. At least one "
                "non-missing value is needed for imputation with "
                f"strategy='{self.strategy}'.",
                stacklevel=2,
            )
        return np.flatnonzero(~empty)

    def _apply_sparse(self, X):
        if self.missing_values == 0:
            raise ValueError(
                "Imputation not possible when missing_values == 0 and X is sparse. Write "
                "X.toarray()."
            )
        absent, data = self._absent(X.data), X.data.copy()
        fill = self.statistics_.astype(self.fill_dtype, copy=False)
        data[absent] = fill[X.indices[absent]]
        filled = CSR(data, X.indices, X.indptr, X.shape)
        kept = self._kept(warn=True)
        filled = filled if kept is None else filled[:, kept]
        if self.indicated is None:
            return filled
        marks = np.zeros(X.shape, dtype=bool)
        marks[row_of_entry(X)[absent], X.indices[absent]] = True
        return side_by_side([filled, as_csr(marks[:, self.indicated])])

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that are left, and of those that tell what was missing."""
        names = self._names_in(input_features)
        kept = self._kept()
        found = names if kept is None else names[kept]
        if self.indicated is None:
            return found
        marks = [f"missingindicator_{name}" for name in names[self.indicated]]
        return np.concatenate([found, np.array(marks, dtype=object)])


_IS = {
    "nan": lambda value: isinstance(value, float) and value != value,
    "none": lambda value: value is None,
    "na": is_missing,
}
