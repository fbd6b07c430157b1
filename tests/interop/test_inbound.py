"""A partner's study reaches the PACS: storescu as the partner, the real appliance, Orthanc as the PACS."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - an independent reader of what the PACS holds

from tests.interop.studies import PATIENT, Instance, files_mentioning, mentions, paths, small_study
from tests.support import dcmtk, orthanc
from tests.support.appliance import Appliance, Site, dicom_peer, lockgate
from tests.support.dcmtk import storescu
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not (orthanc.available() and dcmtk.available()), reason="Orthanc or DCMTK is not installed (apt)"
    ),
]

PREFIX = "from-telerad-"


def inbound(**more: object) -> Site:
    """The route by which the partner's studies come back."""
    return {
        "name": "from-telerad",
        "direction": "inbound",
        "match": {"called_ae": "INBOX", "peer": "telerad"},
        "settle": {"quiet_seconds": 0.5},
        "deidentify": "none",
        "reason": "clinical return to the patient's record",
        "deliver": ["pacs"],
        "retry": {"first_seconds": 0.5, "most_seconds": 2.0},
    } | more


def uncommitted(ae_title: str, port: int) -> Site:
    """A PACS that is not asked for storage commitment: that is tested elsewhere."""
    peer = dicom_peer(ae_title, port)
    peer["dicom"]["commitment"] = "off"
    return peer


@dataclass
class Return:
    """What is there after one study came back."""

    box: Appliance
    pacs: Orthanc
    study: list[Instance]
    exchange: dict[str, object]

    def held(self) -> list[Dataset]:
        """What the PACS holds, read from its own files."""
        return [dcmread(BytesIO(self.pacs.file(one))) for one in self.pacs.instances()]


@pytest.fixture(scope="module")
def came(folder: Path) -> Iterator[Return]:
    study = small_study(folder / "made", "return", 2)
    with Orthanc(folder / "pacs", ae_title="PACS") as pacs:
        box = Appliance(
            folder / "site",
            peers={
                "pacs": uncommitted("PACS", pacs.dicom_port),
                "telerad": dicom_peer("TELERAD", free_port()),
            },
            routes=[inbound()],
            people={"jo": ["technologist"]},
        )
        with box:
            sent = storescu(box.port, paths(study), called_ae="INBOX", calling_ae="TELERAD")
            assert sent.returncode == 0, sent.stderr
            (exchange,) = box.wait_closed(1, 120)
            yield Return(box, pacs, study, exchange)


def test_the_pacs_knows_the_patient_by_the_partners_name_only(came: Return) -> None:
    (patient,) = came.pacs.get("/patients")
    tags = came.pacs.get(f"/patients/{patient}")["MainDicomTags"]
    assert tags["PatientID"] == PREFIX + PATIENT.patient_id
    received = came.held()
    assert len(received) == len(came.study)
    for one in received:
        assert one.PatientID == PREFIX + PATIENT.patient_id
        assert one.IssuerOfPatientID == "telerad"
        assert one["AccessionNumber"].is_empty
        assert "OtherPatientIDs" not in one
        assert PATIENT.family in str(one.PatientName)  # a person must be able to reconcile


def test_nobody_is_found_by_the_bare_foreign_id(came: Return) -> None:
    for level, query in (("Patient", "PatientID"), ("Study", "AccessionNumber")):
        value = PATIENT.patient_id if query == "PatientID" else PATIENT.accession
        body = {"Level": level, "Query": {query: value}}
        assert came.pacs.client.post("/tools/find", json=body).raise_for_status().json() == []
        body["Query"] = {query: f"{PREFIX}{value}" if query == "PatientID" else ""}
        assert len(came.pacs.client.post("/tools/find", json=body).raise_for_status().json()) == 1


def test_the_originals_are_in_the_objects_and_everything_else_is_as_it_was(came: Return) -> None:
    received = {one.SOPInstanceUID: one for one in came.held()}
    for instance in came.study:
        original, kept = dcmread(instance.path), received[instance.sop_instance_uid]
        (record,) = kept.OriginalAttributesSequence
        (before,) = record.ModifiedAttributesSequence
        assert record.ReasonForTheAttributeModification == "COERCE"
        assert record.SourceOfPreviousValues == "telerad"
        assert (before.PatientID, before.AccessionNumber) == (PATIENT.patient_id, PATIENT.accession)
        assert kept.PixelData == original.PixelData
        changed = {one.tag for one in before} | {kept["IssuerOfPatientID"].tag}
        padding = 0xFFFCFFFC  # storescu leaves it out
        same = [one for one in original if one.tag not in changed and one.tag != padding]
        assert len(same) > 30
        assert all(kept[one.tag] == one for one in same)


def test_a_task_is_listed_and_a_person_ends_it(came: Return) -> None:
    (task,) = came.box.holds()
    assert (task["code"], task["state"], task["exchange_id"]) == (
        "reconcile", "open", came.exchange["exchange_id"],
    )  # fmt: skip
    assert mentions(PATIENT.words, str(task).encode()) == []
    listed = came.box.cli("holds", "list")
    assert "reconcile" in listed.stdout
    refused = came.box.cli("holds", "reject", task["hold_id"], "--by", "jo", "--reason", "other")
    assert refused.returncode != 0
    assert "it stops nothing" in refused.stderr
    done = came.box.cli("holds", "release", task["hold_id"], "--by", "jo", "--reason", "reconciled")
    assert done.returncode == 0, done.stderr
    assert came.box.holds() == []
    assert came.box.exchange(str(came.exchange["exchange_id"]))["state"] == "closed"


def test_the_receipts_verify_offline_and_say_quarantined(came: Return) -> None:
    receipts = came.box.exchange(str(came.exchange["exchange_id"]))["receipts"]
    assert {(one["slot"], one["stage"]) for one in receipts} >= {
        ("R1", "quarantined"),
        ("R3", "closed"),
    }
    bundles = [came.box.state / one["path"] for one in receipts if one["edition"] == "partner"]
    assert len(bundles) == 3
    said = lockgate("verify", *bundles, "--trust", came.box.trust)
    assert said.returncode == 0, said.stdout + said.stderr


def test_what_lies_in_the_pacs_is_what_the_receipt_covers(came: Return, folder: Path) -> None:
    """The PACS may write another file meta, but the data set is the one that was attested."""
    files = folder / "fetched"
    files.mkdir()
    for number, one in enumerate(came.pacs.instances()):
        (files / f"{number}.dcm").write_bytes(came.pacs.file(one))
    receipts = came.box.exchange(str(came.exchange["exchange_id"]))["receipts"]
    first = next(one for one in receipts if (one["slot"], one["edition"]) == ("R1", "partner"))
    said = lockgate("verify", came.box.state / first["path"], "--trust", came.box.trust, "--files", files)
    assert said.returncode == 0, said.stdout + said.stderr


def test_no_name_and_no_number_is_anywhere_in_clear(came: Return) -> None:
    """Inbound nothing is cleaned, so everything that is kept is sealed; logs and records say nothing."""
    words = [*PATIENT.words]
    assert files_mentioning(words, came.study[0].path.parent) != {}  # the search finds
    assert mentions(words, came.box.log_text().encode()) == []
    assert files_mentioning(words, came.box.folder) == {}
    answers = [
        came.box.ask("GET", path).text for path in ("/status", "/metrics", "/exchanges", "/holds?all=1")
    ]
    answers.append(came.box.ask("GET", f"/exchanges/{came.exchange['exchange_id']}").text)
    assert mentions(words, "".join(answers).encode()) == []
