"""Fitted transformers as ONNX operators: the cheap ones here, all others by skl2onnx."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_prune._sklearn_compat import (
    columns_read,
    directions_of,
    rows_of_imputer,
    scaler_of,
)
from sklearn_prune.persistence.export import WIDE, unwrapped
from sklearn_prune.persistence.export.onnx.encoders import ENCODERS, is_text
from sklearn_prune.persistence.export.onnx.inline import Trial, inlined
from sklearn_prune.persistence.export.onnx.kernel import kernel_matrix
from sklearn_prune.persistence.export.onnx.rows import Rows
from sklearn_prune.persistence.export.onnx.texts import TEXTS
from sklearn_prune.predictors import ColumnSelector, KernelFunction


def transformed(graph, name, step, rows):
    """Rows as a fitted transformer, a step of a Pipeline with this name, gives them."""
    if getattr(step, "_pairwise", False):
        raise TypeError(
            "to_onnx writes transformers that read rows. Got one on a precomputed "
            "kernel. Give it a kernel of scikit-learn by name."
        )
    step = unwrapped(step)
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
    if isinstance(step, ColumnTransformer):
        return _joined(graph, _of_columns(graph, name, step, rows))
    if isinstance(step, FeatureUnion):
        return _joined(graph, _of_union(graph, name, step, rows))
    return _leaf(graph, name, step, rows)


def _leaf(graph, name, step, rows):
    """What one transformer gives, after a trial of its operators."""
    what = f"the step {name!r}"
    write = _writer_of(step, rows)
    if write is None:
        return Rows(inlined(graph, what, step, rows))
    n_before = len(graph.nodes)
    try:
        found = write(step, rows)
    except TypeError as error:
        raise TypeError(f"{error} This is {what}, a {type(step).__name__}.") from error
    outputs = [(graph.fresh("found"), value) for value in found.values]
    if getattr(step, "n_features", 0) > WIDE:
        return found  # the whole graph is tried once, on its own
    part = graph.model(rows.values, outputs, first=n_before)
    wrong = Trial(step, rows.values, ["transform"]).fault_of(part)
    if wrong:
        raise TypeError(
            f"to_onnx writes graphs that answer as the model does. Got {what}, a "
            f"{type(step).__name__}, whose graph {wrong.removesuffix('.')}. Use save() and "
            "load() instead."
        )
    return found


def _writer_of(step, rows):
    """What writes a transformer on rows of these types; None leaves it to skl2onnx."""
    kind = type(step)
    if kind in ENCODERS:
        return ENCODERS[kind]
    if kind in TEXTS:
        return TEXTS[kind]
    if kind is SimpleImputer and not _is_plain_imputer(step):
        return _imputed_texts
    if kind is PolynomialFeatures and not step.powers_.any():
        return None
    write = _WRITTEN.get(kind)
    if write is None or not all(value.dtype.kind in "biuf" for value in rows.values):
        return None
    return lambda step, rows: Rows([write(step, rows.array().as_float())])


def _joined(graph, parts):
    """Parts beside each other: one array of numbers, or columns if there are texts."""
    values = [value for part, _ in parts for value in part.values]
    if all(value.dtype.kind in "biuf" for value in values):
        return Rows([graph.concat([value.as_float() for value in values])])
    columns = []
    for part, width in parts:
        if len(part.values) == width:
            columns += part.values
        else:
            columns += [part.first.take([number], axis=1) for number in range(width)]
    return Rows(columns)


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


def _indicated(step, X):
    """Whether a value is missing, in the columns that the indicator tells of."""
    return _absent(step, X).take(np.asarray(step.features_, dtype=np.int64), axis=1)


def _nearest_imputed(step, X):
    """Means of the nearest rows of the fit that have a value in the column."""
    if step.weights != "uniform" or step.metric != "nan_euclidean":
        raise TypeError(
            "to_onnx cannot write inverse distances as weights, which are rounding where "
            'values are equal, or other metrics. Write weights="uniform".'
        )
    graph, dtype = X.graph, X.dtype
    wide = X.cast(graph.float)
    absent = _absent(step, wide)
    fitted = np.asarray(rows_of_imputer(step), dtype=np.float64)
    missing = step.missing_values
    there = ~(np.isnan(fitted) if missing != missing else fitted == missing)
    points = np.where(there, fitted, 0.0)
    zero = graph.value(0.0, like=wide)
    filled = graph.where(absent, zero, wide)
    present = graph.node("Not", [absent], dtype=bool).cast(wide.dtype)
    squares = (filled * filled) @ (1.0 * there.T) + present @ (points * points).T
    squares = (squares - (filled * 2.0) @ points.T).maximum(0.0)
    shared = present @ (1.0 * there.T)
    none = shared.equals(0.0)
    squares = squares / shared.maximum(1.0) * float(fitted.shape[1])
    far = graph.where(none, float(np.finfo(wide.dtype).max), squares)
    columns = []
    for number in range(fitted.shape[1]):
        donors = np.flatnonzero(there[:, number])
        own = X.take([number], axis=1)
        if not len(donors):
            if step.keep_empty_features:
                columns.append(graph.where(own.is_nan(), graph.value(0.0, own), own * 0.0))
            continue
        few = graph.constant(np.array([min(step.n_neighbors, len(donors))], np.int64))
        nearest, places = graph.nodes_of(
            "TopK",
            [far.take(donors, axis=1), few],
            dtypes=[wide.dtype, np.int64],
            axis=1,
            largest=0,
            sorted=1,
        )
        counts = (nearest < float(np.finfo(wide.dtype).max)).cast(wide.dtype)
        total = counts.sum(1, keepdims=True)
        values = graph.constant(fitted[donors, number].astype(wide.dtype)).take(places)
        one = graph.value(1.0, like=total)
        mean = (values * counts).sum(1, keepdims=True)
        mean = mean / graph.where(total.equals(0.0), one, total)
        mean = graph.where(total.equals(0.0), float(fitted[donors, number].mean()), mean)
        gone = absent.take([number], axis=1)
        columns.append(graph.where(gone, mean.cast(dtype), own))
    if step.indicator_ is not None:
        marked = absent.take(np.asarray(step.indicator_.features_, np.int64), axis=1)
        columns.append(marked.cast(dtype))
    return graph.concat(columns)


def _powers(step, X):
    """Powers of Yeo and Johnson or of Box and Cox, standardised."""
    graph, dtype = X.graph, X.dtype
    wide = X.cast(graph.float)
    columns = []
    for number, power in enumerate(step.lambdas_.tolist()):
        own = wide.take([number], axis=1)
        if power != power:  # of a column without values
            columns.append(own)
        elif step.method == "box-cox":
            columns.append(_box_cox(own, power))
        else:
            above = own >= 0.0
            zero = graph.value(0.0, like=own)
            first = _box_cox(graph.where(above, own, zero) + 1.0, power)
            second = -_box_cox(1.0 - graph.where(above, zero, own), 2.0 - power)
            columns.append(graph.where(above, first, second))
    found = graph.concat(columns).cast(dtype)
    scaler = scaler_of(step)
    return found if scaler is None else _standard(scaler, found)


def _box_cox(X, power):
    return X.log() if abs(power) < 1e-14 else ((X.log() * power).exp() - 1.0) / power


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


def _of_columns(graph, name, step, rows):
    """What each transformer makes of its columns, and how many columns that are."""
    weights, parts = step.transformer_weights or {}, []
    read = columns_read(step)
    for inner, part, _ in step.transformers_:
        columns = read[inner]
        if (isinstance(part, str) and part == "drop") or not len(columns):
            continue
        found = transformed(graph, f"{name}__{inner}", part, rows.take(columns))
        own = step.output_indices_[inner]
        parts.append((_weighted(found, weights.get(inner, 1.0)), own.stop - own.start))
    return parts


def _of_union(graph, name, step, rows):
    weights, parts = step.transformer_weights or {}, []
    for inner, part in step.transformer_list:
        if isinstance(part, str) and part == "drop":
            continue
        found = transformed(graph, f"{name}__{inner}", part, rows)
        width = len(found.values)
        parts.append((_weighted(found, weights.get(inner, 1.0)), width))
    return parts


def _weighted(rows, weight):
    return rows if weight == 1 else Rows([rows.array() * float(weight)])


def _normalised(step, X):
    """Rows divided by their norm; those of norm zero stay."""
    if step.norm == "max":
        norm = X.abs().max(1, keepdims=True)
    elif step.norm == "l1":
        norm = X.abs().sum(1, keepdims=True)
    else:
        norm = (X * X).sum(1, keepdims=True).sqrt()
    return X / X.graph.where(norm.equals(0.0), X.graph.value(1.0, like=norm), norm)


def _binarized(step, X):
    return (float(step.threshold) < X).cast(X.dtype)


def _binned(step, X):
    """Numbers of the bins, or a column for each bin."""
    codes = []
    for number, edges in enumerate(step.bin_edges_):
        own = X.cast(np.float64).take([number], axis=1)
        inner = np.asarray(edges, dtype=np.float64)[None, 1:-1]
        code = (own >= inner).cast(np.int64).sum(1, keepdims=True) if inner.size else None
        codes.append((own * 0.0).cast(np.int64) if code is None else code)
    if step.encode == "ordinal":
        return X.graph.concat(codes).cast(X.graph.float)
    columns = [
        code.equals(np.arange(n_bins, dtype=np.int64)[None, :])
        for code, n_bins in zip(codes, step.n_bins_, strict=True)
    ]
    return X.graph.concat([column.cast(X.graph.float) for column in columns])


def _imputed_texts(step, rows):
    """Texts and numbers column by column; "nan" and "None" are missing texts."""
    graph, columns, marked = rows.first.graph, [], []
    width = step.n_features_in_
    told = () if step.indicator_ is None else step.indicator_.features_
    for number, filled in enumerate(step.statistics_.tolist()):
        own = rows.values[number] if len(rows.values) == width else None
        own = rows.first.take([number], axis=1) if own is None else own
        if number in told and own.dtype.kind in "OUf":
            texts = own.dtype.kind != "f"
            marked.append(is_text(own, step.missing_values) if texts else own.is_nan())
        if filled is None or filled != filled:
            if step.keep_empty_features:
                raise TypeError("A column of texts without any text cannot be filled.")
            continue
        if own.dtype.kind not in "OU":
            absent = own.is_nan() if own.dtype.kind == "f" else None
            filled = own.dtype.type(filled)
            columns.append(own if absent is None else graph.where(absent, filled, own))
            continue
        columns.append(graph.where(is_text(own, step.missing_values), str(filled), own))
    if len(marked) < len(told):
        raise TypeError("A column of integers cannot be marked as missing.")
    return _joined(graph, [(Rows([column]), 1) for column in columns + marked])


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
    Normalizer: _normalised,
    Binarizer: _binarized,
    KNNImputer: _nearest_imputed,
    MissingIndicator: _indicated,
    PowerTransformer: _powers,
    KBinsDiscretizer: _binned,
    MinMaxScaler: _min_max,
    PolynomialFeatures: _polynomial,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
}
