"""What cannot be shown to be safe is held; a person with the right role decides, and the receipts say so."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset

from exchange.dicomio.getters import items, text, texts
from exchange.dicomio.header import read_header
from tests.support.appliance import Appliance, short_folder
from tests.support.signed import check_receipts, logged, receipts
from tests.support.small_studies import (
    PATIENT,
    make_instance,
    make_recording,
    make_study,
    make_undecodable,
    send,
)

PRIVACY, TECHNOLOGIST = "Sam Privacy", "Jo Technologist"
FREE_TEXT = "looked at it on the console"
PIXELS_CLEANED = "113101"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with short_folder() as folder:
        people = {PRIVACY: ["technologist", "privacy"], TECHNOLOGIST: ["technologist"]}
        with Appliance(folder / "site", people=people) as running:
            yield running


def held(box: Appliance, study: list[Dataset], code: str) -> dict[str, Any]:
    """Send a study and wait for its hold of this code."""
    known = {one["hold_id"] for one in box.holds(every=True)}
    answered = send(box.port, "OUTGOING", study)
    assert set(answered.values()) == {0x0000}

    def found(one: Appliance) -> list[dict[str, Any]]:
        return [each for each in one.holds() if each["hold_id"] not in known]

    (hold,) = box.wait_for(found, "hold")
    assert hold["code"] == code
    return hold


def decide(box: Appliance, verb: str, hold: dict[str, Any], by: str, *more: str) -> str:
    """`lockgate holds VERB`; what it said when it refused, "" when it was done."""
    reason = "reviewed-no-identity" if verb == "release" else "identity-present"
    done = box.cli("holds", verb, hold["hold_id"][:12], "--by", by, "--reason", reason, *more)
    assert done.returncode in (0, 1, 2), done.stderr
    return done.stderr if done.returncode else ""


def wait_state(box: Appliance, hold: dict[str, Any], state: str) -> dict[str, Any]:
    def reached(one: Appliance) -> dict[str, Any]:
        found = one.exchange(hold["exchange_id"])
        return found if found["state"] == state else {}

    return box.wait_for(reached, f"exchange that is {state}")


def sent_headers(box: Appliance, exchange: dict[str, Any]) -> list[Dataset]:
    folder = box.outgoing / exchange["study_uid_sent"]
    return [read_header(path) for path in sorted(folder.rglob("*.dcm"))]


def test_undecodable_pixels_leave_only_by_the_word_of_privacy(box: Appliance) -> None:
    hold = held(box, [make_instance(1), make_undecodable(1, 1)], "undecodable-pixels")

    listed = json.loads(box.cli("holds", "list", "--json").stdout)
    assert hold["hold_id"] in {one["hold_id"] for one in listed}
    shown = box.cli("holds", "show", hold["hold_id"][:12])
    assert "undecodable-pixels" in shown.stdout
    assert not [word for word in PATIENT if word in shown.stdout]

    assert "not in the site file" in decide(box, "release", hold, "Nobody Known")
    assert "privacy" in decide(box, "release", hold, TECHNOLOGIST)
    assert box.exchange(hold["exchange_id"])["state"] == "held"
    assert not box.delivered()

    assert decide(box, "release", hold, PRIVACY, "--text", FREE_TEXT) == ""
    closed = wait_state(box, hold, "closed")
    headers = sent_headers(box, closed)
    assert len(headers) == 2
    undecoded = [ds for ds in headers if ds.file_meta.TransferSyntaxUID.is_compressed]
    assert len(undecoded) == 1
    assert "BurnedInAnnotation" not in undecoded[0]
    codes = [text(one, "CodeValue") for one in items(undecoded[0], "DeidentificationMethodCodeSequence")]
    assert PIXELS_CLEANED not in codes
    assert not [word for ds in headers for word in PATIENT if word in str(ds)]

    for slot in ("R1", "R2", "R3"):
        check_review(box, hold, slot)
    check_receipts(box, hold["exchange_id"])
    outcomes = [
        (one["obj"]["decision"], one["outcome"])
        for one in logged(box, "review.decision")
        if one["obj"]["hold"] == hold["hold_id"]
    ]
    assert outcomes == [("release", "denied"), ("release", "denied"), ("release", "ok")]


def check_review(box: Appliance, hold: dict[str, Any], slot: str) -> None:
    """Role, reason code and a keyed reference for the partner; who and why for the site."""
    (partner,) = receipts(box, hold["exchange_id"], slot, "partner")
    (site,) = receipts(box, hold["exchange_id"], slot, "site")
    assert partner["policy"]["decision"] == site["policy"]["decision"] == "released"
    assert partner["deidentification"]["proof"]["passed"] == "overridden"
    (review,), (whole,) = partner["review"], site["review"]
    assert (review["role"], review["decision"]) == ("privacy", "release")
    assert review["meaning"] == "reviewed-no-identity"
    assert review["userRef"] == whole["userRef"]
    assert PRIVACY not in json.dumps(partner)
    assert FREE_TEXT not in json.dumps(partner)
    assert (whole["person"], whole["reasonText"]) == (PRIVACY, FREE_TEXT)


def test_a_rejected_recording_never_leaves_and_its_last_receipt_says_so(box: Appliance) -> None:
    before = box.delivered()
    hold = held(box, [make_instance(2), make_recording(2, 1)], "structured-content")
    assert "no cleaned bytes" in decide(box, "release", hold, PRIVACY)
    assert decide(box, "reject", hold, TECHNOLOGIST) == ""

    rejected = wait_state(box, hold, "rejected")
    assert rejected["deliveries"] == []
    (third,) = receipts(box, hold["exchange_id"], "R3")
    assert third["id"]["stage"] == "closed"
    assert third["policy"]["decision"] == "rejected"
    assert third["completeness"]["sent"] == 0
    assert [one["role"] for one in third["review"]] == ["technologist"]
    check_receipts(box, hold["exchange_id"])
    assert box.delivered() == before
    assert (
        logged(box, "exchange.closed")[-1]["obj"] | {"rejected": 1, "forwarded": 0}
        == (logged(box, "exchange.closed")[-1]["obj"])
    )
    assert "decided" in decide(box, "release", hold, PRIVACY) or "not" in decide(
        box, "release", hold, PRIVACY
    )


def test_two_contents_under_one_uid_are_held_and_a_person_lets_the_latest_pass(box: Appliance) -> None:
    first, second = make_instance(3), make_instance(3)
    second.ImageComments = "sent again after the window was changed"
    hold = held(box, [first, second], "uid-conflict")
    assert decide(box, "release", hold, TECHNOLOGIST) == ""

    closed = wait_state(box, hold, "closed")
    assert len(sent_headers(box, closed)) == 1
    (partner,) = receipts(box, hold["exchange_id"], "R2")
    assert partner["policy"]["decision"] == "released"
    assert partner["deidentification"]["proof"]["passed"] == "yes"
    check_receipts(box, hold["exchange_id"])


def test_another_study_is_not_held_up(box: Appliance) -> None:
    hold = held(box, [make_recording(4)], "structured-content")
    study = make_study(5)
    send(box.port, "OUTGOING", study)

    def closed(one: Appliance) -> list[dict[str, Any]]:
        newest = one.exchanges()[0]
        return [newest] if newest["state"] == "closed" else []

    (exchange,) = box.wait_for(closed, "other study")
    headers = sent_headers(box, exchange)
    assert len(headers) == len(study)
    assert {one for ds in headers for one in texts(ds, "BurnedInAnnotation")} == {"NO"}
    assert box.exchange(hold["exchange_id"])["state"] == "held"
