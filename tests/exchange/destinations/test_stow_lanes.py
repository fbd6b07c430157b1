"""Lanes: one to begin with, never more than are open, none after the end; what is raised comes out."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.destinations.stow_batches import BatchBounds, batches
from exchange.destinations.stow_errors import retry_after
from exchange.destinations.stow_lanes import Done, Lanes, Verdict
from exchange.domain.delivery import OutgoingInstance
from tests.support.outgoing import example, outgoing

DEADLINE = 20.0


class Counting:
    """Work that counts how many jobs run at once, each waiting until enough of them do."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.together: list[int] = []
        self._running = 0
        self._changed = threading.Condition()

    def meet(self, expected: int) -> None:
        """Run until `expected` jobs have run at the same time as this one."""
        with self._changed:
            self._running += 1
            self.together.append(self._running)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: max(self.together) >= expected, DEADLINE)

    def leave(self, job: int) -> None:
        with self._changed:
            self._running -= 1
            self.done.append(job)


def test_one_to_begin_with_then_as_many_as_there_are() -> None:
    counting = Counting()

    def work(job: int) -> Done[int]:
        # The first is alone, the next two meet, and from then on four do.
        counting.meet({0: 1, 1: 2, 2: 2}.get(job, 4))
        counting.leave(job)
        return Done(Verdict.GOOD)

    Lanes(4, work, lambda: False).run(range(12))
    assert counting.together[0] == 1
    assert max(counting.together) == 4
    assert sorted(counting.done) == list(range(12))


def test_a_busy_peer_is_asked_for_half_and_given_time() -> None:
    order: list[int] = []
    busy = iter([Verdict.GOOD, Verdict.BUSY])

    def work(job: int) -> Done[int]:
        order.append(job)
        verdict = next(busy, Verdict.GOOD)
        return Done(verdict, [job], 0.05) if verdict is Verdict.BUSY else Done(verdict)

    lanes = Lanes(1, work, lambda: False)
    lanes.run([0, 1, 2])
    assert order == [0, 1, 1, 2]
    assert lanes._open == 1


def test_nothing_is_begun_when_it_is_over() -> None:
    done: list[int] = []

    def work(job: int) -> Done[int]:
        done.append(job)
        return Done(Verdict.GOOD)

    Lanes(4, work, lambda: len(done) >= 3).run(range(1000))
    assert len(done) < 10


def test_what_work_raises_comes_out_and_ends_the_others() -> None:
    done: list[int] = []

    def work(job: int) -> Done[int]:
        done.append(job)
        if job == 5:
            raise KeyError("the token is gone")
        return Done(Verdict.GOOD)

    with pytest.raises(KeyError, match="token"):
        Lanes(4, work, lambda: False).run(range(1000))
    assert len(done) < 100


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 8))
def test_everything_is_done_once_however_it_is_split(jobs: list[int], most: int) -> None:
    lock, units = threading.Lock(), [0]

    def work(job: int) -> Done[int]:
        if job > 1:
            return Done(Verdict.POOR, [job // 2, job - job // 2])
        with lock:
            units[0] += job
        return Done(Verdict.GOOD)

    Lanes(most, work, lambda: False).run(jobs)
    assert units[0] == sum(jobs)


@cache
def outgoing_one() -> OutgoingInstance:
    return outgoing(example("CT_small.dcm"))


@pytest.fixture
def one() -> OutgoingInstance:
    return outgoing_one()


def sizes_of(study: Sequence[OutgoingInstance], bounds: BatchBounds) -> list[int]:
    return [len(batch) for batch in batches(study, bounds)]


@pytest.mark.parametrize(
    ("count", "requests", "sizes"),
    [(100, 1, [50, 50]), (3, 4, [1, 1, 1]), (9, 2, [1, 2, 2, 1, 1, 1, 1]), (0, 4, [])],
)
def test_batches_fill_all_lanes(
    one: OutgoingInstance, count: int, requests: int, sizes: Sequence[int]
) -> None:
    assert sizes_of([one] * count, BatchBounds(50, 64 * 1024 * 1024, requests)) == list(sizes)


def test_the_first_open_the_lanes_and_the_last_end_together(one: OutgoingInstance) -> None:
    sizes = sizes_of([one] * 2000, BatchBounds(50, 64 * 1024 * 1024, 4))
    assert sizes[:3] == [1, 1, 1]
    assert sizes[3] == 50
    assert sizes[3:] == sorted(sizes[3:], reverse=True)
    assert sizes[-1] == 1
    assert len(sizes) < 100


def test_large_instances_share_the_lanes_by_bytes(one: OutgoingInstance) -> None:
    large = replace(one, byte_count=8 * 1024 * 1024)
    assert sizes_of([large] * 12, BatchBounds(50, 64 * 1024 * 1024, 2)) == [1, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert sizes_of([large] * 3, BatchBounds(50, 1024, 2)) == [1, 1, 1]


@given(
    st.lists(st.integers(0, 5_000_000), max_size=60),
    st.integers(1, 20),
    st.integers(1, 10_000_000),
    st.integers(1, 8),
)
def test_batches_are_the_study_within_the_bounds(
    lengths: list[int], instances: int, size: int, requests: int
) -> None:
    study = [replace(outgoing_one(), byte_count=each) for each in lengths]
    made = list(batches(study, BatchBounds(instances, size, requests)))
    assert [each for batch in made for each in batch] == study
    assert all(1 <= len(batch) <= instances for batch in made)
    assert all(len(batch) == 1 or sum(each.byte_count for each in batch) <= size for batch in made)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("-5", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 40, 86400.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2020 12:00:30 GMT", 0.0),
        ("²", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) == seconds
