"""Deliveries, effects, receipts and the end of an exchange."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.custody import closing, deliveries, holds, listings, queueing, receipts, settling
from agent.custody.database import Database
from agent.custody.receipts import Edition
from agent.custody.records import Attempt, DeliveryRecord, OwedReceipt
from exchange.domain.delivery import InstanceOutcome, InstanceState
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, DeliveryState, Direction, ExchangeState
from tests.agent.custody.world import START, World, decision, digest, route


def ready(world: World, *, proved: bool = True, direction: Direction = Direction.OUTBOUND) -> Attempt:
    attempt = world.begin(world.settled("a", routes=(route(direction=direction),)).exchange_id)
    world.freeze(attempt, proved=proved)
    return attempt


def leave(world: World, attempt: Attempt, *to: str) -> int:
    opened = deliveries.open_deliveries(
        world.database, attempt.exchange_id, attempt.token, to or ("telerad",), world.now()
    )
    return len(opened)


def test_nothing_leaves_before_its_first_receipt_is_recorded(world: World) -> None:
    attempt = ready(world)
    with pytest.raises(CustodyError, match="first receipt"):
        leave(world, attempt)
    event = receipts.reserve_receipt(world.database, attempt.exchange_id, "deidentified", world.now())
    with pytest.raises(CustodyError, match="first receipt"):
        leave(world, attempt)
    edition = Edition("partner", digest("p"), "", "x.zip")
    receipts.record_receipt(world.database, event.receipt_id, edition)
    assert leave(world, attempt, "telerad", "registry", "telerad") == 2


def test_nothing_unproved_leaves_outbound_unless_released(world: World) -> None:
    attempt = ready(world, proved=False)
    world.receipt(attempt.exchange_id, "deidentified")
    with pytest.raises(CustodyError, match="neither proved nor released"):
        leave(world, attempt)
    held = world.hold(attempt.exchange_id, "proof-text", attempt.token)
    holds.decide(world.database, held, decision(DecisionKind.REDACT), world.now())
    second = world.begin(attempt.exchange_id)
    with pytest.raises(CustodyError, match="neither proved nor released"):
        leave(world, second)
    held = world.hold(attempt.exchange_id, "proof-text", second.token)
    holds.decide(world.database, held, decision(DecisionKind.RELEASE), world.now())
    assert leave(world, world.begin(attempt.exchange_id)) == 1


def test_inbound_nothing_reaches_the_pacs_whose_identity_was_not_shown_whoever_says_so(world: World) -> None:
    attempt = ready(world, proved=False, direction=Direction.INBOUND)
    world.receipt(attempt.exchange_id, "quarantined")
    held = world.hold(attempt.exchange_id, "proof-text", attempt.token)
    holds.decide(world.database, held, decision(DecisionKind.RELEASE), world.now())
    with pytest.raises(CustodyError, match="neither proved nor released"):
        leave(world, world.begin(attempt.exchange_id))


def test_opening_is_idempotent_and_needs_frozen_bytes(world: World) -> None:
    attempt = world.begin(world.settled("a").exchange_id)
    with pytest.raises(CustodyError, match="nothing is frozen"):
        leave(world, attempt)
    world.freeze(attempt)
    world.receipt(attempt.exchange_id, "deidentified")
    with pytest.raises(CustodyError, match="no destination"):
        deliveries.open_deliveries(world.database, attempt.exchange_id, attempt.token, (), world.now())
    with pytest.raises(CustodyError, match="attempt is over"):
        deliveries.open_deliveries(world.database, attempt.exchange_id, "guess", ("x",), world.now())
    assert leave(world, attempt) == leave(world, attempt) == 1
    with pytest.raises(CustodyError, match="it is delivering"):
        world.freeze(attempt)


def test_what_was_confirmed_is_not_sent_again(world: World) -> None:
    (delivery,) = world.delivering("a", "b", "c", "d")
    claim = world.claim(delivery)
    first, second, third, fourth = world.waiting(claim)
    world.said(claim, InstanceState.SENT, first)
    world.said(claim, InstanceState.UNKNOWN, second)
    world.said(claim, InstanceState.REFUSED, third)
    deliveries.reschedule(world.database, claim, START + timedelta(hours=1), "peer-unavailable")
    again = world.claim(delivery)
    assert again.number == 2
    assert set(world.waiting(again)) == {second, fourth}
    found = {one.sop_instance_uid: one for one in deliveries.effects_of(world.database, delivery.delivery_id)}
    assert (found[first].state, found[first].attempt, found[first].status) == (
        InstanceState.SENT,
        1,
        "0x0000",
    )


def test_a_confirmation_stands_whatever_is_said_later(world: World) -> None:
    (delivery,) = world.delivering("a")
    claim = world.claim(delivery)
    (uid,) = world.waiting(claim)
    world.said(claim, InstanceState.WARNING, uid)
    for state in (InstanceState.UNKNOWN, InstanceState.REFUSED, InstanceState.PENDING):
        world.said(claim, state, uid)
    assert world.waiting(claim) == ()
    assert deliveries.effects_of(world.database, delivery.delivery_id)[0].state is InstanceState.WARNING


def test_a_confirmation_after_the_claim_was_lost_still_counts(world: World) -> None:
    (delivery,) = world.delivering("a")
    old = world.claim(delivery)
    (uid,) = world.waiting(old)
    deliveries.reschedule(world.database, old, START, "timeout")
    new = world.claim(delivery)
    with pytest.raises(CustodyError, match="attempt is over"):
        world.said(old, InstanceState.REFUSED, uid)
    world.said(old, InstanceState.SENT, uid)
    assert world.waiting(new) == ()
    for late in (deliveries.check_claim,):
        with pytest.raises(CustodyError, match="attempt is over"):
            late(world.database, old)
    with pytest.raises(CustodyError, match="attempt is over"):
        deliveries.finish_delivery(world.database, old, DeliveryState.FORWARDED, world.now())
    with pytest.raises(CustodyError, match="no such instance"):
        world.said(new, InstanceState.SENT, "1.2.3.4")


def test_claims_are_compare_and_set(database: Database) -> None:
    world = World(database)
    (delivery,) = world.delivering("a")
    with ThreadPoolExecutor(8) as threads:
        claims = list(
            threads.map(lambda _: deliveries.claim_delivery(database, delivery.delivery_id, 1), range(8))
        )
    assert len({one.token for one in claims}) == 1
    with pytest.raises(CustodyError, match="not the next"):
        deliveries.claim_delivery(database, delivery.delivery_id, 2)
    assert claims[0].workflow_id == f"{delivery.delivery_id}/1"


def test_deliveries_become_due(world: World) -> None:
    one, two = world.delivering("a", to=("one", "two"))
    soon, later = START + timedelta(minutes=1), START + timedelta(hours=1)
    assert {each.destination for each in world.due(soon)} == {"one", "two"}
    assert queueing.next_due_after(world.database, soon) is None
    deliveries.reschedule(world.database, world.claim(one), later, "peer-unavailable")
    world.claim(two)
    assert world.due(soon) == ()
    assert queueing.next_due_after(world.database, soon) == later
    (due,) = world.due(later)
    assert (due.delivery_id, due.attempt) == (one.delivery_id, 2)
    assert deliveries.delivery(world.database, one.delivery_id).last_error_code == "peer-unavailable"
    assert deliveries.retry_now(world.database, one.exchange_id, START) == 1
    assert len(world.due(START)) == 1


def test_forwarded_means_all_is_confirmed(world: World) -> None:
    (delivery,) = world.delivering("a", "b")
    claim = world.claim(delivery)
    first, second = world.waiting(claim)
    world.said(claim, InstanceState.SENT, first)
    with pytest.raises(CustodyError, match="not all is confirmed"):
        deliveries.finish_delivery(world.database, claim, DeliveryState.FORWARDED, world.now())
    with pytest.raises(CustodyError, match="cannot end a delivery"):
        deliveries.finish_delivery(world.database, claim, DeliveryState.WAITING, world.now())
    world.said(claim, InstanceState.REFUSED, second)
    deliveries.note_transport(world.database, claim, {"tls": "1.3"})
    done = deliveries.finish_delivery(world.database, claim, DeliveryState.REJECTED, world.now(), "refused")
    assert (done.state, done.last_error_code, done.transport) == (
        DeliveryState.REJECTED,
        "refused",
        {"tls": "1.3"},
    )
    again = deliveries.finish_delivery(world.database, claim, DeliveryState.REJECTED, world.now())
    assert again == done
    with pytest.raises(CustodyError, match="attempt is over"):
        deliveries.finish_delivery(world.database, claim, DeliveryState.FORWARDED, world.now())


def test_each_place_takes_one_receipt(world: World) -> None:
    attempt = ready(world)
    first = receipts.reserve_receipt(world.database, attempt.exchange_id, "deidentified", world.now())
    again = receipts.reserve_receipt(world.database, attempt.exchange_id, "deidentified", world.now())
    assert first == again
    assert first.issued_at.microsecond == 678000
    assert first.receipt_id[14] == "7"
    with pytest.raises(CustodyError, match="in its place"):
        receipts.reserve_receipt(world.database, attempt.exchange_id, "accepted", world.now())
    site = Edition("site", digest("s"), "", "s.zip")
    one = receipts.record_receipt(world.database, first.receipt_id, site)
    assert receipts.record_receipt(world.database, first.receipt_id, site) == one
    with pytest.raises(CustodyError, match="another statement"):
        receipts.record_receipt(world.database, first.receipt_id, replace(site, pae_sha256=digest("t")))
    with pytest.raises(CustodyError, match="cannot"):
        receipts.record_receipt(world.database, "unreserved", site)
    with pytest.raises(CustodyError, match="edition"):
        receipts.record_receipt(world.database, first.receipt_id, replace(site, edition="draft"))
    for stage, delivery in (("closed", "d"), ("forwarded", ""), ("unheard-of", "")):
        with pytest.raises(CustodyError, match="unknown or does not fit"):
            receipts.reserve_receipt(world.database, attempt.exchange_id, stage, world.now(), delivery)
    assert listings.show_exchange(world.database, attempt.exchange_id).receipts == (one,)


def test_threads_reserve_one_receipt_of_a_delivery(database: Database) -> None:
    world = World(database)
    (delivery,) = world.delivering("a")

    def reserve(number: int) -> str:
        stage = "forwarded" if number % 2 else "rejected"
        try:
            return receipts.reserve_receipt(
                database, delivery.exchange_id, stage, START, delivery.delivery_id
            ).receipt_id
        except CustodyError:
            return ""

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(reserve, range(8)))
    assert len(found - {""}) == 1


def test_what_is_owed_is_found_after_a_crash(world: World) -> None:
    one, two = world.delivering("a", to=("one", "two"))
    assert receipts.owed_receipts(world.database) == ()
    world.deliver(one)
    assert receipts.owed_receipts(world.database) == ()
    claim = world.claim(two)
    world.said(claim, InstanceState.SENT)
    deliveries.finish_delivery(world.database, claim, DeliveryState.FORWARDED, world.now())
    owed = (OwedReceipt(two.exchange_id, two.delivery_id, "R2"),)
    assert receipts.owed_receipts(world.database) == owed
    event = receipts.reserve_receipt(
        world.database, two.exchange_id, "forwarded", world.now(), two.delivery_id
    )
    partner = Edition("partner", digest("p"), "", "p.zip")
    receipts.record_receipt(world.database, event.receipt_id, partner)
    assert receipts.owed_receipts(world.database) == owed, "one edition of two is not enough"
    receipts.record_receipt(world.database, event.receipt_id, replace(partner, edition="site"))
    assert receipts.owed_receipts(world.database) == (OwedReceipt(two.exchange_id, "", "R3"),)
    with pytest.raises(CustodyError, match="last receipt"):
        closing.close(world.database, two.exchange_id, world.now())
    world.receipt(two.exchange_id, "closed")
    assert receipts.owed_receipts(world.database) == ()
    done = closing.close(world.database, two.exchange_id, world.now())
    assert done.state is ExchangeState.CLOSED
    assert closing.close(world.database, two.exchange_id, world.now()) == done


def test_an_exchange_is_not_closed_under_way(world: World) -> None:
    one, two = world.delivering("a", to=("one", "two"))
    world.deliver(one)
    world.receipt(one.exchange_id, "closed")
    with pytest.raises(CustodyError, match="a delivery or its receipt"):
        closing.close(world.database, two.exchange_id, world.now())
    with pytest.raises(CustodyError, match="it is delivering"):
        closing.retire(world.database, one.exchange_id)


def test_a_rejected_exchange_owes_its_last_receipt_before_it_retires(world: World) -> None:
    one = world.settled("a").exchange_id
    holds.decide(world.database, world.hold(one), decision(DecisionKind.REJECT), world.now())
    assert receipts.owed_receipts(world.database) == (OwedReceipt(one, "", "R3"),)
    with pytest.raises(CustodyError, match="last receipt"):
        closing.retire(world.database, one)
    world.receipt(one, "closed")
    assert receipts.owed_receipts(world.database) == ()
    assert closing.retire(world.database, one) == closing.retire(world.database, one)


def test_start_up_finds_all_that_is_under_way(world: World) -> None:
    world.closed("z", "y")
    opened = world.arrive("o", study="1")
    settled = world.settled("s", study="2").exchange_id
    processing = world.begin(world.settled("p", study="3").exchange_id)
    held = world.settled("h", study="4").exchange_id
    world.hold(held)
    one, _ = world.delivering("d", to=("one", "two"))
    active = world.claim(one)
    found = queueing.running(world.database)
    assert found.exchanges == ((processing.exchange_id, 1),)
    assert found.deliveries == ((one.delivery_id, 1),)
    (queued,) = queueing.queued_exchanges(world.database, "second-opinion", 10)
    assert (queued.exchange_id, queued.attempt) == (settled, 1)
    assert queueing.waiting_lanes(world.database) == (("two", "second-opinion"),)
    assert [each.exchange_id for each in settling.open_exchanges(world.database)] == [opened]
    again = deliveries.claim_delivery(world.database, one.delivery_id, 1)
    assert again == active, "the workflow of an active delivery goes on with its own token"


def test_listings_and_counts(world: World) -> None:
    done = world.closed("a", "b")
    held = world.settled("c", study="4").exchange_id
    world.hold(held, "video")
    found = listings.counts(world.database)
    assert (found.exchanges[ExchangeState.CLOSED], found.exchanges[ExchangeState.HELD]) == (1, 1)
    assert (found.deliveries[DeliveryState.FORWARDED], found.open_holds) == (1, {"video": 1})
    assert (found.arrivals, found.instances, found.instance_bytes) == (3, 3, 3000)
    assert [one.exchange_id for one in listings.list_exchanges(world.database)] == [held, done]
    assert [one.exchange_id for one in listings.list_exchanges(world.database, {ExchangeState.CLOSED})] == [
        done
    ]
    shown = listings.show_exchange(world.database, done)
    assert (len(shown.attempts), len(shown.frozen), len(shown.effects)) == (1, 2, 2)
    places = [(slot, edition) for slot in ("R1", "R2", "R3") for edition in ("partner", "site")]
    assert [(one.slot, one.edition) for one in shown.receipts] == places
    assert shown.attempts[0].outcome == "delivering"
    assert listings.find_exchange(world.database, done[:12]).exchange_id == done
    for wrong in ("", "zz", "%"):
        with pytest.raises(CustodyError, match="cannot tell"):
            listings.find_exchange(world.database, wrong)
    with pytest.raises(CustodyError, match="cannot find exchange"):
        listings.show_exchange(world.database, "nowhere")


def test_racing_ways_end_with_one_receipt_in_each_place(database: Database) -> None:
    """Many threads do what a workflow would, over and over, as after crashes; the record stays single."""
    world = World(database)
    first, second = world.delivering("a", "b", "c", to=("one", "two"))

    def drive(delivery: DeliveryRecord) -> None:
        try:
            claim = deliveries.claim_delivery(database, delivery.delivery_id, 1)
            for one in deliveries.unconfirmed(database, delivery.delivery_id):
                outcome = InstanceOutcome(one.sop_instance_uid, InstanceState.SENT, "0x0000")
                deliveries.record_outcomes(database, claim, [outcome], START)
            deliveries.finish_delivery(database, claim, DeliveryState.FORWARDED, START)
        except CustodyError:
            pass  # another thread has ended it
        for owed in receipts.owed_receipts(database):
            stage = "forwarded" if owed.slot == "R2" else "closed"
            event = receipts.reserve_receipt(database, owed.exchange_id, stage, START, owed.delivery_id)
            for name in ("partner", "site"):
                edition = Edition(name, digest(name + event.receipt_id), "", f"{event.receipt_id}.{name}")
                receipts.record_receipt(database, event.receipt_id, edition)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(drive, [first, second] * 6))
    drive(first)
    assert closing.close(database, first.exchange_id, START).state is ExchangeState.CLOSED
    shown = listings.show_exchange(database, first.exchange_id)
    found = [(one.slot, one.delivery_id, one.edition) for one in shown.receipts]
    assert len(found) == len(set(found)) == 2 * (1 + 2 + 1)
