"""Values exchanged at any depth, lengths made to fit, every other byte as it was; what is odd is refused."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset

from exchange.dicomio.limits import Limits
from exchange.dicomio.rewrite import Change, Value, rewrite
from exchange.dicomio.syntaxes import Encoding
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from tests.exchange.dicomio.build import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, element, implicit, nested

EXPLICIT, IMPLICIT = Encoding(False, True), Encoding(True, True)
BIG = Encoding(False, False)
ENCODINGS = (EXPLICIT, IMPLICIT, BIG)
SEQUENCE, UID = 0x00081140, 0x00081155


def encoded(ds: Dataset, encoding: Encoding) -> bytes:
    raw = BytesIO()
    buffer = DicomIO(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = encoding.implicit_vr, encoding.little_endian
    write_dataset(buffer, ds)
    return raw.getvalue()


def swap(old: bytes, new: bytes) -> Change:
    return lambda value: value.content.replace(old, new) if value.vr == "UI" else None


def sequence(*uids: str, undefined: bool = False) -> Dataset:
    ds = Dataset()
    ds.ReferencedImageSequence = [Dataset() for _ in uids]
    ds["ReferencedImageSequence"].is_undefined_length = undefined
    for each, uid in zip(ds.ReferencedImageSequence, uids, strict=True):
        each.ReferencedSOPInstanceUID = uid
        each.is_undefined_length_sequence_item = undefined
    return ds


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPInstanceUID = draw(st.sampled_from(["1.2.3", "9.9", "1.2.3.4.5"]))
    ds.ContentDescription = draw(st.text("abc 1.2.3", max_size=9))
    if depth:
        ds.ReferencedSeriesSequence = draw(st.lists(trees(depth - 1), max_size=3))
        ds["ReferencedSeriesSequence"].is_undefined_length = draw(st.booleans())
        for each in ds.ReferencedSeriesSequence:
            each.is_undefined_length_sequence_item = draw(st.booleans())
    return ds


def exchange(ds: Dataset, old: str, new: str) -> None:
    ds.ReferencedSOPInstanceUID = str(ds.ReferencedSOPInstanceUID).replace(old, new)
    for each in ds.get("ReferencedSeriesSequence", ()):
        exchange(each, old, new)


@given(trees(), st.sampled_from(ENCODINGS), st.sampled_from(["7", "4.4.4.4.4.4", ""]))
def test_it_is_what_another_writer_makes_of_the_exchanged_values(
    ds: Dataset, encoding: Encoding, new: str
) -> None:
    top = Dataset()
    top.ReferencedSeriesSequence = [ds]
    before = encoded(top, encoding)
    made = rewrite(before, encoding, b"", swap(b"1.2.3", new.encode()))
    exchange(ds, "1.2.3", new)
    assert _values(made, encoding) == _values(encoded(top, encoding), encoding)
    assert len(made) % 2 == 0
    assert rewrite(before, encoding, b"", lambda _: None) == before


def _values(raw: bytes, encoding: Encoding) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    rewrite(raw, encoding, b"", lambda value: found.append((value.path, value.content.strip(b"\0 "))))
    return found


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_does_not_change_is_the_same_bytes(encoding: Encoding, undefined: bool) -> None:
    ds = sequence("1.2.3", "9.9.99", undefined=undefined)
    before = encoded(ds, encoding)
    after = rewrite(before, encoding, b"", swap(b"9.9.99", b"8.8.88"))
    assert after == before.replace(b"9.9.99", b"8.8.88")


def test_paths_vrs_and_character_sets_are_told() -> None:
    ds = sequence("1.2.3", "9.9")
    ds.ReferencedImageSequence[1].SpecificCharacterSet = "ISO_IR 192"
    ds.ReferencedImageSequence[1].add_new(0x00081199, "SQ", [Dataset()])
    ds.ReferencedImageSequence[1][0x00081199].value[0].PatientID = "x"
    seen: list[Value] = []
    rewrite(encoded(ds, EXPLICIT), EXPLICIT, b"ISO_IR 100", seen.append)
    assert [(one.path, one.vr, one.charset.strip()) for one in seen] == [
        ("(0008,1140)[0].(0008,1155)", "UI", b"ISO_IR 100"),
        ("(0008,1140)[1].(0008,0005)", "CS", b"ISO_IR 100"),
        ("(0008,1140)[1].(0008,1155)", "UI", b"ISO_IR 192"),
        ("(0008,1140)[1].(0008,1199)[0].(0010,0020)", "LO", b"ISO_IR 192"),
    ]
    assert "1.2.3" not in repr(seen)


def test_a_sequence_of_unknown_vr_holds_implicit_items() -> None:
    inside = implicit(ITEM, implicit(UID, b"1.2.3\0")) + SEQUENCE_END
    raw = element(SEQUENCE, b"UN", inside, UNDEFINED)
    after = rewrite(raw, EXPLICIT, b"", swap(b"1.2.3", b"1.2.3.4.5"))
    longer = implicit(ITEM, implicit(UID, b"1.2.3.4.5\0")) + SEQUENCE_END
    assert after == element(SEQUENCE, b"UN", longer, UNDEFINED)


def test_a_known_value_of_unknown_vr_is_asked_as_what_it_is() -> None:
    raw = element(0x0020000D, b"UN", b"1.2.3\0")
    assert rewrite(raw, EXPLICIT, b"", swap(b"1.2.3", b"7")) == element(0x0020000D, b"UN", b"7\0")


def test_fragments_are_passed_over() -> None:
    icon = element(
        0x7FE00010, b"OB", implicit(ITEM, b"") + implicit(ITEM, b"1.2.3\0") + SEQUENCE_END, UNDEFINED
    )
    raw = element(0x00880200, b"SQ", implicit(ITEM, element(UID, b"UI", b"1.2.3\0") + icon))
    after = rewrite(raw, EXPLICIT, b"", lambda one: one.content.replace(b"1.2.3", b"7"))
    assert after == element(0x00880200, b"SQ", implicit(ITEM, element(UID, b"UI", b"7\0") + icon))


REFUSED = {
    "no item": element(SEQUENCE, b"SQ", element(UID, b"UI", b"1.2.3\0")),
    "never closed": element(SEQUENCE, b"SQ", implicit(ITEM, b""), UNDEFINED),
    "item never closed": element(SEQUENCE, b"SQ", implicit(ITEM, b"", UNDEFINED)),
    "item too long": element(SEQUENCE, b"SQ", implicit(ITEM, b"", 10)),
    "value too long": element(UID, b"UI", b"1.2.3\0", 10),
    "sequence too long": element(SEQUENCE, b"SQ", b"", 10),
    "something behind": element(UID, b"UI", b"1.2.3\0") + b"\0\0",
    "no VR inside": element(SEQUENCE, b"SQ", implicit(ITEM, implicit(UID, b"1.2.3\0"))),
    "head cut off": struct.pack("<HH", 8, 0x1155),
    "item's head cut off": element(SEQUENCE, b"SQ", b"\xfe\xff\x00\xe0"),
    "delimiter in a defined item": element(SEQUENCE, b"SQ", implicit(ITEM, ITEM_END)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_odd_encodings_are_refused(case: str) -> None:
    with pytest.raises(InputError):
        rewrite(REFUSED[case], EXPLICIT, b"", lambda _: None)


def test_depth_and_length_are_bounded() -> None:
    limits = Limits(depth=10)
    rewrite(nested(9, undefined=True), EXPLICIT, b"", lambda _: None, limits)
    with pytest.raises(InputError) as deep:
        rewrite(nested(11, undefined=False), EXPLICIT, b"", lambda _: None, limits)
    assert deep.value.code is ReasonCode.LIMIT_EXCEEDED
    with pytest.raises(InputError) as long:
        rewrite(element(UID, b"UI", b"1.2.3\0"), EXPLICIT, b"", lambda _: b"1" * 70000)
    assert long.value.code is ReasonCode.LIMIT_EXCEEDED
