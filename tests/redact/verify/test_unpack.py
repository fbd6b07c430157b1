"""What is packed inside a value comes out, ordinary values give nothing, and a packed name is held."""

import base64
import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify import unpack
from redact.verify.unpack import unpacked
from tests.redact.verify.studies import pair
from tests.redact.verify.test_proof import held, prove

NAME = b"seen by Doering, Johanna today"
Pack = Callable[[bytes], bytes]


def zipped(data: bytes) -> bytes:
    raw = BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("note.txt", data)
    return raw.getvalue()


PACKS: dict[str, Pack] = {
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "hexadecimal": lambda data: data.hex().encode(),
    "zlib": zlib.compress,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}
BINARY = ("zlib", "gzip", "bzip2", "xz", "zip")


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
@given(
    data=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=16, max_size=300).map(
        str.encode
    )
)
def test_what_was_packed_comes_out(pack: Pack, data: bytes) -> None:
    assert data in list(unpacked(pack(data)))


@pytest.mark.parametrize("outer", ["base64", "hexadecimal", "zip", "gzip"])
@pytest.mark.parametrize("inner", BINARY)
def test_one_in_the_other_comes_out(inner: str, outer: str) -> None:
    assert NAME in list(unpacked(PACKS[outer](PACKS[inner](NAME))))


def test_base64_in_lines_comes_out() -> None:
    assert NAME * 9 in list(unpacked(base64.encodebytes(NAME * 9)))
    assert NAME * 9 in list(unpacked(base64.encodebytes(NAME * 9).replace(b"\n", b"\r\n")))


def test_names_of_zipped_files_come_out_too() -> None:
    raw = BytesIO()
    with zipfile.ZipFile(raw, "w") as opened:
        opened.writestr("Doering_Johanna.txt", b"nothing")
        opened.comment = b"of MRN-4471180"
    told = b"\n".join(unpacked(raw.getvalue()))
    assert b"Doering_Johanna" in told
    assert b"MRN-4471180" in told


@pytest.mark.parametrize(
    "value",
    [
        b"CT CHEST w/o CONTRAST 3.0 B30f",
        b"ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI",
        b"AbdomenThoraxPelvisContrastVenousPhase",
        b"0123456789012345678901234567890123456789",
        bytes(range(256)),
        b"\x78\x9c is how some numbers begin",
        b"PK\x03\x04 but no archive",
    ],
)
def test_ordinary_values_give_nothing(value: bytes) -> None:
    assert list(unpacked(value)) == []


@given(st.binary(max_size=200), st.sampled_from(list(PACKS.values())), st.integers(0, 60))
def test_damage_is_no_error(data: bytes, pack: Pack, cut: int) -> None:
    packed = pack(data)
    for value in (packed[: max(0, len(packed) - cut)], packed[cut:], packed + data):
        list(unpacked(value))


def test_a_bomb_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_UNPACKED", 100_000)
    with pytest.raises(HeldError, match="too much"):
        list(unpacked(zlib.compress(bytes(1_000_000))))


def test_what_is_packed_too_often_is_held() -> None:
    value = NAME
    for _ in range(4):
        value = zlib.compress(value)
    with pytest.raises(HeldError, match="too often"):
        list(unpacked(value))


def test_an_encrypted_archive_is_held() -> None:
    archive = bytearray(zipped(NAME))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        archive[archive.index(mark) + at] |= 1
    with pytest.raises(HeldError, match="encrypted"):
        list(unpacked(bytes(archive)))


def planted(tag: int, vr: str, value: bytes) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        text = vr in {"LT", "UT"}
        ds[Tag(tag)] = DataElement(
            Tag(tag), vr, value.decode("ascii") if text else value + bytes(len(value) % 2)
        )

    return change


@pytest.mark.parametrize("name", PACKS)
def test_a_packed_name_is_held_by_the_proof(name: str, tmp_path: Path) -> None:
    tag, vr = (0x00282000, "OB") if name in BINARY else (0x00204000, "LT")
    source, output = pair(tmp_path, planted(tag, vr, PACKS[name](NAME)))
    error = held(source, output)
    assert error.code is ReasonCode.PROOF_IDENTIFIER
    assert error.path == f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


@pytest.mark.parametrize("name", PACKS)
def test_packed_text_that_names_no_one_passes(name: str, tmp_path: Path) -> None:
    tag, vr = (0x00282000, "OB") if name in BINARY else (0x00204000, "LT")
    source, output = pair(tmp_path, planted(tag, vr, PACKS[name](b"head without contrast, routine protocol")))
    assert prove(source, output).known_identifiers == "absent"


def test_a_bomb_in_an_element_is_held_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_UNPACKED", 10_000)
    source, output = pair(tmp_path, planted(0x00282000, "OB", zlib.compress(bytes(100_000))))
    assert held(source, output).path == "(0028,2000)"
