"""The partner is away, refuses, or drops the association after storing: nothing lost, nothing doubled."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.appliance import Appliance, dicom_peer, outbound, short_folder
from tests.support.receiver import Receiver
from tests.support.signed import check_receipts, receipts
from tests.support.small_studies import make_study, send

RETRY = {"first_seconds": 0.2, "most_seconds": 1.0}
REFUSED = {2: 0xA900, 3: 0xC000}


def refuse_some(event: Any, _coming: int) -> int:
    """Refuse the second and the third instance for good."""
    return REFUSED.get(int(event.dataset.InstanceNumber), 0x0000)


def store_then_abort(event: Any, coming: int) -> int:
    """Failed but landed: the first time that the second instance comes, it is stored and not answered."""
    if int(event.dataset.InstanceNumber) == 2 and coming == 1:
        event.assoc.abort()
    return 0x0000


class Partners:
    """The peers of these tests; `away` is down until a test lets it up."""

    def __init__(self) -> None:
        self.away = Receiver()
        self.refusing = Receiver(refuse_some)
        self.dropping = Receiver(store_then_abort)


@pytest.fixture(scope="module")
def partners() -> Iterator[Partners]:
    found = Partners()
    with found.refusing, found.dropping:
        yield found
    found.away.down()


@pytest.fixture(scope="module")
def box(partners: Partners) -> Iterator[Appliance]:
    with short_folder() as folder:
        names = ("away", "refusing", "dropping")
        routes = [outbound(name, name.upper(), [name], quiet_seconds=0.3, retry=RETRY) for name in names]
        routes.append(outbound("folder", "FOLDER", ["outgoing"], quiet_seconds=0.3))
        peers = {name: dicom_peer("RECEIVER", getattr(partners, name).port) for name in names}
        with Appliance(folder / "site", routes=routes, peers=peers) as running:
            yield running


def of_route(box: Appliance, route: str) -> dict[str, Any]:
    """The one exchange on a route, in full; {} before it is there."""
    found = [one for one in box.exchanges() if one["route"] == route]
    assert len(found) <= 1
    return box.exchange(found[0]["exchange_id"]) if found else {}


def wait_closed(box: Appliance, route: str) -> dict[str, Any]:
    def closed(one: Appliance) -> dict[str, Any]:
        found = of_route(one, route)
        return found if found.get("state") == "closed" else {}

    return box.wait_for(closed, f"end of the exchange on {route}")


@pytest.mark.timeout(120)
def test_a_partner_that_is_away_is_tried_again_and_blocks_nobody_else(
    box: Appliance, partners: Partners
) -> None:
    study = make_study(1)
    assert set(send(box.port, "AWAY", study).values()) == {0x0000}

    def tried_twice(one: Appliance) -> bool:
        deliveries = of_route(one, "away").get("deliveries", [])
        return bool(deliveries) and deliveries[0]["attempts"] >= 2

    box.wait_for(tried_twice, "second attempt")
    waiting = of_route(box, "away")
    assert waiting["state"] == "delivering"
    assert waiting["deliveries"][0]["last_error_code"] == "unreachable"
    assert {one["slot"] for one in waiting["receipts"]} == {"R1"}
    pauses = [one["retry_seconds"] for one in box.log_lines() if one["event"] == "delivery postponed"]
    assert pauses[0] < pauses[1] <= RETRY["most_seconds"] * 1.2

    # Another destination goes on meanwhile.
    send(box.port, "FOLDER", make_study(2))
    wait_closed(box, "folder")
    assert len(box.delivered()) == 2
    assert of_route(box, "away")["state"] == "delivering"

    partners.away.up()
    closed = wait_closed(box, "away")
    assert {uid: len(comings) for uid, comings in partners.away.received.items()} == {
        one["sop_instance_uid"]: 1 for one in closed["instances"]
    }
    (second,) = receipts(box, closed["exchange_id"], "R2")
    assert second["id"]["stage"] == "forwarded"
    assert second["delivery"]["attempts"] == closed["deliveries"][0]["attempts"] >= 3
    check_receipts(box, closed["exchange_id"])


@pytest.mark.timeout(120)
def test_what_is_refused_is_named_and_the_others_are_delivered(box: Appliance, partners: Partners) -> None:
    send(box.port, "REFUSING", make_study(3, 4))
    closed = wait_closed(box, "refusing")

    assert len(partners.refusing.received) == 4
    assert {len(comings) for comings in partners.refusing.received.values()} == {1}, (
        "something was sent twice"
    )
    states = sorted(one["state"] for one in closed["instances"])
    assert states == ["refused", "refused", "sent", "sent"]
    (second,) = receipts(box, closed["exchange_id"], "R2")
    assert second["id"]["stage"] == "rejected"
    counts = {one["status"]: one["count"] for one in second["delivery"]["responses"]}
    assert counts == {"0x0000": 2, "0xA900": 1, "0xC000": 1}
    assert (second["completeness"]["sent"], second["completeness"]["missing"]) == (2, 2)
    (third,) = receipts(box, closed["exchange_id"], "R3")
    assert third["id"]["stage"] == "closed"
    check_receipts(box, closed["exchange_id"])


@pytest.mark.timeout(120)
def test_failed_but_landed_is_sent_again_with_the_same_bytes(box: Appliance, partners: Partners) -> None:
    send(box.port, "DROPPING", make_study(4, 3))
    closed = wait_closed(box, "dropping")

    comings = partners.dropping.received
    assert sorted(len(one) for one in comings.values()) == [1, 1, 2]
    assert {len(one) for one in partners.dropping.contents().values()} == {1}
    assert {one["state"] for one in closed["instances"]} == {"sent"}
    (second,) = receipts(box, closed["exchange_id"], "R2")
    assert second["id"]["stage"] == "forwarded"
    assert second["completeness"] | {"sent": 3, "missing": 0} == second["completeness"]
    check_receipts(box, closed["exchange_id"])
