"""The zip of skops inside a file, read within limits."""

import io
import re
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np

from sklearn_prune.predictors import LoadError, not_ours

SCHEMA = "schema.json"
_MEMBER = re.compile(r"[0-9a-zA-Z_-]+\.(json|npy|npz)")


def read_parts(content, path, max_bytes):
    """Its members by name, each an array, arrays, or JSON, all of the size they claim.

    Raises LoadError if it is damaged, or larger than `max_bytes`.
    """
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            found = _contents(archive, path, max_bytes)
    except LoadError:
        raise
    except Exception as error:  # zipfile, zlib and struct say it in many ways
        raise not_ours(path, f"its parts are no zip archive ({error})") from error
    if SCHEMA not in found:
        raise not_ours(path, "its parts have no description")
    left = max_bytes
    for name, part in found.items():
        if not name.endswith(".json"):
            left -= _check_arrays(name, part, path, left)
    return found


def _contents(archive, path, max_bytes):
    """The members, in memory, if they are regular and all together not too large."""
    total, found = 0, {}
    for member in archive.infolist():
        if not _MEMBER.fullmatch(member.filename) or member.filename in found:
            raise not_ours(path, f"it has a member named {member.filename[:60]!r}")
        if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or member.flag_bits & 1:
            raise not_ours(path, f"its member {member.filename} is packed in another way")
        total += member.file_size
        if total > max_bytes:
            raise not_ours(path, f"its parts claim more than max_bytes={max_bytes:,}")
        with archive.open(member) as content:
            # One byte more than it claims: reading to the end checks the sum, too.
            found[member.filename] = content.read(member.file_size + 1)
        if len(found[member.filename]) != member.file_size:
            raise not_ours(path, f"its member {member.filename} has another size")
    return found


def _check_arrays(name, content, path, max_bytes):
    """Raise unless a member is one array, or a zip of arrays, of the size it claims.

    Returns the bytes that it unpacks to beyond its own.
    """
    if name.endswith(".npy"):
        _check_array(name, content, path)
        return 0
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            total = 0
            for member in archive.infolist():
                total += member.file_size
                if total > max_bytes or not re.fullmatch(r"\w+\.npy", member.filename):
                    raise not_ours(path, f"{name} holds {member.filename[:60]!r}")
                with archive.open(member) as part:
                    _check_array(name, part.read(member.file_size + 1), path)
    except LoadError:
        raise
    except Exception as error:
        raise not_ours(path, f"{name} cannot be unpacked ({error})") from error
    return total


def _check_array(name, content, path):
    """Raise unless these are the bytes of one array of numbers, texts or times."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(stream)
    except Exception as error:
        raise not_ours(path, f"the array {name} cannot be read ({error})") from error
    size = dtype.itemsize
    for length in shape:
        size *= length
    empty = size == 0 and 0 not in shape and dtype.kind not in "SU"
    empty |= dtype.itemsize == 0 and max(shape, default=0) > len(content)
    if dtype.kind not in "biufcSUmM" or min(shape, default=0) < 0 or empty:
        raise not_ours(path, f"the array {name} holds {dtype}")
    if size != len(content) - stream.tell():
        raise not_ours(path, f"the array {name} has another size than it claims")
