"""Small studies: synthetic Part 10 files of a few hundred bytes, and the subjects that a receipt lists."""

import struct
from dataclasses import dataclass
from hashlib import sha256

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
BIG, DEFLATED, RLE = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
_LONG = frozenset({b"OB", b"OW", b"SQ", b"UN"})
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Instance:
    """One file, to be.

    Attributes:
        uid: SOP Instance UID in the data set, and in the file meta unless `meta_uid` says otherwise.
        pixels: Value of Pixel Data; None without.
    """

    uid: str
    syntax: str = EXPLICIT
    pixels: bytes | None = b"\1\2\3\4"
    description: str = "HEAD"
    meta_uid: str | None = None

    def dataset(self) -> bytes:
        """The bytes after the file meta."""
        coding = self.syntax if self.syntax in (IMPLICIT, BIG) else EXPLICIT
        item = element(0xFFFEE000, b"", element(0x00081155, b"UI", text("2.25.77"), coding), coding)
        data = element(0x00080016, b"UI", text(CT), coding) + element(
            0x00080018, b"UI", text(self.uid), coding
        )
        data += element(0x0008103E, b"LO", text(self.description, b" "), coding)
        data += element(0x00081140, b"SQ", item, coding, UNDEFINED) + element(0xFFFEE0DD, b"", b"", coding)
        if self.pixels is not None and self.syntax == RLE:
            parts = [b"", self.pixels[:2], self.pixels[2:]]
            value = b"".join(element(0xFFFEE000, b"", part) for part in parts) + element(0xFFFEE0DD, b"", b"")
            data += element(0x7FE00010, b"OB", value, coding, UNDEFINED)
        elif self.pixels is not None:
            data += element(0x7FE00010, b"OW", self.pixels, coding)
        if self.syntax == DEFLATED:
            import zlib

            engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
            data = engine.compress(data) + engine.flush()
            data += b"\0" * (len(data) % 2)
        return data

    def file(self) -> bytes:
        """The whole file."""
        body = element(0x00020002, b"UI", text(CT))
        body += element(0x00020003, b"UI", text(self.uid if self.meta_uid is None else self.meta_uid))
        body += element(0x00020010, b"UI", text(self.syntax))
        head = bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(body)))
        return head + body + self.dataset()

    def subject(self) -> dict[str, object]:
        """As a statement lists it."""
        data = self.dataset()
        annotations: dict[str, object] = {
            "scope": "dicom-dataset-after-file-meta",
            "transferSyntax": self.syntax,
            "bytes": len(data),
            "sopClass": CT,
        }
        if self.pixels is not None:
            annotations["pixelSha256"] = sha256(self.pixels).hexdigest()
        return {"name": self.uid, "digest": {"sha256": sha256(data).hexdigest()}, "annotations": annotations}


def element(tag: int, vr: bytes, value: bytes, syntax: str = EXPLICIT, length: int | None = None) -> bytes:
    """One data element (PS3.5, 7.1)."""
    order = ">" if syntax == BIG else "<"
    size = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT or not vr:
        return head + struct.pack(order + "I", size) + value
    if vr in _LONG:
        return head + vr + b"\0\0" + struct.pack(order + "I", size) + value
    return head + vr + struct.pack(order + "H", size) + value


def text(value: str, pad: bytes = b"\0") -> bytes:
    """Padded to even length."""
    data = value.encode("ascii")
    return data + pad * (len(data) % 2)


def study(count: int) -> tuple[Instance, ...]:
    """So many instances; of three or more, several transfer syntaxes and one without pixels."""
    kinds = [
        (EXPLICIT, True),
        (IMPLICIT, True),
        (RLE, True),
        (DEFLATED, True),
        (BIG, True),
        (EXPLICIT, False),
    ]
    made = []
    for number in range(count):
        syntax, pixels = kinds[number % len(kinds)]
        value = sha256(b"%d" % number).digest()[:8] if pixels else None
        made.append(Instance(f"2.25.{1000 + number}", syntax, value))
    return tuple(made)
