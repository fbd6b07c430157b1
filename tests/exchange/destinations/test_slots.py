"""Associations to one peer, over all deliveries: bounded, the urgent first."""

import threading
from collections.abc import Callable

from exchange.destinations.slots import AssociationSlots, slots_of
from exchange.dimse.peer import DicomPeer
from exchange.domain.exchange import Priority

SECONDS = 10


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def wait_for_waiters(slots: AssociationSlots, count: int) -> None:
    with slots._change:
        assert slots._change.wait_for(lambda: len(slots._waiting) == count, SECONDS)


def notify(slots: AssociationSlots) -> None:
    with slots._change:
        slots._change.notify_all()


def start_waiter(slots: AssociationSlots, priority: Priority, order: list[Priority]) -> threading.Thread:
    def work() -> None:
        slots.acquire(priority)
        order.append(priority)
        slots.release()

    before = len(slots._waiting)
    thread = in_thread(work)
    while len(slots._waiting) == before:  # it puts itself into the queue under the lock, without a signal
        notify(slots)
    return thread


def test_the_urgent_overtake_those_that_wait() -> None:
    slots = AssociationSlots(1)
    slots.acquire(Priority.ROUTINE)
    order: list[Priority] = []
    threads = [start_waiter(slots, one, order) for one in (Priority.ROUTINE, Priority.HIGH, Priority.STAT)]
    wait_for_waiters(slots, 3)
    slots.release()
    for thread in threads:
        thread.join(SECONDS)
    assert order == [Priority.STAT, Priority.HIGH, Priority.ROUTINE]


def test_no_further_one_while_somebody_waits() -> None:
    slots = AssociationSlots(2)
    slots.acquire(Priority.ROUTINE)
    assert slots.acquire_further()
    assert not slots.acquire_further()
    order: list[Priority] = []
    thread = start_waiter(slots, Priority.ROUTINE, order)
    assert slots.is_wanted(Priority.ROUTINE, further=True)
    assert not slots.is_wanted(Priority.ROUTINE, further=False)
    slots.release()
    thread.join(SECONDS)
    assert order == [Priority.ROUTINE]
    assert not slots.is_wanted(Priority.ROUTINE, further=True)


def test_the_only_one_gives_way_to_the_urgent() -> None:
    slots = AssociationSlots(1)
    slots.acquire(Priority.ROUTINE)
    order: list[Priority] = []
    thread = start_waiter(slots, Priority.STAT, order)
    assert slots.is_wanted(Priority.ROUTINE, further=False)
    assert not slots.is_wanted(Priority.STAT, further=False)
    slots.release()
    thread.join(SECONDS)


def test_deliveries_to_one_peer_share_its_slots() -> None:
    peer = DicomPeer("SHARED", "127.0.0.1", 4242)
    assert slots_of(peer, 4) is slots_of(DicomPeer("SHARED", "127.0.0.1", 4242, "OTHER"), 2)
    assert slots_of(peer, 3).most == 3
    assert slots_of(DicomPeer("ELSE", "127.0.0.1", 4242), 4) is not slots_of(peer, 4)
