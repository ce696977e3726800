"""The file: a zip whose members are listed with their SHA-256, read within limits."""

import io
import json
import re
from hashlib import sha256
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from sklearn_prune._atomic import written_whole
from sklearn_prune.predictors import LoadError

HEADER = "sklearn_prune.json"
SCHEMA = "schema.json"
_MEMBER = re.compile(r"[0-9a-zA-Z_-]+\.(json|npy|npz)")
_LONGEST_HEADER = 1 << 24
_MOST_PARTS = 20_000_000  # of a JSON document, which takes 60 times its bytes in memory


def write_members(path, members, header):
    """Write members, bytes by name, and a header with their SHA-256.

    The file is written beside `path` and renamed when it is complete.
    """
    header = header | {
        "sha256": {name: sha256(content).hexdigest() for name, content in members.items()}
    }
    text = json.dumps(header, indent=1, sort_keys=True)
    with written_whole(path, durable=True) as file, ZipFile(file, "w") as archive:
        for name, content in {HEADER: text.encode(), **members}.items():
            # The same model makes the same file: there is no time in it.
            member = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = ZIP_DEFLATED
            archive.writestr(member, content)


def read_members(path, max_bytes):
    """The members of a file and its header, each as it was written.

    Nothing is unpacked to the disk, and what a member unpacks to is known beforehand.
    Raises LoadError if the file is no archive of `save`, damaged, or larger than
    `max_bytes`.
    """
    with open(path, "rb") as file:
        try:
            with ZipFile(file) as archive:
                found = _contents(archive, path, max_bytes)
        except LoadError:
            raise
        except Exception as error:  # zipfile, zlib and struct say it in many ways
            reason = f"it is no zip archive that can be read ({error})"
            raise not_ours(path, reason) from error
    header = _header(found.pop(HEADER, None), path)
    listed = header["sha256"]
    if listed.keys() != found.keys() or SCHEMA not in found:
        missing = sorted(listed.keys() ^ found.keys())
        raise not_ours(path, f"it has other members than it lists ({missing[:3]})")
    for name, content in found.items():
        if sha256(content).hexdigest() != listed[name]:
            raise not_ours(path, f"the SHA-256 of {name} is not the one that it lists")
    left = max_bytes
    for name, content in found.items():
        if not name.endswith(".json"):
            left -= _check_arrays(name, content, path, left)
    return found, header


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
            raise LoadError(
                f"A file to load unpacks to at most max_bytes={max_bytes:,}. Got {path}, "
                f"which claims {total:,} or more. If you know where it comes from, write "
                f"load(path, max_bytes={2 * total:_})."
            )
        with archive.open(member) as content:
            # One byte more than it claims: reading to the end checks the sum, too.
            found[member.filename] = content.read(member.file_size + 1)
        if len(found[member.filename]) != member.file_size:
            raise not_ours(path, f"its member {member.filename} has another size")
    return found


def _header(content, path):
    """What the header says, if it is one."""
    if content is None or len(content) > _LONGEST_HEADER:
        raise not_ours(path, f"it has no member {HEADER}")
    header = parse_json(content, path)
    if not (
        isinstance(header, dict)
        and type(header.get("format")) is int
        and isinstance(header.get("versions"), dict)
        and isinstance(header.get("sha256"), dict)
        and all(isinstance(value, str) for value in header["versions"].values())
    ):
        raise not_ours(path, f"its member {HEADER} is not complete")
    return header


def parse_json(content, path):
    """A JSON document, or a LoadError that names the file."""
    if sum(map(content.count, (b"[", b"{", b","))) > _MOST_PARTS:
        raise not_ours(path, "its JSON has too many parts")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise not_ours(path, f"its JSON cannot be read ({str(error)[:80]})") from error


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


def not_ours(path, reason):
    """The error for a file that cannot be trusted to be what `save` wrote."""
    return LoadError(
        f"A file to load must be as save wrote it. Got {path}: {reason}. Save the model "
        "again, or copy the file again if this is a copy."
    )
