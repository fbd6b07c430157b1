"""Supervised worker slots: one task's death never loses another's.

A shared ProcessPoolExecutor breaks as a whole when one worker dies, and leaves its workers behind after a
kill -9; here each slot has its own process and pipe, and each process watches its parent.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from typing import Any

from agent.workers.child import WorkerSettings
from agent.workers.errors import WorkerCancelled
from agent.workers.slot import Slot, Task

_STOP_SECONDS = 2.0  # an idle worker ends at once when its pipe closes


@dataclass(slots=True)
class Ticket:
    """Lets another thread cancel a submission, waiting or running. Good for one submission."""

    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _cancelled: bool = False
    _act: Callable[[], None] | None = field(default=None, repr=False)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Take the task back; a worker that is at it is killed. Harmless when it is done."""
        with self._lock:
            self._cancelled = True
            if self._act is not None:
                self._act()

    def bind(self, act: Callable[[], None] | None) -> None:
        """For the pool: what `cancel` has to do now; done at once if it was called before."""
        with self._lock:
            self._act = act
            if self._cancelled and act is not None:
                act()


def _kill_all(slots: list[Slot]) -> None:
    """At the interpreter's exit, when nobody has closed the pool."""
    for slot in slots:
        slot.kill()


class Pool:
    """A fixed number of slots. Processes start with the first task that needs them, the last used first.

    Args:
        slots: How many tasks run at once.
        initializer: `module:function`, called once in each worker with `argument`; what it returns is every
            task's `WorkerContext.state`. Heavy imports and model sessions belong there.
        argument: Pickled to the worker.
        settings: Niceness, memory, environment, time to start.
    """

    def __init__(
        self, slots: int, initializer: str = "", argument: Any = None, settings: WorkerSettings | None = None
    ) -> None:
        if slots < 1:
            raise ValueError("cannot work with no slot")
        settings = settings or WorkerSettings()
        self._slots = [Slot(initializer, argument, settings) for _ in range(slots)]
        self._free = list(reversed(self._slots))
        self._change = threading.Condition()
        self._closed = False
        self._killing = False
        # Workers ignore SIGTERM, so multiprocessing's own exit would wait for them without end.
        Finalize(self, _kill_all, args=(self._slots,), exitpriority=100)

    def submit(
        self,
        task: str,
        payload: Any,
        *,
        seconds: float,
        on_progress: Callable[[Any], None] | None = None,
        ticket: Ticket | None = None,
    ) -> Any:
        """Run `task(payload, context)` in a worker and wait for what it returns.

        Args:
            task: `module:function`.
            payload: Pickled to the worker.
            seconds: Deadline from the moment that the worker begins; waiting for a slot does not count.
            on_progress: Called in this thread with each message that the task sends; if it raises, the
                worker is killed and the exception goes on from here.
            ticket: Lets another thread cancel.

        Returns:
            The task's result, unpickled.

        Raises:
            LockgateError: What the task raised, type and attributes as they were.
            TaskFailed: It raised something else.
            WorkerCrashed, WorkerTimeout, WorkerCancelled: There is no result.
        """
        ticket = ticket or Ticket()
        slot = self._take(ticket)
        try:
            ticket.bind(slot.kill)
            wanted = Task(task, payload, seconds, on_progress)
            return slot.run(wanted, lambda: ticket.cancelled or self._killing)
        except Exception:
            if ticket.cancelled or self._killing:
                raise WorkerCancelled from None
            raise
        finally:
            ticket.bind(None)
            self._give_back(slot)

    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that are there."""
        return tuple(pid for slot in self._slots if (pid := slot.pid) is not None)

    def close(self, grace_seconds: float) -> None:
        """Take no more tasks; let running ones end within the grace, then kill. Idempotent."""
        with self._change:
            if self._closed:
                return
            self._closed = True
            self._change.notify_all()
            if not self._change.wait_for(self._idle, grace_seconds):
                self._killing = True
                for slot in self._slots:
                    if slot not in self._free:
                        slot.kill()
                self._change.wait_for(self._idle)
        for slot in self._slots:
            slot.stop(_STOP_SECONDS)

    def _idle(self) -> bool:
        return len(self._free) == len(self._slots)

    def _take(self, ticket: Ticket) -> Slot:
        ticket.bind(self._wake)
        with self._change:
            self._change.wait_for(lambda: self._free or self._closed or ticket.cancelled)
            if self._closed or ticket.cancelled:
                raise WorkerCancelled
            return self._free.pop()

    def _give_back(self, slot: Slot) -> None:
        with self._change:
            self._free.append(slot)
            self._change.notify_all()

    def _wake(self) -> None:
        with self._change:
            self._change.notify_all()
