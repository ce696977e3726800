"""Hashes of data that depend on the values, not on how they lie in memory."""

import hashlib
import json
import sys
from collections.abc import Mapping
from itertools import groupby

import numpy as np
from scipy.sparse import issparse

from sklearn_prune._describe_functions import (
    canonical_json,
    class_name,
    hash_json,
)

N_BLOCKS = 64
CHUNK_BYTES = 1 << 22  # what is made contiguous, or read from a memory map, at once


def hash_data(X, describe):
    """Hash rows so that equal values have equal hashes and a changed row can be found.

    Memory order, views, byte order, read-only and memory-mapped arrays, the format of a
    sparse matrix with its stored zeros and duplicates, the index of a frame, the width
    of an array of texts: none of them counts. Values, dtypes, shape and column names do.
    All NaN are one value; 0.0 and -0.0 are two, except in sparse matrices.

    X is an array, sparse matrix, frame, column, tensor, list, mapping of these, or None.
    Arrays are read in pieces of a few megabytes; frames column by column; sparse matrices
    other than CSR are converted. `describe` describes entries of lists and object arrays.

    The dict that is returned has "sha256", "kind", "shape", "dtype" or "columns", and
    "blocks": the first 16 digits of the hashes of up to 64 blocks of consecutive rows. For
    a mapping it has "parts".
    """
    if X is None:
        return _finish("none", None, "none", [])
    if isinstance(X, Mapping):
        return _describe_parts(X, describe)
    if issparse(X):
        return _describe_sparse(X)
    if is_frame(X):
        return _describe_frame(X, describe)
    if is_column(X):
        dtype, arrays = column_arrays(X, describe)
        if isinstance(arrays[0], np.ndarray) and dtype == dtype_text(arrays[0].dtype):
            return _describe_array(arrays[0], describe)
        return _hash_columns("column", [len(X)], dtype, [arrays], describe)
    if is_tensor(X):
        array, dtype = tensor_array(X)
        return _describe_array(array, describe, dtype)
    if isinstance(X, (list, tuple)):
        return _describe_list(X, describe)
    if hasattr(X, "__array__"):
        return _describe_array(np.asarray(X), describe)
    digest = hash_json(describe(X)).encode()
    return _finish("object", None, class_name(type(X)), [digest], blocks=False)


def block_bounds(n_rows, n_blocks):
    """First row of each of n_blocks blocks of n_rows rows, and n_rows at the end."""
    return [block * n_rows // n_blocks for block in range(n_blocks + 1)]


def array_sha256(array, describe):
    """Hash of the values, shape and dtype of one array, as one block."""
    return _describe_array(array, describe, n_blocks=1)["sha256"]


def dtype_text(dtype):
    """Name of a dtype, equal on every platform; texts have no width."""
    if dtype.kind in "UT":
        return "str"
    if dtype.fields is not None:
        fields = [f"{name}: {dtype_text(dtype[name])}" for name in dtype.names]
        return f"[{', '.join(fields)}]"
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return f"{dtype_text(base)}{list(shape)}"
    if dtype.kind in "biufcO":
        return dtype.name
    return dtype.newbyteorder("<").str


def is_tensor(value):
    """Whether the value is a torch tensor; torch is not imported for the question."""
    return any(
        ancestor.__module__ == "torch" and ancestor.__name__ == "Tensor"
        for ancestor in type(value).__mro__
    )


def tensor_array(tensor):
    """A tensor's values as an array, and the name of its dtype."""
    torch = sys.modules["torch"]
    tensor = tensor.detach().cpu()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.resolve_conj().resolve_neg()
    try:
        array = tensor.numpy()
    except TypeError:  # dtypes that numpy does not have
        bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[tensor.element_size()]
        array = tensor.contiguous().view(bits).numpy()
        return array, str(tensor.dtype).removeprefix("torch.")
    return array, dtype_text(array.dtype)


def is_frame(value):
    """Whether the value is a data frame of any library."""
    return all(hasattr(value, name) for name in ("shape", "columns", "dtypes"))


def is_column(value):
    """Whether the value is a column or an index of pandas, or a column of polars."""
    library = type(value).__module__.partition(".")[0]
    return library in ("pandas", "polars") and all(
        hasattr(value, name) for name in ("dtype", "to_numpy", "__len__")
    )


def _finish(kind, shape, dtype, digests, *, blocks=True):
    """Put together the description of data whose blocks are hashed already."""
    key = "columns" if kind == "frame" else "dtype"
    head = {"kind": kind, "shape": shape, key: dtype}
    total = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for digest in digests:
        total.update(digest)
    shown = [digest.hex()[:16] for digest in digests] if blocks else []
    return {"sha256": total.hexdigest(), **head, "blocks": shown}


def _describe_parts(X, describe):
    parts = {str(key): hash_data(part, describe) for key, part in X.items()}
    digests = [f"{json.dumps(key)}{parts[key]['sha256']}".encode() for key in sorted(parts)]
    return _finish("parts", None, "parts", digests, blocks=False) | {"parts": parts}


def _describe_array(array, describe, dtype=None, n_blocks=N_BLOCKS):
    array = np.asarray(array)
    dtype = dtype or dtype_text(array.dtype)
    shape = list(array.shape)
    rows = array if array.ndim else array.reshape(1)
    return _hash_columns("array", shape, dtype, [[rows]], describe, n_blocks)


def _describe_list(X, describe):
    if len(X) == 0 or not isinstance(X[0], (str, bytes, dict, type(None))):
        try:
            array = np.asarray(X)
        except (RuntimeError, TypeError, ValueError):  # rows of different lengths, say
            array = None
        if array is not None and array.dtype.kind in "biufc":
            return _describe_array(array, describe)
    dtype = "str" if all(type(entry) is str for entry in X) else "object"
    kind = "array" if all(isinstance(entry, str) for entry in X) else "list"
    return _hash_columns(kind, [len(X)], dtype, [[X]], describe)


def _describe_frame(X, describe):
    hashed, dtypes = [], []
    runs = _pandas_runs if hasattr(X, "iloc") else _columns
    for width, dtype, arrays in runs(X, describe):
        dtypes += [dtype] * width
        hashed.append(arrays)
    columns = [
        [describe(name), dtype] for name, dtype in zip(X.columns, dtypes, strict=True)
    ]
    return _hash_columns("frame", list(X.shape), columns, hashed, describe)


def _columns(X, describe):
    for name in X.columns:
        yield 1, *column_arrays(X.get_column(name), describe)


def _pandas_runs(X, describe):
    """Width, dtype and values of neighbouring columns that are of one plain dtype."""
    plain = [
        dtype_text(dtype) if isinstance(dtype, np.dtype) and dtype.kind != "O" else None
        for dtype in X.dtypes
    ]
    for dtype, run in groupby(range(len(plain)), key=plain.__getitem__):
        positions = list(run)
        if dtype is None:
            for position in positions:
                yield 1, *column_arrays(X.iloc[:, position], describe)
        else:
            part = X.iloc[:, positions[0] : positions[-1] + 1]
            yield len(positions), dtype, [_LazyRows(part)]


class _LazyRows:
    """Columns of a frame, of which a few rows at a time become an array."""

    def __init__(self, frame):
        self.frame = frame
        self.nbytes = int(frame.dtypes.iloc[0].itemsize) * frame.size

    def __len__(self):
        return len(self.frame)

    def __getitem__(self, rows):
        return self.frame.iloc[rows].to_numpy()


def column_arrays(column, describe):
    """Dtype of a column of a frame, and arrays that together hold its values."""
    if type(column).__module__.startswith("polars"):
        return _polars_arrays(column)
    column = column if hasattr(column, "iloc") else column.to_series()
    return _pandas_arrays(column, describe)


def _pandas_arrays(column, describe):
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return dtype_text(dtype), [column.to_numpy()]
    if hasattr(dtype, "categories"):
        labels = array_sha256(dtype.categories, describe)[:16]
        ordered = "ordered" if dtype.ordered else "unordered"
        text = f"category[{dtype.categories.dtype}, {labels}, {ordered}]"
        return text, [column.cat.codes.to_numpy().astype(np.int64)]
    if hasattr(dtype, "tz"):
        return str(dtype), [column.astype("int64").to_numpy()]
    if getattr(dtype, "kind", "O") in "biuf":
        plain = getattr(dtype, "numpy_dtype", None) or dtype.subtype
        zero = plain.type(0)
        return str(dtype), [
            column.isna().to_numpy(dtype=bool),
            column.fillna(zero).to_numpy(dtype=plain),
        ]
    return str(dtype), [column.to_numpy(dtype=object)]


def _polars_arrays(column):
    dtype = column.dtype
    if dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_integer() or column.dtype.is_float():
        plain = column.fill_null(0).to_numpy()
        return str(dtype), [column.is_null().to_numpy(), plain]
    if str(dtype) == "Boolean":
        return str(dtype), [column.is_null().to_numpy(), column.fill_null(False).to_numpy()]
    if str(dtype).startswith("Categorical"):
        return "Categorical", [column.cast(str).to_list()]
    return str(dtype), [column.to_list()]


def _hash_columns(kind, shape, dtype, columns, describe, n_blocks=N_BLOCKS):
    """Hash blocks of rows of parallel columns, each given by one array or more."""
    n_rows = shape[0] if shape else 1
    n_blocks = min(n_blocks, n_rows)
    bounds = block_bounds(n_rows, n_blocks) if n_blocks else []
    hashers = [hashlib.sha256() for _ in range(n_blocks)]
    for arrays in columns:
        for array in arrays:
            for block, hasher in enumerate(hashers):
                _update(hasher, array, bounds[block], bounds[block + 1], describe)
    return _finish(kind, shape, dtype, [hasher.digest() for hasher in hashers])


def _update(hasher, rows, start, stop, describe=None):
    """Feed some rows of an array, of a part of a frame or of a list to a hasher."""
    if isinstance(rows, (list, tuple)):
        hasher.update(_cells(rows[start:stop], describe))
        return
    row_bytes = max(1, rows.nbytes // max(1, len(rows)))
    step = max(1, CHUNK_BYTES // row_bytes)
    for first in range(start, stop, step):
        for piece in _plain_pieces(rows[first : min(stop, first + step)], describe):
            hasher.update(piece)


def _plain_pieces(chunk, describe=None):
    """Canonical bytes of a piece of an array: C order, little-endian, one NaN."""
    dtype = chunk.dtype
    if dtype.fields is not None:
        for name in dtype.names:  # not the padding between them
            yield from _plain_pieces(chunk[name], describe)
        return
    if dtype.kind in "OUT":
        yield _cells(chunk.ravel().tolist(), describe)
        return
    if dtype.char == "G":
        chunk, dtype = np.stack([chunk.real, chunk.imag], axis=-1), np.dtype("g")
    if dtype.char == "g":
        yield from _extended_pieces(chunk)
        return
    plain = np.ascontiguousarray(chunk, dtype=dtype.newbyteorder("<"))
    if dtype.kind == "c":
        plain = plain.view(plain.real.dtype)
    if plain.dtype.kind == "f":
        missing = np.isnan(plain)
        if missing.any():
            plain = np.where(missing, plain.dtype.type(np.nan), plain)
            plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    yield plain.reshape(-1).view(np.uint8)


def _extended_pieces(chunk):
    """The parts of long doubles, whose bytes are not all used."""
    mantissa, exponent = np.frexp(chunk)
    high = mantissa.astype(np.float64)
    finite = np.isfinite(chunk)
    low = np.where(finite, mantissa, 0) - np.where(finite, high, 0)
    yield from _plain_pieces(high)
    yield from _plain_pieces(low.astype(np.float64))
    yield from _plain_pieces(np.where(finite, exponent, 0).astype(np.int64))


def _cells(cells, describe):
    """Bytes of a list of Python objects, such that other objects have other bytes."""
    if all(type(cell) is str for cell in cells):
        lengths = np.array([len(cell) for cell in cells], dtype="<i8")
        text = "".join(cells).encode("utf-8", "surrogatepass")
        return b"s" + lengths.tobytes() + text
    return b"o" + canonical_json([describe(cell) for cell in cells]).encode()


def _describe_sparse(X):
    shape = list(X.shape)
    rows = X if X.ndim == 2 else X.reshape(-1, 1)
    rows = rows if rows.format == "csr" else rows.tocsr()
    n_rows = rows.shape[0]
    n_blocks = min(N_BLOCKS, n_rows)
    bounds = block_bounds(n_rows, n_blocks) if n_blocks else []
    digests = []
    for block in range(n_blocks):
        hasher = hashlib.sha256()
        part = rows[bounds[block] : bounds[block + 1]].copy()
        part.sum_duplicates()
        part.eliminate_zeros()
        for array in (
            np.diff(part.indptr).astype(np.int64),
            part.indices.astype(np.int64),
            part.data,
        ):
            _update(hasher, array, 0, len(array))
        digests.append(hasher.digest())
    return _finish("sparse", shape, dtype_text(rows.dtype), digests)
