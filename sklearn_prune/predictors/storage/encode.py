"""A predictor as JSON and arrays."""

import json
import pickle
from binascii import b2a_base64
from math import isfinite

import numpy as np

from ..quantized import is_sparse
from .forms import (
    DEFAULT_PATTERN,
    FORMAT,
    NUMBERS,
    PACKAGE,
    PLAIN_FORMAT,
    word_of,
)

SHORT = 256  # entries up to which an array may be written as numbers in the JSON
MOST_CHARS = 280  # of their text
PACKED = 256  # bytes up to which an array may be base64 in the JSON
LONG = 400  # texts and numbers of a list that is a member of its own
SMALL = 1 << 20  # bytes of arrays up to which several may be packed as one member


class PackedParts:
    """Several attributes and all their arrays, which make up one member.

    Parameters
    ----------
    document : dict
        Their parts.
    arrays : list of ndarray
        What the parts refer to.
    """

    def __init__(self, document, arrays):
        facts, contents = [], []
        for array in arrays:
            *_, content = npy(array)
            is_turned = array.flags.f_contiguous and not array.flags.c_contiguous
            facts.append([_word_of_dtype(array.dtype), list(array.shape)])
            facts[-1] += ["F"] * is_turned
            contents.append(bytes(content))
        document = document | {"arrays": facts}
        self.content = b"".join([dumps(document), b"\n", *contents])

    nbytes = property(lambda self: len(self.content))


def member_of(number, array):
    """Name and content of the member of an array, or of packed parts."""
    if isinstance(array, PackedParts):
        return f"{number}.raw", [array.content]
    return f"{number}.npy", npy(array)


class Encoder:
    """Turns objects into parts of a JSON document, and gathers their arrays.

    Parameters
    ----------
    foreign : callable, default=None
        Gets an object that has no word and returns its part; raises TypeError if there is
        none.
    mapped : bool, default=False
        Whether trees are stored as they lie in memory.
    short : bool, default=True
        Whether short arrays are written in the JSON.

    Attributes
    ----------
    format : int
        The first format of files that has all parts.
    """

    def __init__(self, foreign=None, *, mapped=False, short=True):
        self.foreign, self.mapped, self.short = foreign, mapped, short
        self.format = PLAIN_FORMAT
        self.arrays, self.shared = [], []
        self._parts, self._alive = {}, []

    def __call__(self, value):
        """The part of the document for a value."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if isfinite(value) else {"float": repr(value)}
        if kind is list:
            return self._long([self(each) for each in value])
        if kind is tuple:
            return {"tuple": [self(each) for each in value]}
        if kind is dict:
            return self._dict(value)
        if kind in (set, frozenset):
            return {"set": sorted(map(self, value), key=str)}
        if kind.__name__ == "NAType":
            return {"missing": "NA"}
        if isinstance(value, np.generic) and kind is not np.void:
            return self._array(np.asarray(value), scalar=True)
        if isinstance(value, np.dtype):
            return {"dtype": _word_of_dtype(value)}
        if isinstance(value, type) and issubclass(value, np.generic):
            return {"type": _word_of_dtype(np.dtype(value))}
        if isinstance(value, np.ufunc) and getattr(np, value.__name__, None) is value:
            return {"ufunc": value.__name__}
        if id(value) in self._parts:
            return self._again(self._parts[id(value)])
        if isinstance(value, np.ndarray):
            part = self._array(np.asarray(value))
        elif is_sparse(value) and value.format == "csr":
            part = self._csr(value)
        elif word_of(kind) is not None:
            part = self._form(value)
        elif self.foreign is None:
            raise TypeError(f"{kind.__module__}.{kind.__qualname__} has no form")
        else:
            part = self.foreign(value)
        self._parts[id(value)] = part
        self._alive.append(value)  # so that no other object gets its id
        return part

    def _again(self, part):
        """A reference to what was there already, which moves to the shared parts."""
        if "same" not in part:
            self.shared.append(dict(part))
            part.clear()
            part["same"] = len(self.shared) - 1
        return dict(part)

    def _form(self, value):
        word = word_of(type(value))
        state = value._file_state(self.mapped)
        part = {"form": word}
        pattern = state.get("token_pattern")
        if isinstance(pattern, str) and pattern != DEFAULT_PATTERN and self.foreign:
            self.foreign.needs(pattern)
        packed = () if self.mapped else getattr(value, "_file_packs", ())
        for name in sorted(state):
            if not isinstance(name, str) or name in ("form", "raw"):
                raise TypeError(f"{type(value).__name__} has an attribute {name!r}")
            if name not in packed:
                part[name] = self(state[name])
        if packed:
            self.format = FORMAT
            inner = {name: state[name] for name in packed if name in state}
            found = self._packed(inner)
            if found is None:
                found = {name: self(each) for name, each in inner.items()}
            part |= found
        return part

    def _packed(self, state):
        """A reference to a member of all attributes, or None if they are large."""
        inner = Encoder(short=False)
        document = {"state": {name: inner(value) for name, value in state.items()}}
        if inner.shared:
            document["shared"] = inner.shared
        if sum(array.nbytes for array in inner.arrays) > SMALL:
            return None
        self.arrays.append(PackedParts(document, inner.arrays))
        return {"raw": len(self.arrays) - 1}

    def _dict(self, value):
        if all(type(key) is str for key in value):
            return {"dict": self._long({key: self(each) for key, each in value.items()})}
        return {"pairs": [[self(key), self(each)] for key, each in value.items()]}

    def _long(self, values):
        """The values, or where they are: many texts and numbers are packed as a member."""
        plain = values.values() if isinstance(values, dict) else values
        if len(values) < LONG or not all(type(v) in (str, int, float) for v in plain):
            return values
        return {"json": self._member(np.frombuffer(dumps(values), dtype=np.uint8))}

    def _member(self, array):
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _array(self, array, *, scalar=False):
        kind = array.dtype.kind
        word = _word_of_dtype(array.dtype)
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        if kind in "mM":
            array = array.view(np.int64) if array.ndim else array.astype(np.int64)
        flat = array.ravel(order=order)
        if kind in "iufbmM" and not scalar:
            values = _in_short(flat) if self.short else None
            if values is None:
                part = {"npy": self._member(array)}
                return {word: part} if kind in "mM" else part
        else:
            values = _numbers(flat) if kind in "fbiumM" else flat.tolist()
        if kind == "S":
            values = [each.decode("latin-1") for each in values]
        if kind == "O":
            values = [self(each) for each in values]
        if scalar:
            return {word: values[0]}
        part = {word: values if isinstance(values, str) else self._long(values)}
        if array.ndim != 1:
            part["shape"] = list(array.shape)
        if order == "F":
            part["order"] = "F"
        return part

    def _csr(self, matrix):
        parts = (matrix.data, matrix.indices, matrix.indptr)
        kind = "csr_array" if type(matrix).__name__.endswith("array") else "csr_matrix"
        return {kind: [self(each) for each in parts], "shape": list(map(int, matrix.shape))}


def _word_of_dtype(dtype):
    """A word for a dtype: kind and bytes; the unit of times; the kind of texts."""
    if dtype.kind in "USO" and dtype.names is None:
        return dtype.kind
    word = dtype.newbyteorder("=").str[1:]
    if word in NUMBERS or dtype.kind in "mM":
        return word
    raise TypeError(f"arrays of the dtype {dtype} cannot be stored")


def _in_short(flat):
    """Numbers, or bytes in base64, whichever is shorter; None if a member is."""
    if flat.nbytes <= PACKED:
        text = b2a_base64(flat.astype(flat.dtype.newbyteorder("<")), newline=False).decode()
    elif flat.size <= SHORT:
        text = None
    else:
        return None
    if np.isfinite(flat).all():
        numbers = _numbers(flat)
        n_chars = len(str(numbers)) - flat.size
        if n_chars <= (MOST_CHARS if text is None else len(text) + 2):
            return numbers
    return text


def _numbers(flat):
    """Numbers whose shortest texts give the entries back."""
    if flat.dtype.kind != "f":
        return flat.astype(np.int64 if flat.dtype.kind == "b" else flat.dtype).tolist()
    if not np.isfinite(flat).all():
        return [v if isfinite(v) else repr(v) for v in flat.tolist()]
    if flat.itemsize < 8:
        short = np.array([float(str(v)) for v in flat])
        if np.array_equal(short.astype(flat.dtype), flat):
            flat = short
    return [int(v) if _is_whole(v) else v for v in flat.tolist()]


def _is_whole(value):
    """Whether an integer gives this float back, its sign included."""
    return value.is_integer() and abs(value) < 1e15 and str(value) != "-0.0"


def dumps(document):
    """The bytes of a JSON document."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def npy(array):
    """The parts of an ``.npy`` file: its head, and its bytes."""
    order = array.flags.f_contiguous and not array.flags.c_contiguous
    array = array if array.flags.c_contiguous or order else np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    shape = f"({array.shape[0]},)" if array.ndim == 1 else str(array.shape)
    head = f"{{'descr': '{array.dtype.str}', 'fortran_order': {order}, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    magic = b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little")
    flat = (array.T if order else array).reshape(-1)
    return [magic + head.encode(), flat.view(np.uint8).data if flat.size else b""]


def stored_bytes(model):
    """Number of bytes in which a predictor is stored, before any compression.

    These are the bytes of the arrays in the form in which a file holds them, and of the
    description in JSON. Parts that have no form of this package count by the length of
    their pickle (protocol 5). The number does not depend on the machine.

    Parameters
    ----------
    model : predictor or estimator
        What is stored, such as `compact_`.

    Returns
    -------
    int
        The number of bytes.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_prune import PrunedRegressor
    >>> from sklearn_prune.predictors import stored_bytes
    >>> model = PrunedRegressor(LinearRegression(), keep=1.0)
    >>> model = model.fit([[0.0], [1.0]], [0.0, 1.0])
    >>> stored_bytes(model.compact_) < 1000
    True
    """
    return _pickled_bytes(model) if word_of(type(model)) is None else _bytes_of(model)


def _pickled_bytes(thing):
    counter = ByteCounter()
    pickle.Pickler(counter, protocol=5).dump(thing)
    return counter.total


stored_bytes.__module__ = PACKAGE


class ByteCounter:
    """A file that counts what is written to it, and keeps nothing."""

    def __init__(self):
        self.total = 0

    def write(self, data):
        self.total += memoryview(data).nbytes


def _bytes_of(model):
    parts = _Counted()
    encoder = Encoder(parts)
    text = dumps([encoder(model), encoder.shared])
    return len(text) + sum(array.nbytes for array in encoder.arrays) + parts.total


class _Counted:
    """Counts parts without a form."""

    total = 0

    def __call__(self, value):
        self.total += _pickled_bytes(value)
        return {"part": 0}

    def needs(self, name):
        """Nothing: functions are counted by their names."""
