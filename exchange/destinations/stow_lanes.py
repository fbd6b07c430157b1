"""Several requests to one peer at once: one at first, one more for each that succeeds, half when it is busy.

A peer that is down sees a single attempt, one that is well is soon kept busy, and one that says «too many» is
not asked for as much again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from threading import Condition, Thread
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Verdict(Enum):
    """What one piece of work says of the peer."""

    GOOD = "good"
    POOR = "poor"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Done(Generic[Job]):
    """One piece of work is done.

    Attributes:
        verdict: What it says of the peer.
        again: What is to be done next in its place.
        pause_seconds: During which nothing new is begun.
    """

    verdict: Verdict
    again: list[Job] = field(default_factory=list)
    pause_seconds: float = 0.0


class Lanes(Generic[Job]):
    """Works off jobs on up to `most` threads; for one run."""

    def __init__(self, most: int, work: Callable[[Job], Done[Job]], over: Callable[[], bool]) -> None:
        """Prepare.

        Args:
            most: Jobs at once.
            work: Does one; called on several threads.
            over: Whether no further one shall be begun; asked often.
        """
        self._most = most
        self._work = work
        self._over = over
        self._open = 1
        self._running = 0
        self._not_before = 0.0
        self._waiting: deque[Job] = deque()
        self._failure: BaseException | None = None
        self._changed = Condition()

    def run(self, jobs: Iterable[Job]) -> None:
        """Do all of them, or as many as are begun before it is over.

        Raises:
            BaseException: What `work` raised first; nothing new was begun after that.
        """
        self._waiting.extend(jobs)
        count = min(self._most, len(self._waiting))
        threads = [Thread(target=self._lane, name="stow-request", daemon=True) for _ in range(count - 1)]
        for thread in threads:
            thread.start()
        self._lane()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _lane(self) -> None:
        while (job := self._next()) is not None:
            done: Done[Job] = Done(Verdict.POOR)
            try:
                done = self._work(job)
            except BaseException as error:  # noqa: BLE001 - raised by `run`, in the thread that called it
                self._failure = self._failure or error
            with self._changed:
                self._running -= 1
                self._learn(done)
                self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._ended():
                pause = self._not_before - time.monotonic()
                if self._waiting and self._running < self._open and pause <= 0:
                    self._running += 1
                    return self._waiting.popleft()
                self._changed.wait(pause if pause > 0 else None)
            return None

    def _ended(self) -> bool:
        stopped = self._failure is not None or self._over()
        return stopped or not (self._waiting or self._running)

    def _learn(self, done: Done[Job]) -> None:
        self._waiting.extendleft(reversed(done.again))
        if done.verdict is Verdict.GOOD:
            self._open = min(self._open + 1, self._most)
        elif done.verdict is Verdict.BUSY:
            self._open = max(self._open // 2, 1)
        if done.pause_seconds > 0:
            self._not_before = time.monotonic() + done.pause_seconds
