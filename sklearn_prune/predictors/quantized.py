"""Arrays as predictors store them, kinds of rows, and checks of loaded arrays."""

from math import prod

import numpy as np


def is_sparse(X):
    """Whether X is a sparse matrix, of scipy or of `frames`."""
    kind = type(X)  # asked in place of X, of whose attributes some may be columns
    if isinstance(X, np.ndarray | list) or kind is dict or hasattr(kind, "columns"):
        return False
    return hasattr(kind, "tocsr") or hasattr(X, "indptr")


def count_rows(X):
    """Number of rows."""
    if hasattr(X, "shape"):
        return X.shape[0]
    return len(next(iter(X.values()), ())) if isinstance(X, dict) else len(X)


def take_columns(X, columns):
    """Some columns of an array, sparse matrix, frame or list of rows."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    columns = columns.astype(np.intp)
    if hasattr(X, "iloc"):
        return X.take(columns, axis=1)
    if hasattr(X, "column_names"):  # pyarrow
        return X.select(columns.tolist())
    return X[:, columns.tolist() if hasattr(X, "get_columns") else columns]


_ATOMS = (str, bytes, int, float, complex, bool, type(None), type)


class Stored:
    """Base of the classes that pickles and files hold.

    Those of this folder have its name as their module, whichever file they stand in.
    """

    _file_packs = ()  # attributes that make up one member of a file, if they are small

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith(f"{__package__}."):
            cls.__module__ = __package__

    def _file_state(self, mapped=False):
        """The attributes that a file holds: those that differ from the class's own.

        If `mapped`, large arrays are as they lie in memory.
        """
        state, cls = self.__getstate__() or {}, type(self)
        return {
            name: value
            for name, value in state.items()
            if name not in _OF_FILES and not _is_default(getattr(cls, name, ...), value)
        }

    def _set_file_state(self, state):
        """Set the attributes from what a file holds."""
        setter = getattr(self, "__setstate__", vars(self).update)
        setter(state)


_OF_FILES = ("metadata_", "verification_")  # what `load` sets of the file as a whole


def _is_default(default, value):
    plain = type(default) in (bool, int, float, str, type(None))
    return plain and type(value) is type(default) and value == default


class QuantizedArray(Stored):
    """An array in few bytes, which `dense` gives back in float32.

    Parameters
    ----------
    codes : ndarray of float16, int8 or uint8
        What is stored for each entry; two 4-bit codes share a byte if `packed`.
    scale : ndarray of float32, or None
        Factor for each column, each row, or one for all: ``codes * scale``.
    offset : ndarray of float32, or None
        Added likewise.
    values : ndarray of float32, or None
        Shared values, of which `codes` are the positions.
    shape : tuple of int, or None
        Shape of the array where the codes are packed.
    """

    scale = offset = values = None

    def __init__(self, codes, scale=None, offset=None, values=None, shape=None):
        self.codes = codes
        self.scale = scale
        self.offset = offset
        self.values = values
        self.shape = codes.shape if shape is None else shape

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: prod(self.shape))
    nbytes = property(
        lambda self: sum(
            part.nbytes
            for part in (self.codes, self.scale, self.offset, self.values)
            if part is not None
        )
    )

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.dense(), dtype=dtype)

    def dense(self, dtype=np.float32):
        """The rounded values as a new array."""
        if self.values is not None:
            values = self.values.astype(dtype, copy=False)
            if self.codes.shape == self.shape:
                return values.take(self.codes)
            return _of_pairs(values, self.codes)[: self.size].reshape(self.shape)
        dense = self.codes.astype(dtype)
        if self.scale is not None:
            dense *= self.scale
        if self.offset is not None:
            dense += self.offset
        return dense


def _of_pairs(values, codes):
    """Shared values by codes of 4 bits, of which two share a byte, the lower first."""
    pairs = np.zeros((16, 16, 2), dtype=values.dtype)
    pairs[:, : len(values), 0] = values
    pairs[: len(values), :, 1] = values[:, None]
    return pairs.reshape(256, 2).take(codes, axis=0).ravel()


def dense(array):
    """The array itself, or what a quantized one stands for."""
    return array.dense() if isinstance(array, QuantizedArray) else array


def rows_of(values, positions):
    """Some rows of an array, which may be a quantized one whose codes are not packed."""
    if not isinstance(values, QuantizedArray):
        return values[positions]
    codes = values.codes[positions]
    return QuantizedArray(codes, values.scale, values.offset, values.values)


def arrays_in(thing):
    """Yield every distinct array that is reachable from an object.

    Views count as the array that they are a view of, once.
    """
    seen, pending = set(), [thing]
    while pending:
        item = pending.pop()
        if isinstance(item, _ATOMS) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            if isinstance(item.base, np.ndarray):
                pending.append(item.base)
                continue
            yield item
            if item.dtype.kind == "O":
                pending.extend(item.flat)
        elif isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            pending.extend(item)
        else:
            pending.extend(vars(item).values() if hasattr(item, "__dict__") else ())
            for cls in type(item).__mro__:
                slots = vars(cls).get("__slots__", ())
                for name in (slots,) if isinstance(slots, str) else slots:
                    if hasattr(item, name):
                        pending.append(getattr(item, name))


def need(holds, what):
    """Raise ValueError unless parts of a loaded model fit together."""
    if not holds:
        raise ValueError(f"{what} does not fit the rest")


def is_array(value, kinds, n_dims):
    """Whether a value is an array of some kinds of dtype and a number of dimensions."""
    return type(value) is np.ndarray and value.dtype.kind in kinds and value.ndim == n_dims


def is_count(value, least=0):
    """Whether a value is an integer of at least `least`."""
    return isinstance(value, int | np.integer) and value >= least


def check_quantized(array):
    """Raise ValueError unless the codes of a QuantizedArray lie inside its values."""
    codes, shape = array.codes, array.shape
    need(isinstance(shape, tuple) and all(map(is_count, shape)), "the shape of an array")
    need(type(codes) is np.ndarray and codes.dtype.char in "ebB", "the codes of an array")
    for part in (array.scale, array.offset):
        if part is not None:
            fits = type(part) is np.ndarray and part.dtype.kind == "f"
            need(fits and np.broadcast_shapes(part.shape, shape) == shape, "a scale")
    if array.values is None:
        need(codes.shape == shape, "the codes of an array")
        return
    need(is_array(array.values, "f", 1) and codes.dtype == np.uint8, "shared values")
    n_values = len(array.values)
    if codes.shape == shape:
        need(codes.max(initial=0) < n_values or not codes.size, "a code")
        return
    pairs = codes.ndim == 1 and codes.size == (array.size + 1) // 2 and n_values <= 16
    need(pairs, "the codes of an array")
    need(not codes.size or (codes & 15).max() < n_values > (codes >> 4).max(), "a code")


CHECKS = {QuantizedArray: check_quantized}
