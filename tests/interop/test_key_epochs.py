"""A rotation of the pseudonym keys on a running appliance: new patients only."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input; the product uses dicomio

from tests.interop.sending import SUCCESS, store_files
from tests.interop.studies import HEADERS_ONLY, Instance, bare_study, paths
from tests.support.appliance import Appliance, lockgate, outbound
from tests.support.signed import logged

pytestmark = pytest.mark.timeout(180)

ADMINISTRATOR, PRIVACY = "C. Admin", "A. Berg"
UNNAMED = "UNKNOWN"


@pytest.fixture(scope="module")
def box(folder: Path) -> Iterator[Appliance]:
    (folder / "study").mkdir()
    appliance = Appliance(
        folder / "site",
        profiles={"headers": HEADERS_ONLY},
        people={ADMINISTRATOR: ["administrator"], PRIVACY: ["privacy"]},
        routes=[outbound("telerad", "TELERAD", ["outgoing"], profile="headers")],
    )
    with appliance:
        yield appliance


def of_patient(study: list[Instance], patient_id: str) -> list[Instance]:
    """The same files as another patient's."""
    for one in study:
        ds = dcmread(one.path)
        ds.PatientID = patient_id
        ds.save_as(one.path)
    return study


def send(box: Appliance, instances: list[Instance]) -> dict[int, Dataset]:
    """Through the lock; what the partner has of these, by InstanceNumber."""
    known = set(box.outgoing.rglob("*.dcm"))
    before = len(box.in_state("closed"))
    assert store_files(box.port, "TELERAD", paths(instances)) == [SUCCESS] * len(instances)
    box.wait_closed(before + 1)
    fresh = [dcmread(path) for path in box.outgoing.rglob("*.dcm") if path not in known]
    return {int(one.InstanceNumber): one for one in fresh}


def test_who_has_a_pseudonym_keeps_it(box: Appliance, folder: Path) -> None:
    made = folder / "study"
    study, unnamed = bare_study(made, "first", 3), of_patient(bare_study(made, "unnamed", 3), UNNAMED)
    first, nobody = send(box, study[:2]), send(box, unnamed[:2])

    refused = box.cli("keys", "rotate", "pseudonyms", "--by", PRIVACY)
    assert refused.returncode == 2
    assert "may not" in refused.stderr
    rotated = box.cli("keys", "rotate", "pseudonyms", "--by", ADMINISTRATOR, "--json")
    assert json.loads(rotated.stdout) == {"key": "pseudonyms", "epoch": 1}
    assert [one["outcome"] for one in logged(box, "key.rotated")] == ["denied", "ok"]

    (late,) = send(box, study[2:]).values()
    assert (late.StudyInstanceUID, late.SeriesInstanceUID, late.PatientID, late.StudyDate) == (
        first[1].StudyInstanceUID,
        first[1].SeriesInstanceUID,
        first[1].PatientID,
        first[1].StudyDate,
    )
    (late_nobody,) = send(box, unnamed[2:]).values()
    assert late_nobody.StudyInstanceUID == nobody[1].StudyInstanceUID
    assert late_nobody.PatientID == nobody[1].PatientID

    again = send(box, bare_study(made, "second"))
    assert again[1].PatientID == first[1].PatientID
    assert again[1].StudyInstanceUID != first[1].StudyInstanceUID


def test_new_patients_get_new_keys(box: Appliance, folder: Path) -> None:
    """The same files, cleaned offline with the first epoch's key alone, show what they would have been."""
    study = of_patient(bare_study(folder / "study", "newcomer"), "QF999000")
    sent = send(box, study)
    out, root = folder / "as-before", box.folder / "keys" / "domain.root"
    arguments = ("--key", root, "--domain", "telerad", "--profile", box.folder / "profiles" / "headers.yaml")
    done = lockgate("clean", study[0].path.parent, out, *arguments, timeout_seconds=120)
    assert done.returncode == 0, done.stderr
    before = dcmread(next(out.rglob("*.dcm")))
    assert sent[1].StudyInstanceUID != before.StudyInstanceUID
    for pseudonym in (sent[1].PatientID, sent[1].StudyInstanceUID):
        asked = box.cli(
            "reidentify",
            pseudonym,
            "--by",
            PRIVACY,
            "--role",
            "privacy",
            "--reason",
            "quality-audit",
            "--json",
        )
        answer = json.loads(asked.stdout)
        assert (answer["patient_id"] or answer["uid"]) in {"QF999000", study[0].study_uid}


def test_offline_cleaning_keeps_to_the_site(box: Appliance, folder: Path) -> None:
    """With the site's file, `lockgate clean` gives each patient the pseudonym of the route."""
    study = bare_study(folder / "study", "offline")
    out = folder / "offline"
    arguments = ("--domain", "telerad", "--profile", "headers")
    done = box.cli("clean", study[0].path.parent, out, *arguments, timeout_seconds=120)
    assert done.returncode == 0, done.stderr
    cleaned = dcmread(next(out.rglob("*.dcm")))
    first = next(
        one for one in map(dcmread, box.outgoing.rglob("*.dcm")) if one.PatientID == cleaned.PatientID
    )
    assert first.StudyDate == cleaned.StudyDate


def test_the_epoch_outlives_a_restart(box: Appliance, folder: Path) -> None:
    newcomer = of_patient(bare_study(folder / "study", "restart", 2), "QF777000")
    before = send(box, newcomer[:1])
    box.restart()
    after = send(box, newcomer[1:])
    assert after[2].PatientID == before[1].PatientID
    assert after[2].StudyInstanceUID == before[1].StudyInstanceUID
