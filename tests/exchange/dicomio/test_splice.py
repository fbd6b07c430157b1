"""Splicing: what is not exchanged is copied, byte for byte, from whatever can be read."""

from pathlib import Path

import pytest

from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header
from exchange.dicomio.splice import (
    Splice,
    element_value,
    encode_element,
    encode_item,
    raw_elements,
    require_single,
    sequence_content,
    syntax_of,
    top_level,
)
from exchange.dicomio.stream import open_offsets
from exchange.domain.errors import InputError
from tests.exchange.dicomio.build import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    element,
    implicit,
    meta,
    pydicom_files,
    uids,
)

SMALL = 200_000


def written(splice: Splice, path: Path) -> Path:
    path.write_bytes(b"".join(splice.chunks()))
    return path


def readable() -> list[Path]:
    found = []
    for path in pydicom_files():
        if path.stat().st_size < SMALL:
            try:
                examine(path)
            except InputError:
                continue
            found.append(path)
    return found


def test_without_edits_every_element_is_copied(tmp_path: Path) -> None:
    files = readable()
    assert len(files) > 40
    for path in files:
        layout = examine(path)
        extents = top_level(layout)
        splice = Splice(layout, extents, {})
        copy = written(splice, tmp_path / "copy.dcm")
        again = examine(copy)
        assert splice.digest() == splice.sha256 == dataset_sha256(copy)
        assert splice.byte_count == again.dataset_length
        assert [one.tag for one in top_level(again)] == [one.tag for one in extents], path.name
        with open_offsets(layout) as before, open_offsets(again) as after:
            start, end = extents[0].start, extents[-1].end
            before.seek(start)
            after.seek(top_level(again)[0].start)
            assert before.read(end - start) == after.read(end - start), path.name


def test_elements_are_exchanged_left_out_and_put_in_their_place(tmp_path: Path) -> None:
    source = tmp_path / "in.dcm"
    body = uids() + element(0x00100020, b"LO", b"A1") + element(0x00100040, b"CS", b"F ")
    source.write_bytes(meta() + body + element(0x00200010, b"SH", b"S1"))
    layout = examine(source)
    syntax = syntax_of(layout)
    edits = {
        0x00100020: encode_element(0x00100020, "LO", b"B22 ", syntax),
        0x00100040: None,
        0x00100010: encode_element(0x00100010, "PN", b"", syntax),
        0x00400275: encode_element(0x00400275, "SQ", encode_item(b"", syntax), syntax),
        0x00100030: None,  # was never there
    }
    ds = read_header(written(Splice(layout, top_level(layout), edits), tmp_path / "out.dcm"))
    assert [one.keyword for one in ds] == [
        "SOPClassUID", "SOPInstanceUID", "PatientName", "PatientID", "StudyID", "RequestAttributesSequence",
    ]  # fmt: skip
    assert ds.PatientID == "B22"


def test_values_and_items_are_taken_out_of_their_element(tmp_path: Path) -> None:
    item = implicit(ITEM, element(0x00100020, b"LO", b"A1"))
    open_item = implicit(ITEM, b"", UNDEFINED) + element(0x00100020, b"LO", b"A2") + ITEM_END
    source = tmp_path / "in.dcm"
    source.write_bytes(
        meta()
        + uids()
        + element(0x00100020, b"LO", b"A1")
        + element(0x00101002, b"SQ", item)
        + element(0x00400275, b"SQ", b"", UNDEFINED)
        + open_item
        + SEQUENCE_END
        + element(0x00411001, b"UN", b"xy")
    )
    layout = examine(source)
    raw = raw_elements(layout, top_level(layout))
    syntax = syntax_of(layout)
    assert element_value(raw[0x00100020], syntax) == b"A1"
    assert element_value(raw[0x00411001], syntax) == b"xy"
    assert sequence_content(raw[0x00101002], syntax) == item
    assert sequence_content(raw[0x00400275], syntax) == open_item
    assert sequence_content(raw[0x00411001], syntax) is None


def test_what_stands_twice_is_refused_where_it_matters(tmp_path: Path) -> None:
    source = tmp_path / "in.dcm"
    twice = element(0x00100020, b"LO", b"A1") + element(0x00100020, b"LO", b"A2")
    source.write_bytes(meta() + uids() + twice)
    extents = top_level(examine(source))
    with pytest.raises(InputError, match=r"\(0010,0020\) stands in it twice"):
        require_single(extents, frozenset({0x00100020}))
    require_single(extents, frozenset({0x00100010}))
