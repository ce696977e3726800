"""Rows as points of a metric space: what every method that measures distances reads."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Number

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import normalize
from sklearn.utils.sparsefuncs import mean_variance_axis

from sklearn_prune._sklearn_compat import count_rows, take_rows

METRICS = ("euclidean", "cosine", "gower")
DENSE_LIMIT = 2**31  # bytes that a dense copy of sparse rows may take


@dataclass(frozen=True, eq=False)
class MixedRows:
    """Columns of numbers and of categories as one matrix.

    `values` holds floats, codes of categories, and NaN where a value is missing; `nominal`
    is True for columns of categories.
    """

    values: np.ndarray
    nominal: np.ndarray

    @property
    def shape(self):
        """Numbers of rows and columns."""
        return self.values.shape

    @classmethod
    def of(cls, X):
        """Encode a frame or an array: whatever is no number and no time is a category."""
        n, d = count_rows(X), X.shape[1]
        values = np.empty((n, d))
        nominal = np.zeros(d, dtype=bool)
        for column in range(d):
            # One column at a time, since each may have a type of its own.
            raw = take_rows(X, column, axis=1)
            values[:, column], nominal[column] = _encode_column(raw)
        return cls(values, nominal)


@dataclass(frozen=True, eq=False)
class Space:
    """Points whose distances are those of the rows.

    Points are rows with standardised columns for the euclidean metric, rows of length 1 for
    cosine, and for Gower numbers divided by their range and codes of categories. The
    distance is the Euclidean one, half of its square for cosine, and for Gower the mean
    over columns of absolute differences and of mismatches. `nominal` marks columns of
    categories.
    """

    points: object
    metric: str
    nominal: np.ndarray

    @classmethod
    def of(cls, X, metric="euclidean", *, owner="This method", sparse=False):
        """Place checked rows in a space; a constant column counts for nothing.

        Where the metric is not Gower's, a missing value counts as the mean of its column.
        Points are C-contiguous, of the dtype of X. Raises ValueError in the name of `owner`
        if a dense copy of sparse rows would take more than 2 GiB, unless `sparse` points
        will do.
        """
        if metric == "gower":
            rows = X
            if not isinstance(X, MixedRows):
                dense = _dense(X, owner)
                rows = MixedRows(dense, np.zeros(dense.shape[1], dtype=bool))
            return cls(_by_range(rows), metric, rows.nominal)
        if issparse(X) and not (sparse and _dense_size(X) > DENSE_LIMIT):
            X = _dense(X, owner)
        points = normalize(X) if metric == "cosine" else _standardized(X)
        return cls(points, metric, np.zeros(X.shape[1], dtype=bool))


def standardized_rows(X, *, owner="This method"):
    """Rows with columns of mean 0 and variance 1, dense and C-contiguous."""
    return Space.of(X, owner=owner).points


def _dense(X, owner):
    if not issparse(X):
        return X
    size = _dense_size(X)
    if size > DENSE_LIMIT:
        raise ValueError(
            f"{owner} reads dense rows, and a dense copy may take 2 GiB. Got a sparse "
            f"matrix of shape {X.shape}, which would take {size / 2**30:.0f} GiB. Rank "
            f"fewer columns: selector=make_pipeline(TruncatedSVD(100), {owner}())."
        )
    return X.toarray()


def _dense_size(X):
    return X.shape[0] * X.shape[1] * X.dtype.itemsize


def _standardized(X):
    if issparse(X):
        # Distances do not change with the mean, which would fill the matrix.
        X = X.tocsr()
        mean, variance = mean_variance_axis(X, axis=0)
        scale = _deviations(mean, variance)
        scaled = X.copy()
        scaled.data = scaled.data / scale[scaled.indices].astype(X.dtype)
        scaled.sort_indices()
        return scaled
    mean = X.mean(axis=0, dtype=np.float64)
    if np.isnan(mean).any():  # a missing value counts as the mean
        X = np.where(np.isnan(X), np.nan_to_num(np.nanmean(X, axis=0)), X)
        mean = X.mean(axis=0, dtype=np.float64)
    points = np.subtract(X, mean, dtype=np.float64, order="C")
    variance = np.einsum("ij,ij->j", points, points) / len(points)
    points /= _deviations(mean, variance)
    return points if X.dtype == np.float64 else points.astype(X.dtype)


def _deviations(mean, variance):
    """Standard deviations, infinite where only rounding errors vary."""
    deviation = np.sqrt(variance)
    return np.where(deviation <= 1e-12 * np.abs(mean), np.inf, deviation)


def _by_range(rows):
    values, nominal = rows.values, rows.nominal
    points = np.array(values, dtype=np.float64, order="C")
    for column in np.flatnonzero(~nominal):
        numbers = points[:, column]
        finite = numbers[~np.isnan(numbers)]
        span = np.ptp(finite) if len(finite) else 0.0
        points[:, column] = (
            numbers / span if span > 0 else np.where(np.isnan(numbers), np.nan, 0.0)
        )
    return points


def _encode_column(column):
    """Floats and False for numbers, codes and True for anything else; NaN is missing."""
    raw = np.asarray(column)
    declared = str(getattr(column, "dtype", "")).lower().startswith(("categ", "enum"))
    numbers = None if declared else column_numbers(raw)
    if numbers is not None:
        return numbers, False
    if raw.dtype.kind == "b":
        return raw.astype(np.float64), True
    texts = np.array(["" if _missing(v) else f"{type(v).__name__}:{v}" for v in raw])
    labels, codes = np.unique(texts, return_inverse=True)
    codes = codes.astype(np.float64)
    if len(labels) and labels[0] == "":
        codes[codes == 0] = np.nan
    return codes, True


def column_numbers(column):
    """Values of a column as floats, NaN where missing; None where they are no numbers.

    Datetimes, dates, times of day, timedeltas and periods count from the earliest, in a
    unit of their own; decimals and fractions are numbers. Naive datetimes count as UTC.
    """
    raw = np.asarray(column)
    if raw.dtype.kind in "iuf":
        return raw.astype(np.float64)
    if raw.dtype.kind in "mM":
        numbers, there = np.full(raw.shape, np.nan), ~np.isnat(raw)
        if there.any():
            ticks = raw[there].astype(np.int64)
            # Differences of 64 bits: as floats, large numbers of ticks would lose some.
            numbers[there] = ticks.astype(np.uint64) - ticks.min().astype(np.uint64)
        return numbers
    if raw.dtype.kind != "O":
        return None
    there = np.array([not _missing(value) for value in raw], dtype=bool)
    numbers = np.full(len(raw), np.nan)
    try:
        found = _numbers_of_objects(raw[there].tolist())
    except (TypeError, ValueError, OverflowError):  # mixed kinds, or of no use as numbers
        return None
    if found is None:
        return None
    numbers[there] = found
    return numbers


def _numbers_of_objects(values):
    """Numbers or times of one kind as floats; None for anything else."""
    if all(isinstance(v, np.datetime64) for v in values) or all(
        isinstance(v, np.timedelta64) for v in values
    ):
        return column_numbers(np.array(values)) if values else []
    if all(isinstance(v, Number) for v in values):
        is_bool = all(isinstance(v, bool | np.bool_) for v in values)
        return None if is_bool else [float(v) for v in values]
    if all(type(v).__name__ == "Period" for v in values):
        if len({v.freqstr for v in values}) == 1:
            return [v.ordinal for v in values]
        values = [v.start_time for v in values]
    for kind in (date, time, timedelta):
        if all(isinstance(v, kind) for v in values):
            elapsed = [_elapsed(v) for v in values]
            first = min(elapsed)
            return [(v - first) / timedelta(microseconds=1) for v in elapsed]
    return None


def _elapsed(value):
    """A time as a timedelta: since 1970 or since midnight."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, time):
        return datetime.combine(date.min, value.replace(tzinfo=None)) - datetime.min
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value - datetime(1970, 1, 1, tzinfo=value.tzinfo and UTC)


def _missing(value):
    """Whether it stands for no value: None, NaN, NaT or the NA of a frame."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
