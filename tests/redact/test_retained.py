"""Identity retained: it stays to the byte, everything else is reduced, and the proof sees both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from agent.config.profiles import load_profile, profile_of
from exchange.dicomio.examine import examine, survey
from exchange.dicomio.header import read_header
from exchange.dicomio.payloads import CopyPayload
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.profile import IDENTITY, Profile
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.stage import CleanedInstance, CleaningPlan, InstanceCleaner, Readers
from redact.verify.expectations import Expectations
from redact.verify.proof import prove_instance
from tests.redact.headers.studies import every_value

PSEUDONYMISER = Pseudonymiser(bytes(range(32)), "here")
CT = Path(str(get_testdata_file("CT_small.dcm")))
TELERADIOLOGY = load_profile("teleradiology")


def headers_only(**more: Any) -> Profile:
    """The shipped profile, whose pixels nobody reads here."""
    options = sorted(set(TELERADIOLOGY.options) - {"113101"})
    return profile_of(
        {"profile": "t", "identity": "retained", "reason": "contract", "options": options, **more}
    )


PROFILE = headers_only()


def person() -> Dataset:
    """A real CT of a woman with all that a minimised study has no need of."""
    ds = read_header(CT)
    values: dict[str, Any] = {
        "PatientName": "Quillfeather^Ottoline^Maud",
        "PatientID": "QF-4711-88",
        "IssuerOfPatientID": "WEXBOROUGH",
        "PatientBirthDate": "19280305",
        "PatientAge": "096Y",
        "PatientSex": "F",
        "PatientWeight": "61",
        "AccessionNumber": "ACC-771-20",
        "OtherPatientIDs": "OLD-553311",
        "OtherPatientNames": "Larkspur^Ottoline",
        "PatientAddress": "12 Larkspur Lane",
        "PatientTelephoneNumbers": "+1 555 0182334",
        "PatientReligiousPreference": "Quaker",
        "EthnicGroup": "GROUP-X",
        "Occupation": "glass blower",
        "PatientComments": "rings often",
        "ReferringPhysicianName": "Marlowe^Piers",
        "ReferringPhysicianTelephoneNumbers": "+1 555 0944112",
        "OperatorsName": "Tunstall^Bo",
        "InstitutionName": "Wexborough General",
        "StudyDescription": "CT CHEST Quillfeather, asked for by Marlowe",
    }
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    asked, other = Dataset(), Dataset()
    asked.AccessionNumber, asked.RequestedProcedureDescription = "ACC-771-20", "CT chest for Marlowe"
    other.PatientID, other.IssuerOfPatientID = "OLD-553311", "ELSEWHERE"
    ds.RequestAttributesSequence, ds.OtherPatientIDsSequence = Sequence([asked]), Sequence([other])
    ds.private_block(0x0029, "ACME", create=True).add_new(0x10, "LO", "secret of Quillfeather")
    return ds


def written(path: Path, ds: Dataset) -> Path:
    layout = examine(CT)
    write_instance(path, ds, layout.transfer_syntax_uid, CopyPayload(layout))
    return path


def cleaned(source: Path, target: Path, profile: Profile = PROFILE) -> CleanedInstance:
    plan = CleaningPlan(profile, PSEUDONYMISER, harvest(read_header(source)), Readers(), canary_seed=b"test")
    return InstanceCleaner(plan).run(source, target)


def identity(path: Path) -> dict[int, bytes]:
    return {tag: one.value for tag, one in survey(path, capture=frozenset(IDENTITY))[1].items()}


def verdict(source: Path, output: Path, profile: Profile = PROFILE) -> str:
    """`passes`, or code and path at which the proof holds it."""
    wanted = Expectations.of(
        profile.options, PSEUDONYMISER, rules=profile.rules, retained=profile.retains_identity
    )
    try:
        prove_instance(source, output, identifiers=harvest(read_header(source)), expectations=wanted)
    except HeldError as held:
        return f"{held.code} {held.path}"
    return "passes"


def test_the_identity_stays_and_the_rest_goes(tmp_path: Path) -> None:
    source = written(tmp_path / "in.dcm", person())
    done = cleaned(source, tmp_path / "out.dcm")
    ds = read_header(done.path)
    assert identity(done.path) == identity(source)
    assert done.proof is not None
    assert (done.proof.known_identifiers, done.proof.text_detection) == ("as declared", "not examined")
    said = "\n".join(str(value) for _, value in every_value(ds)).lower()
    for gone in (
        "old-553311", "larkspur", "0182334", "quaker", "glass", "rings", "marlowe", "0944112",
        "tunstall", "wexborough general", "secret", "elsewhere",
    ):  # fmt: skip
        assert gone not in said
    assert ds.RequestAttributesSequence[0].AccessionNumber == "ACC-771-20"
    assert (ds.PatientAge, ds.PatientWeight) == ("096Y", 61)
    before = read_header(source)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDate", "StudyTime"):
        assert ds[keyword].value == before[keyword].value
    assert ds.StudyDescription.startswith("CT CHEST")


def test_a_retained_uid_may_hold_a_number_of_the_study(tmp_path: Path) -> None:
    ds = person()
    ds.StudyID, ds.FrameOfReferenceUID = "20771123", "1.2.276.20771123.1"
    done = cleaned(written(tmp_path / "in.dcm", ds), tmp_path / "out.dcm")
    out = read_header(done.path)
    assert done.proof is not None
    assert out.FrameOfReferenceUID == "1.2.276.20771123.1"
    assert not out.StudyID


def test_a_word_that_is_the_patients_name_stays_in_descriptors(tmp_path: Path) -> None:
    ds = person()
    ds.PatientName, ds.StudyDescription, ds.BodyPartExamined = "Thorax^Maud", "CT THORAX Maud 5mm", "THORAX"
    source = written(tmp_path / "in.dcm", ds)
    out = read_header(cleaned(source, tmp_path / "out.dcm").path)
    assert out.StudyDescription.startswith("CT THORAX")
    removing = profile_of({"profile": "r", "options": ["113105"]})
    assert "THORAX" not in read_header(cleaned(source, tmp_path / "r.dcm", removing).path).StudyDescription


def test_no_method_is_claimed(tmp_path: Path) -> None:
    ds = person()
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", "somebody's"
    done = cleaned(written(tmp_path / "in.dcm", ds), tmp_path / "out.dcm")
    out = read_header(done.path)
    assert out.PatientIdentityRemoved == "NO"
    assert "DeidentificationMethod" not in out
    assert "DeidentificationMethodCodeSequence" not in out
    assert "113100" not in done.method_codes
    assert out.LongitudinalTemporalInformationModified == "UNMODIFIED"


def put(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


def another_item(ds: Dataset) -> None:
    ds.RequestAttributesSequence[0].AccessionNumber = "ACC-999-31"


@pytest.mark.parametrize(
    ("sabotage", "expected"),
    [
        (lambda _ds: None, "passes"),
        (put("OtherPatientIDs", "OLD-553311"), "proof-identifier (0010,1000)"),
        (put("OtherPatientIDs", "QF-4711-88"), "proof-identifier (0010,1000)"),
        (put("OtherPatientNames", "Quillfeather^Ottoline"), "proof-identifier (0010,1001)"),
        (put("PatientBirthName", "Quillfeather"), "proof-identifier (0010,1005)"),
        (put("ReferringPhysicianTelephoneNumbers", "+1 555 0944112"), "proof-identifier (0008,0094)"),
        (put("ReferringPhysicianName", "Marlowe^Piers"), "proof-identifier (0008,0090)"),
        (put("OperatorsName", "Quillfeather^Ottoline"), "proof-identifier (0008,1070)"),
        (put("StudyDescription", "CT for Marlowe"), "proof-identifier (0008,1030)"),
        (put("StudyDescription", "CT of Ottoline Quillfeather"), "passes"),
        (put("PatientName", "Quillfeather^Odette"), "proof-identifier (0010,0010)"),
        (put("PatientName", ""), "proof-identifier (0010,0010)"),
        (put("PatientID", "QF-4711-89"), "proof-identifier (0010,0020)"),
        (put("PatientBirthDate", "19280306"), "proof-identifier (0010,0030)"),
        (put("PatientSex", "M"), "proof-identifier (0010,0040)"),
        (put("AccessionNumber", ""), "proof-identifier (0008,0050)"),
        (put("IssuerOfPatientID", "ELSEWHERE"), "proof-identifier (0010,0021)"),
        (put("StudyInstanceUID", "1.2.3"), "proof-identifier (0020,000D)"),
        (put("PatientIdentityRemoved", "YES"), "proof-iod (0012,0062)"),
        (put("DeidentificationMethod", "by hand"), "proof-iod (0012,0063)"),
    ],
)
def test_the_proof_is_relative_to_the_declaration(
    tmp_path: Path, sabotage: Callable[[Dataset], None], expected: str
) -> None:
    source = written(tmp_path / "in.dcm", person())
    done = cleaned(source, tmp_path / "out.dcm")
    ds = read_header(done.path)
    sabotage(ds)
    assert verdict(source, written(tmp_path / "changed.dcm", ds)) == expected


def test_a_removing_profile_lets_no_identity_stay(tmp_path: Path) -> None:
    source = written(tmp_path / "in.dcm", person())
    done = cleaned(source, tmp_path / "out.dcm")
    removing = profile_of({"profile": "r", "options": sorted(PROFILE.options)})
    assert verdict(source, done.path, removing).startswith("proof-identifier")


def test_an_item_about_somebody_else_does_not_keep_his_identity(tmp_path: Path) -> None:
    ds = person()
    item = ds.RequestAttributesSequence[0]
    item.PatientName, item.PatientID, item.AccessionNumber = "Somebody^Else", "SE-120033", "ACC-999-31"
    done = cleaned(written(tmp_path / "in.dcm", ds), tmp_path / "out.dcm")
    left = read_header(done.path).RequestAttributesSequence[0]
    assert not left.get("PatientName") or str(left.PatientName) == "REMOVED"
    assert left.get("PatientID", "") in {"", "REMOVED"}
    assert not left.get("AccessionNumber")


def test_a_rule_may_keep_less(tmp_path: Path) -> None:
    profile = headers_only(rules=[{"keyword": "PatientBirthDate", "action": "empty"}])
    source = written(tmp_path / "in.dcm", person())
    done = cleaned(source, tmp_path / "out.dcm", profile)
    assert done.proof is not None
    assert not read_header(done.path).PatientBirthDate


def test_odd_encodings_of_the_identity_stay_as_they_are(tmp_path: Path) -> None:
    """Padding inside and around, trailing delimiters, a second value: pydicom would write them otherwise."""
    ds = person()
    ds.SpecificCharacterSet = "ISO_IR 100"
    raw = written(tmp_path / "plain.dcm", ds).read_bytes()
    name, number = b"Quillfeather^Ottoline^Maud", b"QF-4711-88"
    odd = raw.replace(name, b"M\xfcller^Ottoline^^         ").replace(number, b" QF-4711  ")
    assert len(odd) == len(raw)
    source = tmp_path / "in.dcm"
    source.write_bytes(odd)
    done = cleaned(source, tmp_path / "out.dcm")
    assert identity(done.path) == identity(source)
    assert identity(done.path)[0x00100020] == b" QF-4711  "


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    family=st.text(st.sampled_from("abcdeghilmnoprstuvwyzäöü"), min_size=3, max_size=12),
    given_name=st.text(st.sampled_from("abcdeghilmnoprstuvwyzé"), min_size=2, max_size=10),
    number=st.from_regex(r"[A-Z]{0,3}[0-9]{4,9}", fullmatch=True),
    other=st.from_regex(r"[A-Z]{3}[0-9]{6,9}", fullmatch=True),
)
def test_whatever_the_patient_is_called(
    tmp_path: Path, family: str, given_name: str, number: str, other: str
) -> None:
    ds = person()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID, ds.OtherPatientIDs = f"{family}^{given_name}", number, other
    ds.StudyDescription = f"CT CHEST {family} {other}"
    source = written(tmp_path / "in.dcm", ds)
    done = cleaned(source, tmp_path / "out.dcm")
    assert identity(done.path) == identity(source)
    assert done.proof is not None
    if other not in number:
        assert other.encode() not in done.path.read_bytes()


def test_an_unmatched_instance_of_another_patient_keeps_its_own_identity_only(tmp_path: Path) -> None:
    """Two patients in one study: each instance keeps what its own header says, and nothing of the other."""
    first, second = person(), person()
    second.PatientName, second.PatientID, second.AccessionNumber = "Ravenscroft^Basil", "RB-220099", "ACC-1-2"
    second.RequestAttributesSequence[0].AccessionNumber = "ACC-1-2"
    second.StudyDescription = "CT HEAD, see Quillfeather QF-4711-88"
    one, two = written(tmp_path / "1.dcm", first), written(tmp_path / "2.dcm", second)
    both = harvest(first).union([harvest(second)])
    cleaner = InstanceCleaner(CleaningPlan(PROFILE, PSEUDONYMISER, both, Readers(), canary_seed=b"t"))
    cleaner.run(one, tmp_path / "o1.dcm")
    done = cleaner.run(two, tmp_path / "o2.dcm")
    out = read_header(done.path)
    assert (str(out.PatientName), out.PatientID) == ("Ravenscroft^Basil", "RB-220099")
    assert b"quillfeather" not in done.path.read_bytes().lower()
    out.StudyDescription = "see Quillfeather"
    held = verdict_of(both, two, written(tmp_path / "bad.dcm", out))
    assert held == ReasonCode.PROOF_IDENTIFIER


def verdict_of(both: Any, source: Path, output: Path) -> str:
    wanted = Expectations.of(PROFILE.options, PSEUDONYMISER, retained=True)
    with pytest.raises(HeldError) as caught:
        prove_instance(source, output, identifiers=both, expectations=wanted)
    return caught.value.code
