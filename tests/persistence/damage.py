"""Files that are not as they were written: damaged, and forged so that all sums agree."""

import io
import json
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from sklearn_prune.persistence._archive import write_members

HEADER = "sklearn_prune.json"
WORDS = [
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
    """Members by name, and the header without sums."""
    with ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members.pop(HEADER))
    return members, {k: v for k, v in header.items() if k != "sha256"}


def forged(content, path, random):
    """Write a file that says something else, with sums that agree with it."""
    members, header = members_of(content)
    for _ in range(int(random.integers(1, 4))):
        arrays = [name for name in members if name.endswith(".npy")]
        if arrays and random.integers(3):
            name = arrays[int(random.integers(len(arrays)))]
            members[name] = _other_array(members[name], random)
        else:
            schema = json.loads(members["schema.json"])
            _change(schema, random)
            members["schema.json"] = json.dumps(schema).encode()
    write_members(path, members, header)


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


def _change(schema, random):
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
    part, key = places[int(random.integers(len(places)))]
    kind = random.integers(5)
    if kind == 0 and isinstance(part[key], str):
        part[key] = WORDS[int(random.integers(len(WORDS)))]
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
