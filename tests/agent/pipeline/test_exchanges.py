"""What becomes of an exchange: re-sends, late instances, conflicts, damage, cancellation, retirement."""

import zipfile
from datetime import timedelta

import pytest

from agent.custody.arrivals import members
from agent.custody.attempts import frozen_of
from agent.custody.deliveries import retry_now
from agent.custody.listings import show_exchange
from agent.custody.records import FrozenInstance
from agent.pipeline.decide import Verdict, cancel_exchange, decide_hold
from agent.pipeline.retire import retire_due, sweep_frozen
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, DecisionReason, DeliveryState, ExchangeState
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.support.small_studies import PATIENT, make_instance, make_study


def digests(rows: tuple[FrozenInstance, ...]) -> dict[str, str]:
    return {one.sop_instance_uid: one.sha256 for one in rows}


def slots(house: House, exchange_id: str) -> list[tuple[str, str]]:
    """Slot and edition of each recorded receipt."""
    receipts = show_exchange(house.appliance.custody, exchange_id).receipts
    return sorted((one.slot, one.edition) for one in receipts)


COMPLETE = sorted((slot, edition) for slot in ("R1", "R2", "R3") for edition in ("partner", "site"))


def sam(kind: DecisionKind = DecisionKind.REJECT) -> Verdict:
    return Verdict(kind, "sam", "root", DecisionReason.OTHER, "in my words")


def test_a_study_goes_through_and_leaves_its_six_receipts(house: House) -> None:
    one = house.through(make_study(1))
    assert one.state is ExchangeState.CLOSED
    assert slots(house, one.exchange_id) == COMPLETE
    assert len(house.delivered()) == 2
    everything = b"".join(house.delivered().values()).upper()
    assert not any(planted.upper().encode() in everything for planted in PATIENT)


def test_a_receipt_says_that_pixels_were_not_examined(house: House) -> None:
    one = house.through(make_study(1, 1))
    first = next(
        receipt
        for receipt in show_exchange(house.appliance.custody, one.exchange_id).receipts
        if (receipt.slot, receipt.edition) == ("R1", "partner")
    )
    with zipfile.ZipFile(house.appliance.folders.state / first.path) as bundle:
        payload = bundle.read("receipt.json")
    assert b'"pixels":"not examined"' in payload
    assert b'"113101"' not in payload


def test_a_complete_resend_leaves_as_the_same_bytes_with_receipts_of_its_own(house: House) -> None:
    first = house.through(make_study(1))
    second = house.through(make_study(1))
    assert second.exchange_id != first.exchange_id
    assert second.follows == first.exchange_id
    assert second.state is ExchangeState.CLOSED
    custody = house.appliance.custody
    assert digests(frozen_of(custody, second.exchange_id)) == digests(frozen_of(custody, first.exchange_id))
    assert slots(house, second.exchange_id) == COMPLETE
    assert len(house.delivered()) == 2


def test_a_late_instance_follows_under_the_same_study(house: House) -> None:
    first = house.through([make_instance(1, 0)])
    second = house.through([make_instance(1, 1)])
    assert second.follows == first.exchange_id
    assert second.study_uid_sent == first.study_uid_sent
    assert len(house.delivered()) == 2


def test_what_has_left_leaves_again_as_the_same_bytes_whatever_a_late_instance_brings(house: House) -> None:
    """A late instance may name more people; what was cleaned before must not be cleaned otherwise now."""
    first = make_instance(1, 0)
    first.StudyDescription = "CHEST BROWN"
    before = house.through([first])
    late = make_instance(1, 1)
    late.ReferringPhysicianName = "Brown^Petra"
    after = house.through([first, late])
    assert after.state is ExchangeState.CLOSED
    custody = house.appliance.custody
    (sent,) = frozen_of(custody, before.exchange_id)
    again = {one.identity: one for one in frozen_of(custody, after.exchange_id)}
    assert len(again) == 2
    assert again[sent.identity].sha256 == sent.sha256
    assert len(house.delivered()) == 2


def test_other_bytes_under_a_uid_that_has_left_are_never_sent(make_house: MakeHouse) -> None:
    house = make_house("on_conflict: latest")
    house.through([make_instance(1, 0)])
    other = make_instance(1, 0)
    other.SeriesDescription = "HEAD"
    held = house.through([other])
    assert held.state is ExchangeState.HELD
    (hold,) = show_exchange(house.appliance.custody, held.exchange_id).holds
    assert hold.code == ReasonCode.POLICY
    with pytest.raises(CustodyError, match="no cleaned bytes"):
        decide_hold(house.appliance, hold.hold_id, sam(DecisionKind.RELEASE))
    assert len(house.delivered()) == 1


def conflicting() -> list[object]:
    other = make_instance(1, 0)
    other.SeriesDescription = "ANOTHER"
    return [make_instance(1, 0), other]


def test_two_contents_under_one_uid_are_held(house: House) -> None:
    house.arrive(conflicting())  # type: ignore[arg-type]
    house.settle()
    assert house.process() == ["held"]
    (held,) = show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id).holds
    assert held.code == ReasonCode.UID_CONFLICT
    assert house.delivered() == {}


def test_the_latest_content_wins_where_the_route_says_so(make_house: MakeHouse) -> None:
    house = make_house("on_conflict: latest")
    house.arrive([make_instance(1, 0)])
    house.wait(seconds=1)
    house.arrive(conflicting()[1:])  # type: ignore[arg-type]
    house.settle()
    house.process()
    house.deliver()
    (row,) = frozen_of(house.appliance.custody, house.exchanges()[0].exchange_id)
    assert (
        row.identity == list(members(house.appliance.custody, house.exchanges()[0].exchange_id))[-1].identity
    )
    assert len(house.delivered()) == 1


def test_a_frozen_file_that_was_altered_waits_for_a_person_and_holds_up_no_other(house: House) -> None:
    house.arrive(make_study(1, 3))
    house.settle()
    house.process()
    victim = min(house.appliance.folders.frozen.rglob("*.dcm"))
    kept = victim.read_bytes()
    victim.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert house.deliver() == ["waiting"]
    assert len(house.delivered()) == 2  # the others have left
    exchange_id = house.exchanges()[0].exchange_id
    (waiting,) = show_exchange(house.appliance.custody, exchange_id).deliveries
    assert (waiting.state, waiting.last_error_code) == (DeliveryState.WAITING, "damaged")
    house.wait(days=100)
    assert house.deliver() == []  # and it is not tried again without end
    # Retried without the file: the same answer, and nothing of it is sent.
    assert retry_now(house.appliance.custody, exchange_id, house.now) == 1
    assert house.deliver() == ["waiting"]
    assert len(house.delivered()) == 2
    victim.write_bytes(kept)
    retry_now(house.appliance.custody, exchange_id, house.now)
    assert house.deliver() == ["forwarded"]
    assert len(house.delivered()) == 3
    assert slots(house, exchange_id) == COMPLETE


def test_cancelling_what_waits_for_its_destination_ends_it_with_a_refused_delivery(house: House) -> None:
    (house.folder / "outgoing").rmdir()  # the share is not mounted
    one = house.through(make_study(1))
    assert one.state is ExchangeState.DELIVERING
    ended = cancel_exchange(house.appliance, one.exchange_id, sam())
    assert ended.state is ExchangeState.CLOSED
    detail = show_exchange(house.appliance.custody, one.exchange_id)
    assert [sent.state for sent in detail.deliveries] == [DeliveryState.REJECTED]
    assert slots(house, one.exchange_id) == COMPLETE


def test_cancelling_what_has_settled_rejects_it(house: House) -> None:
    house.arrive(make_study(1))
    (settled,) = house.settle()
    ended = cancel_exchange(house.appliance, settled.exchange_id, sam())
    assert ended.state is ExchangeState.REJECTED
    assert slots(house, settled.exchange_id) == [("R3", "partner"), ("R3", "site")]
    with pytest.raises(CustodyError, match="it has ended"):
        cancel_exchange(house.appliance, settled.exchange_id, sam())


def test_only_named_people_with_the_role_decide(house: House) -> None:
    house.arrive(conflicting())  # type: ignore[arg-type]
    house.settle()
    house.process()
    (held,) = show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id).holds
    stranger = Verdict(DecisionKind.RELEASE, "nobody", "root", DecisionReason.OTHER)
    with pytest.raises(CustodyError, match="not in the site file"):
        decide_hold(house.appliance, held.hold_id, stranger)
    released = decide_hold(house.appliance, held.hold_id[:8], sam(DecisionKind.RELEASE))
    assert released.state is ExchangeState.SETTLED
    assert house.process() == ["delivering"]


def test_retention_deletes_images_and_keeps_receipts(house: House) -> None:
    one = house.through(make_study(1))
    house.wait(days=29)
    assert retire_due(house.appliance) == 0
    house.wait(days=2)
    assert retire_due(house.appliance) == 2
    assert house.exchanges()[0].state is ExchangeState.RETIRED
    assert not list(house.appliance.folders.frozen.rglob("*.dcm"))
    assert not list(house.appliance.spool.index())
    for receipt in show_exchange(house.appliance.custody, one.exchange_id).receipts:
        assert (house.appliance.folders.state / receipt.path).is_file()


def test_what_a_resend_shares_stays_until_the_last_has_retired(house: House) -> None:
    house.through(make_study(1))
    house.wait(days=20)
    house.through(make_study(1))
    house.wait(days=11)
    assert retire_due(house.appliance) == 0
    assert len(list(house.appliance.folders.frozen.rglob("*.dcm"))) == 2
    house.wait(days=20)
    assert retire_due(house.appliance) == 2
    assert not list(house.appliance.folders.frozen.rglob("*.dcm"))


def test_frozen_files_that_no_exchange_names_are_swept(house: House) -> None:
    house.through(make_study(1))
    stray = house.appliance.folders.frozen / "00" / f"{'0' * 64}.dcm"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"left by a crash")
    assert sweep_frozen(house.appliance) == 1
    assert not stray.exists()
    assert len(list(house.appliance.folders.frozen.rglob("*.dcm"))) == 2


def test_backoff_doubles_between_its_bounds(make_house: MakeHouse) -> None:
    house = make_house("retry: {first_seconds: 10.0, most_seconds: 40.0}")
    (house.folder / "outgoing").rmdir()
    house.through(make_study(1, 1))
    pauses = []
    for _ in range(4):
        (sent,) = show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id).deliveries
        assert sent.next_attempt_at is not None
        pauses.append((sent.next_attempt_at - house.now) / timedelta(seconds=1))
        house.now = sent.next_attempt_at
        assert house.deliver() == ["waiting"]
    for pause, middle in zip(pauses, (10, 20, 40, 40), strict=True):
        assert 0.8 * middle <= pause <= 1.2 * middle
