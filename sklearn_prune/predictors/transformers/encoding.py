"""Encoders of categories, and of numbers by the bin in which they lie."""

import warnings

import numpy as np

from ..frames import CSR, REALS, check_shape, column, is_frame, is_sparse, n_rows
from ..quantized import is_array, is_count, need
from .base import CompactTransformer

_FEW = 32  # rows up to which numbers are looked up in a dict
_UNKNOWN = -1


class _Encoder(CompactTransformer):
    """Positions of the values of each column among its categories."""

    _allow_nan = True
    _attributes = ("handle_unknown",)

    @classmethod
    def of(cls, fitted):
        """The form of a fitted encoder."""
        made = super().of(fitted)
        made.categories_ = [own.copy() for own in fitted.categories_]
        made.dtype = np.dtype(fitted.dtype).str
        # Of each column, the position of each category where rare ones are one group.
        made.grouped = [None] * len(made.categories_)
        if fitted._infrequent_enabled:
            made.grouped = [
                None if own is None else own.copy()
                for own in fitted._default_to_infrequent_mappings
            ]
        return made

    def check_attributes(self):
        """Raise ValueError unless groups and categories fit together."""
        width = self.n_features_in_
        need(len(self.categories_) == len(self.grouped) == width, "categories_")
        need(np.dtype(self.dtype).kind in "biuf", "dtype")
        for own, grouped in zip(self.categories_, self.grouped, strict=True):
            need(type(own) is np.ndarray and own.ndim == 1, "categories_")
            if grouped is not None:
                need(is_array(grouped, "iu", 1) and len(grouped) > 0, "grouped")
                need(len(own) - 1 <= len(grouped) <= len(own), "grouped")
                need(grouped.min() >= 0 and grouped.max() < len(own), "grouped")

    def _make(self):
        """Of each column the positions of its categories in a dict, and more."""
        tables = [
            {_key(value): at for at, value in enumerate(own.tolist())}
            for own in self.categories_
        ]
        return tables, *self._layout()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags

    def _columns(self, X):
        """The columns of X, each in its own dtype, with scikit-learn's checks."""
        if isinstance(X, dict) or (hasattr(type(X), "iloc") and is_frame(X)):
            width = len(X) if isinstance(X, dict) else X.shape[1]
            check_shape(self, _Shape(n_rows(X), width))
            columns = [column(X, at) for at in range(width)]
        else:
            if is_sparse(X):
                raise TypeError(
                    f"Sparse data was passed, but {type(self).__name__} requires dense "
                    "data. Use X.toarray()."
                )
            rows = np.asarray(X)  # of polars too, whose columns become of one dtype
            if not hasattr(X, "dtype") and rows.dtype.kind in "US":
                rows = np.array(X, dtype=object)
            check_shape(self, rows)
            columns = list(rows.T)
        for own in columns:
            if own.dtype.kind == "f" and np.isinf(own).any():
                raise ValueError(
                    f"Input X contains infinity, which {type(self).__name__} does not "
                    "accept. Replace it, or remove these rows."
                )
        return columns

    def _codes(self, X):
        """Of each column, positions among the categories; -1 for others, which may warn."""
        found, unknown = [], []
        for at, own in enumerate(self._columns(X)):
            codes = _codes_of(own, self.categories_[at], self._made()[0][at])
            if (codes < 0).any():
                if self.handle_unknown == "error":
                    others = list(dict.fromkeys(own[codes < 0].tolist()))
                    raise ValueError(
                        f"Found unknown categories {others} in column {at} during "
                        'transform. Fit the encoder with handle_unknown="ignore".'
                    )
                unknown.append(at)
            found.append(codes)
        if unknown and getattr(self, "warns", False):
            rest = "the infrequent category." if self._groups else "all zeros"
            warnings.warn(
                f"Found unknown categories in columns {unknown} during transform. These "
                f"unknown categories will be encoded as {rest}",
                stacklevel=2,
            )
        return found

    _groups = property(lambda self: self.handle_unknown in ("infrequent_if_exist", "warn"))


class _Shape:
    dtype, ndim = np.dtype(object), 2

    def __init__(self, *shape):
        self.shape = shape


def _key(value):
    return _NAN if isinstance(value, float | np.floating) and value != value else value


_NAN = object()


def _codes_of(values, categories, table):
    numbers = values.dtype.kind in "biuf" and categories.dtype.kind in "biuf"
    if numbers and len(values) > _FEW and _is_sorted(categories):
        return _places_of(values, categories)
    get = table.get
    try:
        found = [get(value, _UNKNOWN) for value in values.tolist()]
    except TypeError as error:
        raise ValueError(
            f"Categories must be numbers or texts: {error}. Encode the column before."
        ) from error
    found = np.array(found, dtype=np.intp)
    if _NAN in table and values.dtype.kind in "fO":
        absent = [isinstance(value, float) and value != value for value in values.tolist()]
        found[np.array(absent, dtype=bool)] = table[_NAN]
    return found


def _is_sorted(categories):
    return len(categories) > 0 and bool((categories[1:] > categories[:-1])[:-1].all())


def _places_of(values, categories):
    """Positions of numbers among sorted categories, of which NaN may be the last."""
    nan = categories.dtype.kind == "f" and np.isnan(categories[-1])
    known = categories[:-1] if nan else categories
    found = np.full(len(values), _UNKNOWN, dtype=np.intp)
    if len(known):
        at = np.minimum(np.searchsorted(known, values), len(known) - 1)
        same = known[at] == values
        found[same] = at[same]
    if nan and values.dtype.kind == "f":
        found[np.isnan(values)] = len(known)
    return found


class CompactOneHotEncoder(_Encoder):
    """OneHotEncoder: a column for each category that is neither dropped nor rare."""

    _attributes = ("handle_unknown", "sparse_output")

    @classmethod
    def reason(cls, fitted):
        """Names by a function, and values that are no numbers, are not stored."""
        if callable(fitted.feature_name_combiner):
            return "feature_name_combiner is a function"
        return None if np.dtype(fitted.dtype).kind in "biuf" else f"dtype={fitted.dtype}"

    @classmethod
    def of(cls, fitted):
        """The form of a fitted OneHotEncoder."""
        made = super().of(fitted)
        dropped = fitted._drop_idx_after_grouping
        made.warns = fitted.drop is not None or fitted.handle_unknown == "warn"
        made.dropped = [None] * len(made.categories_)
        if dropped is not None:
            made.dropped = [None if at is None else int(at) for at in dropped]
        return made

    def check_attributes(self):
        """Raise ValueError unless groups, categories and what is dropped fit together."""
        super().check_attributes()
        need(len(self.dropped) == self.n_features_in_, "dropped")
        for own, dropped in zip(self.categories_, self.dropped, strict=True):
            need(dropped is None or (is_count(dropped) and dropped < len(own)), "dropped")

    def _layout(self):
        """Of each column, where its categories go, and (last) others; and the width."""
        found, first = [], 0
        for own, grouped, dropped in zip(
            self.categories_, self.grouped, self.dropped, strict=True
        ):
            place = np.arange(len(own)) if grouped is None else grouped
            width = int(place.max(initial=-1)) + 1
            others = width - 1 if grouped is not None and self._groups else _UNKNOWN
            place = np.append(place, others)
            if dropped is not None:
                gone = place == dropped
                place[place > dropped] -= 1
                place[gone] = _UNKNOWN
                width -= 1
            place[place >= 0] += first
            found.append(place)
            first += width
        return found, first

    def _apply(self, X):
        codes = self._codes(X)
        _, places, width = self._made()
        columns = [place[own] for place, own in zip(places, codes, strict=True)]
        n = len(columns[0])
        if not self.sparse_output:
            full = np.zeros((n, width), dtype=self.dtype)
            for own in columns:
                rows = np.flatnonzero(own >= 0)
                full[rows, own[rows]] = 1
            return full
        table = np.stack(columns, axis=1)
        there = table >= 0
        indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        indices = table[there]
        return CSR(np.ones(len(indices), self.dtype), indices, indptr, (n, width))

    def get_feature_names_out(self, input_features=None):
        """Names such as city_Paris."""
        found = []
        for name, own, grouped, dropped in zip(
            self._names_in(input_features),
            self.categories_,
            self.grouped,
            self.dropped,
            strict=True,
        ):
            texts = [str(value) for value in own]
            if grouped is not None:
                often = grouped < grouped.max()
                texts = [str(value) for value in own[often]] + ["infrequent_sklearn"]
            if dropped is not None:
                del texts[dropped]
            found += [f"{name}_{text}" for text in texts]
        return np.array(found, dtype=object)


class CompactOrdinalEncoder(_Encoder):
    """OrdinalEncoder: the position of a value among the categories of its column."""

    _attributes = ("handle_unknown", "unknown_value", "encoded_missing_value")

    @classmethod
    def reason(cls, fitted):
        """Codes that are no numbers are not stored."""
        return None if np.dtype(fitted.dtype).kind in "biuf" else f"dtype={fitted.dtype}"

    def check_attributes(self):
        """Raise ValueError unless groups and categories fit together."""
        super().check_attributes()
        for own, grouped in zip(self.categories_, self.grouped, strict=True):
            nan = int(len(own) > 0 and _key(own[-1]) is _NAN)
            need(grouped is None or len(grouped) == len(own) - nan, "grouped")
        numbers = (self.unknown_value or 0, self.encoded_missing_value)
        need(all(isinstance(each, int | float) for each in numbers), "unknown_value")

    def _layout(self):
        """Of each column the code of each category, of NaN, and of others (last)."""
        values = []
        for own, grouped in zip(self.categories_, self.grouped, strict=True):
            nan = int(len(own) > 0 and _key(own[-1]) is _NAN)
            codes = np.arange(len(own)) if grouped is None else grouped
            codes = codes[: len(own) - nan].astype(self.dtype)
            rest = [self.encoded_missing_value] * nan
            rest.append(0 if self.unknown_value is None else self.unknown_value)
            values.append(np.concatenate([codes, np.array(rest).astype(self.dtype)]))
        return (values,)

    def _apply(self, X):
        codes = self._codes(X)
        pairs = zip(self._made()[1], codes, strict=True)
        return np.stack([values[own] for values, own in pairs], axis=1)


class CompactKBinsDiscretizer(CompactTransformer):
    """KBinsDiscretizer: the bin of a number, as a number or with a column for each bin."""

    _attributes = ("encode",)

    @classmethod
    def of(cls, fitted):
        """The form of a fitted KBinsDiscretizer."""
        made = super().of(fitted)
        made.bin_edges_ = [np.array(own) for own in fitted.bin_edges_]
        made.n_bins_ = fitted.n_bins_.copy()
        made.dtype = None if fitted.dtype is None else np.dtype(fitted.dtype).str
        return made

    def check_attributes(self):
        """Raise ValueError unless there are as many bins as between their edges."""
        need(len(self.bin_edges_) == len(self.n_bins_) == self.n_features_in_, "n_bins_")
        for own, count in zip(self.bin_edges_, self.n_bins_.tolist(), strict=True):
            need(is_array(own, "f", 1) and len(own) == count + 1, "bin_edges_")

    def _apply(self, X):
        X = self._ready(X, REALS if self.dtype is None else np.dtype(self.dtype))
        codes = np.empty_like(X)
        for at, edges in enumerate(self.bin_edges_):
            codes[:, at] = np.searchsorted(edges[1:-1], X[:, at], side="right")
        if self.encode == "ordinal":
            return codes
        starts = np.concatenate([[0], np.cumsum(self.n_bins_)])
        indices = (codes.astype(np.intp) + starts[:-1]).ravel()
        n, width = X.shape
        if self.encode == "onehot":
            indptr = np.arange(0, n * width + 1, width)
            ones = np.ones(n * width, X.dtype)
            return CSR(ones, indices, indptr, (n, int(starts[-1])))
        full = np.zeros((n, starts[-1]), X.dtype)
        full[np.repeat(np.arange(n), width), indices] = 1
        return full

    def get_feature_names_out(self, input_features=None):
        """Names such as x0_1.0 of the column of a bin."""
        names = self._names_in(input_features)
        if self.encode == "ordinal":
            return names
        pairs = zip(names, self.n_bins_.tolist(), strict=True)
        found = [f"{name}_{float(at)}" for name, count in pairs for at in range(count)]
        return np.array(found, dtype=object)
