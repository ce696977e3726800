"""A predictor from JSON and arrays: each part is checked before it is built."""

import json
import os
import re
import sys
from math import prod

import numpy as np

from ..base import LoadError
from ..frames import CSR
from ..quantized import is_count, need
from .archive import STORED, not_ours
from .forms import DEFAULT_PATTERN, ELSEWHERE, NUMBERS, check_fields, checks_of, class_of

_DEPTH = 60  # of parts inside parts
_PARTS = 5_000_000  # of all documents, of which each takes some hundred bytes
_HEAD = 4096  # bytes of the head of an array
_TIMES = "Mm"


def parse(content, path, max_parts):
    """A JSON document, and at most how many parts it has."""
    n_parts = sum(map(content.count, (b"[", b"{", b",")))
    if n_parts > max_parts:
        raise not_ours(path, "its JSON has too many parts")
    try:
        found = json.loads(content, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise not_ours(path, f"its JSON cannot be read ({str(error)[:80]})") from error
    return found, n_parts


def _unique(pairs):
    found = dict(pairs)
    need(len(found) == len(pairs), "a name that is there twice")
    return found


def _refuse(constant):
    raise ValueError(f"{constant} is no number")


class Decoder:
    """Builds objects from the parts of a document.

    Parameters
    ----------
    archive : Archive
        The members.
    document : dict
        The whole description; its `shared` parts may be referred to.
    n_parts : int
        How many parts it has.
    options : LoadOptions
        What the caller allows.
    foreign : callable, default=None
        Gets the position of a part that has no form of ours, and this decoder.
    """

    def __init__(self, archive, document, n_parts, options, foreign=None):
        self.archive, self.options, self.foreign = archive, options, foreign
        self.document = document
        self.n_parts = n_parts
        self.shared = document.get("shared", [])
        need(type(self.shared) is list, "the shared parts")
        self._made, self._read, self._weight, self._depth = {}, {}, 0, 0
        self._unpacked = set()  # names of members of packed parts

    def __call__(self, part):
        """The object of a part."""
        self._weight += 1
        self._depth += 1
        need(self._depth <= _DEPTH and self._weight <= _PARTS, "the nesting of parts")
        try:
            return self._value(part)
        finally:
            self._depth -= 1

    def _value(self, part):
        if part is None or type(part) in (bool, int, float, str):
            return part
        if type(part) is list:
            return [self(each) for each in part]
        need(type(part) is dict, "a part")
        if "form" in part:
            return self._form(part)
        rest = {name: part[name] for name in part if name in ("shape", "order")}
        ((word, value),) = ((k, v) for k, v in part.items() if k not in rest)
        if word in _PLAIN:
            need(not rest, "a part")
            return _PLAIN[word](self, value)
        if word in ("csr_array", "csr_matrix"):
            return self._csr(word, value, rest)
        return self._array(word, value, **rest)

    # ---------------------------------------------------------------- plain values

    def _float(self, value):
        need(value in ("nan", "inf", "-inf"), "a number")
        return float(value)

    def _tuple(self, values):
        need(type(values) is list, "a tuple")
        return tuple(self(each) for each in values)

    def _set(self, values):
        return set(self._tuple(values))

    def _missing(self, word):
        need(word == "NA", "a missing value")
        try:
            from pandas import NA
        except ImportError:
            return float("nan")
        return NA

    def _dict(self, values):
        values = self._listed(values)
        need(type(values) is dict, "a dict")
        return {key: self(value) for key, value in values.items()}

    def _pairs(self, values):
        need(type(values) is list, "a dict")
        found = {}
        for pair in values:
            need(type(pair) is list and len(pair) == 2, "a dict")
            key = self(pair[0])
            need(isinstance(key, str | int | float | tuple | np.generic | None), "a key")
            found[key] = self(pair[1])
        need(len(found) == len(values), "a name that is there twice")
        return found

    def _json(self, number):
        return self._listed({"json": number})

    def _listed(self, values):
        """Values that may be a member of their own."""
        if type(values) is dict and values.keys() == {"json"}:
            content = self._npy(values["json"])
            need(content.dtype == np.uint8 and content.ndim == 1, "a list")
            left = _PARTS - self.n_parts
            values, n_parts = parse(content.tobytes(), self.archive.path, left)
            self.n_parts += n_parts
            plain = values.values() if type(values) is dict else values
            need(all(type(v) in (str, int, float) for v in plain), "a list")
        return values

    def _dtype(self, word):
        return dtype_of(word)

    def _type(self, word):
        return dtype_of(word).type

    def _ufunc(self, name):
        found = getattr(np, name, None) if type(name) is str else None
        need(isinstance(found, np.ufunc), "a function of numpy")
        return found

    def _function(self, name):
        need(name in self.options.functions, "a function")
        return self.options.functions[name]

    def _same(self, number):
        """A part that stands in several places; what it takes counts each time."""
        need(type(number) is int and 0 <= number < len(self.shared), "a shared part")
        if number not in self._made:
            self._made[number] = None
            before = self._weight
            found = self(self.shared[number])
            self._made[number] = found, self._weight - before
            return found
        need(self._made[number] is not None, "a part that contains itself")
        found, weight = self._made[number]
        self._weight += weight
        return found

    def _outside(self, number):
        need(self.foreign is not None, "a part of scikit-learn")
        return self.foreign(number, self)

    # ---------------------------------------------------------------- arrays

    def names_read(self):
        """The names of the arrays that were read."""
        return {f"{number}.npy" for number in self._read} | self._unpacked

    def _npy(self, number):
        need(type(number) is int and number >= 0, "the number of an array")
        name = f"{number}.npy"
        if number not in self._read:
            self._read[number] = read_array(self.archive, name, self.options.mmap_mode)
        return self._read[number]

    def _array(self, word, values, shape=None, order="C"):
        need(order in ("C", "F"), "the order of an array")
        if type(values) is dict and values.keys() == {"npy"} and word[:1] in _TIMES:
            dtype = dtype_of(word)
            found = self._npy(values["npy"])
            need(found.dtype == np.int64, "an array of times")
            return found.view(dtype)
        values = self._listed(values)
        if type(values) is str and values not in _NAMED and word not in "USO":
            found = _of_base64(values, dtype_of(word))
        elif type(values) is not list:
            need(shape is None and order == "C" and word not in "USO", "a number")
            return self._flat(word, [values])[0]
        else:
            found = self._flat(word, values)
        if shape is not None:
            fits = type(shape) is list and all(type(n) is int and n >= 0 for n in shape)
            need(
                fits and len(shape) <= 32 and prod(shape) == len(found),
                "the shape of an array",
            )
            found = found.reshape(shape, order=order)
        return _fixed(found)

    def _flat(self, word, values):
        """A one-dimensional array of these values."""
        if word == "O":
            found = np.empty(len(values), dtype=object)
            found[:] = [self(each) for each in values]
            return found
        if word in ("U", "S"):
            need(all(type(each) is str for each in values), "an array of texts")
            width = max(map(len, values), default=0)
            need(4 * len(values) * width <= self.options.max_bytes, "an array of texts")
            if word == "S":
                return np.array([each.encode("latin-1") for each in values], dtype="S")
            return np.array(values, dtype="U")
        dtype = dtype_of(word)
        if dtype.kind == "f":
            named = [float(v) if v in ("nan", "inf", "-inf") else v for v in values]
            need(all(type(v) in (int, float) for v in named), "an array of numbers")
            return np.array(named, dtype=np.float64).astype(dtype)
        need(all(type(v) is int for v in values), "an array of integers")
        wide = np.uint64 if dtype == np.uint64 else np.int64
        found = np.array(values, dtype=wide)
        if dtype.kind in _TIMES:
            return found.view(dtype)
        small = found.astype(dtype)
        need(np.array_equal(small.astype(wide), found), "an array of integers")
        return small

    def _csr(self, kind, parts, rest):
        need(
            type(parts) is list and len(parts) == 3 and rest.keys() == {"shape"}, "a matrix"
        )
        data, indices, indptr = (self(each) for each in parts)
        shape = tuple(rest["shape"])
        fits = len(shape) == 2 and all(type(n) is int and n >= 0 for n in shape)
        need(
            fits and all(type(each) is np.ndarray for each in (data, indices, indptr)),
            "a matrix",
        )
        check_csr(data, indices, indptr, shape)
        sparse = sys.modules.get("scipy.sparse")
        if sparse is None:
            return CSR(data, indices, indptr, shape)
        return getattr(sparse, kind)((data, indices, indptr), shape=shape)

    # ---------------------------------------------------------------- forms

    def _need_memory(self, state):
        """Raise if what is written out takes more than four times `max_bytes`."""
        for name, times in (("feature", 100), ("mask_", 80), ("columns_", 16)):
            size = getattr(state.get(name), "size", 0)
            if size * times > 4 * self.options.max_bytes:
                raise LoadError(
                    "A model to load may take four times max_bytes="
                    f"{self.options.max_bytes:,} in memory. Got {self.archive.path}, which "
                    f"takes more. Write load(path, max_bytes={size * times:_})."
                )

    def unpacked(self, number):
        """A decoder of the packed parts of a member, with its arrays."""
        need(type(number) is int and number >= 0, "the number of packed parts")
        name = f"{number}.raw"
        need(name in self.archive.places and name not in self._unpacked, "packed parts")
        self._unpacked.add(name)
        text, _, content = self.archive.read(name).partition(b"\n")
        document, n_parts = parse(text, self.archive.path, _PARTS - self.n_parts)
        self.n_parts += n_parts
        need(type(document) is dict, "packed parts")
        need(document.keys() - {"shared"} == {"state", "arrays"}, "packed parts")
        need(type(document["state"]) is dict, "packed parts")
        need(type(document["arrays"]) is list, "packed parts")
        inner = Decoder(self.archive, document, self.n_parts, self.options)
        inner._weight, inner._depth = self._weight, self._depth
        at = 0
        for k, (word, shape, *order) in enumerate(document["arrays"]):
            need(word in NUMBERS and order in ([], ["F"]), "a packed array")
            need(all(map(is_count, shape)) and len(shape) <= 32, "a packed array")
            dtype = np.dtype(word).newbyteorder("<")
            size = prod(shape) * dtype.itemsize
            need(at + size <= len(content), "a packed array")
            array = np.frombuffer(content, dtype, prod(shape), at)
            array = array.reshape(shape, order=order[0] if order else "C")
            inner._read[k] = _fixed(array.astype(dtype.newbyteorder("=")))
            at += size
        need(at == len(content), "packed arrays")
        return inner

    def _form(self, part):
        word = part["form"]
        cls = class_of(word, self.options.forms) if type(word) is str else None
        if cls is None:
            raise LoadError(
                f"A file to load must hold forms that are known. Got {str(word)[:60]!r} in "
                f"{self.archive.path}. Write load(path, forms=[MyPredictor]), "
                "import the module that registers it, or upgrade sklearn-prune."
            )
        form = cls.__new__(cls)
        need_consent(part, self.options.functions)
        state = {}
        for name, value in part.items():
            if name not in ("form", "raw"):
                _check_name(cls, name)
                state[name] = self(value)
        if "raw" in part:
            inner = self.unpacked(part["raw"])
            for name, value in inner.document["state"].items():
                need(name in getattr(cls, "_file_packs", ()), f"the attribute {name}")
                state[name] = inner(value)
            self._weight = inner._weight
        if type(state.get("n_jobs")) is int:
            state["n_jobs"] = min(state["n_jobs"], os.cpu_count() or 1)
        self._need_memory(state)
        form._set_file_state(state)
        if word in ELSEWHERE:
            return form.restored(self.options)
        if word in ("sparse-weights", "quantized"):
            need(type(form.shape) is tuple and all(map(is_count, form.shape)), "a shape")
            need(4 * prod(form.shape) <= self.options.max_bytes, "the size of weights")
        check_fields(word, form)
        reads_all = word == "trees" and self.options.mmap_mode is not None
        checks = {} if reads_all else checks_of(word)
        for kind, check in checks.items():
            if isinstance(form, kind):
                check(form)
        self.options.check(form)
        return form


_PLAIN = {
    "float": Decoder._float,
    "tuple": Decoder._tuple,
    "set": Decoder._set,
    "missing": Decoder._missing,
    "dict": Decoder._dict,
    "pairs": Decoder._pairs,
    "json": Decoder._json,
    "dtype": Decoder._dtype,
    "type": Decoder._type,
    "ufunc": Decoder._ufunc,
    "function": Decoder._function,
    "same": Decoder._same,
    "npy": Decoder._npy,
    "part": Decoder._outside,
}


_NAMED = ("nan", "inf", "-inf")


def _fixed(array):
    """The array, which cannot be changed from now on: threads and parts may share it."""
    array.flags.writeable = False
    return array


def _of_base64(text, dtype):
    """An array from its bytes, little endian."""
    from binascii import a2b_base64

    content = a2b_base64(text, strict_mode=True)
    if dtype.kind == "b":
        need(not content.strip(b"\0\1"), "an array of bools")
    found = np.frombuffer(content, dtype=dtype.newbyteorder("<"))
    return found.astype(dtype)


def need_consent(attributes, functions):
    """Raise ValueError for a pattern that may run for hours, or a reader of files.

    The caller agrees to a pattern by passing it among the functions.
    """
    pattern = attributes.get("token_pattern", DEFAULT_PATTERN)
    agreed = not isinstance(pattern, str) or pattern in (DEFAULT_PATTERN, *functions)
    need(agreed, "the pattern of a vectorizer")
    need(attributes.get("input") != "filename", "a vectorizer that reads files")


def _check_name(cls, name):
    """No attribute may stand in the place of a method, or be set by a property."""
    known = next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)
    method = callable(known) and not isinstance(known, type)
    fits = not method and not hasattr(type(known), "__get__")
    need(
        fits and name.isidentifier() and not name.startswith("__"), f"the attribute {name}"
    )


def check_csr(data, indices, indptr, shape):
    """Raise ValueError unless these are the parts of a sparse matrix."""
    ints = all(each.dtype.kind == "i" and each.ndim == 1 for each in (indices, indptr))
    need(ints and data.ndim == 1 and data.dtype.kind in "fiub", "a matrix")
    need(len(indptr) == shape[0] + 1 and len(data) == len(indices), "a matrix")
    need(indptr[0] == 0 and indptr[-1] == len(data), "a matrix")
    need((np.diff(indptr) >= 0).all(), "a matrix")
    need(not len(indices) or 0 <= indices.min() <= indices.max() < shape[1], "a matrix")


def dtype_of(word):
    """The dtype of a word."""
    need(type(word) is str, "a dtype")
    if word in NUMBERS:
        return np.dtype(word)
    need(word[:1] in _TIMES and word[1:3] == "8[" and len(word) < 12, "a dtype")
    try:
        return np.dtype(word)
    except TypeError as error:
        raise ValueError(f"the dtype {word!r}") from error


def read_array(archive, name, mmap_mode=None):
    """The array of a member, whose head must be of the kind that `save` writes."""
    need(name in archive.places, f"the array {name}")
    method, size, _, begin = archive.places[name]
    mapped = mmap_mode is not None and method == STORED
    content = archive.peek(begin, min(size, _HEAD)) if mapped else archive.read(name)
    found = _HEADER.match(content)
    need(found is not None, f"the array {name}")
    length, kind, order, numbers = found.groups()
    dtype = np.dtype(kind.decode())
    shape = tuple(int(n) for n in numbers.split(b",") if n.strip())
    need(len(numbers) < 200 and dtype.str[1:] in NUMBERS, f"the array {name}")
    fits = prod(shape) * dtype.itemsize == size - found.end()
    need(fits and 10 + int.from_bytes(length, "little") == found.end(), f"the array {name}")
    order = "F" if order == b"True" else "C"
    if mapped and prod(shape):
        file, at = archive.file.name, begin + found.end()
        return np.asarray(np.memmap(file, dtype, mmap_mode, at, shape, order))
    array = np.frombuffer(content, dtype, offset=found.end()).reshape(shape, order=order)
    native = dtype.newbyteorder("=")
    return _fixed(array.astype(native, copy=not array.flags.aligned))


_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<|][biuf][1248])', "
    rb"'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n",
    re.DOTALL,
)
