"""A glance agrees with pydicom about every value, and with `examine` about what is refused."""

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import read_file_meta
from exchange.dicomio.getters import text, uid
from exchange.dicomio.glance import glance, glance_bare
from exchange.dicomio.header import read_header
from exchange.dicomio.limits import Limits
from exchange.dicomio.window import Window
from exchange.domain.errors import InputError
from exchange.domain.glance import Glance
from tests.exchange.dicomio.build import (
    EXPLICIT,
    IMPLICIT,
    element,
    even,
    implicit,
    meta,
    nested,
    pydicom_files,
    uids,
)

_LARGE = 2_000_000
LIMITS = Limits()


def as_pydicom(path: Path) -> Glance:
    """The slow way: the whole header, through pydicom."""
    ds = read_header(path)
    layout = examine(path)
    return Glance(
        layout.sop_class_uid,
        layout.sop_instance_uid,
        layout.transfer_syntax_uid,
        uid(ds, "StudyInstanceUID"),
        uid(ds, "SeriesInstanceUID"),
        text(ds, "Modality"),
        text(ds, "PatientID"),
        text(ds, "IssuerOfPatientID"),
    )


def real_files() -> list[Path]:
    return [path for path in pydicom_files() if path.stat().st_size < _LARGE]


def test_every_real_file_gives_the_same_both_ways() -> None:
    compared = 0
    for path in real_files():
        try:
            expected = as_pydicom(path)
        except InputError:
            continue  # what `examine` refuses, see its tests
        assert glance(path) == expected, path.name
        compared += 1
    assert compared > 80


def test_a_bare_data_set_gives_the_same_as_its_file() -> None:
    files = [path for path in real_files() if path.read_bytes()[128:132] == b"DICM"]
    assert len(files) > 80
    for path in files:
        assert bare(path) == whole(path), path.name


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glance") / "one.dcm"


def agrees(file: Path) -> None:
    assert bare(file) == whole(file)
    try:
        expected = as_pydicom(file)
    except InputError:
        return
    assert glance(file) == expected


def whole(file: Path, limits: Limits = LIMITS) -> Glance | str:
    """What a glance at a file says, or the code of its refusal."""
    try:
        return glance(file, limits)
    except InputError as error:
        return error.code


def bare(file: Path, limits: Limits = LIMITS) -> Glance | str:
    """What a glance at its data set says, announced as its file meta has it."""
    raw = file.read_bytes()
    said = read_file_meta(Window(BytesIO(raw), len(raw)))
    announced = (said.uid(0x0002), said.uid(0x0003), said.uid(0x0010))
    stream = BytesIO(raw[said.dataset_offset :])
    try:
        return glance_bare(stream, len(raw) - said.dataset_offset, announced, limits)
    except InputError as error:
        return error.code


CHARACTER_SETS = (
    b"",
    b"ISO_IR 100",
    b"ISO_IR 192",
    b"ISO_IR 13",
    b"ISO_IR 144 ",
    b"GB18030",
    b"\\ISO 2022 IR 87",
    b"ISO 2022 IR 13\\ISO 2022 IR 87",
    b"nonsense",
)
RAW = st.one_of(
    st.binary(max_size=24),
    st.text(alphabet="AZ09^= \\\0\x1b~\\äß", max_size=24).map(lambda value: value.encode("latin-1")),
    st.sampled_from([b"\x1b$B;3ED\x1b(B", "Müller".encode(), b"\xd4\xcf\xc0\xde"]),
)


@given(
    charset=st.sampled_from(CHARACTER_SETS),
    patient=RAW,
    issuer=RAW,
    study=st.text(alphabet="12.\\ \0", max_size=20),
    modality=st.text(alphabet="CT\\ \0", max_size=8),
    vr=st.sampled_from([b"LO", b"SH", b"UN", b"CS", b"UT", b"PN", b"US", b"ZZ"]),
)
@example(charset=b"ISO_IR 13", patient=b"~\\", issuer=b"", study="", modality="", vr=b"LO")
def test_made_up_values_give_the_same_both_ways(
    file: Path, charset: bytes, patient: bytes, issuer: bytes, study: str, modality: str, vr: bytes
) -> None:
    body = element(0x00080005, b"CS", even(charset)) if charset else b""
    body += uids() + element(0x00080060, b"CS", even(modality.encode()))
    body += element(0x00100020, vr, even(patient)) + element(0x00100021, b"LO", even(issuer))
    body += element(0x0020000D, b"UI", even(study.encode())) + element(0x0020000E, b"UI", b"1.2.3.4\0")
    file.write_bytes(meta(EXPLICIT) + body)
    agrees(file)


@given(charset=st.sampled_from(CHARACTER_SETS), patient=RAW)
def test_implicit_vr_gives_the_same_both_ways(file: Path, charset: bytes, patient: bytes) -> None:
    body = implicit(0x00080005, even(charset))
    body += implicit(0x00080016, even(b"1.2.3")) + implicit(0x00080018, b"1.2.3.4\0")
    body += implicit(0x00100020, even(patient)) + implicit(0x0020000D, b"1.2\0")
    file.write_bytes(meta(IMPLICIT) + body)
    agrees(file)


def test_of_two_elements_with_one_tag_the_last_counts(file: Path) -> None:
    twice = element(0x00100020, b"LO", b"ONE ") + element(0x00100020, b"LO", b"TWO ")
    file.write_bytes(meta() + uids() + twice)
    assert glance(file).patient_id == "TWO"
    agrees(file)


def test_only_the_top_level_is_looked_at(file: Path) -> None:
    item = element(0x00100020, b"LO", b"INNER ")
    sequence = element(0x00081140, b"SQ", implicit(0xFFFEE000, item))
    file.write_bytes(meta() + uids() + sequence + nested(3, undefined=True))
    assert glance(file).patient_id == ""
    agrees(file)


def test_the_repr_names_nobody() -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    ds = read_header(path)
    found = glance(path)
    assert found.patient_id == ds.PatientID
    for value in (ds.PatientID, ds.StudyInstanceUID, ds.SOPInstanceUID):
        assert value not in repr(found)


@pytest.mark.parametrize(
    "limits", [Limits(elements=20), Limits(header_bytes=300), Limits(element_bytes=20), Limits(uid_bytes=4)]
)
def test_limits_hold_for_runs_of_plain_elements(limits: Limits) -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    with pytest.raises(InputError) as told:
        glance(path, limits)
    assert told.value.code == "limit-exceeded"


TRAILING_PADDING = 138  # length of the last element of that file: without it the file ends in order


@given(cut=st.integers(1, 38_000))
def test_truncation_is_seen_wherever_it_falls(file: Path, cut: int) -> None:
    """As before runs were passed over at a stride: an end between elements is an end, any other is not."""
    assume(cut != TRAILING_PADDING)
    raw = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    file.write_bytes(raw[:-cut])
    with pytest.raises(InputError) as told:
        glance(file)
    assert told.value.code in {"truncated", "missing-uid"}
    assert bare(file) in {"truncated", "missing-uid"}
