"""Deciding: the band between the gates, markers, modes by what an object is; identifiers before all of it."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from agent.config.profiles import profile_of
from exchange.dicomio.header import read_header
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.ocr.lines import ReadLine
from redact.pixels.account import JudgedLine
from redact.pixels.benign import marker_of
from redact.pixels.boxes import BoxRule, TextBox, boxes_at
from redact.pixels.find import _settled
from redact.pixels.judging import Judge
from redact.pixels.policy import PixelPolicy
from redact.pixels.rules import Marker, ModeRule, PixelRules, TextMode, UncertainText
from redact.pixels.verdict import Outcome, Verdict
from redact.stage import CleanedInstance, CleaningPlan, InstanceCleaner, Readers
from tests.redact.ocr.drawing import ground, reader, write
from tests.redact.pixels.making import CT, Made, native, opened
from tests.support.models import readers

UNCERTAIN = frozenset({ReasonCode.UNCERTAIN_TEXT})
PERSON = HarvestedIdentifiers(
    frozenset({Identifier(IdentifierKind.PATIENT_NAME, "PORTABLE^ERECT", "(0010,0010)")})
)
NOBODY = HarvestedIdentifiers()
ALL = frozenset(Marker)
_THICK = (("KELLER", 0.55), ("KEL", 0.9), ("KELL", 0.9))


def line(text: str, confidence: float = 0.9, score: float = 0.8, *, beside: bool = False) -> ReadLine:
    return ReadLine(10, 10, 30, 110, text, confidence, score=score, beside=beside)


def verdict(
    one: ReadLine, mode: TextMode = TextMode.STRICT, known: HarvestedIdentifiers = NOBODY, **rules: Any
) -> Verdict:
    judge = Judge.of(PixelPolicy(rules=PixelRules(modes=(ModeRule(mode),), **rules)), Dataset(), known)
    return judge.verdict(one, (one,))


@pytest.mark.parametrize(
    ("confidence", "uncertain", "outcome"),
    [
        (0.49, UncertainText.HOLD, Outcome.KEPT),
        (0.50, UncertainText.HOLD, Outcome.HELD),
        (0.599, UncertainText.HOLD, Outcome.HELD),
        (0.60, UncertainText.HOLD, Outcome.REMOVED),
        (0.55, UncertainText.REMOVE, Outcome.REMOVED),
        (0.55, UncertainText.KEEP, Outcome.KEPT),
        (0.49, UncertainText.REMOVE, Outcome.KEPT),
    ],
)
def test_what_lies_between_the_gates_is_the_profiles(
    confidence: float, uncertain: UncertainText, outcome: Outcome
) -> None:
    found = verdict(line("KELLER", confidence), uncertain=uncertain)
    assert found.outcome is outcome
    assert found.uncertain == (0.5 <= confidence < 0.6)
    assert (found.code is ReasonCode.UNCERTAIN_TEXT) == (outcome is Outcome.HELD)
    assert "KELLER" not in found.reason
    assert verdict(line("K", confidence), uncertain=uncertain).outcome is Outcome.KEPT, "letters name nobody"


@pytest.mark.parametrize(
    ("text", "confidence", "score", "outcome"),
    [
        ("KELLER", 0.65, 0.69, Outcome.KEPT),  # the detector takes it for anatomy
        ("KELLER", 0.55, 0.59, Outcome.KEPT),
        ("IO", 0.95, 0.89, Outcome.KEPT),  # two letters: rings and edges read so
        ("IO", 0.95, 0.90, Outcome.REMOVED),
        ("KELLER", 0.40, 0.90, Outcome.HELD),  # writing, in no script that it knows
        ("KELLER", 0.39, 0.99, Outcome.KEPT),
        ("IO", 0.45, 0.99, Outcome.KEPT),
    ],
)
def test_strictly_a_line_is_what_detector_and_recogniser_take_for_one(
    text: str, confidence: float, score: float, outcome: Outcome
) -> None:
    assert verdict(line(text, confidence, score)).outcome is outcome


def test_strictly_what_is_as_thick_as_an_organ_is_never_uncertain() -> None:
    thick = [replace(line(text, confidence), huge=True) for text, confidence in _THICK]
    assert [verdict(one).outcome for one in thick] == [Outcome.KEPT, Outcome.KEPT, Outcome.REMOVED]


@pytest.mark.parametrize(
    ("one", "rule"),
    [
        (line("KELLER", 0.50, 0.4), BoxRule.ALL_TEXT),
        (line("***", 0.50, 0.4), BoxRule.ALL_TEXT),
        (line("6", 0.84, 0.9), None),
        (line("6", 0.85, 0.9), BoxRule.ALL_TEXT),
        (line("KELLER", 0.49, 0.84), None),
        (line("KELLER", 0.49, 0.85), BoxRule.UNREAD),
        (line("K", 0.49, 0.85), None),
        (line("KELLER", 0.29, 0.99), None),
        (line("K", 0.20, 0.4, beside=True), BoxRule.ALL_TEXT),
        (line("K", 0.19, 0.4, beside=True), None),
    ],
)
def test_where_all_text_goes_writing_goes_that_is_hardly_read(one: ReadLine, rule: BoxRule | None) -> None:
    assert verdict(one, TextMode.ALL_TEXT).rule is rule


def test_strictly_what_stands_beside_a_line_goes_when_it_is_read() -> None:
    assert verdict(line("KE", 0.5, 0.4, beside=True)).outcome is Outcome.REMOVED
    assert verdict(line("KE", 0.49, 0.4, beside=True)).outcome is Outcome.KEPT


def test_slides_are_read_by_their_flavour_and_photographs_of_eyes_strictly() -> None:
    header = Dataset()
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
    modes = {}
    for flavour in ("VOLUME", "LABEL", "OVERVIEW", "THUMBNAIL"):
        header.ImageType = ["ORIGINAL", "PRIMARY", flavour, "NONE"]
        modes[flavour] = PixelPolicy().mode(header)
    assert modes == {
        "VOLUME": TextMode.STRICT,
        "LABEL": TextMode.ALL_TEXT,
        "OVERVIEW": TextMode.ALL_TEXT,
        "THUMBNAIL": TextMode.STRICT,
    }
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
    assert PixelPolicy().mode(header) is TextMode.STRICT
    header.BurnedInAnnotation = "YES"
    assert PixelPolicy().mode(header) is TextMode.ALL_TEXT


def test_what_another_picture_shows_as_text_is_not_uncertain() -> None:
    one = JudgedLine(0, "window", line("KELLER", 0.55), verdict(line("KELLER", 0.55)))
    over, beside = (TextBox(0, 8, x, 32, x + 110, BoxRule.STRICT, 0.9) for x in (5, 80))
    assert _settled(one, [over]).verdict.outcome is Outcome.KEPT
    assert _settled(one, [beside]).verdict.outcome is Outcome.HELD


def test_a_person_decides_once_and_the_proof_does_not_ask_again() -> None:
    policy = PixelPolicy()
    assert policy.rules.uncertain is UncertainText.HOLD
    assert policy.decided(UNCERTAIN, frozenset()).rules.uncertain is UncertainText.KEEP
    assert policy.decided(frozenset(), UNCERTAIN).rules.uncertain is UncertainText.REMOVE
    assert policy.decided(UNCERTAIN, UNCERTAIN).rules.uncertain is UncertainText.REMOVE
    assert policy.decided(frozenset({ReasonCode.VIDEO}), frozenset()) == policy
    assert policy.for_proof().rules.uncertain is UncertainText.KEEP


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("L", Marker.LATERALITY),
        (" right ", Marker.LATERALITY),
        ("R LAT", Marker.PROJECTION),
        ("Semi-Upright", Marker.PROJECTION),
        ("AP SUPINE", Marker.PROJECTION),
        ("Portable", Marker.PORTABLE),
        ("portable AP", Marker.PORTABLE),
        ("ARTERIAL PHASE", Marker.PHASE),
        ("40%", Marker.PHASE),
        ("2.5 MHz", Marker.SCALE),
        ("-61.6cm/s", Marker.SCALE),
        ("MI 0.9", Marker.ACOUSTIC),
        ("MI:1.2 TIS:0.4", Marker.ACOUSTIC),
        ("L JACOBSEN", None),
        ("R 12345678", None),
        ("PORTABLE ICU 3", None),
        ("93", None),
        ("63Y", None),
        ("MI 0.9 JACOBSEN", None),
        ("12.04.1961", None),
        ("LATE KELLER", None),
        ("", None),
    ],
)
def test_a_marker_is_a_whole_line(text: str, kind: Marker | None) -> None:
    assert marker_of(text, ALL) is kind
    assert marker_of(text, ()) is None


@given(st.sampled_from(["JACOBSEN", "Keller", "471188", "12.04.1961", "Dr Marlowe"]), st.data())
def test_no_marker_carries_something_else(name: str, data: st.DataObject) -> None:
    marker = data.draw(st.sampled_from(["L", "AP", "PORTABLE", "VENOUS PHASE", "5 cm", "MI 0.9"]))
    glue = data.draw(st.sampled_from([" ", "", "-", "/", ": "]))
    both = [f"{marker}{glue}{name}", f"{name}{glue}{marker}"]
    assert [marker_of(one, ALL) for one in both] == [None, None]


@pytest.mark.parametrize("mode", [TextMode.ALL_TEXT, TextMode.STRICT])
def test_markers_stay_where_the_profile_says_so_unless_an_identifier_matches(mode: TextMode) -> None:
    portable = line("PORTABLE")
    assert verdict(portable, mode).outcome is Outcome.REMOVED
    assert verdict(portable, mode, markers=frozenset({Marker.PORTABLE})).outcome is Outcome.KEPT
    assert verdict(portable, mode, markers=frozenset({Marker.SCALE})).outcome is Outcome.REMOVED
    named = verdict(portable, mode, PERSON, markers=ALL)
    assert (named.outcome, named.rule) == (Outcome.REMOVED, BoxRule.IDENTIFIER)


def test_identity_only_removes_nothing_but_identifiers() -> None:
    assert verdict(line("ZORBLATT"), TextMode.IDENTITY_ONLY).outcome is Outcome.KEPT
    assert verdict(line("PORTABLE"), TextMode.IDENTITY_ONLY, PERSON).rule is BoxRule.IDENTIFIER


def profile(pixels: dict[str, Any]) -> Any:
    return profile_of({"profile": "p", "options": ["113101", "113105"], "pixels": pixels})


def test_the_first_mode_whose_condition_holds_decides() -> None:
    rules = profile(
        {
            "modes": [
                {"mode": "strict", "when": {"Modality": ["US", "XA"], "ImageType": "ORIGINAL"}},
                {"mode": "identity-only", "when": {"Modality": "US"}},
            ]
        }
    ).pixels
    policy, header = PixelPolicy(rules=rules), Dataset()
    header.Modality, header.ImageType = "US", ["ORIGINAL", "PRIMARY"]
    assert policy.mode(header) is TextMode.STRICT
    header.ImageType = ["DERIVED", "PRIMARY"]
    assert policy.mode(header) is TextMode.IDENTITY_ONLY
    header.Modality = "SC"
    assert policy.mode(header) is TextMode.ALL_TEXT, "where no rule holds, modality and image type decide"


@cache
def faint() -> NDArray[np.uint8]:
    """A picture whose only line is between the gates."""
    for level in range(62, 80):
        for text in ("JACOBSEN", "KELLER", "WARD 7B", "MARLOWE", "PETERS", "OAKFIELD 12"):
            picture = ground(160, 256)
            picture[0, 0], picture[-1, -1] = 0, 255  # so that no rendering stretches it
            write(picture, text, (14, 40), value=level)
            read = [one for one in reader("cleaner").read(picture) if one.confidence >= 0.5]
            if read and all(PixelPolicy().gate(one, TextMode.STRICT).uncertain for one in read):
                return picture
    raise AssertionError("no line is between the gates")


def held_one(folder: Path) -> Made:
    header: dict[str, Any] = {"SOPClassUID": CT, "Modality": "CT", "WindowCenter": 128, "WindowWidth": 255}
    return native(folder / "in.dcm", np.stack([ground(160, 256), faint()])[..., np.newaxis], **header)


def cleaned(
    made: Made, path: Path, uncertain: str = "hold", both: Readers | None = None, **decisions: Any
) -> CleanedInstance:
    plan = CleaningPlan(
        profile=profile({"uncertain": uncertain}),
        pseudonymiser=Pseudonymiser(bytes(range(32)), "here"),
        identifiers=harvest(made.header),
        readers=both or readers(),
        canary_seed=b"test",
        **decisions,
    )
    return InstanceCleaner(plan).run(made.path, path)


def test_an_uncertain_line_holds_the_instance_and_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(HeldError) as caught:
        cleaned(held_one(tmp_path), tmp_path / "out.dcm")
    error = caught.value
    assert error.code is ReasonCode.UNCERTAIN_TEXT
    boxes = boxes_at(error.path, BoxRule.UNCERTAIN)
    assert boxes
    assert {box.frame for box in boxes} == {1}
    assert all(box.y0 < 45 for box in boxes)
    assert not (tmp_path / "out.dcm").exists()


@pytest.mark.parametrize("decisions", [{"released": UNCERTAIN}, {"uncertain": "keep"}])
def test_a_line_that_a_person_or_the_profile_keeps_stays(tmp_path: Path, decisions: Any) -> None:
    made = held_one(tmp_path)
    agreeing = Readers(reader("cleaner"), reader("cleaner"))
    done = cleaned(made, tmp_path / "out.dcm", both=agreeing, **decisions)
    assert done.proved
    assert not done.boxes
    assert np.array_equal(opened(done.path).frames()[1], made.frames()[1])


def test_what_other_weights_surely_read_goes_whoever_would_keep_it(tmp_path: Path) -> None:
    done = cleaned(held_one(tmp_path), tmp_path / "out.dcm", released=UNCERTAIN)
    assert done.proved
    assert {(box.frame, box.rule) for box in done.boxes} == {(1, BoxRule.ORDERED)}


@pytest.mark.parametrize("decisions", [{"redacted": UNCERTAIN}, {"uncertain": "remove"}])
def test_a_line_that_a_person_or_the_profile_removes_goes(tmp_path: Path, decisions: Any) -> None:
    done = cleaned(held_one(tmp_path), tmp_path / "out.dcm", **decisions)
    assert done.proved
    assert done.boxes
    assert {box.frame for box in done.boxes} == {1}
    assert {box.rule for box in done.boxes} <= {BoxRule.UNCERTAIN, BoxRule.ORDERED}
    assert read_header(done.path).BurnedInAnnotation == "NO"


def test_what_was_read_for_identity_only_is_not_called_clean(tmp_path: Path) -> None:
    picture = ground(160, 256)
    write(picture, "WARD SEVEN", (14, 40))
    write(picture, "JACOBSEN PETER", (14, 100))
    values = picture[np.newaxis, :, :, np.newaxis]
    made = native(tmp_path / "in.dcm", values, PatientName="JACOBSEN^PETER")
    plan = CleaningPlan(
        profile=profile({"modes": [{"mode": "identity-only"}]}),
        pseudonymiser=Pseudonymiser(bytes(range(32)), "here"),
        identifiers=harvest(made.header),
        readers=readers(),
        canary_seed=b"test",
    )
    done = InstanceCleaner(plan).run(made.path, tmp_path / "out.dcm")
    assert done.proved
    assert {box.rule for box in done.boxes} <= {BoxRule.IDENTIFIER, BoxRule.ORDERED}
    assert all(box.y0 > 60 for box in done.boxes)
    out = read_header(done.path)
    assert "BurnedInAnnotation" not in out
    assert "113101" not in done.method_codes
