"""Fitted transformers as ONNX operators: the cheap ones here, all others by skl2onnx."""

from copy import copy

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_prune._sklearn_compat import columns_read, directions_of
from sklearn_prune.persistence.export.onnx.inline import inlined
from sklearn_prune.persistence.export.onnx.kernel import kernel_matrix
from sklearn_prune.persistence.export.onnx.rows import Rows
from sklearn_prune.predictors import ColumnSelector, KernelFunction


def transformed(graph, name, step, rows):
    """Rows as a fitted transformer, a step of a Pipeline with this name, gives them."""
    step = plain(step)
    if step is None or isinstance(step, str):
        return rows
    if isinstance(step, Pipeline):
        for inner, part in step.steps:
            rows = transformed(graph, f"{name}__{inner}", part, rows)
        return rows
    if isinstance(step, FunctionTransformer) and step.func is None:
        return rows
    selects = isinstance(step, SelectorMixin | ColumnSelector)
    if selects and len(rows.values) in (1, step.n_features_in_):
        return rows.take(np.flatnonzero(step.get_support()))
    if isinstance(step, ColumnTransformer) and not _reads_vectors(step):
        parts = _parts_of_columns(graph, name, step, rows)
        if all(value.dtype.kind in "biuf" for value in parts):
            return Rows([graph.concat([value.as_float() for value in parts])])
    write = _WRITTEN.get(type(step))
    if isinstance(step, SimpleImputer) and not _is_plain_imputer(step):
        write = None
    if isinstance(step, PolynomialFeatures) and not step.powers_.any():
        write = None
    if write is not None and all(value.dtype.kind in "biuf" for value in rows.values):
        return Rows([write(step, rows.array().as_float())])
    return Rows(inlined(graph, f"the step {name!r}", step, rows))


def plain(step):
    """A transformer without what stands around it: frozen ones, those on fewer rows."""
    while True:
        if isinstance(step, FrozenEstimator):
            step = step.estimator
        elif hasattr(step, "transformer_") and type(step).__module__.startswith(
            "sklearn_prune."
        ):
            if step._pairwise:
                raise TypeError(
                    "to_onnx writes transformers that read rows. Got one on a precomputed "
                    "kernel. Give it a kernel of scikit-learn by name."
                )
            step = step.transformer_
        else:
            break
    if isinstance(step, Pipeline):
        changed = copy(step)
        changed.steps = [(name, plain(part)) for name, part in step.steps]
        return changed
    if isinstance(step, FeatureUnion):
        changed = copy(step)
        changed.transformer_list = [
            (name, plain(part)) for name, part in step.transformer_list
        ]
        return changed
    if isinstance(step, ColumnTransformer):
        changed = copy(step)
        changed.transformers_ = [
            (name, plain(part), columns) for name, part, columns in step.transformers_
        ]
        return changed
    return step


def _rounded(value, dtype):
    """In the precision of the rows: scikit-learn rounds after each operation on them."""
    return value.cast(dtype) if dtype == np.float32 else value


def _wide(value):
    return value.cast(value.graph.float)


def _steps_of(X, operations):
    """Operations in the precision of the parameters, each result rounded to that of X."""
    dtype = X.dtype
    for operation in operations:
        X = _rounded(operation(_wide(X)), dtype)
    return X


def _standard(step, X):
    shift = step.mean_ if step.with_mean else None
    return _shifted_and_scaled(X, shift, step.scale_ if step.with_std else None)


def _robust(step, X):
    shift = step.center_ if step.with_centering else None
    return _shifted_and_scaled(X, shift, step.scale_ if step.with_scaling else None)


def _shifted_and_scaled(X, shift, scale):
    operations = []
    if shift is not None:
        operations.append(lambda value: value - shift)
    if scale is not None:
        operations.append(lambda value: value / scale)
    return _steps_of(X, operations)


def _min_max(step, X):
    X = _steps_of(X, [lambda value: value * step.scale_, lambda value: value + step.min_])
    return X.clip(*map(float, step.feature_range)) if step.clip else X


def _max_abs(step, X):
    X = _steps_of(X, [lambda value: value / step.scale_])
    return X.clip(-1.0, 1.0) if getattr(step, "clip", False) else X


def _imputed(step, X):
    """The statistic of each column in place of what is missing there."""
    filled, X = step.statistics_.astype(np.float64), X.as_float()
    absent = _absent(step, X)
    full = X.graph.where(absent, filled.astype(X.dtype), X)
    if not step.keep_empty_features:
        left = np.flatnonzero(~np.isnan(filled))
        full = full if len(left) == len(filled) else full.take(left, axis=1)
    if step.indicator_ is None:
        return full
    marked = absent.take(np.asarray(step.indicator_.features_, dtype=np.int64), axis=1)
    return X.graph.concat([full, marked.cast(X.dtype)])


def _absent(step, X):
    missing = step.missing_values
    return X.is_nan() if missing != missing else X.equals(float(missing))


def _is_plain_imputer(step):
    numbers = all(isinstance(value, int | float) for value in step.statistics_.tolist())
    return isinstance(step.missing_values, int | float) and numbers


def _discriminants(step, X):
    """Projections on the directions that tell classes apart."""
    X = _wide(X)
    X = X - step.xbar_ if step.solver == "svd" else X
    return X @ directions_of(step)


def _polynomial(step, X):
    """Products of columns, with ones in the place of what is not multiplied."""
    ones = X.graph.filled(Rows([X]), X.dtype.type(1.0)).as_column()
    X = X.graph.concat([X, ones])
    factors = [np.repeat(np.arange(len(row)), row) for row in step.powers_]
    places = np.full((max(map(len, factors)), len(factors)), step.n_features_in_)
    for column, own in enumerate(factors):
        places[: len(own), column] = own
    product = X.take(places[0], axis=1)
    for more in places[1:]:
        product = product * X.take(more, axis=1)
    return product


def _reads_vectors(step):
    """Whether a column goes to a transformer by itself, as texts do."""
    return any(
        np.ndim(columns) == 0
        for *_, columns in step.transformers_
        if not isinstance(columns, slice)
    )


def _parts_of_columns(graph, name, step, rows):
    """What each transformer makes of its columns."""
    weights, parts = step.transformer_weights or {}, []
    read = columns_read(step)
    for inner, part, _ in step.transformers_:
        columns = read[inner]
        if (isinstance(part, str) and part == "drop") or not len(columns):
            continue
        found = transformed(graph, f"{name}__{inner}", part, rows.take(columns))
        weight = weights.get(inner, 1.0)
        parts += found.values if weight == 1 else [found.array() * weight]
    return parts


def _nystroem(step, X):
    """Kernel values with the basis, made orthogonal."""
    basis = np.asarray(step.components_, dtype=np.float64)
    gamma = step.gamma
    if gamma is None and step.kernel in ("rbf", "poly", "polynomial", "sigmoid"):
        gamma = 1.0 / basis.shape[1]
    coef0 = 1.0 if step.coef0 is None else step.coef0
    degree = 3 if step.degree is None else step.degree
    function = KernelFunction(step.kernel, gamma, degree, coef0)
    X = _wide(X)
    kernel = kernel_matrix(X.graph, function, X, X.graph.parameter(basis), basis)
    return kernel @ np.ascontiguousarray(step.normalization_.T)


_WRITTEN = {
    LinearDiscriminantAnalysis: _discriminants,
    Nystroem: _nystroem,
    SimpleImputer: _imputed,
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    PolynomialFeatures: _polynomial,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
}
