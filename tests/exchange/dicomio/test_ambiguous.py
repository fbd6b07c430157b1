"""Elements of ambiguous VR are read without the element that decides it, and leave as they came."""

from pathlib import Path
from struct import pack

import pytest
from pydicom.dataset import Dataset

from exchange.dicomio.elements import KnownElements
from exchange.dicomio.header import read_header
from exchange.dicomio.write import write_instance
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build

LUT_DATA, LUT_DESCRIPTOR, OVERLAY = 0x00283006, 0x00283002, 0x60003000
WORDS = pack("<4H", 1, 2, 3, 4)


def write(path: Path, *elements: bytes) -> Path:
    """An implicit little endian file."""
    uids = build.implicit(0x00080016, build.even(build.SECONDARY_CAPTURE.encode())) + build.implicit(
        0x00080018, build.even(b"1.2.3.4")
    )
    path.write_bytes(build.meta(build.IMPLICIT) + uids + b"".join(elements))
    return path


def item(*elements: bytes) -> bytes:
    return build.implicit(0x00283010, build.implicit(build.ITEM, b"".join(elements)))


@pytest.mark.parametrize("before", [b"", build.implicit(LUT_DESCRIPTOR, b"")])
def test_a_table_without_its_descriptor(before: bytes, tmp_path: Path) -> None:
    source = write(
        tmp_path / "x", before, build.implicit(LUT_DATA, WORDS), item(build.implicit(LUT_DATA, WORDS))
    )
    known = KnownElements()
    for header in (read_header(source, known=known), read_header(source, known=known)):
        assert header[LUT_DATA].VR == header.VOILUTSequence[0][LUT_DATA].VR == "OW"
        assert header[LUT_DATA].value == header.VOILUTSequence[0][LUT_DATA].value == WORDS
    write_instance(tmp_path / "y", header, build.IMPLICIT, None)
    assert (tmp_path / "y").read_bytes().count(build.implicit(LUT_DATA, WORDS)) == 2


def test_a_table_with_its_descriptor_has_the_vr_that_it_says(tmp_path: Path) -> None:
    one = write(
        tmp_path / "one",
        build.implicit(LUT_DESCRIPTOR, pack("<3H", 1, 0, 16)),
        build.implicit(LUT_DATA, pack("<H", 7)),
    )
    assert (read_header(one)[LUT_DATA].VR, read_header(one)[LUT_DATA].value) == ("US", 7)


def test_what_was_read_with_its_descriptor_is_read_anew_without(tmp_path: Path) -> None:
    known, data = KnownElements(), build.implicit(LUT_DATA, WORDS)
    descriptor = build.implicit(LUT_DESCRIPTOR, pack("<3H", 4, 0, 16))
    read_header(write(tmp_path / "with", descriptor, data), known=known)
    assert read_header(write(tmp_path / "without", data), known=known)[LUT_DATA].value == WORDS


def test_a_pixel_value_beside_pixels_without_representation(tmp_path: Path) -> None:
    icon = item(build.implicit(0x00280106, pack("<H", 9)), build.implicit(0x7FE00010, b"\0\0"))
    header = read_header(write(tmp_path / "x", icon))
    assert header.VOILUTSequence[0].SmallestImagePixelValue == 9


def test_bytes_that_are_no_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be decoded"):
        read_header(write(tmp_path / "x", build.implicit(0x00280106, b"abc")))


def test_an_overlay_is_words(tmp_path: Path) -> None:
    header: Dataset = read_header(write(tmp_path / "x", build.implicit(OVERLAY, WORDS)))
    assert header[OVERLAY].VR == "OW"
