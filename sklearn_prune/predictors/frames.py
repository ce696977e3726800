"""Rows in any container as arrays, and the checks that scikit-learn makes of them.

Containers are arrays, structured arrays, lists of rows, lists of dicts, dicts of columns,
frames of pandas, polars and pyarrow, and sparse matrices. None of their packages is
imported. Rows by name (dicts and structured arrays) may have their columns in any order,
and columns that are not needed.
"""

import sys
import warnings
from numbers import Number

import numpy as np

from .quantized import Stored, is_sparse

FLOATS = (np.float64, np.float32, np.float16)  # as scikit-learn's scalers keep them
REALS = (np.float64, np.float32)


class CSR(Stored):
    """A sparse matrix by rows: what steps hand on where scipy is not imported.

    Parameters
    ----------
    data, indices, indptr : ndarray
        Values, their columns, and where each row starts and ends among them.
    shape : tuple of int
        Numbers of rows and columns.
    """

    ndim = 2
    format = "csr"
    dtype = property(lambda self: self.data.dtype)
    nnz = property(lambda self: len(self.data))

    def __init__(self, data, indices, indptr, shape):
        self.data, self.indices, self.indptr = data, indices, indptr
        self.shape = tuple(shape)

    def __getitem__(self, rows):
        """Some rows, or (rows, columns), by slices, masks, or positions."""
        if isinstance(rows, tuple):
            rows, columns = rows
            return self[rows]._columns(np.arange(self.shape[1])[columns])
        rows = np.arange(self.shape[0])[rows]
        sizes = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        taken = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], sizes)
        return CSR(
            self.data[taken], self.indices[taken], indptr, (len(rows), self.shape[1])
        )

    def copy(self):
        """The same in arrays of its own."""
        return CSR(self.data.copy(), self.indices.copy(), self.indptr.copy(), self.shape)

    def _columns(self, columns):
        place = np.full(self.shape[1], -1)
        place[columns] = np.arange(len(columns))
        if (place >= 0).sum() < len(columns):  # one of them twice
            return as_csr(self.toarray()[:, columns])
        there = place[self.indices] >= 0
        indptr = np.concatenate([[0], np.cumsum(there)])[self.indptr]
        indices = place[self.indices[there]]
        return CSR(self.data[there], indices, indptr, (self.shape[0], len(columns)))

    def toarray(self):
        """The same values in an array."""
        full = np.zeros(self.shape, dtype=self.dtype)
        np.add.at(full, (row_of_entry(self), self.indices), self.data)
        return full

    def __matmul__(self, dense):
        """The product with an array, added in the order of the entries as scipy does."""
        dense = np.asarray(dense)
        kind = np.result_type(self.dtype, dense.dtype)
        found = np.zeros((self.shape[0], *dense.shape[1:]), dtype=kind)
        wide = self.data.reshape(-1, *[1] * (dense.ndim - 1))
        np.add.at(found, row_of_entry(self), wide * dense[self.indices])
        return found

    def tocsr(self):
        """Itself."""
        return self

    def astype(self, dtype, copy=True):
        """The same in another dtype."""
        data = self.data.astype(dtype, copy=copy)
        return CSR(data, self.indices, self.indptr, self.shape)

    def __mul__(self, number):
        return CSR(self.data * number, self.indices, self.indptr, self.shape)

    @classmethod
    def of(cls, X):
        """A sparse matrix of scipy, or another in this format, as plain arrays."""
        X = X.tocsr() if hasattr(X, "tocsr") else X
        return cls(X.data, X.indices, X.indptr, X.shape)


def as_scipy(X):
    """A CSR of this module as a matrix of scipy, where that is imported; else X."""
    scipy = sys.modules.get("scipy.sparse")
    if scipy is None or not isinstance(X, CSR):
        return X
    kind = scipy.csr_matrix
    sklearn = sys.modules.get("sklearn")
    if sklearn is not None and sklearn.get_config().get("sparse_interface") == "sparray":
        kind = scipy.csr_array
    return kind((X.data, X.indices, X.indptr), shape=X.shape)


def row_of_entry(X):
    """The row of each stored value of a CSR matrix."""
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))


def as_csr(X):
    """An array as a CSR matrix of what is not zero; a sparse matrix in that format."""
    if is_sparse(X):
        return X.tocsr()
    there = X != 0
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(there, axis=1))])
    return CSR(X[there], np.nonzero(there)[1], indptr, X.shape)


def side_by_side(parts):
    """CSR matrices beside each other."""
    starts = np.cumsum([0] + [part.shape[1] for part in parts])
    rows = np.concatenate([row_of_entry(part) for part in parts])
    order = np.argsort(rows, kind="stable")
    columns = [part.indices + start for part, start in zip(parts, starts, strict=False)]
    data = np.concatenate([part.data for part in parts])
    indptr = np.sum([part.indptr for part in parts], axis=0)
    shape = (parts[0].shape[0], starts[-1])
    return CSR(data[order], np.concatenate(columns)[order], indptr, shape)


def is_frame(X):
    """Whether X is a frame of pandas, polars or pyarrow."""
    kind = type(X)  # asked in place of X, of whose attributes some are columns
    return hasattr(kind, "columns") and hasattr(kind, "__getitem__")


def is_named(X):
    """Whether X has its columns by name alone: dicts and structured arrays."""
    if isinstance(X, np.ndarray):
        return X.dtype.names is not None
    if isinstance(X, list | tuple):
        return len(X) > 0 and isinstance(X[0], dict)
    return isinstance(X, dict) and not hasattr(X, "tocsr")  # one is of scipy


def n_rows(X):
    """Number of rows."""
    if isinstance(X, dict):
        return len(next(iter(X.values()), ()))
    return X.shape[0] if getattr(X, "shape", ()) else len(X)


def names_of(X):
    """Names of the columns, as an array of str, or None where there are none."""
    if is_named(X):
        names = X.dtype.names if isinstance(X, np.ndarray) else X
        names = list(X[0] if isinstance(X, list | tuple) else names)
    elif isinstance(X, np.ndarray) or not is_frame(X):
        return None
    else:
        names = X.column_names if hasattr(type(X), "column_names") else X.columns
    names = np.asarray(names, dtype=object)
    kinds = sorted({type(name).__qualname__ for name in names})
    if len(kinds) > 1 and "str" in kinds:
        raise TypeError(
            "Feature names are only supported if all input features have string names. "
            f"Got names of the types {', '.join(kinds)}. Write X.columns = "
            "X.columns.astype(str)."
        )
    return names if kinds == ["str"] else None


def is_missing(value):
    """Whether a value is None, NaN, or the missing value of pandas."""
    nan = isinstance(value, float | np.floating) and value != value
    return value is None or nan or type(value).__name__ in ("NAType", "NaTType")


def column(X, at):
    """One column as an array: by its name, or by its position where columns have one."""
    if isinstance(X, np.ndarray):
        if X.dtype.names is None:
            return X[:, at]
        return X[at if isinstance(at, str) else X.dtype.names[at]]
    if isinstance(X, dict):
        return _array_of(X[at if isinstance(at, str) else list(X)[at]])
    if isinstance(X, list | tuple):
        if not is_named(X):
            return np.asarray(X)[:, at]
        name = at if isinstance(at, str) else list(X[0])[at]
        return _array_of([row.get(name) for row in X])
    if not isinstance(at, str):
        if hasattr(type(X), "iloc"):
            return _of_series(X.iloc[:, at])
        at = names_of(X)[at]
    found = X[at]
    if len(getattr(found, "shape", (1,))) > 1:  # two columns of pandas with one name
        raise ValueError(
            f"Names of columns must differ. Got {at!r} twice. Rename one of the columns."
        )
    return _of_series(found) if hasattr(type(found), "iloc") else np.asarray(found)


def _of_series(series):
    """A column of pandas as an array; masked booleans become numbers."""
    found = series.to_numpy()
    masked = found.dtype == object and getattr(series.dtype, "kind", "O") == "b"
    return as_numbers(found, np.float64) if masked else found


def columns_of(X, names):
    """The columns of these names as a dict of arrays, of which all `table`s can be made.

    Single precision stays where scikit-learn keeps it: in columns of numpy's dtypes.
    """
    names = names_of(X) if names is None else names
    named = is_named(X)
    found = {name: column(X, name) for name in names}
    for name, own in found.items():
        if own.dtype.char in "fe" and not named and not _is_numpy(X, name):
            found[name] = own.astype(np.float64)
    return found


def _is_numpy(X, name):
    return hasattr(type(X), "iloc") and isinstance(X[name].dtype, np.dtype)


def _array_of(values):
    """A column of Python values: texts stay, what is missing among numbers becomes NaN."""
    if isinstance(values, np.ndarray):
        return values
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    absent = [is_missing(value) for value in values]
    numbers = all(
        gone or isinstance(value, Number)
        for value, gone in zip(values, absent, strict=True)
    )
    if not numbers:
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    if any(absent):
        pairs = zip(values, absent, strict=True)
        return np.array([np.nan if gone else value for value, gone in pairs], dtype=float)
    return np.array(values)


def as_numbers(values, dtype):
    """An array of numbers in a dtype; None and the missing value of pandas become NaN."""
    if getattr(getattr(values, "dtype", None), "kind", None) == "c":
        raise ValueError(f"Complex data not supported. Got {values.dtype}. Write X.real.")
    try:
        return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        reason = error
    objects = np.array(values, dtype=object)
    absent = np.reshape([is_missing(value) for value in objects.flat], objects.shape)
    if absent.any():
        objects[absent] = np.nan
        try:
            return objects.astype(dtype)
        except (TypeError, ValueError) as error:
            reason = error
    raise ValueError(
        f"X must hold numbers. Got an entry that is none: {reason}. Write a transformer "
        "that encodes texts before the model, in a Pipeline."
    ) from reason


def check_names(owner, X):
    """Check the names of the columns against those of the fit, as scikit-learn does.

    Rows by name only need all names of the fit.
    """
    expected, found = getattr(owner, "feature_names_in_", None), names_of(X)
    kind = type(owner).__name__
    if expected is None:
        if found is not None:
            warnings.warn(
                f"X has feature names, but {kind} was fitted without feature names",
                stacklevel=2,
            )
        return
    if found is None:
        warnings.warn(
            f"X does not have valid feature names, but {kind} was fitted with feature "
            "names",
            stacklevel=2,
        )
        return
    if len(found) == len(expected) and not np.any(found != expected):
        return
    missing = sorted(set(expected) - set(found))
    if is_named(X):
        if not missing:
            return
        unseen = []
    else:
        unseen = sorted(set(found) - set(expected))
    raise ValueError(
        "The feature names should match those that were passed during fit.\n"
        + _listed("Feature names unseen at fit time:\n", unseen)
        + _listed("Feature names seen at fit time, yet now missing:\n", missing)
        + (
            ""
            if unseen or missing
            else "Feature names must be in the same order as they were in fit.\n"
        )
    )


def _listed(head, names):
    lines = [f"- {name}\n" for name in names[:5]] + ["- ...\n"] * (len(names) > 5)
    return head + "".join(lines) if names else ""


def table(X, dtype=None, names=None):
    """Rows as a 2-d array, in the order of some names where X has names.

    Parameters
    ----------
    X : rows in any container but sparse matrices
    dtype : dtype, tuple of dtypes, or None
        Of several, the first, unless X has one of the others. None keeps what is there:
        an array of objects where there are texts.
    names : sequence of str, or None
        Columns to take, in this order. None takes all of them.
    """
    if isinstance(X, np.ndarray) and X.dtype.names is None:
        return X if dtype is None else as_numbers(X, _chosen(X.dtype, dtype))
    if not is_named(X) and not is_frame(X):
        dtype = dtype[0] if isinstance(dtype, tuple) else dtype
        return np.asarray(X) if dtype is None else as_numbers(X, dtype)
    if names is None and not is_named(X):
        return _of_frame(X, dtype)
    columns = [column(X, name) for name in (names_of(X) if names is None else names)]
    kinds = [own.dtype for own in columns]
    texts = any(kind.kind in "OUSTV" for kind in kinds)
    known = not texts and (is_named(X) or _of_numpy(X))
    common = np.result_type(*kinds) if known and kinds else None
    if dtype is not None:
        common = np.dtype(_chosen(common, dtype))
        columns = [as_numbers(own, common) for own in columns]
    elif texts:
        common = np.dtype(object)
    else:
        common = np.dtype(float) if common is None else common
    found = np.empty((n_rows(X), len(columns)), dtype=common, order="F")  # as of frames
    for at, own in enumerate(columns):
        found[:, at] = own
    return found


def _of_frame(X, dtype):
    """A frame as an array, in the dtype in which scikit-learn reads it."""
    found = np.asarray(X)
    kind, own = found.dtype, _of_numpy(X)
    if own and kind.kind == "O" and not any(each.kind in "OmM" for each in X.dtypes):
        kind = np.result_type(*X.dtypes)  # of booleans and numbers
    if dtype is not None:
        return as_numbers(found, _chosen(kind if own else None, dtype))
    kind = np.dtype(float) if _has_masks(X) else kind
    return found if kind == found.dtype else as_numbers(found, kind)


def _of_numpy(X):
    """Whether a frame holds columns of numpy's dtypes, which then say that of the rows."""
    return hasattr(type(X), "iloc") and all(isinstance(kind, np.dtype) for kind in X.dtypes)


def _has_masks(X):
    """Whether a frame of pandas has numbers with masks, and no texts beside them."""
    if not hasattr(type(X), "iloc"):
        return False
    masks = False
    for kind in X.dtypes:
        if getattr(kind, "type", None) in (str, np.object_):
            return False
        masks |= not isinstance(kind, np.dtype) and getattr(kind, "kind", "O") in "biuf"
    return masks


def _chosen(found, dtype):
    """The dtype itself, or of several that which is there, else the first."""
    if not isinstance(dtype, tuple):
        return dtype
    return found if found is not None and found in dtype else dtype[0]


def checked(owner, X, dtype=FLOATS, *, finite=True, sparse=False):
    """X as an array, with the checks of scikit-learn's `validate_data`.

    Parameters
    ----------
    owner : object
        Has `n_features_in_`, and `feature_names_in_` if it was fitted with names.
    X : rows in any container
    dtype : dtype, tuple of dtypes, "numeric", or None
        As in `table`. "numeric" keeps numbers as they are, and reads objects as float64.
    finite : bool or "allow-nan"
        What is refused: NaN and infinity, nothing, or infinity.
    sparse : bool
        Whether a sparse matrix is given back as one, in CSR format.
    """
    names = getattr(owner, "feature_names_in_", None)
    if names is not None or type(X) is not np.ndarray or X.dtype.names:
        check_names(owner, X)
        if is_named(X):
            X = columns_of(X, names)
    return check_ready(owner, X, dtype, finite=finite, sparse=sparse)


def check_ready(owner, X, dtype=FLOATS, *, finite=True, sparse=False):
    """What `checked` does, for rows whose names are checked and in order."""
    if not isinstance(X, np.ndarray) and is_sparse(X):
        return _checked_sparse(owner, X, dtype, finite, sparse)
    if isinstance(dtype, str):
        X = table(X)
        if X.dtype.kind in "OUSV":
            X = as_numbers(X, np.float64)
    else:
        X = table(X, dtype)
    check_shape(owner, X)
    if finite is not False:
        check_finite(owner, X, finite)
    return X


def check_shape(owner, X):
    """Raise ValueError unless X has rows, and the columns of the fit."""
    kind = type(owner).__name__
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead. Reshape your data: write "
            "X.reshape(-1, 1) for one feature, or X.reshape(1, -1) for one row."
        )
    if X.shape[0] < 1:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is "
            f"required by {kind}. Got X without rows. Pass at least one row."
        )
    check_width(owner, X.shape[1])


def check_width(owner, width):
    """Raise ValueError unless rows have as many columns as those of the fit."""
    if width != owner.n_features_in_:
        raise ValueError(
            f"X has {width} features, but {type(owner).__name__} is expecting "
            f"{owner.n_features_in_} features as input. Got {width} columns. Pass those of "
            "the fit."
        )


def check_finite(owner, X, finite=True):
    """Raise ValueError for infinity, and unless `finite` is "allow-nan" for NaN."""
    if X.dtype.kind == "O":
        if finite is True and any(isinstance(v, float) and v != v for v in X.flat):
            _refuse_nan(owner)
        return
    if X.dtype.kind not in "fc":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(X)):
            return
    if finite is True and np.isnan(X).any():
        _refuse_nan(owner)
    found = np.isinf(X)
    if found.any():
        place = np.argwhere(found)[0].tolist()
        raise ValueError(
            f"Input X contains infinity or a value too large for {X.dtype!r}, which "
            f"{type(owner).__name__} does not accept. Got the first at {place}. Write a "
            "finite number in its place, or remove the row."
        )


def _refuse_nan(owner):
    raise ValueError(
        f"Input X contains NaN, which {type(owner).__name__} does not accept. Got missing "
        "values. Write SimpleImputer() before the model in a Pipeline, or remove the rows."
    )


def _checked_sparse(owner, X, dtype, finite, sparse):
    if not sparse:
        raise TypeError(
            f"Sparse data was passed for X. {type(owner).__name__} requires dense data. "
            f"Got {type(X).__name__}. Use X.toarray()."
        )
    X = X.tocsr() if hasattr(X, "tocsr") else CSR.of(X)
    check_shape(owner, X)
    any_kind = dtype is None or isinstance(dtype, str)
    kind = X.dtype if any_kind else np.dtype(_chosen(X.dtype, dtype))
    if kind != X.dtype:
        X = CSR(X.data.astype(kind), X.indices, X.indptr, X.shape)
    if finite is not False:
        check_finite(owner, X.data, finite)
    return X
