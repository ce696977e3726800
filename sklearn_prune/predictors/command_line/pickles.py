"""What a pickle would import, found without unpickling it.

The opcodes are followed on a stack of texts, numbers and tuples. Nothing is imported or
called. Files of joblib have the bytes of arrays between the opcodes: these are skipped.
"""

import io
import zlib
from contextlib import suppress
from functools import cache
from math import prod

_CHUNK = 1 << 20
_LONGEST = 1 << 16  # of a text that may be a name, and of a line
_MOST_BYTES = 1 << 62
_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_PACKAGES = {"numpy", "sklearn", "sklearn_prune", "sklearn_prune_runtime"}
# What pickles of such objects import, too.
_USUAL = {
    "builtins": "bytearray bytes complex frozenset object range set slice",
    "__builtin__": "bytearray bytes complex frozenset object range set slice",
    "copyreg": "_reconstructor",
    "copy_reg": "_reconstructor",
    "_codecs": "encode",
    "collections": "OrderedDict",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
}
_PREFIXES = {
    b"\x78": "zlib",
    b"\x1f\x8b": "gzip",
    b"BZ": "bz2",
    b"\xfd7zXZ": "xz",
    b"\x5d\0": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"ZF": "an old version of joblib",
}
_UNREADABLE = ("lz4", "an old version of joblib")


class NotAPickle(ValueError):
    """The opcodes cannot be followed to the end."""


class PickleContent:
    """What was found in a file.

    Attributes
    ----------
    compression : str or None
        How the file is compressed.
    protocol : int
        The highest protocol of its pickles.
    n_pickles : int
        How many there are, one after the other.
    globals : dict of (str, str) to int
        Module and name of each global, and how often it is imported.
    n_arrays, array_bytes : int
        Arrays that joblib wrote between the opcodes.
    n_persistent : int
        References to objects outside the file.
    trailing : bool
        Whether something else follows the last pickle.
    """

    def __init__(self, compression):
        self.compression = compression
        self.protocol = self.n_pickles = self.n_arrays = self.array_bytes = 0
        self.n_persistent, self.trailing = 0, False
        self.globals = {}

    @property
    def by_joblib(self):
        """Whether joblib wrote the file."""
        return self.compression is not None or _WRAPPER in self.globals


def is_usual(module, name):
    """Whether a global is of numpy, scikit-learn or this package, or usual beside these."""
    inside = module.partition(".")[0] in _PACKAGES and "." not in name
    return inside or name in _USUAL.get(module, "").split()


def is_pickle(path):
    """Whether a file is a pickle, which may be compressed."""
    with open(path, "rb") as file:
        compression = _compression_of(file)
        if compression in _UNREADABLE:
            return True
        try:
            if _unpacked(file, compression, 1).read(1) == b"\x80":
                return True
        except _damages():
            return False
    try:
        return read_pickle(path).n_pickles > 0
    except NotAPickle:
        return False


def _compression_of(file):
    head = file.peek(8)
    return next((name for mark, name in _PREFIXES.items() if head.startswith(mark)), None)


def read_pickle(path):
    """The content of a pickle, which may be compressed as joblib does it.

    Raises NotAPickle if it cannot be followed to the end.
    """
    with open(path, "rb") as file:
        compression = _compression_of(file)
        found = PickleContent(compression)
        stream = _unpacked(file, compression)
        try:
            while stream.peek(1):
                try:
                    _Machine(stream, found).run()
                except NotAPickle:
                    if not found.n_pickles:
                        raise
                    found.trailing = True
                    break
                found.n_pickles += 1
        except _damages() as error:
            raise NotAPickle(f"it cannot be unpacked ({error})") from error
    if not found.n_pickles:
        raise NotAPickle("it is empty")
    return found


def _damages():
    """What is raised for compressed bytes that are damaged."""
    found = [EOFError, OSError, zlib.error]
    with suppress(ImportError):  # Python may have been built without it
        from lzma import LZMAError

        found.append(LZMAError)
    return tuple(found)


def _unpacked(file, compression, buffer_size=_CHUNK):
    """A file of what is compressed."""
    if compression is None:
        return file
    if compression == "zlib":
        return io.BufferedReader(_Inflated(file), buffer_size)
    if compression == "gzip":
        from gzip import open as opened
    elif compression == "bz2":
        from bz2 import open as opened
    elif compression in ("xz", "lzma"):
        from lzma import open as opened
    else:
        raise NotAPickle(f"it is compressed by {compression}, which cannot be read here")
    return io.BufferedReader(opened(file), buffer_size)


class _Inflated(io.RawIOBase):
    """What a zlib stream unpacks to."""

    def __init__(self, file):
        self.file, self.unpacker = file, zlib.decompressobj()

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self.unpacker.eof:
            packed = self.unpacker.unconsumed_tail or self.file.read(_CHUNK)
            content = self.unpacker.decompress(packed, len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)
            if not packed:
                raise EOFError("it ends too early")
        return 0


class _Other:
    """Any value that no name and no array depends on."""


_OTHER = _Other()


class _Global:
    def __init__(self, module, name):
        self.key = (module, name)


class _Made:
    """What a call in the pickle would give."""

    def __init__(self, function, args):
        self.function, self.args, self.state = function, args, None

    @property
    def is_wrapper(self):
        """Whether joblib reads an array from the file in its place."""
        cls = self.function
        if isinstance(cls, _Global) and cls.key[1] == "_reconstructor":
            cls = self.args[0] if self.args else None
        return isinstance(cls, _Global) and cls.key == _WRAPPER


class _Machine:
    """Follows the opcodes of one pickle."""

    def __init__(self, stream, found, *, arrays=True):
        self.stream, self.found, self.arrays = stream, found, arrays
        self.stack, self.marked, self.memo = [], [], {}
        self.left = 0  # bytes in the frame that was begun

    def run(self):
        steps = _steps()
        while True:
            code = self.read(1)
            if code not in steps:
                raise NotAPickle("it holds no opcodes of pickle")
            name, size, step = steps[code]
            value = None if size is None else self.argument(name, size)
            if name == "STOP":
                return
            try:
                step(self, name, value)
            except NotAPickle:
                raise
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise NotAPickle(f"its opcode {name} has no meaning") from error

    # ---------------------------------------------------------------- bytes

    def read(self, size):
        """Some bytes of the pickle."""
        if self.left:
            if size > self.left:
                raise NotAPickle("a frame ends too early")
            self.left -= size
        content = self.stream.read(size)
        if len(content) < size:
            raise NotAPickle("it ends too early")
        return content

    def skip(self, size):
        while size:
            part = min(size, _CHUNK)
            self.read(part)
            size -= part

    def line(self):
        """The bytes up to the end of a line, or _OTHER if they are many."""
        part, size = self.stream.readline(_LONGEST), 0
        content = part[:-1] if part.endswith(b"\n") else _OTHER
        while part and not part.endswith(b"\n"):
            size += len(part)
            part = self.stream.readline(_LONGEST)
        if not part:
            raise NotAPickle("it ends too early")
        if self.left:
            if size + len(part) > self.left:
                raise NotAPickle("a frame ends too early")
            self.left -= size + len(part)
        return content

    def argument(self, name, size):
        """What stands behind an opcode: bytes, or _OTHER if they are many."""
        if size >= 0:
            return self.read(size)
        if name in ("GLOBAL", "INST"):
            return self.line(), self.line()
        if size == _LINE:
            return self.line()
        size = int.from_bytes(self.read(_WIDTHS[size]), "little")
        if size > _LONGEST:
            self.skip(size)
            return _OTHER
        return self.read(size)

    # ---------------------------------------------------------------- opcodes

    def begin(self, name, value):
        if name == "PROTO":
            self.found.protocol = max(self.found.protocol, value[0])
        elif self.left:
            raise NotAPickle("a frame begins inside a frame")
        else:
            self.left = int.from_bytes(value, "little")

    def mark(self, name, value):
        self.marked.append(self.stack)
        self.stack = []

    def to_mark(self):
        items, self.stack = self.stack, self.marked.pop()
        return items

    def push_import(self, name, value):
        if name == "STACK_GLOBAL":
            own, module = self.stack.pop(), self.stack.pop()
        elif name.startswith("EXT"):
            module, own = "copyreg extension", str(int.from_bytes(value, "little"))
        else:
            module, own = (_text(name, part) for part in value)
        if not isinstance(module, str) or not isinstance(own, str):
            module, own = "(a name that is computed)", "?"
        self.found.globals[module, own] = self.found.globals.get((module, own), 0) + 1
        found = _Global(module, own)
        self.stack.append(_Made(found, self.to_mark()) if name == "INST" else found)

    def push_made(self, name, value):
        stack = self.stack
        if name == "OBJ":
            function, *args = self.to_mark()
            stack = self.stack
        else:
            options = stack.pop() if name == "NEWOBJ_EX" else {}
            args = stack.pop() if options == {} else _OTHER
            function = stack.pop()
        stack.append(_Made(function, args))

    def push_persistent(self, name, value):
        self.found.n_persistent += 1
        if name == "BINPERSID":
            self.stack.pop()
        self.stack.append(_OTHER)

    def push_constant(self, name, value):
        self.stack.append(_CONSTANTS[name]())

    def push_text(self, name, value):
        self.stack.append(_text(name, value))

    def push_number(self, name, value):
        self.stack.append(_number(name, value))

    def push_tuple(self, name, value):
        if name == "TUPLE":
            items = self.to_mark()
        else:
            size = int(name[-1])
            items = self.stack[-size:]
            if len(items) < size:
                raise IndexError
            del self.stack[-size:]
        self.stack.append(tuple(items))

    def from_memo(self, name, value):
        self.stack.append(self.memo[_number(name, value)])

    def to_memo(self, name, value):
        key = len(self.memo) if name == "MEMOIZE" else _number(name, value)
        self.memo[key] = self.stack[-1]

    def again(self, name, value):
        self.stack.append(self.stack[-1])

    def pop(self, name, value):
        if self.stack:
            self.stack.pop()
        else:
            self.to_mark()

    def set_items(self, name, value):
        if name == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            items = [key, value]
        else:
            items = self.to_mark()
        if name == "DICT":
            self.stack.append({})
        target = self.stack[-1]
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str):
                    target[key] = value

    # ---------------------------------------------------------------- arrays of joblib

    def build(self, name, value):
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, _Made):
            return
        if not (self.arrays and made.is_wrapper):
            made.state = state
            return
        if not isinstance(state, dict):
            raise NotAPickle("an array of joblib has no description")
        made.state = {**(made.state or {}), **state}
        if self.left:
            raise NotAPickle("an array of joblib stands inside a frame")
        self.skip_array(made.state)
        self.stack[-1] = _OTHER

    def skip_array(self, state):
        itemsize, has_objects = _size_of(state.get("dtype"))
        shape = state.get("shape")
        counts = isinstance(shape, tuple) and all(type(n) is int for n in shape)
        if not counts or min(shape, default=0) < 0:
            raise NotAPickle("an array of joblib has no shape")
        self.found.n_arrays += 1
        if has_objects:
            _Machine(self.stream, self.found, arrays=False).run()
            return
        aligned = state.get("numpy_array_alignment_bytes")
        if aligned is not None:
            self.skip(self.read(1)[0])
        size = prod(shape) * itemsize
        if size > _MOST_BYTES:
            raise NotAPickle("an array of joblib is too large")
        self.skip(size)
        self.found.array_bytes += size


def _size_of(dtype):
    """Bytes of an entry of a dtype, and whether it holds Python objects."""
    known = isinstance(dtype, _Made) and isinstance(dtype.function, _Global)
    if not known or dtype.function.key != ("numpy", "dtype"):
        raise NotAPickle("an array of joblib has no dtype")
    word = dtype.args[0] if isinstance(dtype.args, tuple) and dtype.args else None
    if not isinstance(word, str) or not word[1:].isdecimal():
        raise NotAPickle("an array of joblib has another dtype")
    size = int(word[1:]) * (4 if word[0] == "U" else 1)
    has_objects = word[0] == "O"
    if isinstance(dtype.state, tuple) and len(dtype.state) > 7:
        fields, stored = dtype.state[4], dtype.state[5]
        if isinstance(fields, dict):
            has_objects = any(_size_of(own[0])[1] for own in fields.values())
        if stored not in (-1, size) or dtype.state[2] is not None:
            raise NotAPickle("an array of joblib has another dtype")
        flags = dtype.state[7]
        if word[0] == "V" and bool(flags & 1) != has_objects:
            raise NotAPickle("an array of joblib has another dtype")
    return size, has_objects


def _text(name, value):
    if value is _OTHER:
        return _OTHER
    if name == "UNICODE":
        return value.decode("raw-unicode-escape", "replace")
    if name == "STRING":
        inside = value[1:-1]
        return _OTHER if b"\\" in inside else inside.decode("latin-1")
    return value.decode("utf-8", "surrogatepass" if "UNICODE" in name else "replace")


def _number(name, value):
    """The integer behind an opcode; the key of GET and PUT."""
    if value is _OTHER:
        return _OTHER
    if name in ("INT", "LONG", "GET", "PUT"):
        return int(value.rstrip(b"L"))
    return int.from_bytes(value, "little", signed=name in ("BININT", "LONG1", "LONG4"))


_LINE = -1  # the argument is a line; other lengths stand before it
_WIDTHS = {-2: 1, -3: 4, -4: 4, -5: 8}  # of a length, by what pickletools calls it
_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
_STEPS = {
    _Machine.begin: "PROTO FRAME",
    _Machine.mark: "MARK",
    _Machine.push_import: "GLOBAL INST STACK_GLOBAL EXT1 EXT2 EXT4",
    _Machine.push_made: "REDUCE NEWOBJ NEWOBJ_EX OBJ",
    _Machine.push_persistent: "PERSID BINPERSID",
    _Machine.push_constant: " ".join(_CONSTANTS),
    _Machine.push_text: "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8",
    _Machine.push_number: "INT LONG BININT BININT1 BININT2 LONG1 LONG4",
    _Machine.push_tuple: "TUPLE TUPLE1 TUPLE2 TUPLE3",
    _Machine.from_memo: "GET BINGET LONG_BINGET",
    _Machine.to_memo: "PUT BINPUT LONG_BINPUT MEMOIZE",
    _Machine.again: "DUP",
    _Machine.pop: "POP",
    _Machine.set_items: "SETITEM SETITEMS DICT",
    _Machine.build: "BUILD",
}


@cache
def _steps():
    """By opcode: its name, the size of its argument, and what it does."""
    import pickletools

    own = {name: step for step, names in _STEPS.items() for name in names.split()}
    return {
        opcode.code.encode("latin-1"): (
            opcode.name,
            None if opcode.arg is None else opcode.arg.n,
            own.get(opcode.name) or _other_step(opcode, pickletools),
        )
        for opcode in pickletools.opcodes
    }


def _other_step(opcode, pickletools):
    """What an opcode does of which only the depth of the stack matters."""
    marks = (pickletools.markobject, pickletools.stackslice)
    to_mark = marks[0] in opcode.stack_before
    n_before = sum(each not in marks for each in opcode.stack_before)
    n_after = len(opcode.stack_after)

    def step(machine, name, value):
        if to_mark:
            machine.to_mark()
        stack = machine.stack
        if n_before == 0:
            stack += [_OTHER] * n_after
        elif len(stack) < n_before:
            raise IndexError
        else:
            depth = len(stack) - n_before
            stack[depth:] = [stack[depth]] * n_after

    return step
