"""Worker slots: real processes that crash, hang, spill names and lose their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent.workers.child import WorkerSettings
from agent.workers.errors import TaskFailed, WorkerCancelled, WorkerCrashed, WorkerTimeout
from agent.workers.pool import Pool, Ticket
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, SpoolFullError
from tests.agent.workers.tasks import OwnError

TASKS = "tests.agent.workers.tasks"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(2, f"{TASKS}:make_state", "given")
    yield made
    made.close(5)


@pytest.fixture
def single() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close(0)


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        threading.Event().wait(0.01)


def gone(pid: int) -> bool:
    """The process is no more, or is a corpse that nobody has collected."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_no_process_before_the_first_task() -> None:
    made = Pool(4)
    assert made.pids() == ()
    made.close(0)


def test_a_task_returns_what_it_computes(pool: Pool) -> None:
    assert pool.submit(f"{TASKS}:add", (2, 3), seconds=30) == 5


def test_state_is_built_once_per_worker_and_the_warm_worker_comes_first(pool: Pool) -> None:
    first = pool.submit(f"{TASKS}:count", None, seconds=30)
    second = pool.submit(f"{TASKS}:count", None, seconds=30)
    assert first[0] == second[0] != os.getpid()
    assert (second[1], second[2]) == (first[1] + 1, "given")


def test_progress_reaches_the_submitter_in_order(pool: Pool) -> None:
    seen: list[Any] = []
    assert pool.submit(f"{TASKS}:progress", 5, seconds=30, on_progress=seen.append) == "done"
    assert seen == [{"done": number} for number in range(5)]


def test_errors_of_ours_keep_type_code_and_path(pool: Pool) -> None:
    with pytest.raises(HeldError) as caught:
        pool.submit(f"{TASKS}:hold", None, seconds=30)
    error = caught.value
    assert (error.code, error.path, error.hint) == (ReasonCode.VIDEO, "(7FE0,0010)", "release it by hand")
    assert str(error) == "cannot clean a video; release it by hand"


def test_errors_with_arguments_of_their_own_come_through(pool: Pool) -> None:
    with pytest.raises(OwnError) as caught:
        pool.submit(f"{TASKS}:own_error", None, seconds=30)
    assert (caught.value.weight, caught.value.message) == (12, "cannot lift")


def test_other_errors_come_without_their_words(pool: Pool) -> None:
    with pytest.raises(TaskFailed) as caught:
        pool.submit(f"{TASKS}:spill", "DOE^JOHN", seconds=30)
    assert caught.value.kind == "ValueError"
    assert caught.value.place.startswith("tasks.py:")
    assert caught.value.code is ReasonCode.INTERNAL
    assert "DOE" not in repr(vars(caught.value)) + str(caught.value)


@pytest.mark.parametrize("task", ["nowhere:at_all", f"{TASKS}:not_there"])
def test_an_unknown_task_fails_alone(pool: Pool, task: str) -> None:
    with pytest.raises(TaskFailed):
        pool.submit(task, None, seconds=30)
    assert pool.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2


def test_a_result_that_cannot_be_pickled_is_an_error_and_the_worker_lives(single: Pool) -> None:
    single.submit(f"{TASKS}:add", (1, 1), seconds=30)
    before = single.pids()
    with pytest.raises(TaskFailed):
        single.submit(f"{TASKS}:unpicklable", None, seconds=30)
    assert single.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2
    assert single.pids() == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_crash_is_told_and_the_slot_works_again(single: Pool, number: signal.Signals) -> None:
    with pytest.raises(WorkerCrashed) as caught:
        single.submit(f"{TASKS}:die", int(number), seconds=30)
    assert caught.value.exit_code == -number
    assert caught.value.code is ReasonCode.POISON
    assert single.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2


def test_a_hang_ends_at_its_deadline(single: Pool) -> None:
    with pytest.raises(WorkerTimeout) as caught:
        single.submit(f"{TASKS}:hang", "", seconds=0.3)
    assert caught.value.seconds == 0.3
    assert single.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2


def test_one_death_loses_no_other_task(tmp_path: Path) -> None:
    made = Pool(3)
    go = tmp_path / "go"
    with ThreadPoolExecutor(3) as threads:
        waiting = threading.Barrier(3)

        def meet() -> None:
            waiting.wait(30)

        others = [
            threads.submit(
                made.submit,
                f"{TASKS}:wait_for_file",
                str(go),
                seconds=60,
                on_progress=lambda _message: meet(),
            )
            for _ in range(2)
        ]
        meet()
        for task, payload in (("die", int(signal.SIGKILL)), ("hang", "")):
            with pytest.raises((WorkerCrashed, WorkerTimeout)):
                made.submit(f"{TASKS}:{task}", payload, seconds=0.5)
        go.touch()
        assert [one.result(30) for one in others] == ["seen", "seen"]
    made.close(0)


def test_a_worker_that_died_idle_is_replaced_unnoticed(single: Pool) -> None:
    single.submit(f"{TASKS}:add", (1, 1), seconds=30)
    (pid,) = single.pids()
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid))
    assert single.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2
    assert single.pids() != (pid,)


def test_a_running_task_can_be_cancelled(single: Pool) -> None:
    ticket = Ticket()
    with pytest.raises(WorkerCancelled):
        single.submit(
            f"{TASKS}:hang", "", seconds=60, ticket=ticket, on_progress=lambda _message: ticket.cancel()
        )
    assert single.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2


def test_a_task_cancelled_before_it_starts_never_runs(single: Pool, tmp_path: Path) -> None:
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(WorkerCancelled):
        single.submit(f"{TASKS}:hang", str(tmp_path / "ran"), seconds=60, ticket=ticket)
    assert not (tmp_path / "ran").exists()


def test_a_task_waiting_for_a_slot_can_be_cancelled(single: Pool, tmp_path: Path) -> None:
    go, ticket, busy = tmp_path / "go", Ticket(), threading.Event()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(
            single.submit,
            f"{TASKS}:wait_for_file",
            str(go),
            seconds=60,
            on_progress=lambda _message: busy.set(),
        )
        assert busy.wait(30)
        second = threads.submit(single.submit, f"{TASKS}:add", (1, 1), seconds=60, ticket=ticket)
        ticket.cancel()
        with pytest.raises(WorkerCancelled):
            second.result(30)
        go.touch()
        assert first.result(30) == "seen"


def test_a_cancel_after_the_end_kills_nobody(single: Pool) -> None:
    ticket = Ticket()
    single.submit(f"{TASKS}:add", (1, 1), seconds=30, ticket=ticket)
    before = single.pids()
    ticket.cancel()
    assert single.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2
    assert single.pids() == before


def test_a_callback_that_raises_ends_the_task(single: Pool) -> None:
    def refuse(_message: object) -> None:
        raise HeldError(ReasonCode.POLICY, "cannot go on")

    with pytest.raises(HeldError, match="cannot go on"):
        single.submit(f"{TASKS}:hang", "", seconds=60, on_progress=refuse)
    assert single.submit(f"{TASKS}:add", (1, 1), seconds=30) == 2


def test_close_lets_a_task_end_and_refuses_new_ones(tmp_path: Path) -> None:
    made, go, busy = Pool(1), tmp_path / "go", threading.Event()
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(
            made.submit,
            f"{TASKS}:wait_for_file",
            str(go),
            seconds=60,
            on_progress=lambda _message: busy.set(),
        )
        assert busy.wait(30)
        (pid,) = made.pids()
        closing = threads.submit(made.close, 30)
        until(lambda: made._closed)
        with pytest.raises(WorkerCancelled):
            made.submit(f"{TASKS}:add", (1, 1), seconds=30)
        go.touch()
        assert running.result(30) == "seen"
        closing.result(30)
    assert gone(pid)


def test_close_kills_what_does_not_end() -> None:
    made, busy = Pool(1), threading.Event()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(
            made.submit, f"{TASKS}:hang", "", seconds=60, on_progress=lambda _message: busy.set()
        )
        assert busy.wait(30)
        (pid,) = made.pids()
        made.close(0.1)
        with pytest.raises(WorkerCancelled):
            running.result(30)
    assert gone(pid)
    made.close(0)


def test_an_initializer_that_refuses_says_why() -> None:
    made = Pool(1, f"{TASKS}:refuse_to_start")
    for _ in range(2):
        with pytest.raises(SpoolFullError, match="no space"):
            made.submit(f"{TASKS}:add", (1, 1), seconds=30)
    made.close(0)


def test_an_initializer_that_crashes_is_a_crash() -> None:
    made = Pool(1, f"{TASKS}:fall_over")
    with pytest.raises(WorkerCrashed):
        made.submit(f"{TASKS}:add", (1, 1), seconds=30)
    made.close(0)


def test_surroundings_and_memory_limit() -> None:
    settings = WorkerSettings(
        nice=7, oom_score_adj=300, memory_bytes=1 << 31, environment={"LOCKGATE_TEST": "set"}
    )
    made = Pool(1, settings=settings)
    found = made.submit(f"{TASKS}:surroundings", "LOCKGATE_TEST", seconds=30)
    assert (found["nice"], found["oom"], found["variable"]) == (os.nice(0) + 7, 300, "set")
    assert not found["pynetdicom"], "a worker imports only what its tasks need"
    with pytest.raises(TaskFailed) as caught:
        made.submit(f"{TASKS}:allocate", 1 << 32, seconds=30)
    assert caught.value.kind == "MemoryError"
    made.close(0)


def test_what_libraries_print_reaches_neither_stdout_nor_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    made = Pool(1)
    made.submit(f"{TASKS}:shout", "DOE^JANE", seconds=30)
    made.close(2)
    out, error = capfd.readouterr()
    assert out == ""
    assert "Warning" not in error


@pytest.mark.parametrize("how", ["kill", "leave"])
def test_a_parent_that_is_gone_leaves_no_orphan(tmp_path: Path, how: str) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.agent.workers.parent",
        str(tmp_path),
        "wait" if how == "kill" else "",
    ]
    parent = subprocess.Popen(command, cwd=ROOT)
    try:
        until(lambda: (tmp_path / "busy").exists(), 40)
        workers = [int((tmp_path / f"worker-{number}").read_text("ascii")) for number in range(2)]
        if how == "kill":
            parent.send_signal(signal.SIGKILL)
        assert parent.wait(30) == (-signal.SIGKILL if how == "kill" else 0)
        until(lambda: all(gone(pid) for pid in workers))
    finally:
        parent.kill()
        parent.wait()
