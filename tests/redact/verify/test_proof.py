"""`prove_instance`: a faultless output passes; a leak of any kind is held, by path and never by value."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, IdentifierKind
from exchange.domain.source import Source
from redact.headers.profile import Option
from redact.pixels.boxes import BoxRule, TextBox
from redact.verify.canary import Canary
from redact.verify.expectations import Expectations
from redact.verify.proof import InstanceProof, Prover, prove_instance
from tests.redact.verify.studies import (
    BIG,
    DEFLATED,
    EXPECTATIONS,
    EXPLICIT,
    IDENTIFIERS,
    IMPLICIT,
    PSEUDONYMISER,
    STUDY,
    cleaned,
    original,
    pair,
    pixels,
    write,
)

SECRETS = (
    "oering",
    "OERING",
    "ohanna",
    "OHANNA",
    "4471180",
    "9711800",
    "usterstadt",
    "19610412",
    "20190307",
    STUDY,
)
PIXEL_PATH = "(7FE0,0010)"


def nothing(ds: Dataset) -> None:
    """No change."""


def prove(source: Path, output: Path, expectations: Expectations = EXPECTATIONS) -> InstanceProof:
    return prove_instance(
        source, output, identifiers=IDENTIFIERS, expectations=expectations, canary_seed=b"exchange-1"
    )


def held(source: Path, output: Path, expectations: Expectations = EXPECTATIONS) -> HeldError:
    with pytest.raises(HeldError) as caught:
        prove(source, output, expectations)
    told = f"{caught.value} {caught.value.path} {caught.value!r}"
    assert not [secret for secret in SECRETS if secret in told]
    return caught.value


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_faultless_output_passes(syntax: str, tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing, syntax)
    proof = prove(source, output)
    assert proof.sha256 == dataset_sha256(output)
    assert (proof.known_identifiers, proof.canary, proof.iod) == ("absent", "found", "no worse")
    assert proof.text_detection == "not examined"
    assert proof.bytes_scanned >= examine(output).dataset_offset + len(pixels())
    assert proof.elements_read > 40
    assert proof.tokens_searched > 50


def item_with(**values: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        item = Dataset()
        for keyword, value in values.items():
            setattr(item, keyword, value)
        inner = Dataset()
        inner.ContentSequence = Sequence([Dataset(), item])
        ds.ContentSequence = Sequence([inner])

    return change


def setting(**values: object) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return change


def adding(tag: int, vr: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: ds.add_new(tag, vr, value)


NESTED = "(0040,A730)[0].(0040,A730)[1].(0040,A160)"
TEXT_LEAKS: dict[str, str] = {
    "name": "seen: Doering",
    "as in the header": "DOERING^JOHANNA",
    "reversed": "Johanna Doering",
    "upper case reversed": "DOERING, JOHANNA",
    "given name only": "call johanna tomorrow",
    "initial and surname": "J. Doering",
    "joined": "doeringjohanna",
    "initial joined": "JDOERING",
    "with diacritics": "Döring",
    "short name with its given name": "dr LI Bo",
    "short name reversed": "Bo Li",
    "ordinary word with its given name": "Walter Head",
    "id": "id MRN-4471180",
    "id without separators": "MRN4471180",
    "id with other separators": "MRN 447.1180",
    "short number": "order ACC77",
    "phone": "+49 (341) 97 11 800",
    "phone in another grouping": "0049/+493419711800",
    "institution": "University Hospital Musterstadt",
    "institution's own word": "MRI Musterstadt",
    "date": "exam of 20190307",
    "date with dashes": "2019-03-07",
    "date, day first": "7.3.2019",
    "date, month first": "03/07/2019",
    "date in words": "7 March 2019",
    "date in words, month first": "Mar 7, 2019",
    "birth date, two digits": "born 12.04.61",
    "birth date, month name": "12-APR-1961",
    "uid": f"see {STUDY}.1.1",
}


@pytest.mark.parametrize("leak", TEXT_LEAKS)
def test_leak_in_nested_text_is_held(leak: str, tmp_path: Path) -> None:
    source, output = pair(tmp_path, item_with(TextValue=TEXT_LEAKS[leak]))
    error = held(source, output)
    assert (error.code, error.path) == (ReasonCode.PROOF_IDENTIFIER, NESTED)


ELEMENT_LEAKS: dict[str, tuple[Callable[[Dataset], None], str]] = {
    "PN": (setting(ReferringPhysicianName="Li^Bo"), "(0008,0090)"),
    "PN, ordinary word": (setting(OperatorsName="Head"), "(0008,1070)"),
    "PatientName kept": (setting(PatientName="Doering^Johanna"), "(0010,0010)"),
    "PatientID kept": (setting(PatientID="MRN-4471180"), "(0010,0020)"),
    "AccessionNumber kept": (setting(AccessionNumber="ACC77"), "(0008,0050)"),
    "birth date kept": (setting(PatientBirthDate="19610412"), "(0010,0030)"),
    "study date kept": (setting(StudyDate="20190307"), "(0008,0020)"),
    "date shifted otherwise": (setting(ContentDate="20180101"), "(0008,0023)"),
    "DT kept": (setting(AcquisitionDateTime="20190307101112.5+0100"), "(0008,002A)"),
    "study UID kept": (setting(StudyInstanceUID=STUDY), "(0020,000D)"),
    "referenced UID kept": (setting(FrameOfReferenceUID=f"{STUDY}.1"), "(0020,0052)"),
    "UID that nobody mapped": (setting(SOPInstanceUID="2.25.12345678901234567890"), "(0008,0018)"),
    "id inside a UID": (setting(FrameOfReferenceUID="1.2.3.4471180.1"), "(0020,0052)"),
    "description": (setting(SeriesDescription="Doering 5.0"), "(0008,103E)"),
    "code string": (setting(BodyPartExamined="DOERING"), "(0018,0015)"),
    "AE title": (setting(RetrieveAETitle="MUSTERSTADT"), "(0008,0054)"),
    "overlay description": (adding(0x60000022, "LO", "Doering"), "(6000,0022)"),
    "overlay data": (adding(0x60003000, "OW", b"\0" * 9 + b"Doering^Johanna" + b"\0" * 8), "(6000,3000)"),
    "curve": (adding(0x50003000, "OW", b"\1\2" * 5 + b"MRN-4471180."), "(5000,3000)"),
    "private text": (adding(0x00291008, "LO", "IMAGE NUM 4"), "(0029,1008)"),
    "private name": (adding(0x00291008, "LO", "Doering"), "(0029,1008)"),
    "UN, text": (adding(0x00101015, "UN", b"Li Bo "), "(0010,1015)"),
    "UN, binary": (adding(0x00101015, "UN", b"\0\1\2\3Doering\0\7\x80\x81\x82\x83"), "(0010,1015)"),
    "trailing padding": (adding(0xFFFCFFFC, "OB", b"\0" * 20 + b"Johanna" + b"\0"), "(FFFC,FFFC)"),
    "UTF-16": (adding(0x00420011, "OB", "Johanna Doering".encode("utf-16-le") + b"\xff\xfe"), "(0042,0011)"),
    "UTF-16, big endian": (
        adding(0x00420011, "OB", "Johanna Doering".encode("utf-16-be") + b"\xff"),
        "(0042,0011)",
    ),
    "icon pixels": (
        lambda ds: ds.add_new(0x00880200, "SQ", [_icon(b"\x20" * 16 + b"Doering^Johanna" + b"\x20")]),
        "(0088,0200)[0].(7FE0,0010)",
    ),
}


def _icon(data: bytes) -> Dataset:
    icon = Dataset()
    icon.add_new(0x7FE00010, "OB", data)
    return icon


@pytest.mark.parametrize("leak", ELEMENT_LEAKS)
def test_leak_in_an_element_is_held(leak: str, tmp_path: Path) -> None:
    change, path = ELEMENT_LEAKS[leak]
    source, output = pair(tmp_path, change)
    error = held(source, output)
    assert (error.code, error.path) == (ReasonCode.PROOF_IDENTIFIER, path)


def with_bytes(output: Path, offset: int, data: bytes) -> None:
    raw = bytearray(output.read_bytes())
    raw[offset : offset + len(data)] = data
    output.write_bytes(bytes(raw))


def test_leak_in_the_preamble_is_held(tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing)
    with_bytes(output, 10, b"Doering")
    assert held(source, output).path == "preamble"


def test_foreign_file_meta_is_held(tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing)
    raw = output.read_bytes()
    extra = struct.pack("<HH2sH", 2, 0x16, b"AE", 8) + b"WARD 12A"
    offset = examine(output).dataset_offset
    length = struct.unpack_from("<L", raw, 140)[0]
    output.write_bytes(
        raw[:140] + struct.pack("<L", length + len(extra)) + raw[144:offset] + extra + raw[offset:]
    )
    assert held(source, output).path == "(0002,0016)"


def test_leak_in_file_meta_values_is_held(tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing)
    raw = output.read_bytes()
    at = raw.index(b"LOCKGATE") if b"LOCKGATE" in raw[:400] else raw.index(b"lockgate")
    with_bytes(output, at, b"Johanna ")
    assert held(source, output).path == "(0002,0013)"


@pytest.mark.parametrize("text", ["Doering^Johanna", "DOERING JOHANNA", "MRN-4471180", "Musterstadt"])
@pytest.mark.parametrize("at", [0, 1001, 4097])
def test_leak_in_pixel_bytes_is_held(text: str, at: int, tmp_path: Path) -> None:
    data = bytearray(pixels())
    data[at : at + len(text)] = text.encode()
    source, output = (
        write(tmp_path / "a.dcm", original()),
        write(tmp_path / "b.dcm", cleaned(), data=bytes(data)),
    )
    assert held(source, output).path == PIXEL_PATH


def test_leak_in_a_deflated_data_set_is_held(tmp_path: Path) -> None:
    source, output = pair(tmp_path, item_with(TextValue="Doering"), DEFLATED)
    assert held(source, output).path == NESTED


def test_leak_after_the_last_element_is_held(tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing, DEFLATED)
    output.write_bytes(output.read_bytes() + b"Doering^Johanna.")
    assert held(source, output).path == "bytes outside the elements"


def test_chance_letters_in_pixels_pass(tmp_path: Path) -> None:
    """Short names, and 16-bit values that look like UTF-16 letters, occur by chance."""
    data = bytearray(pixels())
    data[100:102], data[300:304], data[500:512] = b"LI", b"HEAD", "ohanna".encode("utf-16-le")
    data[700:707] = b"dOeRiNg"  # mixed case: noise of 8-bit images around the letters
    source, output = (
        write(tmp_path / "a.dcm", original()),
        write(tmp_path / "b.dcm", cleaned(), data=bytes(data)),
    )
    assert prove(source, output).known_identifiers == "absent"


BENIGN: dict[str, Callable[[Dataset], None]] = {
    "ordinary word that is a name": setting(SeriesDescription="HEAD CT 5.0 li"),
    "digits of an id in a number": setting(ImagePositionPatient=["-4471180.4", "0.4471180", "1"]),
    "short number": setting(SeriesNumber="1", StudyID="1"),
    "generic institution words": setting(SeriesDescription="CT university hospital protocol"),
    "part of a word": setting(SeriesDescription="Lithium boost headway"),
    "number inside a longer one": setting(SeriesDescription="144711809"),
    "no date": setting(SeriesDescription="matrix 2019x0307 03.07"),
}


@pytest.mark.parametrize("variant", BENIGN)
def test_benign_content_passes(variant: str, tmp_path: Path) -> None:
    source, output = pair(tmp_path, BENIGN[variant])
    assert prove(source, output).known_identifiers == "absent"


IOD_FAULTS: dict[str, tuple[Callable[[Dataset], None], str]] = {
    "type 1 gone": (lambda ds: ds.__delattr__("Rows"), "(0028,0010)"),
    "type 1 empty": (setting(ImageType=""), "(0008,0008)"),
    "type 2 gone": (lambda ds: ds.__delattr__("PatientSex"), "(0010,0040)"),
    "not marked": (lambda ds: ds.__delattr__("PatientIdentityRemoved"), "(0012,0062)"),
    "type 1 of an item gone": (
        lambda ds: ds.ProcedureCodeSequence[0].__delattr__("CodeMeaning"),
        "(0008,1032)[0].(0008,0104)",
    ),
    "other SOP class": (setting(SOPClassUID="1.2.840.10008.5.1.4.1.1.4"), "(0008,0016)"),
}


@pytest.mark.parametrize("fault", IOD_FAULTS)
def test_iod_that_became_worse_is_held(fault: str, tmp_path: Path) -> None:
    change, path = IOD_FAULTS[fault]
    source, output = pair(tmp_path, change)
    error = held(source, output)
    assert (error.code, error.path) == (ReasonCode.PROOF_IOD, path)


def test_defect_of_the_original_is_not_ours(tmp_path: Path) -> None:
    source, output = original(), cleaned()
    for ds in (source, output):
        del ds.PatientSex
        ds.ImageType = ""
    proof = prove(write(tmp_path / "a.dcm", source), write(tmp_path / "b.dcm", output))
    assert proof.iod == "no worse"


def test_truncated_output_is_held(tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing)
    output.write_bytes(output.read_bytes()[:-100])
    assert held(source, output).code is ReasonCode.PROOF_IOD


def test_identifier_that_the_harvest_missed_is_found(tmp_path: Path) -> None:
    """The proof reads names and ids of the original itself."""
    source, output = pair(tmp_path, item_with(TextValue="Johanna"))
    with pytest.raises(HeldError) as caught:
        prove_instance(source, output, identifiers=HarvestedIdentifiers(), expectations=EXPECTATIONS)
    assert caught.value.path == NESTED


def test_what_a_profile_keeps_may_remain_there_and_nowhere_else(tmp_path: Path) -> None:
    options = frozenset({Option.RETAIN_MODIFIED_DATES, Option.RETAIN_INSTITUTION_IDENTITY})
    kept = Expectations.of(options, PSEUDONYMISER)
    source, output = pair(tmp_path, setting(InstitutionName="University Hospital Musterstadt"))
    assert prove(source, output, kept).known_identifiers == "absent"
    assert held(source, output).path == "(0008,0080)"
    source, output = pair(tmp_path, setting(SeriesDescription="Musterstadt"))
    assert held(source, output, kept).path == "(0008,103E)"


def test_site_rule_lets_one_kind_remain_in_one_element(tmp_path: Path) -> None:
    kept = Expectations.of(
        frozenset({Option.RETAIN_MODIFIED_DATES}),
        PSEUDONYMISER,
        {0x00080050: frozenset({IdentifierKind.NUMBER})},
    )
    source, output = pair(tmp_path, setting(AccessionNumber="ACC77"))
    assert prove(source, output, kept).known_identifiers == "absent"
    source, output = pair(tmp_path, setting(AccessionNumber="Doering"))
    assert held(source, output, kept).path == "(0008,0050)"


def test_retained_uids_and_full_dates_pass_where_the_profile_says_so(tmp_path: Path) -> None:
    options = frozenset({Option.RETAIN_UIDS, Option.RETAIN_FULL_DATES})
    change = setting(
        StudyInstanceUID=STUDY,
        SOPInstanceUID=f"{STUDY}.1.1",
        SeriesInstanceUID=f"{STUDY}.1",
        StudyDate="20190307",
    )
    source, output = pair(tmp_path, change)
    assert prove(source, output, Expectations.of(options, PSEUDONYMISER)).known_identifiers == "absent"


class Reading:
    """A second reader that sees what it is told to."""

    def __init__(self, *boxes: TextBox) -> None:
        self.boxes = boxes
        self.canaries: list[Canary] = []

    def __call__(self, original: Source, cleaned: Path, layout: FileLayout) -> tuple[TextBox, ...]:
        assert layout.source == cleaned != original
        return self.boxes

    def check_canary(self, canary: Canary) -> None:
        self.canaries.append(canary)


def test_text_in_the_pixels_is_held_with_its_box(tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing)
    reading = Reading(TextBox(frame=3, x0=10, y0=20, x1=90, y1=40, rule=BoxRule.IDENTIFIER, confidence=0.9))
    with pytest.raises(HeldError) as caught:
        prove_instance(
            source, output, identifiers=IDENTIFIERS, expectations=EXPECTATIONS, pixel_proof=reading
        )
    assert (caught.value.code, caught.value.path) == (ReasonCode.PROOF_TEXT, "frame 3: 10,20,90,40")


def test_pixels_without_text_are_said_so_and_the_canary_is_shown(tmp_path: Path) -> None:
    source, output = pair(tmp_path, nothing)
    reading = Reading()
    prover = Prover(IDENTIFIERS, EXPECTATIONS, reading, b"seed")
    assert prover.prove(examine(source), output).text_detection == "none found"
    assert reading.canaries == [Canary.of(b"seed")]


def test_prover_shows_no_identifiers() -> None:
    prover = Prover(IDENTIFIERS, EXPECTATIONS)
    assert not [secret for secret in SECRETS if secret in repr(prover)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_identifier_planted_anywhere_is_held(data: st.DataObject, tmp_path: Path) -> None:
    """Any identifier of six bytes or more, over any bytes of the data set or the preamble."""
    source, output = pair(tmp_path, nothing)
    text = data.draw(
        st.sampled_from(["Doering^Johanna", "JOHANNA DOERING", "johanna", "MRN-4471180", "MUSTERSTADT"])
    )
    raw = bytearray(output.read_bytes())
    at = data.draw(st.integers(0, len(raw) - len(text)))
    raw[at : at + len(text)] = text.encode()
    output.write_bytes(bytes(raw))
    with pytest.raises(HeldError):
        prove(source, output)
