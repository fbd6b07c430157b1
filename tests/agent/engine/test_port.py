"""The port's promises, with a real DBOS on a real file in this process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from agent.engine.port import Engine, EngineSettings, WorkflowState
from agent.engine.steps import Outcome, StepFailed, StepRunner, plain
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError, HeldError


class Bench:
    """An engine whose one workflow has steps that tests can hold up."""

    def __init__(self, url: str, queue: str) -> None:
        self.url = url
        self.queue = queue
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.ran: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.engines: list[Engine] = []
        self.running = 0
        self.most = 0
        self.broken = ""

    def start(self, node: str = "node-1", schema: int = 1, limit: int = 2) -> Engine:
        settings = EngineSettings(self.url, node, {"study": limit}, schema=schema)
        engine = Engine(settings)
        engine.register("work", self.work, self.failed, self.queue)
        engine.launch()
        self.engines.append(engine)
        return engine

    def work(self, steps: StepRunner, name: str) -> str:
        steps.run("wait", self.wait, name)
        return steps.run("end", self.end, name)

    def wait(self, _name: str) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.release()
        assert self.go.wait(30)
        self.running -= 1
        if self.broken:
            raise HeldError(ReasonCode.VIDEO, "cannot do it")
        return "waited"

    def end(self, name: str) -> str:
        self.ran.append(name)
        return "ended"

    def failed(self, workflow_id: str, failure: StepFailed) -> None:
        self.failures.append((workflow_id, failure.code))


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    while not true():
        assert datetime.now(UTC) < deadline, "did not happen in time"
        threading.Event().wait(0.01)


@pytest.fixture
def queue() -> str:
    """The workflow's one queue, where it begins at once; "" for what waits until DBOS looks."""
    return "study"


@pytest.fixture
def bench(tmp_path: Path, queue: str) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{tmp_path / 'lockgate.db'}", queue)
    yield made
    made.go.set()
    for engine in made.engines:
        engine.close(0)


BOTH_WAYS = pytest.mark.parametrize("queue", ["study", ""], ids=["at once", "queued"])


@BOTH_WAYS
def test_a_workflow_runs_once_however_often_it_is_enqueued(bench: Bench) -> None:
    engine = bench.start()
    assert engine.state("a/1") is WorkflowState.ABSENT
    assert engine.enqueue("work", "a/1", ("a",), "study")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: engine.enqueue("work", "a/1", ("a",), "study"), range(8)))
    bench.go.set()
    until(lambda: engine.state("a/1") is WorkflowState.DONE)
    assert not engine.enqueue("work", "a/1", ("a",), "study")
    assert bench.ran == ["a"]
    assert engine.outcome("a/1") == "ended"
    assert bench.begun.acquire(timeout=0)
    assert not bench.begun.acquire(timeout=0)


@pytest.mark.parametrize("queue", [""])
def test_a_queue_keeps_its_limit(bench: Bench) -> None:
    engine = bench.start(limit=2)
    for number in range(5):
        engine.enqueue("work", f"w{number}/1", (f"w{number}",), "study")
    for _ in range(2):
        assert bench.begun.acquire(timeout=20)
    bench.go.set()
    until(lambda: len(bench.ran) == 5)
    assert bench.most == 2


def test_what_begins_at_once_is_counted_in_its_queue_after_a_restart_too(bench: Bench) -> None:
    engine = bench.start(limit=2)
    for name in ("a", "b"):
        engine.enqueue("work", f"{name}/1", (name,), "study")
    assert {engine.state(f"{name}/1") for name in ("a", "b")} == {WorkflowState.RUNNING}
    engine.enqueue("work", "c/1", ("c",), "study")
    assert engine.state("c/1") in {WorkflowState.QUEUED, WorkflowState.RUNNING}  # DBOS has looked already
    assert engine.in_flight("study") == {"a/1", "b/1", "c/1"}
    engine.close(0)
    again = bench.start(limit=2)
    assert again.in_flight("study") == {"a/1", "b/1", "c/1"}
    bench.go.set()
    until(lambda: not again.in_flight("study"))
    assert set(bench.ran) == {"a", "b", "c"}


@BOTH_WAYS
def test_what_ended_runs_again_only_when_custody_says_so(bench: Bench) -> None:
    engine = bench.start()
    bench.go.set()
    engine.enqueue("work", "a/1", ("a",), "study")
    until(lambda: engine.state("a/1") is WorkflowState.DONE)
    assert engine.enqueue("work", "a/1", ("a",), "study", again=True)
    until(lambda: bench.ran == ["a", "a"])


def test_a_failed_step_is_told_to_its_owner_and_kept(bench: Bench) -> None:
    engine = bench.start()
    bench.broken = "yes"
    bench.go.set()
    engine.enqueue("work", "a/1", ("a",), "study")
    until(lambda: engine.state("a/1") is WorkflowState.DONE)
    assert bench.failures == [("a/1", "video")]
    assert engine.outcome("a/1") == "failed:video"


@BOTH_WAYS
def test_a_cancelled_workflow_takes_no_further_step(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("work", "a/1", ("a",), "study")
    assert bench.begun.acquire(timeout=20)
    engine.cancel("a/1")
    bench.go.set()
    until(lambda: bench.running == 0)
    assert engine.state("a/1") is WorkflowState.CANCELLED
    engine.close(5)
    assert bench.ran == []
    assert bench.failures == []


@BOTH_WAYS
def test_a_stop_between_two_steps_is_no_failure_and_the_next_start_goes_on(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("work", "a/1", ("a",), "study")
    assert bench.begun.acquire(timeout=20)
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(engine.close, 10)
        until(engine._closing.is_set)
        bench.go.set()
        closing.result(30)
    assert (bench.ran, bench.failures) == ([], [])
    again = bench.start()
    until(lambda: again.state("a/1") is WorkflowState.DONE)
    assert bench.ran == ["a"]
    assert not bench.begun.acquire(timeout=0) or pytest.fail("the first step was repeated")


def test_a_step_that_fails_because_all_goes_down_is_not_kept(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("work", "a/1", ("a",), "study")
    assert bench.begun.acquire(timeout=20)
    bench.broken = "pool closed"
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(engine.close, 10)
        until(engine._closing.is_set)
        bench.go.set()
        closing.result(30)
    assert bench.failures == []
    bench.broken = ""
    again = bench.start()
    until(lambda: again.state("a/1") is WorkflowState.DONE)
    assert bench.ran == ["a"]


@BOTH_WAYS
def test_work_of_another_schema_is_cancelled_and_can_be_enqueued_afresh(bench: Bench) -> None:
    engine = bench.start(schema=1)
    engine.enqueue("work", "a/1", ("a",), "study")
    assert bench.begun.acquire(timeout=20)
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(engine.close, 10)
        until(engine._closing.is_set)
        bench.go.set()
        closing.result(30)
    newer = bench.start(schema=2)
    assert newer.stale() == ("a/1",)
    assert newer.stale() == ()
    assert newer.state("a/1") is WorkflowState.ABSENT
    newer.enqueue("work", "a/1", ("a",), "study")
    until(lambda: newer.state("a/1") is WorkflowState.DONE)
    older = bench.ran
    assert older == ["a"]


def test_a_downgrade_still_runs_its_own_work(bench: Bench) -> None:
    bench.go.set()
    bench.start(schema=2).close(0)
    older = bench.start(schema=1)
    older.enqueue("work", "a/1", ("a",), "study")
    until(lambda: older.state("a/1") is WorkflowState.DONE)


@BOTH_WAYS
def test_a_dead_nodes_work_is_taken_over_inside_the_queue(bench: Bench) -> None:
    first = bench.start(node="node-1")
    first.enqueue("work", "a/1", ("a",), "study")
    assert bench.begun.acquire(timeout=20)
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(first.close, 10)
        until(first._closing.is_set)
        bench.go.set()
        closing.result(30)
    second = bench.start(node="node-2")
    assert second.state("a/1") is WorkflowState.RUNNING, "left by the other node; not ours to recover"
    assert second.take_over("node-1", "study") == ("a/1",)
    until(lambda: second.state("a/1") is WorkflowState.DONE)
    assert bench.ran == ["a"]


def test_ended_workflows_are_forgotten(bench: Bench) -> None:
    engine = bench.start()
    bench.go.set()
    engine.enqueue("work", "a/1", ("a",), "study")
    until(lambda: engine.state("a/1") is WorkflowState.DONE)
    assert engine.forget(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert engine.forget(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert engine.state("a/1") is WorkflowState.ABSENT


def test_misuse_is_refused(bench: Bench) -> None:
    idle = Engine(EngineSettings(bench.url, "node-1"))
    with pytest.raises(CustodyError, match="not launched"):
        idle.state("a/1")
    engine = bench.start()
    with pytest.raises(CustodyError, match="launched"):
        engine.register("late", bench.work)
    with pytest.raises(ValueError, match="not registered"):
        engine.enqueue("nobody", "a/1", (), "study")
    with pytest.raises(ValueError, match="only ids"):
        engine.enqueue("work", "a/1", ("DOE^JOHN",), "study")


def test_a_database_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    engine = Engine(EngineSettings(f"sqlite:///{tmp_path / 'no' / 'folder.db'}", "node-1"))
    with structlog.testing.capture_logs() as logged, pytest.raises(CustodyError, match="cannot launch"):
        engine.launch()
    assert "engine not launched" in {one["event"] for one in logged}


async def test_it_is_launched_from_a_thread_beside_a_loop(bench: Bench) -> None:
    bench.go.set()
    engine = await asyncio.to_thread(bench.start)
    await asyncio.to_thread(engine.enqueue, "work", "a/1", ("a",), "study")
    await asyncio.to_thread(until, lambda: engine.state("a/1") is WorkflowState.DONE)
    await asyncio.to_thread(engine.close, 0)


@pytest.mark.parametrize("value", ["DOE^JOHN", "John Doe", "Müller", "a\nb", "x" * 513, 3, None, b"a"])
def test_what_is_not_plain_is_refused_without_being_shown(value: object) -> None:
    with pytest.raises(ValueError, match="cannot hand this") as caught:
        plain(value)
    assert str(value) not in str(caught.value)


@pytest.mark.parametrize("value", ["", "1.2.840.10008", "a/1", "sha256:00ff", "failed:video", "x=1,y=2"])
def test_plain_values_pass(value: str) -> None:
    assert plain(value) == value
    assert Outcome.of("step", lambda one: one, (value,)).value("step") == value
