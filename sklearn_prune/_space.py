"""Rows as points of a metric space: what every method that measures distances reads."""

import warnings
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Number

import numpy as np
from scipy.linalg import lapack, solve_triangular
from scipy.sparse import csr_array, hstack, issparse
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize
from sklearn.utils.sparsefuncs import mean_variance_axis

from sklearn_prune._meta import routing_enabled, weight_params
from sklearn_prune._sklearn_compat import count_rows, take_rows

METRICS = ("seuclidean", "euclidean", "cosine", "gower")
DENSE_LIMIT = 2**31  # bytes that a dense copy of sparse rows may take
SPARSE_SHARE = 0.1  # of entries that are not zero, below which rows stay sparse


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

    Points are rows with standardised columns ("seuclidean"), rows as they are
    ("euclidean", "manhattan"), of length 1 ("cosine"), or for Gower numbers divided by
    their range and codes of categories. Kernels compare them by the squared Euclidean
    distance, which is twice that of cosine, and for Manhattan and Gower by the mean over
    columns of absolute differences and of mismatches. `nominal` marks columns of
    categories. With `in_pairs`, points are a matrix of what kernels compare for each pair.
    """

    points: object
    metric: str
    nominal: np.ndarray
    in_pairs: bool = False

    @classmethod
    def of(cls, X, metric="seuclidean", *, owner="This method", sparse=False):
        """Place checked rows in a space; a constant column counts for nothing.

        `metric` may also be "precomputed", for rows that are distances to all rows. Where
        it is not Gower's, a missing value counts as the mean of its column. Points are
        C-contiguous. Sparse rows with few entries stay sparse if `sparse` points will do,
        else they become pairs if these are fewer. Raises ValueError in the name of `owner`
        if a dense copy of others would take more than 2 GiB.
        """
        if metric == "precomputed":
            return cls(X, metric, np.zeros(X.shape[1], dtype=bool), in_pairs=True)
        if metric == "gower":
            rows = X
            if not isinstance(X, MixedRows):
                dense = _dense(X, owner)
                rows = MixedRows(dense, np.zeros(dense.shape[1], dtype=bool))
            return cls(_by_range(rows), metric, rows.nominal)
        n, d = X.shape
        if metric == "manhattan":
            X = _dense(X, owner)
        stays = is_thin(X)
        if not (sparse and (stays or (issparse(X) and _dense_size(X) > DENSE_LIMIT))):
            if stays and n <= 2 * d and 8 * n * n <= DENSE_LIMIT:
                points = _pairs(_PLACED[metric](X))
                return cls(points, metric, np.zeros(n, dtype=bool), in_pairs=True)
            X = _dense(X, owner)
        points = _PLACED[metric](X)
        return cls(points, metric, np.zeros(points.shape[1], dtype=bool))

    @property
    def kind(self):
        """How kernels compare points: SQUARES, COLUMNS or PAIRS of `_graph_kernels`."""
        if self.in_pairs:
            return 2
        return 1 if self.metric in ("gower", "manhattan") else 0

    def part(self, rows):
        """The same space with some of its points."""
        points = self.points[np.ix_(rows, rows)] if self.in_pairs else self.points[rows]
        return replace(self, points=np.ascontiguousarray(points))


def model_inside(model):
    """The transformers before a nearest-neighbour model, and this model, or None.

    It may be the last step of Pipelines, and may stand in what fits it on the columns as
    they come: searches, calibration, thresholds, one against the rest, bagging of all
    columns, pruning. Transformers of a FrozenEstimator are frozen.
    """
    steps, frozen = [], False
    while model is not None:
        if isinstance(model, _NEIGHBORS):
            return steps, model
        if isinstance(model, FrozenEstimator):
            model, frozen = model.estimator, True
            continue
        if getattr(model, "steps", None):
            front = model[:-1]
            if any(hasattr(step, "fit_resample") for _, step in front.steps):
                kept = [
                    step for step in front.steps if not hasattr(step[1], "fit_resample")
                ]
                front = Pipeline(kept)
            if len(front.steps):
                steps.append(FrozenEstimator(front) if frozen else front)
            model = model.steps[-1][1]
            continue
        unfitted, fitted = next(
            (
                _AROUND[ancestor.__name__]
                for ancestor in type(model).__mro__
                if ancestor.__name__ in _AROUND
                and ancestor.__module__.startswith(("sklearn.", "sklearn_prune."))
            ),
            (None, None),
        )
        if unfitted is None or getattr(model, "bootstrap_features", False):
            return None
        if getattr(model, "max_features", 1.0) != 1.0:
            return None
        frozen = frozen and fitted in vars(model)
        model = getattr(model, fitted if frozen else unfitted, None)
    return None


_NEIGHBORS = (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
# Classes around a model that sees the same columns: the names of its parameter, and of the
# fitted model where there is one.
_AROUND = {
    "BaseBagging": ("estimator", ""),
    "BaseSearchCV": ("estimator", "best_estimator_"),
    "BaseThresholdClassifier": ("estimator", "estimator_"),
    "CalibratedClassifierCV": ("estimator", ""),
    "OneVsOneClassifier": ("estimator", ""),
    "OneVsRestClassifier": ("estimator", ""),
    "OutputCodeClassifier": ("estimator", ""),
    "PrunedModel": ("estimator", ""),
    "SampleSubsetModel": ("estimator", "estimator_"),
    "SelfTrainingClassifier": ("estimator", "estimator_"),
    "TransformedTargetRegressor": ("regressor", "regressor_"),
    "_MultiOutputEstimator": ("estimator", ""),
}


def rows_of_model(X, y, steps, sample_weight=None):
    """Rows as a model sees them in its fit: as its transformers, fitted on them, give them.

    Weights go to the transformers that request them.
    """
    for step in steps:
        requests = routing_enabled() and sample_weight is not None
        params = weight_params(step, sample_weight) if requests else {}
        if hasattr(step, "fit_transform"):
            X = step.fit_transform(X, y, **params)
        else:
            X = step.fit(X, y, **params).transform(X)
    return X


def measured_by(model, X, *, owner="This method"):
    """Rows and a metric of `Space` that measure as a nearest-neighbour model does.

    Returned last is the name of its metric, or the metric if it is a function. Where no
    space has the metric, the rows are the distances between all of them by scikit-learn,
    for which they may take 2 GiB.
    """
    metric, params = model.metric, dict(model.metric_params or {})
    if metric in ("minkowski", "p"):
        p, weights = params.pop("p", model.p), params.pop("w", None)
        named = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}
        metric = named.get(p, "minkowski")
        if metric == "minkowski" or weights is not None:
            if p in (1, 2):
                X = _times(X, np.asarray(weights, dtype=np.float64) ** (1 / p))
                return X, metric, metric
            metric, params = "minkowski", {"p": p, "w": weights}
            if weights is None:
                del params["w"]
    metric = _SAME_METRIC.get(metric, metric) if isinstance(metric, str) else metric
    if metric in ("euclidean", "manhattan", "cosine"):
        return X, metric, metric
    if metric == "sqeuclidean":
        return X, "euclidean", metric
    if metric == "precomputed":
        return _distances(X, owner), metric, metric
    dense = _dense(X, owner)
    if metric == "nan_euclidean" and not np.isnan(dense).any():
        return dense, "euclidean", metric
    if metric == "seuclidean":
        variances = params.get("V", dense.var(axis=0, ddof=1) if len(dense) > 1 else 1.0)
        return _times(dense, 1 / np.sqrt(variances)), "euclidean", metric
    if metric == "correlation":
        return dense - dense.mean(axis=1, keepdims=True), "cosine", metric
    if metric == "hamming" and not params:
        return MixedRows(dense, np.ones(dense.shape[1], dtype=bool)), "gower", metric
    _check_pairs(len(dense), owner, metric)
    if hasattr(metric, "pairwise"):
        return metric.pairwise(dense), "precomputed", type(metric).__name__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)  # to bools
        distances = pairwise_distances(dense, metric=metric, **params)
    return (distances + distances.T) / 2, "precomputed", metric


_SAME_METRIC = {
    "l2": "euclidean",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "infinity": "chebyshev",
}


def _times(X, factors):
    return X.multiply(factors).tocsr() if issparse(X) else X * factors


def _distances(X, owner):
    """Given distances between all rows; a sparse matrix lacks the largest ones."""
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            f'{owner} reads metric="precomputed" as distances between all rows. Got shape '
            f"{X.shape}. Pass a square matrix, or write metric='seuclidean' in {owner}."
        )
    if not issparse(X):
        return np.ascontiguousarray(X, dtype=np.float64)
    _check_pairs(X.shape[0], owner, "precomputed")
    entries = X.tocoo()
    distances = np.full(X.shape, 2 * entries.data.max(initial=0.0) + 1)
    distances[entries.row, entries.col] = entries.data
    return np.minimum(distances, distances.T)


def _check_pairs(n, owner, metric):
    if 8 * n * n > DENSE_LIMIT:
        most = int(np.sqrt(DENSE_LIMIT / 8))
        raise ValueError(
            f"{owner} reads metric={metric!r} of the model from a matrix of all distances, "
            f"of up to {most} rows. Got {n}. Write metric='euclidean' in {owner}."
        )


def standardized_rows(X, *, owner="This method", sparse=False):
    """Rows with columns of mean 0 and variance 1, dense and C-contiguous.

    With `sparse`, rows with few entries that are not zero stay sparse, and are not centred.
    Otherwise they are rotated into no more columns than rows, where that is fewer.
    """
    if not is_thin(X) or (X.shape[0] > X.shape[1] and not sparse):
        return _standardized(_dense(X, owner))
    points = _standardized(X)
    if sparse:
        return points
    rotated = pivoted_factor(centred_products(points))[0].T
    rotated = np.ascontiguousarray(rotated, dtype=X.dtype)
    seen = {}
    for row in range(len(rotated)):  # equal rows stay exactly equal
        part = slice(*points.indptr[row : row + 2])
        key = (points.indices[part].tobytes(), points.data[part].tobytes())
        rotated[row] = rotated[seen.setdefault(key, row)]
    return rotated


def centred_products(points):
    """Inner products of sparse rows about their mean, dense, float64."""
    products = (points @ points.T).toarray().astype(np.float64, copy=False)
    means = products.mean(axis=1)
    products -= means
    products -= means[:, None]
    products += means.mean()
    return products


def pivoted_factor(gram, cross=None):
    """Factorise a semidefinite matrix as R.T @ R with R of full row rank.

    R, of shape (rank, d), is upper trapezoidal up to the order of its columns. Returned
    with it is the v with R.T @ v = cross, for a `cross` in the range of `gram`, else None.
    """
    factor, pivots, rank, _ = lapack.dpstrf(gram)
    pivots, rank = pivots - 1, max(rank, 1)
    R = np.empty((rank, len(gram)))
    R[:, pivots] = np.triu(factor)[:rank]
    if cross is None or not factor[0, 0]:
        return R, None if cross is None else np.zeros((rank, cross.shape[1]))
    return R, solve_triangular(factor[:rank, :rank], cross[pivots[:rank]], trans=1)


def is_thin(X):
    """Whether rows are sparse with so few entries that a dense copy costs more."""
    return issparse(X) and X.nnz < SPARSE_SHARE * X.shape[0] * X.shape[1]


def _pairs(points):
    """Squared distances between all rows of a CSR matrix."""
    from sklearn_prune._graph_kernels import csr_pairs

    n, d = points.shape
    pairs = np.empty((n, n))
    csr_pairs(points.data, points.indices, points.indptr, d, pairs)
    return pairs


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
        missing = np.isnan(scaled.data)  # counts as the mean
        scaled.data[missing] = mean[scaled.indices[missing]]
        scaled.data = scaled.data / scale[scaled.indices].astype(X.dtype)
        scaled.sort_indices()
        return scaled
    points, mean = _centred(X)
    variance = np.einsum("ij,ij->j", points, points) / len(points)
    points /= _deviations(mean, variance)
    return points if X.dtype == np.float64 else points.astype(X.dtype)


def _centred(X):
    """Dense rows minus the mean of their columns, and that mean, in float64."""
    mean = X.mean(axis=0, dtype=np.float64)
    if np.isnan(mean).any():  # a missing value counts as the mean
        X = np.where(np.isnan(X), np.nan_to_num(np.nanmean(X, axis=0)), X)
        mean = X.mean(axis=0, dtype=np.float64)
    return np.subtract(X, mean, dtype=np.float64, order="C"), mean


def _raw(X):
    """The rows themselves: dense ones are centred, which keeps products small."""
    if issparse(X):
        X = X.tocsr(copy=True)
        X.sort_indices()
        return X
    return _centred(X)[0]


def _unit(X):
    """Rows of length 1; rows of zeros get a column of their own, at distance 1."""
    points = normalize(X)
    if issparse(points):
        points.sort_indices()
    empty = np.ravel(abs(points).sum(axis=1)) == 0
    if not empty.any():
        return points
    column = empty[:, None].astype(points.dtype)
    if issparse(points):
        return hstack([points, csr_array(column)], format="csr")
    return np.hstack([points, column])


_PLACED = {
    "seuclidean": _standardized,
    "euclidean": _raw,
    "cosine": _unit,
    "manhattan": lambda X: np.ascontiguousarray(X, dtype=np.float64),
}


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
