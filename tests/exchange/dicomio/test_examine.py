"""`examine`: one linear walk that refuses by name what cannot be used."""

import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header
from exchange.dicomio.limits import Limits
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build

DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"


def code_of(path: Path, limits: Limits | None = None) -> ReasonCode:
    with pytest.raises(InputError) as caught:
        examine(path, limits or Limits())
    assert str(caught.value).startswith("cannot ")
    return caught.value.code


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


BROKEN = {
    "empty file": (b"", ReasonCode.NOT_DICOM),
    "a text": (b"This is a letter to the radiologist, nothing more.\n" * 20, ReasonCode.NOT_DICOM),
    "zeros": (bytes(4096), ReasonCode.NOT_DICOM),
    "prefix alone": (bytes(128) + b"DICM", ReasonCode.MISSING_UID),
    "no UIDs": (build.meta() + build.element(0x00100010, b"PN", b"A^B "), ReasonCode.MISSING_UID),
    "no instance UID": (
        build.meta() + build.element(0x00080016, b"UI", b"1.2\0"),
        ReasonCode.MISSING_UID,
    ),
    "empty instance UID": (build.meta() + build.uids(b""), ReasonCode.MISSING_UID),
    "element longer than the file": (
        build.meta() + build.uids() + build.element(0x00100010, b"PN", b"A^B ", 4000),
        ReasonCode.TRUNCATED,
    ),
    "pixels longer than the file": (
        build.meta() + build.uids() + build.element(0x7FE00010, b"OW", b"\0" * 10, 0x7FFFFFF0),
        ReasonCode.TRUNCATED,
    ),
    "ends inside an element's head": (build.meta() + build.uids() + b"\x10\0\x10\0P", ReasonCode.TRUNCATED),
    "ends inside the file meta": (build.meta()[:-6], ReasonCode.TRUNCATED),
    "sequence never closed": (
        build.meta() + build.uids() + build.element(0x00081140, b"SQ", b"", build.UNDEFINED),
        ReasonCode.TRUNCATED,
    ),
    "item longer than its sequence": (
        build.meta() + build.uids() + build.element(0x00081140, b"SQ", build.implicit(build.ITEM, b"", 64)),
        ReasonCode.TRUNCATED,
    ),
    "fragment longer than the file": (
        build.meta(JPEG)
        + build.uids()
        + build.element(0x7FE00010, b"OB", build.implicit(build.ITEM, b"") * 2, build.UNDEFINED)
        + build.implicit(build.ITEM, b"xx", 1000),
        ReasonCode.TRUNCATED,
    ),
    "no offset table item": (
        build.meta(JPEG) + build.uids()
        + build.element(0x7FE00010, b"OB", build.SEQUENCE_END, build.UNDEFINED),
        ReasonCode.TRUNCATED,
    ),
    "command elements": (
        build.meta() + build.element(0x00000002, b"UI", b"1.2\0") + build.uids(),
        ReasonCode.GROUP_0000,
    ),
    "command elements in an item": (
        build.meta()
        + build.uids()
        + build.element(
            0x00081140, b"SQ", build.implicit(build.ITEM, build.element(0x00000100, b"US", b"\1\0"))
        ),
        ReasonCode.GROUP_0000,
    ),
    "unknown syntax": (build.meta("1.2.826.0.1.3680043.1") + build.uids(), ReasonCode.TRANSFER_SYNTAX),
    "no delimiter but an element": (
        build.meta() + build.uids() + build.element(0x00081140, b"SQ", build.uids()),
        ReasonCode.NOT_DICOM,
    ),
    "a stray delimiter": (build.meta() + build.uids() + build.ITEM_END, ReasonCode.NOT_DICOM),
    "two pixel elements": (
        build.meta() + build.uids() + build.element(0x7FE00010, b"OW", b"\0\0") * 2,
        ReasonCode.NOT_DICOM,
    ),
    "file meta inside the data set": (
        build.meta() + build.uids() + build.element(0x00020010, b"UI", b"1.2\0"),
        ReasonCode.NOT_DICOM,
    ),
    "directory records": (
        build.meta() + build.uids() + build.element(0x00041220, b"SQ", b""),
        ReasonCode.DICOMDIR,
    ),
    "deep, undefined lengths": (
        build.meta() + build.uids() + build.nested(10_000, undefined=True),
        ReasonCode.LIMIT_EXCEEDED,
    ),
    "deep, defined lengths": (
        build.meta() + build.uids() + build.nested(10_000, undefined=False),
        ReasonCode.LIMIT_EXCEEDED,
    ),
    "a UID of 300 bytes": (build.meta() + build.uids(b"1." * 150), ReasonCode.LIMIT_EXCEEDED),
    "no deflate stream": (build.meta(DEFLATED) + b"\xff" * 100, ReasonCode.NOT_DICOM),
    "half a deflate stream": (
        build.meta(DEFLATED) + deflate(build.uids() + bytes(range(256)) * 40)[:60],
        ReasonCode.TRUNCATED,
    ),
    "fragments without a named codec": (
        build.uids() + build.element(0x7FE00010, b"OB", build.implicit(build.ITEM, b""), build.UNDEFINED)
        + build.implicit(build.ITEM, b"\xff\xd8") + build.SEQUENCE_END,
        ReasonCode.TRANSFER_SYNTAX,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_refuses_by_code(name: str, tmp_path: Path) -> None:
    data, expected = BROKEN[name]
    path = tmp_path / "x"
    path.write_bytes(data)
    assert code_of(path) is expected


@pytest.mark.parametrize("undefined", [True, False])
def test_nesting_up_to_the_limit_is_fine(undefined: bool, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.meta() + build.uids() + build.nested(64, undefined=undefined))
    examine(path)
    read_header(path)
    path.write_bytes(build.meta() + build.uids() + build.nested(65, undefined=undefined))
    assert code_of(path) is ReasonCode.LIMIT_EXCEEDED


def test_limits_on_number_and_size(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.meta() + build.uids() + build.element(0x00091001, b"OB", bytes(1000)) * 3)
    assert code_of(path, Limits(elements=4)) is ReasonCode.LIMIT_EXCEEDED
    assert code_of(path, Limits(element_bytes=999)) is ReasonCode.LIMIT_EXCEEDED
    assert code_of(path, Limits(header_bytes=2000)) is ReasonCode.LIMIT_EXCEEDED
    examine(path, Limits(elements=5, element_bytes=1000, header_bytes=4000))


def test_a_deflate_bomb_costs_neither_memory_nor_disk(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.meta(DEFLATED) + deflate(bytes(50_000_000)))
    tracemalloc.start()
    try:
        assert code_of(path, Limits(inflated_bytes=1_000_000)) is ReasonCode.LIMIT_EXCEEDED
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("uid", [b"../../x", b"/etc/passwd", b"a\\b", b"\xe4\xf6", b"1.2.3.4 "])
def test_strange_uids_are_data(uid: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.meta() + build.uids(uid))
    assert examine(path).sop_instance_uid == uid.rstrip(b" ").decode("latin-1")


@pytest.mark.parametrize("lie", [0, 2, 100_000, 0xFFFFFFFF])
def test_group_length_of_the_file_meta_may_lie(lie: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.meta(group_length=lie) + build.uids())
    assert examine(path).dataset_offset == len(build.meta())


def test_zero_padding_behind_the_data_set_is_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.meta() + build.uids() + bytes(21))
    layout = examine(path)
    assert layout.end_offset == layout.dataset_offset + len(build.uids())
    assert layout.dataset_length == len(build.uids()) + 21
    assert len(read_header(path)) == 2


def test_files_without_preamble_or_meta_are_repaired(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.uids())
    layout = examine(path)
    assert (layout.transfer_syntax_uid, layout.has_file_meta, layout.dataset_offset) == (
        build.EXPLICIT, False, 0,
    )  # fmt: skip
    path.write_bytes(build.meta()[132:] + build.uids())
    assert examine(path).has_file_meta
    path.write_bytes(build.implicit(0x00080016, b"1.2\0") + build.implicit(0x00080018, b"1.3\0"))
    assert examine(path).transfer_syntax_uid == build.IMPLICIT


def test_dicm_inside_a_bare_data_set_is_no_prefix(tmp_path: Path) -> None:
    head = build.uids()
    filler = build.element(0x00081030, b"LO", b"x" * (128 - len(head) - 8) + b"DICM")
    path = tmp_path / "x"
    path.write_bytes(head + filler)
    assert path.read_bytes()[128:132] == b"DICM"
    assert not examine(path).has_file_meta


def test_un_of_undefined_length_holds_implicit_items(tmp_path: Path) -> None:
    inner = build.implicit(build.ITEM, build.implicit(0x00080100, b"CODE"))
    data = build.element(0x00091010, b"UN", inner + build.SEQUENCE_END, build.UNDEFINED)
    path = tmp_path / "x"
    path.write_bytes(build.meta() + build.uids() + data)
    examine(path)
    assert read_header(path)[0x00091010].value[0].CodeValue == "CODE"


def test_every_well_formed_pydicom_file_agrees_with_pydicom() -> None:
    agreed = 0
    for path in build.pydicom_files():
        try:
            layout = examine(path)
        except InputError:
            continue
        assert_agrees(path, layout.pixels.value_offset if layout.pixels else None)
        agreed += 1
    assert agreed > 60


def assert_agrees(path: Path, offset: int | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's own reading of odd files, not ours
        ds = pydicom.dcmread(path, force=True)  # noqa: TID251 - the independent second reading
        header = read_header(path)
    pixel_tags = {0x7FE00008, 0x7FE00009, 0x7FE00010}
    assert set(header.keys()) == set(ds.keys()) - pixel_tags, path.name
    here = pixel_tags & set(ds.keys())
    assert (offset is None) == (not here), path.name
    for tag in here:
        raw = ds.get_item(tag)
        assert offset == getattr(raw, "value_tell", getattr(raw, "file_tell", None)), path.name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MR_truncated.dcm", ReasonCode.TRUNCATED),
        ("rtplan_truncated.dcm", ReasonCode.TRUNCATED),
        ("DICOMDIR", ReasonCode.DICOMDIR),
        ("zipMR.gz", ReasonCode.NOT_DICOM),
        ("test1.json", ReasonCode.NOT_DICOM),
        ("UN_sequence.dcm", ReasonCode.MISSING_UID),
    ],
)
def test_pydicom_broken_files(name: str, expected: ReasonCode) -> None:
    assert code_of(Path(str(get_testdata_file(name)))) is expected


def test_the_whole_corpus_reads(corpus: Path) -> None:
    refused: dict[ReasonCode, int] = {}
    files = [path for path in corpus.rglob("*") if path.is_file() and path.parent != corpus]
    for path in files:
        try:
            layout = examine(path)
        except InputError as error:
            refused[error.code] = refused.get(error.code, 0) + 1
            continue
        assert layout.sop_instance_uid
    assert len(files) > 390
    # Broken on purpose by their first publishers; everything else is read.
    assert sum(refused.values()) <= 16, refused


SEED = get_testdata_file("JPEG2000-embedded-sequence-delimiter.dcm"), get_testdata_file("rtplan.dcm")
SMALL = [
    build.meta() + build.uids() + build.nested(3, undefined=True),
    *[Path(str(p)).read_bytes() for p in SEED],
]


def examine_and_read(path: Path, data: bytes) -> None:
    """Either it works, or it is an InputError with a code; nothing else comes out."""
    path.write_bytes(data)
    try:
        examine(path, Limits(inflated_bytes=1_000_000))
        read_header(path, Limits(inflated_bytes=1_000_000))
    except InputError:
        pass


@given(data=st.binary(max_size=2000), prefixed=st.booleans())
def test_random_bytes(data: bytes, prefixed: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    head = build.meta() + build.uids() if prefixed else b""
    examine_and_read(tmp_path_factory.getbasetemp() / "random", head + data)


@given(st.data())
def test_mutated_and_truncated_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(SMALL))[:4000])
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(128, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(raw)))
    examine_and_read(tmp_path_factory.getbasetemp() / "mutated", bytes(raw[:end]))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [0x00081140, 0x00100010, 0x7FE00010, 0x00091001, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD]
            ),
            st.sampled_from([b"SQ", b"UN", b"OB", b"PN", b"ZZ", b"\0\0"]),
            st.sampled_from([0, 2, 8, 16, 0xFFFF, build.UNDEFINED]),
        ),
        max_size=12,
    )
)
def test_random_structures(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, bytes, int]]
) -> None:
    body = b""
    for tag, vr, length in parts:
        if tag >> 16 == 0xFFFE:
            body += build.implicit(tag, b"", length)
        elif vr in build.LONG:
            body += struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, length)
        else:
            body += struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, length & 0xFFFF)
    examine_and_read(tmp_path_factory.getbasetemp() / "structure", build.meta() + build.uids() + body)
