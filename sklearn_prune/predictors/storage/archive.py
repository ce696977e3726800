"""The zip of a file: members one after the other, and a SHA-256 of all that is before it.

A part of the zip format is enough: no flags, no overlaps, no members twice. Reading it
takes `struct` and `zlib`, which load in a millisecond; `zipfile` takes ten times as long.
"""

import os
import struct
import zlib
from hashlib import sha256

from ..base import LoadError

FIRST = "model.json"
STORED, DEFLATED, LZMA = 0, 8, 14
_DIGEST = 32
_ALIGNED = 64  # where an uncompressed member begins, so that its array can be mapped
_CHUNK = 1 << 20
_CONTEXT = {"lc": 0, "lp": 0, "pb": 0}  # bytes of gaps and codes have none
_LEAST_WINDOW = 4096
_WIDE = 0xFFFFFFFF
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LZMA = struct.Struct("<2BHBL")  # version, size of the properties, properties
_DATE = 33  # 1980-01-01: the same model makes the same file


def not_ours(path, reason):
    """The error for a file that cannot be trusted to be what `save` wrote."""
    reason = " ".join(str(reason).split())
    return LoadError(
        f"A file to load must be as save wrote it. Got {path}: {reason}. Save the model "
        "again, or copy the file again if this is a copy."
    )


def write_archive(file, members, *, compress=True):
    """Write members, (name, list of bytes), to a file that is open for writing."""
    central, at, sums_of_all = [], 0, sha256()

    def write(part):
        sums_of_all.update(part)
        file.write(part)

    for name, parts in members:
        parts = [memoryview(part).cast("B") for part in parts]
        size = sum(part.nbytes for part in parts)
        sums, packed, method = 0, None, STORED
        for part in parts:
            sums = zlib.crc32(part, sums)
        if compress and name.endswith(".raw"):
            method, parts = LZMA, [_lzma_packed(b"".join(parts))]
        elif compress and name != FIRST:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = b"".join([*(packer.compress(part) for part in parts), packer.flush()])
            if len(packed) < size:
                method, parts = DEFLATED, [packed]
        n_bytes = sum(len(part) for part in parts)
        text = name.encode()
        extra = b""
        if max(size, n_bytes) >= _WIDE:
            extra = struct.pack("<2H2Q", 1, 16, size, n_bytes)
        if not compress and name != FIRST:
            gap = -(at + _LOCAL.size + len(text) + len(extra) + 4) % _ALIGNED
            extra += struct.pack("<2H", 0xFFFF, gap) + bytes(gap)
        sizes = (n_bytes, size) if max(size, n_bytes) < _WIDE else (_WIDE, _WIDE)
        version = 63 if method == LZMA else 20 if sizes[0] < _WIDE else 45
        facts = (version, 0, method, 0, _DATE, sums, *sizes, len(text))
        head = _LOCAL.pack(b"PK\3\4", *facts, len(extra)) + text + extra
        wide = struct.pack("<2Q", size, n_bytes) if sizes[0] == _WIDE else b""
        wide += struct.pack("<Q", at) if at >= _WIDE else b""
        wide = struct.pack("<2H", 1, len(wide)) + wide if wide else b""
        places = (len(wide), 0, 0, 0, 0, min(at, _WIDE))
        central.append(_CENTRAL.pack(b"PK\1\2", version, *facts, *places) + text + wide)
        for part in (head, *parts):
            write(part)
        at += len(head) + n_bytes
    table = b"".join(central)
    counts = (len(central), len(central), len(table), at)
    if at + len(table) >= _WIDE or len(central) >= 0xFFFF:
        table += _END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, *counts)
        table += _LOCATOR.pack(b"PK\6\7", 0, at + counts[2], 1)
    counts = (*(min(n, 0xFFFF) for n in counts[:2]), *(min(n, _WIDE) for n in counts[2:]))
    write(table + _END.pack(b"PK\5\6", 0, 0, *counts, _DIGEST))
    file.write(sums_of_all.digest())


def _digest_of(file, size):
    """The SHA-256 of the first bytes of a file, which ends up behind them."""
    file.seek(0)
    sums = sha256()
    while size:
        chunk = file.read(min(_CHUNK, size))
        if not chunk:
            break
        sums.update(chunk)
        size -= len(chunk)
    return sums.digest()


def sha256_of(file):
    """The SHA-256 of a whole file, in hexadecimal."""
    return _digest_of(file, os.fstat(file.fileno()).st_size).hex()


class Archive:
    """The members of an open file, checked against each other before any is read.

    Parameters
    ----------
    file : file object
        Open for reading bytes.
    path : str
        Its name, for errors.
    max_bytes : int
        What all members may unpack to.
    trusted : bool, default=False
        Whether the SHA-256 of the content is not computed, which reads all of it.
    """

    def __init__(self, file, path, max_bytes, *, trusted=False):
        self.file, self.path = file, path
        self.size = file.seek(0, os.SEEK_END)
        try:
            found = self._table()
        except struct.error as error:
            raise not_ours(path, "it is no zip archive that can be read") from error
        total = sum(size for _, _, size, *_ in found)
        if total > max_bytes:
            raise LoadError(
                f"A file to load unpacks to at most max_bytes={max_bytes:,}. Got {path}, "
                f"which claims {total:,}. If you know where it comes from, write "
                f"load(path, max_bytes={2 * total:_})."
            )
        try:
            self.places = self._contiguous(found)
        except struct.error as error:
            raise not_ours(path, "its members do not follow each other") from error
        if not trusted and _digest_of(file, self.size - _DIGEST) != self.digest:
            raise not_ours(path, "its SHA-256 is not the one at its end")

    def peek(self, at, size):
        """Bytes of the file."""
        self.file.seek(at)
        return self.file.read(size)

    def _table(self):
        """(name, method, size, packed size, offset) of each member."""
        at = self.size - _DIGEST - _END.size
        if at < 0:
            raise not_ours(self.path, "it is no zip archive that can be read")
        end = _END.unpack(self.peek(at, _END.size))
        self.digest = self.peek(self.size - _DIGEST, _DIGEST)
        if end[0] != b"PK\5\6" or end[-1] != _DIGEST or end[1:3] != (0, 0):
            raise not_ours(self.path, "it is no zip archive that can be read")
        count, size, first = end[4:7]
        if self.peek(at - _LOCATOR.size, 4) == b"PK\6\7":
            at -= _LOCATOR.size + _END64.size
            wide = _END64.unpack(self.peek(at, _END64.size))
            if wide[0] != b"PK\6\6":
                raise not_ours(self.path, "it is no zip archive that can be read")
            count, size, first = wide[7:10]
        if first + size != at or count > size // _CENTRAL.size:
            raise not_ours(self.path, "its table of members has another size")
        table, found, names, at = self.peek(first, size), [], set(), 0
        for _ in range(count):
            head = _CENTRAL.unpack_from(table, at)
            mark, _, _, flags, method, *_ = head
            packed, size, n_name, n_extra, n_comment = head[8:13]
            at += _CENTRAL.size
            name = table[at : at + n_name].decode("ascii", "replace")
            extra = table[at + n_name : at + n_name + n_extra]
            offset, place = head[16], 4
            if extra:
                kind, _ = struct.unpack_from("<2H", extra)
                if kind != 1:
                    raise not_ours(self.path, "it is no zip archive that can be read")
                if _WIDE in (packed, size):
                    size, packed = struct.unpack_from("<2Q", extra, place)
                    place += 16
                if offset == _WIDE:
                    (offset,) = struct.unpack_from("<Q", extra, place)
            at += n_name + n_extra + n_comment
            if mark != b"PK\1\2" or flags or method not in (STORED, DEFLATED, LZMA):
                raise not_ours(self.path, f"its member {name[:60]!r} is packed otherwise")
            if not _is_name(name) or name in names:
                raise not_ours(self.path, f"it has a member named {name[:60]!r}")
            names.add(name)
            found.append((name, method, size, packed, offset))
        if not found or found[0][0] != FIRST:
            raise not_ours(self.path, f"its first member is not {FIRST}")
        self.end = first
        return found

    def _contiguous(self, found):
        """By name: method, size, packed size and where the content begins."""
        places, expected = {}, 0
        for name, method, size, packed, offset in found:
            head = _LOCAL.unpack(self.peek(offset, _LOCAL.size))
            text = self.peek(offset + _LOCAL.size, head[9])
            begin = offset + _LOCAL.size + head[9] + head[10]
            same = head[0] == b"PK\3\4" and text.decode("ascii", "replace") == name
            if not same or head[3] != method or offset != expected:
                raise not_ours(self.path, "its members do not follow each other")
            if method == STORED and size != packed:
                raise not_ours(self.path, f"its member {name} has another size")
            places[name] = (method, size, packed, begin)
            expected = begin + packed
        if expected != self.end:
            raise not_ours(self.path, "its members do not follow each other")
        return places

    def read(self, name):
        """The content of a member."""
        if name not in self.places:
            raise not_ours(self.path, f"it has no member {name}")
        method, size, packed, begin = self.places[name]
        content = self.peek(begin, packed)
        if method == LZMA:
            try:
                content = _lzma_unpacked(content, size)
            except ValueError as error:
                raise not_ours(
                    self.path, f"its member {name} cannot be unpacked"
                ) from error
        if method == DEFLATED:
            unpacker = zlib.decompressobj(-15)
            try:  # one byte more than it claims
                content = unpacker.decompress(content, size + 1)
            except zlib.error as error:
                raise not_ours(
                    self.path, f"its member {name} cannot be unpacked"
                ) from error
            if not unpacker.eof and len(content) == size:
                content += unpacker.decompress(unpacker.unconsumed_tail, 1)
            if not unpacker.eof or unpacker.unused_data:
                size = -1
        if len(content) != size:
            raise not_ours(self.path, f"its member {name} has another size than it claims")
        return content


def _is_name(name):
    stem, _, kind = name.rpartition(".")
    return name in (FIRST, "parts.skops") or (kind in ("npy", "raw") and stem.isdigit())


def _lzma_packed(content):
    """The content of a member of method 14: its properties, then a stream with an end."""
    import lzma

    size = max(_LEAST_WINDOW, len(content))
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 9, "dict_size": size, **_CONTEXT}]
    code = (_CONTEXT["pb"] * 5 + _CONTEXT["lp"]) * 9 + _CONTEXT["lc"]
    return _LZMA.pack(9, 4, 5, code, size) + lzma.compress(
        content, lzma.FORMAT_RAW, filters=filters
    )


def _lzma_unpacked(content, size):
    """At most `size` bytes; ValueError if there are more, or the stream is damaged."""
    import lzma

    if len(content) < _LZMA.size:
        raise ValueError("it is too short")
    *_, code, _ = _LZMA.unpack_from(content)
    context = {"lc": code % 9, "lp": code // 9 % 5, "pb": code // 45}
    window = max(_LEAST_WINDOW, size)  # not what the file claims, which may be gigabytes
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": window, **context}]
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
        found = unpacker.decompress(content[_LZMA.size :], size + 1)
    except lzma.LZMAError as error:
        raise ValueError("it is damaged") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("it has no end")
    return found
