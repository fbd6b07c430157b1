"""Whose pseudonym is it: `lockgate reidentify` on a running appliance, and what the log has of it."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input; the product uses dicomio

from tests.interop.sending import SUCCESS, store_files
from tests.interop.studies import HEADERS_ONLY, PATIENT, Instance, bare_study, paths
from tests.support.appliance import Appliance, folder_peer, outbound
from tests.support.signed import log_text, logged

pytestmark = pytest.mark.timeout(120)

PRIVACY, TECHNOLOGIST = "A. Berg", "J. Tech"
ORIGINALS = (PATIENT.patient_id, PATIENT.family)


@dataclass
class Sent:
    """A running appliance from which one study left, and what the partner has of it."""

    box: Appliance
    original: Instance
    received: Dataset

    def ask(self, pseudonym: str, *more: str, by: str = PRIVACY, role: str = "privacy") -> Any:
        given = ("--by", by, "--role", role, "--reason", "incidental-finding", *more)
        return self.box.cli("reidentify", pseudonym, *given)


@pytest.fixture(scope="module")
def sent(folder: Path) -> Iterator[Sent]:
    for name in ("study", "other"):
        (folder / name).mkdir()
    box = Appliance(
        folder / "site",
        profiles={"headers": HEADERS_ONLY},
        people={PRIVACY: ["privacy"], TECHNOLOGIST: ["technologist"]},
        routes=[outbound("telerad", "TELERAD", ["outgoing"], profile="headers")],
    )
    study = bare_study(folder / "study", "asked")
    with box:
        assert store_files(box.port, "TELERAD", paths(study)) == [SUCCESS] * 2
        box.wait_closed(1)
        (first, *_) = sorted(box.outgoing.rglob("*.dcm"))
        received = dcmread(first)
        original = next(one for one in study if one.number == received.InstanceNumber)
        yield Sent(box, original, received)


def test_a_patient(sent: Sent) -> None:
    """The original is answered, and the opening stood in the log before."""
    before = len(logged(sent.box, "crosswalk.open"))
    asked = sent.ask(sent.received.PatientID, "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert (answer["kind"], answer["domain"]) == ("patient", "telerad")
    assert answer["patient_id"] == PATIENT.patient_id
    opened = logged(sent.box, "crosswalk.open")
    assert len(opened) == before + 1
    assert opened[-1]["obj"]["reason"] == "incidental-finding"
    assert opened[-1]["obj"]["account"] != opened[-1]["actor"]
    shown = sent.ask(sent.received.PatientID)
    assert PATIENT.patient_id in shown.stdout


def test_uids(sent: Sent) -> None:
    expected = {
        sent.received.SOPInstanceUID: sent.original.sop_instance_uid,
        sent.received.StudyInstanceUID: sent.original.study_uid,
        sent.received.SeriesInstanceUID: sent.original.series_uid,
    }
    for pseudonym, original in expected.items():
        answer = json.loads(sent.ask(pseudonym, "--domain", "telerad", "--json").stdout)
        assert (answer["kind"], answer["uid"]) == ("uid", original)


REFUSED: dict[str, tuple[dict[str, str], str, str]] = {
    "a person whom nobody knows": ({"by": "N. Body"}, "unknown-person", "not in the site file"),
    "a role that the person has not": ({"by": TECHNOLOGIST}, "role", "has not the role"),
    "a role that may not": ({"by": TECHNOLOGIST, "role": "technologist"}, "role", "may not open"),
    "an unknown pseudonym": ({"pseudonym": "LG0000000000000000"}, "unknown", "nothing in this domain"),
    "another domain": ({"domain": "registry"}, "unknown", "nothing in this domain"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(sent: Sent, case: str) -> None:
    """Each is logged, says why, and tells nothing."""
    changes, code, why = REFUSED[case]
    given = {"pseudonym": str(sent.received.PatientID), "domain": "telerad", **changes}
    people = {key: given[key] for key in ("by", "role") if key in given}
    before = len(logged(sent.box, "crosswalk.denied"))
    asked = sent.ask(given["pseudonym"], "--domain", given["domain"], **people)
    assert asked.returncode == 2
    assert why in asked.stderr
    assert not [word for word in ORIGINALS if word in asked.stdout + asked.stderr]
    denied = logged(sent.box, "crosswalk.denied")
    assert len(denied) == before + 1
    assert denied[-1]["obj"]["code"] == code


def test_a_changed_row_is_not_answered(sent: Sent) -> None:
    """Who can write the file can make an opening fail, not give another patient's name."""
    with sqlite3.connect(sent.box.state / "crosswalk" / "crosswalk.db") as rows:
        kept = rows.execute("SELECT by_pseudonym, sealed FROM rows ORDER BY by_pseudonym").fetchall()
        other = [sealed for _, sealed in kept[1:]] + [kept[0][1]]
        rows.executemany(
            "UPDATE rows SET sealed = ? WHERE by_pseudonym = ?",
            [(sealed, index) for (index, _), sealed in zip(kept, other, strict=True)],
        )
    try:
        asked = sent.ask(sent.received.PatientID)
        assert asked.returncode == 2
        assert "it was changed" in asked.stderr
        assert not [word for word in ORIGINALS if word in asked.stdout + asked.stderr]
    finally:
        with sqlite3.connect(sent.box.state / "crosswalk" / "crosswalk.db") as rows:
            rows.executemany(
                "UPDATE rows SET sealed = ? WHERE by_pseudonym = ?",
                [(sealed, index) for index, sealed in kept],
            )


def test_nothing_of_it_is_left_behind(sent: Sent) -> None:
    """Neither log has the original or the pseudonym that was asked for."""
    texts = sent.box.log_text() + log_text(sent.box)
    for word in (*ORIGINALS, str(sent.received.PatientID), str(sent.received.SOPInstanceUID)):
        assert word not in texts


def test_several_domains_want_to_be_told_apart(sent: Sent, folder: Path) -> None:
    box = sent.box
    box.edit(lambda site: site["peers"].update(other=folder_peer(folder / "other")))
    box.edit(
        lambda site: site["routes"].append(outbound("registry", "REGISTRY", ["other"], profile="headers"))
    )
    box.reload()
    asked = sent.ask(sent.received.PatientID)
    assert asked.returncode == 2
    assert "registry, telerad" in asked.stderr
    assert json.loads(sent.ask(sent.received.PatientID, "--domain", "telerad", "--json").stdout)["patient_id"]
