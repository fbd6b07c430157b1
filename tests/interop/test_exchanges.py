"""Exchanges: late instances, `also:`, unrouted studies, conflicts; by the running appliance."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread  # noqa: TID251 - tests build their input; the product uses dicomio

from tests.agent.pipeline.test_uncertain import instance
from tests.interop.sending import SUCCESS, store_files
from tests.interop.studies import HEADERS_ONLY, bare_study, paths, undecodable_study
from tests.support.appliance import Appliance, Site, folder_peer, outbound

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def box(folder: Path) -> Iterator[Appliance]:
    for name in ("copy", "study"):
        (folder / name).mkdir()
    appliance = Appliance(
        folder / "site",
        profiles={"headers": HEADERS_ONLY},
        peers={"copy": folder_peer(folder / "copy")},
        people={"sam": ["technologist", "privacy"], "jo": ["technologist"]},
        routes=[
            outbound("main", "MAIN", ["outgoing"], profile="headers"),
            outbound("both", "BOTH", ["outgoing"], profile="headers", also=["second"]),
            outbound("second", "SECOND", ["copy"], profile="headers"),
            outbound("pixels", "PIXELS", ["outgoing"]),
            outbound(
                "ultrasound", "LOCKGATE", ["outgoing"], match={"called_ae": "LOCKGATE", "modality": "US"}
            ),
        ],
    )
    with appliance:
        yield appliance


def fresh(box: Appliance, known: set[str], *states: str) -> list[dict[str, Any]]:
    """The exchanges that are not among `known`, once all of them are in one of these states."""
    found = [one for one in box.exchanges() if one["exchange_id"] not in known]
    return found if found and all(one["state"] in states for one in found) else []


def known_ids(box: Appliance) -> set[str]:
    return {one["exchange_id"] for one in box.exchanges()}


def test_a_late_instance_follows_under_the_same_pseudonyms(box: Appliance, folder: Path) -> None:
    known, study = known_ids(box), bare_study(folder / "study", "late", 3)
    assert store_files(box.port, "MAIN", paths(study[:2])) == [SUCCESS] * 2
    (first,) = box.wait_for(lambda one: fresh(one, known, "closed"), "the first exchange")
    assert store_files(box.port, "MAIN", paths(study[2:])) == [SUCCESS]
    known.add(first["exchange_id"])
    (second,) = box.wait_for(lambda one: fresh(one, known, "closed"), "the follow-up")
    assert (second["follows"], second["instance_count"]) == (first["exchange_id"], 1)
    assert second["study_uid_sent"] == first["study_uid_sent"]
    received = [dcmread(path) for path in (box.outgoing / first["study_uid_sent"]).rglob("*.dcm")]
    assert len(received) == 3
    assert len({one.SeriesInstanceUID for one in received}) == 1
    assert len({one.PatientID for one in received}) == 1
    assert len({one.StudyDate for one in received}) == 1
    head = next(one.SOPInstanceUID for one in received if one.InstanceNumber == 1)
    assert {one.ReferencedImageSequence[0].ReferencedSOPInstanceUID for one in received} == {head}


def test_also_opens_a_second_exchange(box: Appliance, folder: Path) -> None:
    known, study = known_ids(box), bare_study(folder / "study", "also")
    assert store_files(box.port, "BOTH", paths(study)) == [SUCCESS] * 2

    def both(one: Appliance) -> list[dict[str, Any]]:
        found = fresh(one, known, "closed")
        return found if len(found) == 2 else []

    exchanges = box.wait_for(both, "two exchanges")
    assert {one["route"] for one in exchanges} == {"both", "second"}
    assert {one["instance_count"] for one in exchanges} == {2}
    sent = {one["route"]: one["study_uid_sent"] for one in exchanges}
    assert sent["both"] != sent["second"]
    assert len(list((box.outgoing / sent["both"]).rglob("*.dcm"))) == 2
    assert len(list((folder / "copy" / sent["second"]).rglob("*.dcm"))) == 2


def test_an_unrouted_study_waits_and_can_be_routed_later(box: Appliance, folder: Path) -> None:
    known, study = known_ids(box), bare_study(folder / "study", "unrouted")
    assert store_files(box.port, "LOCKGATE", paths(study)) == [SUCCESS] * 2
    (held,) = box.wait_for(lambda one: fresh(one, known, "held"), "the held exchange")
    assert (held["route"], held["instance_count"]) == (None, 2)
    listed = box.cli("holds", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    (hold,) = json.loads(listed.stdout)
    assert (hold["code"], hold["exchange_id"], hold["state"]) == ("unrouted", held["exchange_id"], "open")
    assert box.status()["holds"] == {"unrouted": 1}
    spooled = {path.stem for path in (box.state / "spool").glob("??/*.sealed")}
    assert len(spooled) >= 2
    box.restart()  # nothing is lost by a restart either
    assert [one["exchange_id"] for one in box.in_state("held")] == [held["exchange_id"]]

    def add_route(site: Site) -> None:
        site["routes"].append(outbound("rest", "LOCKGATE", ["outgoing"], profile="headers"))

    box.edit(add_route)
    assert box.reload().status_code == 200
    refused = box.cli("holds", "release", hold["hold_id"], "--by", "nobody", "--reason", "other")
    assert refused.returncode != 0
    released = box.cli("holds", "release", hold["hold_id"][:8], "--by", "jo", "--reason", "other")
    assert released.returncode == 0, released.stderr
    (closed,) = box.wait_for(lambda one: fresh(one, known, "closed"), "the delivery")
    assert (closed["exchange_id"], closed["route"]) == (held["exchange_id"], "rest")
    assert len(list((box.outgoing / closed["study_uid_sent"]).rglob("*.dcm"))) == 2


def test_other_bytes_under_one_uid_are_both_kept_and_held(box: Appliance, folder: Path) -> None:
    known, study = known_ids(box), bare_study(folder / "study", "conflict", 1)
    ds = dcmread(study[0].path)
    ds.ImageComments = "changed afterwards"
    other = folder / "study" / "conflict-other.dcm"
    ds.save_as(other)
    files = box.status()["instances"]
    assert store_files(box.port, "MAIN", [study[0].path, other]) == [SUCCESS] * 2
    (held,) = box.wait_for(lambda one: fresh(one, known, "held"), "the held exchange")
    codes = {one["code"] for one in box.exchange(held["exchange_id"])["holds"]}
    assert codes == {"uid-conflict"}
    assert box.status()["instances"] == files + 2


def test_what_cannot_be_proved_needs_the_role_privacy(box: Appliance, folder: Path) -> None:
    known, study = known_ids(box), undecodable_study(folder / "study", "undecodable")
    delivered = len(box.delivered())
    assert store_files(box.port, "PIXELS", paths(study)) == [SUCCESS]
    (held,) = box.wait_for(lambda one: fresh(one, known, "held"), "the held exchange")
    detail = box.exchange(held["exchange_id"])
    (hold,) = detail["holds"]
    assert hold["code"] == "undecodable-pixels"
    assert (detail["deliveries"], detail["receipts"], len(box.delivered())) == ([], [], delivered)
    decide = ("holds", "release", hold["hold_id"], "--reason", "clinical-urgency", "--by")
    assert box.cli(*decide, "jo").returncode != 0
    assert box.in_state("held")
    by_sam = box.cli(*decide, "sam")
    assert by_sam.returncode == 0, by_sam.stderr
    (closed,) = box.wait_for(lambda one: fresh(one, known, "closed"), "the delivery")
    (decision,) = box.exchange(closed["exchange_id"])["decisions"]
    assert (decision["kind"], decision["role"]) == ("release", "privacy")
    assert len(box.delivered()) == delivered + 1


def test_a_rejected_hold_sends_nothing_and_ends_in_one_receipt(box: Appliance, folder: Path) -> None:
    known, study = known_ids(box), undecodable_study(folder / "study", "rejected")
    delivered = len(box.delivered())
    assert store_files(box.port, "PIXELS", paths(study)) == [SUCCESS]
    (held,) = box.wait_for(lambda one: fresh(one, known, "held"), "the held exchange")
    (hold,) = box.exchange(held["exchange_id"])["holds"]
    done = box.cli("holds", "reject", hold["hold_id"], "--by", "jo", "--reason", "wrong-study")
    assert done.returncode == 0, done.stderr
    box.wait_for(lambda one: fresh(one, known, "rejected"), "the rejected exchange")

    def both_editions(one: Appliance) -> list[dict[str, Any]]:
        found = one.exchange(held["exchange_id"])["receipts"]
        return list(found) if len(found) == 2 else []

    receipts = box.wait_for(both_editions, "its receipt")
    assert {one["slot"] for one in receipts} == {"R3"}
    assert {one["edition"] for one in receipts} == {"partner", "site"}
    assert len(box.delivered()) == delivered


def test_what_a_hold_is_about_can_be_looked_at(box: Appliance, folder: Path) -> None:
    known, path = known_ids(box), folder / "study" / "uncertain.dcm"
    instance().save_as(path, enforce_file_format=True)
    assert store_files(box.port, "PIXELS", [path]) == [SUCCESS]
    (held,) = box.wait_for(lambda one: fresh(one, known, "held"), "the hold")
    (hold,) = box.exchange(held["exchange_id"])["holds"]
    look = folder / "look"
    refused = box.cli("holds", "pictures", hold["hold_id"], str(look), "--by", "nobody")
    assert refused.returncode == 2
    assert not look.exists()
    done = box.cli("holds", "pictures", hold["hold_id"][:8], str(look), "--by", "jo", "--json")
    (shown,) = json.loads(done.stdout)["pictures"]
    assert Path(shown).stat().st_mode & 0o777 == 0o600
    assert Path(shown).read_bytes().startswith(b"\x89PNG")
    assert Path(shown).parent == look
