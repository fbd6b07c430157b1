"""Writing zips (APPNOTE 4.3), true ones and games with their headers."""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One entry, and in what its headers lie."""

    name: str
    data: bytes
    deflated: bool = False
    local_name: str | None = None
    crc: int | None = None
    flags: int = 0
    local_size: int | None = None


def zipped(files: dict[str, bytes]) -> bytes:
    """An uncompressed zip of these."""
    return archive(Entry(name, data) for name, data in files.items())


def archive(entries: Iterable[Entry], comment: bytes = b"") -> bytes:
    """A zip of these entries."""
    body, central, count = b"", b"", 0
    for count, entry in enumerate(entries, 1):  # noqa: B007 - counted
        offset = len(body)
        local, stored = _header(entry, local=True)
        body += b"PK\3\4" + local + (entry.local_name or entry.name).encode() + stored
        header, _ = _header(entry, local=False)
        tail = struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, offset)
        central += b"PK\1\2" + struct.pack("<H", 0x0314) + header + tail + entry.name.encode()
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(central), len(body), len(comment))
    return body + central + b"PK\5\6" + end + comment


def _header(entry: Entry, *, local: bool) -> tuple[bytes, bytes]:
    stored = entry.data
    if entry.deflated:
        engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        stored = engine.compress(entry.data) + engine.flush()
    crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
    name = (entry.local_name or entry.name) if local else entry.name
    size = entry.local_size if local and entry.local_size is not None else len(stored)
    method = 8 if entry.deflated else 0
    head = struct.pack("<HHHHH", 20, entry.flags, method, 0, 0x21)
    return head + struct.pack("<IIIHH", crc, size, len(entry.data), len(name), 0), stored
