"""One supervised worker process, as the daemon sees it."""

import contextlib
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import structlog

from agent.workers import child
from agent.workers.errors import TaskFailed, WorkerCancelled, WorkerCrashed, WorkerTimeout

_log = structlog.get_logger()
_spawn = multiprocessing.get_context("spawn")
_JOIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is to do: `module:function`, called with payload and WorkerContext."""

    name: str
    payload: Any
    seconds: float
    on_progress: Callable[[Any], None] | None = None


class Slot:
    """A place for one worker, started at the first task and again after each death.

    Used by one thread at a time, except `kill`, which may be called by any.
    """

    def __init__(self, initializer: str, argument: Any, settings: child.WorkerSettings) -> None:
        self._initializer = initializer
        self._argument = argument
        self._settings = settings
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id while it is there."""
        process = self._process
        return process.pid if process is not None else None

    def run(self, task: Task, cancelled: Callable[[], bool] = lambda: False) -> Any:
        """Run one task to its end, its deadline or the worker's death.

        Args:
            task: What to do.
            cancelled: Asked once the worker is there: a `kill` before that had nothing to kill.

        Raises:
            LockgateError: What the task or the initializer raised, type and attributes as they were.
            TaskFailed: It raised something else.
            WorkerCrashed: The process died. It is started again for the next task.
            WorkerTimeout: The deadline passed; the process was killed.
            WorkerCancelled: `cancelled()` said so.
        """
        pipe = self._hand_over(task, cancelled)
        alive = False
        try:
            kind, content = self._await(pipe, task.seconds, task.on_progress)
            alive = True
        except (OSError, EOFError):
            raise self._crashed() from None
        finally:
            # A deadline, a crash, a callback that raised: what the worker is at is not known.
            if not alive:
                self._discard()
        return _unpacked(kind, content)

    def _hand_over(self, task: Task, cancelled: Callable[[], bool]) -> Connection:
        """Give a living worker the task; one that had died idle, or dies before it takes it, is replaced."""
        for again in (True, False):
            pipe = self._ready()
            taken = False
            try:
                if cancelled():
                    raise WorkerCancelled
                pipe.send((task.name, task.payload))
                taken = self._await(pipe, self._settings.start_seconds, None)[0] == child.TAKEN
                return pipe
            except (OSError, EOFError):
                if not again:
                    raise self._crashed() from None
            finally:
                if not taken:
                    self._discard()
        raise AssertionError("unreachable")

    def kill(self) -> None:
        """Kill the worker, whatever it does."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError):  # closed meanwhile by the thread that uses the slot
                process.kill()

    def stop(self, seconds: float) -> None:
        """Let an idle worker end by closing its pipe; kill it if it does not within `seconds`."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(seconds)
        self._discard()

    def _ready(self) -> Connection:
        """The pipe of a living worker, started if need be."""
        if self._process is not None and self._pipe is not None:
            # An idle worker says nothing: if its pipe is readable, it has died.
            if self._process.is_alive() and not self._pipe.poll():
                return self._pipe
            _log.warning("idle worker had died", exit_code=self._process.exitcode)
            self._discard()
        return self._start()

    def _start(self) -> Connection:
        ours, theirs = _spawn.Pipe(duplex=True)
        process = _spawn.Process(
            target=child.serve,
            args=(theirs, self._initializer, self._argument, self._settings),
            name="lockgate-worker",
            daemon=True,
        )
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        ready = False
        try:
            kind, content = self._await(ours, self._settings.start_seconds, None)
            ready = kind == child.READY
        except (OSError, EOFError):
            raise self._crashed() from None
        finally:
            if not ready:
                self._discard()
        _unpacked(kind, content)
        return ours

    def _await(
        self, pipe: Connection, seconds: float, on_progress: Callable[[Any], None] | None
    ) -> tuple[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            if not pipe.poll(max(0.0, deadline - time.monotonic())):
                raise WorkerTimeout(seconds)
            kind, content = pipe.recv()
            if kind != child.PROGRESS:
                return kind, content
            if on_progress is not None:
                on_progress(content)

    def _crashed(self) -> WorkerCrashed:
        process = self._process
        if process is None:
            return WorkerCrashed(None)
        process.join(_JOIN_SECONDS)  # its pipe has closed: it is as good as gone
        _log.error("worker died", exit_code=process.exitcode)
        return WorkerCrashed(process.exitcode)

    def _discard(self) -> None:
        """Forget the worker, killing it if it still lives; the next task starts another."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()


def _unpacked(kind: str, content: Any) -> Any:
    if kind == child.REFUSED:
        raise content.error()
    if kind == child.FAILED:
        raise TaskFailed(*content)
    return content
