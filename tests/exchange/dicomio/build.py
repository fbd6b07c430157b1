"""DICOM bytes made by hand, valid and broken."""

import struct
from importlib.util import find_spec
from pathlib import Path

import pydicom

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"OF", b"OD"}
UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An explicit little endian element; `length` overrides what it says of itself."""
    size = len(value) if length is None else length
    if vr in LONG:
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, size) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, size) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """An implicit little endian element, or an item."""
    size = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + value


def even(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)


def uids(instance: bytes = b"1.2.3.4", sop_class: bytes = SECONDARY_CAPTURE.encode()) -> bytes:
    return element(0x00080016, b"UI", even(sop_class)) + element(0x00080018, b"UI", even(instance))


def meta(transfer_syntax: str = EXPLICIT, group_length: int | None = None) -> bytes:
    """Preamble, prefix and a small file meta; `group_length` may lie."""
    body = element(0x00020001, b"OB", b"\0\1")
    body += element(0x00020002, b"UI", even(SECONDARY_CAPTURE.encode()))
    body += element(0x00020003, b"UI", even(b"1.2.3.4"))
    body += element(0x00020010, b"UI", even(transfer_syntax.encode()))
    size = len(body) if group_length is None else group_length
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<L", size)) + body


def nested(depth: int, *, undefined: bool) -> bytes:
    """Sequences in sequences, `depth` levels, built from the inside without recursion."""
    if undefined:
        opening = element(0x00081140, b"SQ", b"", UNDEFINED) + implicit(ITEM, b"", UNDEFINED)
        return opening * depth + (ITEM_END + SEQUENCE_END) * depth
    heads: list[bytes] = []
    size = 0
    for _ in range(depth):
        heads.append(element(0x00081140, b"SQ", b"", size + 8) + implicit(ITEM, b"", size))
        size += 20
    return b"".join(reversed(heads))


def pydicom_files() -> list[Path]:
    """The DICOM files that come with pydicom and, where installed, pydicom-data; nothing is downloaded."""
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    more = find_spec("data_store")
    if more is not None and more.origin is not None:
        folders.append(Path(more.origin).parent / "data")
    return sorted(path for folder in folders for path in folder.rglob("*.dcm"))
