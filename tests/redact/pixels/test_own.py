"""Whose text is it: the patient's own stays, another's holds, the rest goes as ever."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from agent.config.profiles import load_profile
from exchange.dicomio.header import read_header
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.ocr.lines import ReadLine
from redact.pixels.boxes import BoxRule
from redact.pixels.own import OwnText, Whose
from redact.pixels.patients import OwnTexts
from redact.stage import CleanedInstance, CleaningPlan, InstanceCleaner, Readers
from tests.redact.ocr.drawing import Blind
from tests.redact.pixels.making import Made, native, opened
from tests.support.models import readers

PROFILE = load_profile("teleradiology")


def header(**changes: str) -> Dataset:
    ds = Dataset()
    values = {
        "PatientName": "Quillfeather^Ottoline",
        "PatientID": "QF-4711-88",
        "PatientBirthDate": "19610412",
        "AccessionNumber": "ACC-771-20",
        "OtherPatientIDs": "OLD-553311",
        "ReferringPhysicianName": "Marlowe^Piers",
        "InstitutionName": "Wexborough General",
        "StudyDate": "20240517",
        **changes,
    }
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def judge(**changes: str) -> OwnText:
    ds = header(**changes)
    return OwnTexts(PROFILE, harvest(ds), hold=True).of(ds)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("QUILLFEATHER OTTOLINE", Whose.OWN),
        ("Quillfeather, Ottoline", Whose.OWN),
        ("QUILLFEATHER^OTTOLINE", Whose.OWN),
        ("Name: QUILLFEATHER OTTOLINE F 63Y", Whose.OWN),
        ("Name:QUILLFEATHEROTTOLINE", Whose.OWN),
        ("Patient Name: Ottoline Qui11feather", Whose.OWN),  # as readers misread
        ("ID: QF-4711-88", Whose.OWN),
        ("MRN 471188", Whose.OWN),
        ("QF471188", Whose.OWN),
        ("DOB 12.04.1961", Whose.OWN),
        ("DOB: 04/12/61", Whose.OWN),
        ("Geb. 12-APR-1961", Whose.OWN),
        ("Pat. Name: QUILLFEATHER ID: QF-4711-88 DOB: 1961-04-12", Whose.OWN),
        ("17.05.2024 10:22:31", Whose.OWN),  # the study's own day, which the profile keeps
        ("LT KIDNEY 12.5 cm", Whose.OWN),
        ("Study ID: 4417", Whose.OWN),
        ("R", Whose.OWN),
        ("Name: RAVENSCROFT BASIL", Whose.ANOTHERS),
        ("Patient: Ravenscroft", Whose.ANOTHERS),
        ("RAVENSCROFT^BASIL", Whose.ANOTHERS),
        ("Ravenscroft, Basil", Whose.ANOTHERS),
        ("QUILLFEATHER PETER", Whose.ANOTHERS),
        ("Name: QUILLFEATHER PETER", Whose.ANOTHERS),
        ("Patient ID: RB-220099", Whose.ANOTHERS),
        ("MRN: 220099", Whose.ANOTHERS),
        ("DOB 13.04.1961", Whose.ANOTHERS),
        ("D0B:13.04.1961 lD: RB-220099", Whose.ANOTHERS),  # as readers misread
        ("Date of birth: 1972-04-12", Whose.ANOTHERS),
        ("Born 12 Apr 1972", Whose.ANOTHERS),
        ("Name: QUILLFEATHER OTTOLINE ID: RB-220099", Whose.ANOTHERS),
        ("ID: OLD-553311", Whose.IDENTIFIER),
        ("Dr Marlowe", Whose.IDENTIFIER),
        ("MARLOWE^PIERS", Whose.IDENTIFIER),
        ("QUILLFEATHER OTTOLINE Wexborough General", Whose.IDENTIFIER),
        ("Zorblatt Instruments", Whose.UNKNOWN),
        ("03.02.2019", Whose.UNKNOWN),
        ("QUILLFEATHER OTTOLINE 0176 4482210", Whose.UNKNOWN),
    ],
)
def test_whose_a_line_is(text: str, expected: Whose) -> None:
    assert judge().of_text(text) is expected


def line(text: str, x: int, y: int, width: int = 80) -> ReadLine:
    return ReadLine(y, x, y + 16, x + width, text, 0.9)


def test_a_label_to_the_left_belongs_to_the_value() -> None:
    label, value, below = line("Name:", 10, 10), line("Ravenscroft", 100, 12), line("Ravenscroft", 100, 80)
    assert judge().whose(value, (label, value, below)) is Whose.ANOTHERS
    assert judge().whose(below, (label, value, below)) is Whose.UNKNOWN
    assert judge().whose(line("Quillfeather", 100, 12), (label,)) is Whose.OWN


@pytest.mark.parametrize("keyword", ["PatientName", "PatientID", "PatientBirthDate"])
def test_what_the_header_does_not_say_cannot_be_contradicted(keyword: str) -> None:
    said = {
        "PatientName": "Name: RAVENSCROFT",
        "PatientID": "ID: RB-220099",
        "PatientBirthDate": "DOB 13.04.1971",
    }
    assert judge(**{keyword: ""}).of_text(said[keyword]) is Whose.IDENTIFIER


@given(
    family=st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=5, max_size=12),
    name=st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=4, max_size=10),
    number=st.from_regex(r"[A-Z]{0,2}[1-9][0-9]{4,8}", fullmatch=True),
)
def test_the_patients_own_is_never_anothers(family: str, name: str, number: str) -> None:
    own = judge(PatientName=f"{family}^{name}", PatientID=number)
    for text in (f"Name: {family} {name}", f"{name} {family}".upper(), f"{family}^{name}", f"ID: {number}"):
        assert own.of_text(text) is not Whose.ANOTHERS


def burned(path: Path, *lines: str, **changes: Any) -> Made:
    """A capture with lines of text in it."""
    pixels = np.full((220, 520), 40, np.uint8)
    for number, text in enumerate(lines):
        at = (8, 40 + 44 * number)
        cv2.putText(pixels, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 220, 2, cv2.LINE_AA)
    values = {one.keyword: one.value for one in header()} | changes
    return native(path, pixels[np.newaxis, :, :, np.newaxis], **values)


def cleaned(
    made: Made, target: Path, both: Readers | None = None, released: frozenset[ReasonCode] = frozenset()
) -> CleanedInstance:
    plan = CleaningPlan(
        PROFILE,
        Pseudonymiser(bytes(range(32)), "here"),
        harvest(made.header),
        both or readers(),
        released=released,
        canary_seed=b"test",
    )
    return InstanceCleaner(plan).run(made.path, target)


def test_the_patients_own_identity_stays_in_the_pixels(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm", "QUILLFEATHER OTTOLINE", "ID: QF-4711-88", BurnedInAnnotation="YES")
    done = cleaned(made, tmp_path / "out.dcm")
    assert (done.boxes, done.pixels) == ((), "examined")
    assert done.proof is not None
    assert done.proof.text_detection == "as declared"
    assert "113101" in done.method_codes
    assert np.array_equal(made.frames()[0], opened(done.path).frames()[0])
    out = read_header(done.path)
    assert out.BurnedInAnnotation == "YES"  # true still
    assert "DeidentificationMethodCodeSequence" not in out


def test_other_identifiers_and_unknown_text_go_from_the_pixels(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm", "QUILLFEATHER OTTOLINE", "Wexborough General", "Zorblatt")
    done = cleaned(made, tmp_path / "out.dcm")
    assert done.proved
    assert {box.rule for box in done.boxes} == {BoxRule.IDENTIFIER, BoxRule.ALL_TEXT}
    assert all(box.y0 > 44 for box in done.boxes)


@pytest.mark.parametrize("text", ["Name: RAVENSCROFT BASIL", "Patient ID: RB-220099", "DOB: 03.09.1948"])
def test_somebody_elses_identity_holds_the_instance(tmp_path: Path, text: str) -> None:
    made = burned(tmp_path / "in.dcm", "LT KIDNEY", text)
    with pytest.raises(HeldError) as caught:
        cleaned(made, tmp_path / "out.dcm")
    assert caught.value.code is ReasonCode.IDENTITY_MISMATCH
    assert caught.value.path.startswith("frame 0: ")
    assert not set(text.split()[-1:]) & set(str(caught.value).split())
    assert not (tmp_path / "out.dcm").exists()


def test_the_second_reader_holds_what_the_first_overlooked(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm", "Name: RAVENSCROFT BASIL")
    with pytest.raises(HeldError) as caught:
        cleaned(made, tmp_path / "out.dcm", Readers(Blind(), readers().prover))
    assert caught.value.code is ReasonCode.IDENTITY_MISMATCH


def test_a_release_has_the_text_removed_and_is_proved(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm", "QUILLFEATHER OTTOLINE", "Name: RAVENSCROFT BASIL")
    done = cleaned(made, tmp_path / "out.dcm", released=frozenset({ReasonCode.IDENTITY_MISMATCH}))
    assert done.proved
    assert done.boxes
    assert all(box.y0 > 44 for box in done.boxes)


def test_without_an_identity_nothing_is_ones_own() -> None:
    bare = OwnText(HarvestedIdentifiers(), "", HarvestedIdentifiers())
    assert bare.of_text("Ravenscroft, Basil") is Whose.UNKNOWN
    assert bare.of_text("CHEST") is Whose.OWN
