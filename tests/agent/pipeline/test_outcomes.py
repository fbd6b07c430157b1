"""Outcomes are written together, completely, in order, and an error reaches those who tell them."""

import threading

import pytest

from agent.pipeline.outcomes import OutcomeWriter
from exchange.domain.delivery import InstanceOutcome, InstanceState

SECONDS = 10


def outcome(number: int) -> InstanceOutcome:
    return InstanceOutcome(f"2.25.{number}", InstanceState.SENT, "0x0000")


def test_what_is_told_while_the_disk_is_busy_goes_into_one_transaction() -> None:
    batches: list[list[InstanceOutcome]] = []
    busy, told = threading.Event(), threading.Event()

    def write(batch: list[InstanceOutcome]) -> None:
        batches.append(batch)
        busy.set()
        told.wait(SECONDS)

    with OutcomeWriter(write) as writer:
        writer.tell(outcome(0))
        assert busy.wait(SECONDS)
        for number in range(1, 200):
            writer.tell(outcome(number))
        told.set()
    assert [len(batch) for batch in batches] == [1, 199]
    assert [one for batch in batches for one in batch] == [outcome(number) for number in range(200)]
    assert writer.written == 2


def test_several_tell_at_once() -> None:
    written: list[InstanceOutcome] = []
    with OutcomeWriter(written.extend) as writer:

        def tell(start: int) -> None:
            for number in range(start, start + 500):
                writer.tell(outcome(number))

        threads = [threading.Thread(target=tell, args=(1000 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
    assert len(written) == len(set(written)) == 2000


def test_an_error_ends_it_and_is_told() -> None:
    broken = threading.Event()

    def write(_: list[InstanceOutcome]) -> None:
        broken.set()
        raise RuntimeError("the attempt is over")

    writer = OutcomeWriter(write)
    writer.__enter__()
    writer.tell(outcome(0))
    assert broken.wait(SECONDS)
    writer._thread.join(SECONDS)
    with pytest.raises(RuntimeError, match="over"):
        writer.tell(outcome(1))
    with pytest.raises(RuntimeError, match="over"):
        writer.close()


def test_an_error_of_the_caller_is_not_hidden_by_one_of_writing() -> None:
    def write(_: list[InstanceOutcome]) -> None:
        raise RuntimeError("of writing")

    def send() -> None:
        with OutcomeWriter(write) as writer:
            writer.tell(outcome(0))
            raise ValueError("of sending")

    with pytest.raises(ValueError, match="of sending"):
        send()


def test_nothing_told_costs_no_transaction() -> None:
    with OutcomeWriter(lambda _: pytest.fail("nothing to write")) as writer:
        pass
    assert writer.written == 0
