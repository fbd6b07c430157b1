"""Frozen files that are damaged before they are sent never leave; what is whole leaves as soon as it can."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.appliance import Appliance, dicom_peer, outbound, short_folder
from tests.support.receiver import Receiver
from tests.support.signed import check_receipts, receipts
from tests.support.small_studies import make_study, send

pytestmark = pytest.mark.timeout(120)

RETRY = {"first_seconds": 0.2, "most_seconds": 1.0}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    found = Receiver()  # away at first
    yield found
    found.down()


@pytest.fixture(scope="module")
def box(receiver: Receiver) -> Iterator[Appliance]:
    with short_folder() as folder:
        routes = [outbound("partner", "PARTNER", ["partner"], quiet_seconds=0.3, retry=RETRY)]
        peers = {"partner": dicom_peer("RECEIVER", receiver.port)}
        with Appliance(folder / "site", routes=routes, peers=peers) as running:
            yield running


def flip(path: Path) -> None:
    """Change one bit in the middle of the pixels."""
    data = bytearray(path.read_bytes())
    data[-len(data) // 4] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [flip, truncate, delete])
def test_a_damaged_frozen_file_is_never_sent(
    box: Appliance, receiver: Receiver, harm: Callable[[Path], None]
) -> None:
    receiver.down()
    known, received = {one["exchange_id"] for one in box.exchanges()}, set(receiver.received)
    before = set((box.state / "frozen").rglob("*.dcm"))
    send(box.port, "PARTNER", make_study(len(known) + 1))

    def delivering(one: Appliance) -> list[dict[str, Any]]:
        return [each for each in one.in_state("delivering") if each["exchange_id"] not in known]

    (exchange,) = box.wait_for(delivering, "study that waits for its partner")
    victim, whole = sorted(set((box.state / "frozen").rglob("*.dcm")) - before)
    kept = victim.read_bytes()
    harm(victim)
    offset = box.log_file.stat().st_size
    receiver.up()

    def reported(one: Appliance) -> list[dict[str, Any]]:
        lines = one.log_lines(offset)
        return [each for each in lines if each["event"] == "frozen file damaged"]

    line = box.wait_for(reported, "report of the damage")[0]
    assert line["exchange_id"] == exchange["exchange_id"]
    assert line["destination"] == "partner"

    def stopped(one: Appliance) -> bool:
        (delivery,) = one.exchange(exchange["exchange_id"])["deliveries"]
        return bool(delivery["last_error_code"] == "damaged" and delivery["state"] == "waiting")

    box.wait_for(stopped, "delivery that waits for a person")
    found = box.exchange(exchange["exchange_id"])
    assert found["state"] == "delivering"
    assert found["deliveries"][0]["next_attempt_at"] is None  # and it is not tried again without end
    assert {one["slot"] for one in found["receipts"]} == {"R1"}
    assert victim.stem not in {one for uid in receiver.received for one in receiver.received[uid]}
    assert whole.stem in {one for uid in receiver.received for one in receiver.received[uid]}
    assert box.status()["pid"] == box.pid

    # The disk's copy comes back from a backup and a person says so: it leaves with the attested bytes.
    victim.write_bytes(kept)
    box.cli("exchanges", "retry", exchange["exchange_id"])
    box.wait_for(lambda one: one.exchange(exchange["exchange_id"])["state"] == "closed", "end")
    fresh = {uid: comings for uid, comings in receiver.received.items() if uid not in received}
    assert sorted(digest for comings in fresh.values() for digest in comings) == sorted(
        [victim.stem, whole.stem]
    )
    (second,) = receipts(box, exchange["exchange_id"], "R2")
    assert second["id"]["stage"] == "forwarded"
    check_receipts(box, exchange["exchange_id"])
