"""The proof's own reader of encoded data sets."""

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError
from redact.verify.inventory import dataset_walk, opened
from redact.verify.walk import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Syntax, Walk, tag_text
from tests.redact.verify.studies import BIG, DEFLATED, EXPLICIT, IMPLICIT, cleaned, write


def encoded(ds: Dataset, *, implicit: bool = False, little: bool = True) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    write_dataset(stream, ds)
    return bytes(stream.getvalue())


def nested(*, undefined: bool) -> Dataset:
    leaf = Dataset()
    leaf.TextValue = "leaf"
    middle = Dataset()
    middle.ContentSequence = Sequence([Dataset(), leaf])
    top = Dataset()
    top.PatientName = "A^B"
    top.ContentSequence = Sequence([middle])
    for ds in (middle, top):
        ds["ContentSequence"].is_undefined_length = undefined
    leaf.is_undefined_length_sequence_item = undefined
    return top


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_paths_and_values(undefined: bool, implicit: bool, little: bool) -> None:
    raw = encoded(nested(undefined=undefined), implicit=implicit, little=little)
    found = {
        element.path: raw[element.start : element.end]
        for element in Walk(raw, 0, len(raw), Syntax(explicit=not implicit, little_endian=little))
    }
    assert found == {
        "(0010,0010)": b"A^B ",
        "(0040,A730)": b"",
        "(0040,A730)[0].(0040,A730)": b"",
        "(0040,A730)[0].(0040,A730)[1].(0040,A160)": b"leaf",
    }


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_walk_agrees_with_the_writer(syntax: str, tmp_path: Path) -> None:
    layout = examine(write(tmp_path / "a.dcm", cleaned(), syntax))
    with opened(layout) as buffer:
        elements = list(dataset_walk(layout, buffer))
    header = read_header(layout.source)
    assert {element.tag for element in elements if element.depth == 0} == {
        int(element.tag) for element in header
    } | {0x7FE00010}


def test_unknown_vr_of_undefined_length_is_an_implicit_sequence() -> None:
    inner = struct.pack("<HHI", 0x0010, 0x0010, 4) + b"A^B "
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    raw = struct.pack("<HH2sHI", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF) + item
    assert [element.path for element in Walk(raw, 0, len(raw), EXPLICIT_LITTLE)] == [
        "(0009,1001)",
        "(0009,1001)[0].(0010,0010)",
    ]


def test_character_set_is_inherited_and_overridden() -> None:
    inner = Dataset()
    inner.SpecificCharacterSet = "ISO_IR 192"
    inner.TextValue = "x"
    plain = Dataset()
    plain.TextValue = "y"
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 144"
    ds.ContentSequence = Sequence([inner, plain])
    raw = encoded(ds)
    by_path = {element.path: element.charset.strip() for element in Walk(raw, 0, len(raw), EXPLICIT_LITTLE)}
    assert by_path["(0040,A730)[0].(0040,A160)"] == b"ISO_IR 192"
    assert by_path["(0040,A730)[1].(0040,A160)"] == b"ISO_IR 144"


def test_ten_thousand_levels_are_refused_without_recursion() -> None:
    level = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    raw = level * 10_000
    with pytest.raises(HeldError, match="deeper") as caught:
        list(Walk(raw, 0, len(raw), EXPLICIT_LITTLE))
    assert caught.value.code is ReasonCode.PROOF_IOD


@given(
    st.binary(max_size=200),
    st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, Syntax(explicit=True, little_endian=False)]),
)
def test_arbitrary_bytes_give_elements_or_a_hold(raw: bytes, syntax: Syntax) -> None:
    try:
        elements = list(Walk(raw, 0, len(raw), syntax))
    except HeldError:
        return
    assert all(0 <= element.start <= element.end <= len(raw) for element in elements)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_give_elements_or_a_hold(at: int, junk: bytes) -> None:
    raw = bytearray(encoded(nested(undefined=True)) * 3)
    raw[at : at + len(junk)] = junk
    with suppress(HeldError):
        list(Walk(bytes(raw), 0, len(raw), EXPLICIT_LITTLE))


def test_walk_agrees_with_pydicom_on_real_files(corpus: Path) -> None:
    compared = 0
    for path in sorted(corpus.rglob("*")):
        if not path.is_file() or path.stat().st_size > 600_000:
            continue
        try:
            layout = examine(path)
            tags = {int(element.tag) for element in read_header(path)}
        except InputError:
            continue
        with opened(layout) as buffer:
            try:
                walked = {element.tag for element in dataset_walk(layout, buffer) if element.depth == 0}
            except HeldError:
                continue  # originals may be malformed; the proof then reads them through pydicom
        compared += 1
        assert {tag_text(tag) for tag in walked - tags} <= {"(7FE0,0008)", "(7FE0,0009)", "(7FE0,0010)"}
        assert tags <= walked
    assert compared > 100
