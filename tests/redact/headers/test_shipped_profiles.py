"""The profiles that ship: each does what its comments say, cleaned and proved, on real files."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from agent.config.profiles import load_profile, profile_files
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header
from exchange.dicomio.payloads import CopyPayload
from exchange.dicomio.write import write_instance
from redact.identifiers.dates import shift_date
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.stage import CleanedInstance, CleaningPlan, InstanceCleaner, Readers
from tests.redact.headers.studies import every_value

SHIPPED = sorted(profile_files())
SAFE_PRIVATE = 0x01F11007


def real(name: str = "CT_small.dcm") -> Path:
    return Path(str(get_testdata_file(name)))


def hostile(folder: Path) -> Path:
    """A real CT whose header says everything that 164.514(b)(2)(i) lists, in its place and in texts."""
    ds = read_header(real())
    person = {
        "PatientName": "Quillfeather^Ottoline^Maud",
        "PatientID": "QF-4711-88",
        "PatientBirthDate": "19120305",
        "PatientAge": "092Y",
        "PatientSex": "F",
        "PatientAddress": "12 Larkspur Lane, Wexborough",
        "PatientTelephoneNumbers": "+1 555 0182334",
        "RegionOfResidence": "Wexborough",
        "EthnicGroup": "GROUP-X",
        "SmokingStatus": "NO",
        "Occupation": "glass blower",
        "InsurancePlanIdentification": "PLAN-99182",
        "AccessionNumber": "ACC-20040119-7",
        "InstitutionName": "Wexborough General",
        "InstitutionAddress": "1 Hospital Road, Wexborough",
        "StationName": "CTWEX01",
        "DeviceSerialNumber": "SN-771882",
        "DateOfLastCalibration": "20031231",
        "StudyDescription": "CT CHEST w/o, 92 y/o Quillfeather, call +1 555 0182334, ottoline@example.org",
        "SeriesDescription": "Thorax 5.0 from 19.01.2004",
        "ProtocolName": "Wexborough Thorax",
        "PatientComments": "see http://example.org/qf",
        "ImageComments": "chest",
        "ReferringPhysicianName": "Marlowe^Piers",
        "AcquisitionDateTime": "20040119072730.5",
    }
    for keyword, value in person.items():
        setattr(ds, keyword, value)
    item = Dataset()
    item.RequestedProcedureDescription, item.ScheduledProcedureStepStartDate = (
        "CT chest Quillfeather",
        "20040118",
    )
    item.AccessionNumber = person["AccessionNumber"]
    ds.RequestAttributesSequence = Sequence([item])
    ds.private_block(0x01F1, "ELSCINT1", create=True).add_new(0x07, "DS", "1.5")
    layout = examine(real())
    write_instance(folder / "in.dcm", ds, layout.transfer_syntax_uid, CopyPayload(layout))
    return folder / "in.dcm"


def cleaned(
    name: str, source: Path, folder: Path, domain: bytes = bytes(32)
) -> tuple[CleanedInstance, Dataset]:
    plan = CleaningPlan(
        load_profile(name),
        Pseudonymiser(domain, "here"),
        harvest(read_header(source)),
        Readers(),
        canary_seed=b"s",
    )
    done = InstanceCleaner(plan).run(source, folder / f"{name}.dcm")
    return done, read_header(done.path)


def texts(ds: Dataset) -> str:
    return "\n".join(str(value) for _, value in every_value(ds))


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize(
    "file", ["CT_small.dcm", "MR_small.dcm", "eCT_Supplemental.dcm", "rtplan.dcm", "US1_J2KR.dcm"]
)
def test_every_shipped_profile_cleans_real_files_and_is_proved(tmp_path: Path, name: str, file: str) -> None:
    done, ds = cleaned(name, real(file), tmp_path)
    assert done.proof is not None
    if load_profile(name).retains_identity:
        assert ds.PatientIdentityRemoved == "NO"
        assert "DeidentificationMethod" not in ds
        return
    assert ds.PatientIdentityRemoved == "YES"
    assert f"Lockgate {name}" in ds.DeidentificationMethod


def test_safe_harbor_leaves_nothing_of_the_list(tmp_path: Path) -> None:
    done, ds = cleaned("hipaa-safe-harbor", hostile(tmp_path), tmp_path)
    said = texts(ds)
    for identifier in (
        "Quillfeather", "Ottoline", "4711", "Larkspur", "Wexborough", "0182334", "example.org", "PLAN-99182",
        "20040119", "SN-771882", "CTWEX01", "Marlowe", "glass", "1912",
    ):  # fmt: skip
        assert identifier.lower() not in said.lower()
    assert done.proof is not None


def test_safe_harbor_leaves_years_and_capped_ages(tmp_path: Path) -> None:
    _, ds = cleaned("hipaa-safe-harbor", hostile(tmp_path), tmp_path)
    dates: list[Any] = [value for path, value in every_value(ds) if "date" in path.lower() and value]
    assert (ds.StudyDate, ds.AcquisitionDateTime, ds.DateOfLastCalibration) == (
        "20040101",
        "2004",
        "20030101",
    )
    assert all(str(value)[4:] in {"", "0101"} for value in dates)
    assert not ds.PatientBirthDate
    assert (ds.PatientAge, ds.PatientSex) == ("090Y", "F")
    assert ds.StudyDescription.rstrip(" ,+") == "CT CHEST w/o"
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "ImageComments" not in ds
    assert not ds.get("StudyTime")


def test_research_keeps_what_is_measured(tmp_path: Path) -> None:
    source = hostile(tmp_path)
    done, ds = cleaned("research", source, tmp_path)
    days = done.header.patient.shift_days
    assert done.proof is not None
    assert ds.StudyDate == shift_date("20040119", days)
    assert ds.RequestAttributesSequence[0].ScheduledProcedureStepStartDate == shift_date("20040118", days)
    assert (ds.PatientAge, ds.PatientSex, ds.EthnicGroup) == ("090Y", "F", "GROUP-X")
    assert ds[SAFE_PRIVATE].value == 1.5
    assert "113111" in done.method_codes
    assert "Wexborough" not in texts(ds)


def test_research_tells_scanners_apart_without_naming_them(tmp_path: Path) -> None:
    source = hostile(tmp_path)
    _, ds = cleaned("research", source, tmp_path)
    hashed = [ds.DeviceSerialNumber, ds.StationName, ds.InstitutionName, ds.AccessionNumber]
    assert len({str(value) for value in hashed}) == 4
    assert all(len(value) == 16 for value in hashed)
    assert ds.RequestAttributesSequence[0].AccessionNumber == ds.AccessionNumber
    (tmp_path / "again").mkdir()
    _, again = cleaned("research", source, tmp_path / "again")
    assert again.StationName == ds.StationName
    (tmp_path / "other").mkdir()
    _, other = cleaned("research", source, tmp_path / "other", bytes(range(32)))
    assert other.StationName != ds.StationName


def test_teaching_has_no_date_no_site_and_no_private_element(tmp_path: Path) -> None:
    done, ds = cleaned("teaching", hostile(tmp_path), tmp_path)
    assert done.proof is not None
    assert not [value for path, value in every_value(ds) if "date" in path.lower() and value]
    assert (ds.PatientAge, ds.PatientSex) == ("090Y", "F")
    gone = (
        "EthnicGroup",
        "SmokingStatus",
        "ProtocolName",
        "PatientComments",
        "InstitutionName",
        "StationName",
    )
    assert [keyword for keyword in gone if keyword in ds] == []
    assert not [tag for tag in ds.keys() if tag.is_private]  # noqa: SIM118 - does not decode
    assert ds.StudyDescription.rstrip(" ,+") == "CT CHEST w/o"
    assert ds.LongitudinalTemporalInformationModified == "REMOVED"


def test_default_shifts_dates_and_keeps_no_characteristics(tmp_path: Path) -> None:
    done, ds = cleaned("default", hostile(tmp_path), tmp_path)
    assert ds.StudyDate == shift_date("20040119", done.header.patient.shift_days)
    assert "PatientAge" not in ds
    assert not ds.AccessionNumber


def test_teleradiology_keeps_the_patient_and_what_a_reader_needs(tmp_path: Path) -> None:
    source = hostile(tmp_path)
    done, ds = cleaned("teleradiology", source, tmp_path)
    before = read_header(source)
    assert done.proof is not None
    for keyword in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "AccessionNumber",
        "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDate", "AcquisitionDateTime",
    ):  # fmt: skip
        assert ds[keyword].value == before[keyword].value
    assert ds[SAFE_PRIVATE].value == 1.5
    said = texts(ds).lower()
    for gone in (
        "larkspur", "0182334", "glass", "plan-99182", "wexborough", "ctwex01", "sn-771882", "example.org",
        "marlowe", "group-x",
    ):  # fmt: skip
        assert gone not in said
    assert ds.StudyDescription.startswith("CT CHEST w/o")


def test_all_profiles_differ() -> None:
    assert len({load_profile(name).sha256 for name in SHIPPED}) == len(SHIPPED) == 5
