"""Pictures beside the pixel data: the proof finds them by itself, and lets none pass.

The second reader reads the one pixel data element of the data set. A picture anywhere else is one that nobody
has read: an overlay or curve (PS3.3 C.9, retired C.10.2), pixel data in an item (icons), a second pixel data
element, a picture file in bytes that should be numbers, or a URL where pixels lie. Of offset tables (PS3.3
C.7.6.3.1.8) it is the bytes that count: where no fragments are, they are no offsets.
"""

from collections.abc import Sequence

from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.walk import Buffer, Element, tag_text

_PROVIDER_URL = 0x00287FE0
_OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
_DRAWN = frozenset({0x50, 0x60})  # curves and overlays, by the high byte of the group
_BYTES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_LONGEST_SIGNATURE = 12
# JPEG, PNG, GIF, TIFF, JPEG 2000 (boxed and bare), JPEG XL, WebP and AVI; a bitmap's two letters are too few.
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cJXL ",
    b"RIFF",
)


def holds_picture(buffer: Buffer, element: Element) -> bool:
    """Whether an element holds a picture or a part of one, or says where one is.

    Args:
        buffer: What the element's offsets count in.
        element: At any depth; the pixel data of the data set itself counts, too.
    """
    tag = element.tag
    if element.is_pixels or tag in _OFFSET_TABLES:
        return True
    if tag == _PROVIDER_URL or (tag >> 24 in _DRAWN and not element.is_private):
        return True
    if element.vr not in _BYTES:
        return False
    end = min(element.end, element.start + _LONGEST_SIGNATURE)
    return bytes(buffer[element.start : end]).startswith(_SIGNATURES)


def check_pictures(pictures: Sequence[str], layout: FileLayout) -> None:
    """Let pass one pixel data element of the data set itself, and nothing else that is a picture.

    Args:
        pictures: Paths of what `holds_picture` says so of, in the cleaned file.
        layout: Of the cleaned file.

    Raises:
        HeldError: PROOF_TEXT with the path of a picture that nobody has read.
    """
    pixels = layout.pixels
    read = [tag_text(pixels.tag)] if pixels is not None else []
    if pixels is not None and pixels.encapsulated:
        read += map(tag_text, _OFFSET_TABLES)
    for path in pictures:
        if path not in read:
            raise HeldError(
                ReasonCode.PROOF_TEXT,
                "cannot prove that the instance names no one: it holds a picture that nobody reads",
                path,
                "have a person with the role privacy look at it, or correct the profile and clean again",
            )
        read.remove(path)
