"""Dropout of input columns: a model is fitted on copies of its rows that lack some."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.utils import check_array

from sklearn_prune._meta import weight_parameter
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows

N_COPIES = 4


def silenced_copies(context, n_copies=N_COPIES, *, divided=True):
    """The context with each row several times, and other columns silent in each copy.

    A silent value is 0, missing or not; NaN that is heard stays NaN, and columns of a frame
    that hold no numbers stay as they are. The weights of the copies of a row add up to its
    own, where the model takes weights.

    Parameters
    ----------
    context : PruningContext
        Rows, and the `dropout` and seed.
    n_copies : int, default=4
        How many times each row comes.
    divided : bool, default=True
        Whether what is heard is divided by ``1 - dropout``, which a model wants that adds
        columns up. Integers become floats then. Thresholds, distances, densities and codes
        of categories would not know such values again.

    Returns
    -------
    PruningContext
        With ``n_copies * n_samples`` rows, in the same kind of container.
    """
    n_rows = count_rows(context.X)
    copies = context.on(np.tile(np.arange(n_rows), n_copies))
    name = weight_parameter(context.template)
    if name is not None and n_copies > 1:
        weights = copies.fit_params.get(name)
        weights = np.ones(n_rows * n_copies) if weights is None else np.asarray(weights)
        copies = replace(copies, fit_params=copies.fit_params | {name: weights / n_copies})
    generator = np.random.default_rng(context.role_seed("silent-columns"))

    def silenced(values):
        heard = generator.random(values.shape, dtype=np.float32) >= context.dropout
        if divided:
            values = values if values.dtype.kind == "f" else values.astype(np.float64)
            values = values / values.dtype.type(1.0 - context.dropout)
        return np.where(heard, values, np.zeros((), dtype=values.dtype))

    change = _changed_frame if hasattr(copies.X, "columns") else _changed_array
    changed = change(copies.X, silenced)
    if changed is None:
        raise InvalidParameterError(
            "dropout of input columns puts zeros in columns of numbers. Got an X of type "
            f"{type(context.X).__name__} that has none. Write dropout=0.0, or put what "
            "makes numbers of it before the model, in a Pipeline."
        )
    return replace(copies, X=changed)


def _changed_array(X, change):
    """The array, or the CSR matrix of what `change` makes of its entries, or None."""
    try:
        X = check_array(X, accept_sparse="csr", dtype="numeric", ensure_all_finite=False)
    except ValueError:
        return None
    if not issparse(X):
        return change(X)
    kind = csr_matrix if isinstance(X, csr_matrix) else csr_array
    changed = kind((change(X.data), X.indices.copy(), X.indptr.copy()), shape=X.shape)
    changed.eliminate_zeros()
    return changed


def _changed_frame(X, change):
    """The frame with its numeric columns changed, or None where there are none."""
    is_pandas = hasattr(X, "iloc")
    X, found = X.copy() if is_pandas else X, False
    for position, name in enumerate(X.columns):
        column = X.iloc[:, position] if is_pandas else X[name]
        values = _numbers(column)
        if values is None:
            continue
        found = True
        if is_pandas:
            X.isetitem(position, change(values))
        else:
            X = X.with_columns(type(column)(name, change(values)))
    return X if found else None


def _numbers(column):
    """Values of a numeric column of a frame, floats where some may be missing, or None."""
    dtype = column.dtype
    if hasattr(dtype, "is_numeric"):  # polars
        return column.to_numpy() if dtype.is_numeric() else None
    if getattr(dtype, "kind", "O") not in "biuf" or hasattr(column, "cat"):
        return None
    if hasattr(dtype, "na_value"):  # nullable numbers of pandas
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.to_numpy()
