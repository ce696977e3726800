"""Files that are not as they were written: damaged, and forged so that all sums agree."""

import io
import json
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from sklearn_prune.predictors import write_archive
from sklearn_prune.predictors.storage.forms import FORMS

WORDS = [*FORMS, "npy", "same", "part", "tuple", "dict", "u1", "f8", "U", "O", "form"]
SCHEMA_WORDS = [
    "os.system",
    "builtins.eval",
    "ReduceNode",
    "TreeNode",
    "FunctionNode",
    "ObjectNode",
    "sklearn.tree._tree.Tree",
    "sklearn.svm._classes.SVC",
    "numpy.ndarray",
    "DictNode",
    "ListNode",
    "TupleNode",
    "sklearn_prune.predictors.FlatTrees",
]
NUMBERS = [-1, 0, 1, 2, 255, 2**31, 2**63, -(2**40), 0.5, 1e308, None, "", "a", [], {}]


def damaged(content, random):
    """Some bytes changed, moved, lost or doubled."""
    data = bytearray(content)
    size = len(data)
    for _ in range(int(random.integers(1, 4))):
        at, length = int(random.integers(size)), int(random.integers(1, 65))
        kind = random.integers(7)
        if kind == 0:
            data[at % len(data)] ^= 1 << int(random.integers(8))
        elif kind == 1:
            data[at : at + length] = random.bytes(length)
        elif kind == 2:
            data[at : at + length] = bytes(length)
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = random.bytes(length)
        elif kind == 5:
            data = data[: max(at, 1)]
        else:
            other = int(random.integers(size))
            data[at : at + length] = data[other : other + length]
        if not data:
            data = bytearray(b"P")
    return bytes(data)


def members_of(content):
    """The description, and the other members by name."""
    with ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(members.pop("model.json")), members


def write(path, document, members, *, compress=True):
    """Write a file of these parts, with the digest that belongs to them."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    parts = [("model.json", [text])]
    parts += [(name, [content]) for name, content in members.items()]
    with open(path, "wb") as file:
        write_archive(file, parts, compress=compress)


def schema_of(members):
    """The description of the parts of scikit-learn, and their other members."""
    with ZipFile(io.BytesIO(members["parts.skops"])) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(found.pop("schema.json")), found


def with_schema(members, schema, arrays):
    """The members with another description of the parts of scikit-learn."""
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    return {**members, "parts.skops": packed({"schema.json": text, **arrays})}


def forged(content, path, random):
    """Write a file that says something else, with a digest that agrees with it."""
    document, members = members_of(content)
    for _ in range(int(random.integers(1, 4))):
        arrays = [name for name in members if name.endswith(".npy")]
        kind = int(random.integers(4))
        if arrays and kind == 0:
            name = arrays[int(random.integers(len(arrays)))]
            members[name] = _other_array(members[name], random)
        elif "parts.skops" in members and kind == 1:
            schema, inner = schema_of(members)
            names = [name for name in inner if name.endswith(".npy")]
            if names and random.integers(2):
                name = names[int(random.integers(len(names)))]
                inner[name] = _other_array(inner[name], random)
            else:
                _change(schema, random, SCHEMA_WORDS)
            members = with_schema(members, schema, inner)
        elif kind == 2:
            text = bytearray(json.dumps(document).encode())
            text[int(random.integers(len(text)))] = int(random.integers(32, 127))
            try:
                document = json.loads(bytes(text))
            except ValueError:
                continue
        elif isinstance(document, dict):
            _change(document, random, WORDS)
    write(path, document, members, compress=bool(random.integers(8) == 0))


def _other_array(content, random):
    """The array with other values, another shape or another type."""
    array = np.load(io.BytesIO(content))
    kind = random.integers(6)
    if kind <= 2 and array.size and array.dtype.kind in "biuf":
        array = array.copy()
        flat = array.reshape(-1)
        many = int(random.integers(1, min(flat.size, 8) + 1))
        at = random.integers(flat.size, size=many)
        if array.dtype.kind == "f":
            flat[at] = random.choice([np.nan, np.inf, -1e30, 0.0, 1e9], size=many)
        else:
            raw = random.bytes(many * array.itemsize)
            flat[at] = (
                np.frombuffer(raw, np.uint8).view(f"V{array.itemsize}").view(array.dtype)
                if array.dtype != bool
                else ~flat[at]
            )
    elif kind == 3 and array.ndim:
        array = np.repeat(array, int(random.integers(0, 3)), axis=0)
    elif kind == 4 and array.dtype.kind in "biuf":
        dtype = random.choice(["u1", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8", "U3"])
        with np.errstate(all="ignore"):
            array = array.astype(str(dtype))
    else:
        array = array.reshape(-1)[: int(random.integers(array.size + 1))]
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _change(schema, random, words):
    """Change one part of a description in place."""
    places = []
    left = [schema]
    while left:
        part = left.pop()
        keys = part.keys() if isinstance(part, dict) else range(len(part))
        for key in keys:
            places.append((part, key))
            if isinstance(part[key], dict | list):
                left.append(part[key])
    if not places:
        return
    part, key = places[int(random.integers(len(places)))]
    kind = random.integers(6)
    if kind == 5 and isinstance(part, dict):
        part[words[int(random.integers(len(words)))]] = part.pop(key)
    elif kind == 0 and isinstance(part[key], str):
        part[key] = words[int(random.integers(len(words)))]
    elif kind == 1:
        value = NUMBERS[int(random.integers(len(NUMBERS)))]
        part[key] = json.dumps(value) if key == "content" else value
    elif kind == 2:
        other, place = places[int(random.integers(len(places)))]
        part[key] = json.loads(json.dumps(other[place]))
    elif kind == 3 and isinstance(part, dict):
        del part[key]
    elif isinstance(part, list):
        part.insert(key, part[key])
    elif isinstance(part[key], str) and key == "content":
        part[key] = json.dumps(int(random.integers(-3, 300)))


def packed(members):
    """A zip with these members, without a header."""
    stream = io.BytesIO()
    with ZipFile(stream, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def node(module, name, loader, **content):
    """A part of the schema of a file."""
    return {"__module__": module, "__class__": name, "__loader__": loader, **content}


def claiming(dtype, size):
    """The head of an array file, without the array."""
    claims = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({size},), }}"
    claims = claims.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(claims).to_bytes(2, "little") + claims
