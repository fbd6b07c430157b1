"""The file meta information: read from what others wrote, written afresh for what we write (PS3.10 7.1)."""

import struct
from dataclasses import dataclass

from exchange.dicomio.refusals import exceeded
from exchange.dicomio.window import Window

PREAMBLE = 128
# A UUID-derived UID (PS3.5 B.2): no registered root is needed.
IMPLEMENTATION_CLASS_UID = "2.25.227593364271418150873614083528063519227"
IMPLEMENTATION_VERSION_NAME = "LOCKGATE_0_1"
_META_BYTES = 1024 * 1024  # a private information element of ours is far smaller
_LONG = frozenset({b"OB", b"OW", b"UN", b"UT", b"UC", b"UR", b"SQ", b"OF", b"OD", b"OL", b"OV"})

MEDIA_STORAGE_SOP_CLASS_UID = 0x0002
MEDIA_STORAGE_SOP_INSTANCE_UID = 0x0003
TRANSFER_SYNTAX_UID = 0x0010
PRIVATE_INFORMATION_CREATOR_UID = 0x0100
PRIVATE_INFORMATION = 0x0102


@dataclass(frozen=True, slots=True)
class FileMeta:
    """File meta information as read.

    Attributes:
        prefixed: True when preamble and `DICM` are there.
        values: Raw value of each element (0002,xxxx), by element number.
        dataset_offset: First byte after it; 0 when the file has neither prefix nor group 0002.
    """

    prefixed: bool
    values: dict[int, bytes]
    dataset_offset: int

    def uid(self, element: int) -> str:
        """A UID of the file meta, "" when absent."""
        return decode_uid(self.values.get(element, b""))


def decode_uid(raw: bytes) -> str:
    """Text of a UI value without its padding; every byte has a character, so nothing is lost or refused."""
    return raw.rstrip(b"\0 ").decode("latin-1")


def encode_uid(uid: str) -> bytes:
    """A UI value of even length (PS3.5 6.2)."""
    raw = uid.encode("latin-1", "replace")
    return raw + b"\0" * (len(raw) % 2)


def _is_prefixed(window: Window) -> bool:
    """True for preamble and `DICM`; not for a bare data set that has these letters in a value there."""
    if window.end < PREAMBLE + 4 or window.take(PREAMBLE, 4) != b"DICM":
        return False
    has_meta = window.end >= PREAMBLE + 6 and window.take(PREAMBLE + 4, 2) == b"\x02\x00"
    return has_meta or window.take(0, 2) not in (b"\x08\x00", b"\x00\x08")


def read_file_meta(window: Window) -> FileMeta:
    """Read preamble and group 0002, wherever they are; wrong group lengths do not matter.

    Raises:
        InputError: `truncated` or `limit-exceeded`.
    """
    prefixed = _is_prefixed(window)
    start = position = PREAMBLE + 4 if prefixed else 0
    values: dict[int, bytes] = {}
    while window.end - position >= 8:
        head = window.take(position, 8)
        group, element, vr, length = struct.unpack("<HH2sH", head)
        if group != 0x0002:
            break
        position += 8
        if vr in _LONG:
            (length,) = struct.unpack("<L", window.take(position, 4))
            position += 4
        elif not vr.isalpha():  # some writers encode even the file meta with implicit VR
            (length,) = struct.unpack("<L", head[4:])
        if position + length - start > _META_BYTES:
            raise exceeded("the file meta information, in bytes,", _META_BYTES)
        values[element] = window.take(position, length)
        position += length
    return FileMeta(prefixed, values, position)


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    if vr in _LONG:
        return struct.pack("<HH2sHL", 2, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def encode_file_meta(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    private: tuple[str, bytes] | None = None,
) -> bytes:
    """A zero preamble, `DICM` and fresh file meta information; nothing of a source file's is kept.

    Args:
        sop_class_uid: Of the data set.
        sop_instance_uid: Of the data set.
        transfer_syntax_uid: Of the data set.
        private: (PrivateInformationCreatorUID, PrivateInformation), when any.
    """
    version_name = IMPLEMENTATION_VERSION_NAME.encode("ascii")
    body = b"".join(
        [
            _element(0x0001, b"OB", b"\0\1"),
            _element(MEDIA_STORAGE_SOP_CLASS_UID, b"UI", encode_uid(sop_class_uid)),
            _element(MEDIA_STORAGE_SOP_INSTANCE_UID, b"UI", encode_uid(sop_instance_uid)),
            _element(TRANSFER_SYNTAX_UID, b"UI", encode_uid(transfer_syntax_uid)),
            _element(0x0012, b"UI", encode_uid(IMPLEMENTATION_CLASS_UID)),
            _element(0x0013, b"SH", version_name + b" " * (len(version_name) % 2)),
        ]
    )
    if private is not None:
        creator, information = private
        body += _element(PRIVATE_INFORMATION_CREATOR_UID, b"UI", encode_uid(creator))
        body += _element(PRIVATE_INFORMATION, b"OB", information + b" " * (len(information) % 2))
    return bytes(PREAMBLE) + b"DICM" + _element(0x0000, b"UL", struct.pack("<L", len(body))) + body
