"""How far each exchange under way has come, how fast, and when it will be done.

Cleaning is counted here as workers report it (in memory: a start begins anew, and so does the work); sending
is read from custody, where each confirmation is durable.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agent.custody.progress import Sent

_MOST = 256
_LEAST_SECONDS = 0.5  # a rate over less than this says nothing


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of one exchange.

    Attributes:
        stage: `index`, `clean` or `deliver`.
        destination: Of a delivery; "" else.
        done, total: Instances.
        bytes, byte_total: Of data sets; 0 where the stage does not know.
        instances_per_second, bytes_per_second: Since the stage, or the attempt, began to move; 0 before.
        eta: When it will be done at this rate; None while nothing is known.
    """

    stage: str
    destination: str
    done: int
    total: int
    bytes: int = 0
    byte_total: int = 0
    instances_per_second: float = 0.0
    bytes_per_second: float = 0.0
    eta: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Stage:
    stage: str
    done: int
    total: int
    began: float


class Progress:
    """What the workers have done of the exchanges that are being cleaned. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stages: dict[str, _Stage] = {}

    def begin(self, exchange_id: str, stage: str, total: int) -> None:
        """A stage begins over so many instances; it takes the place of the one before."""
        with self._lock:
            self._stages.pop(exchange_id, None)
            while len(self._stages) >= _MOST:  # whoever began first has long ended
                del self._stages[next(iter(self._stages))]
            self._stages[exchange_id] = _Stage(stage, 0, total, self._clock())

    def advance(self, exchange_id: str, count: int = 1) -> None:
        """So many instances more are done."""
        with self._lock:
            known = self._stages.get(exchange_id)
            if known is not None:
                done = min(known.done + count, known.total)
                self._stages[exchange_id] = replace(known, done=done)

    def of(self, exchange_id: str, now: datetime) -> Step | None:
        """How far an exchange's stage has come; None when none has begun in this process."""
        with self._lock:
            known = self._stages.get(exchange_id)
        if known is None:
            return None
        seconds = self._clock() - known.began
        rate = known.done / seconds if seconds >= _LEAST_SECONDS else 0.0
        return Step(
            known.stage,
            "",
            known.done,
            known.total,
            instances_per_second=rate,
            eta=_eta(now, known.total - known.done, rate),
        )


def step_of(sent: Sent, now: datetime) -> Step:
    """How far a delivery has come; the rate is that of the attempt that is running."""
    since = sent.attempt_since
    seconds = (now - since).total_seconds() if since is not None else 0.0
    steady = seconds >= _LEAST_SECONDS and sent.attempt_done > 1
    by_bytes = sent.attempt_bytes / seconds if steady else 0.0
    left = sent.byte_total - sent.bytes
    return Step(
        "deliver",
        sent.delivery.destination,
        sent.done,
        sent.total,
        sent.bytes,
        sent.byte_total,
        sent.attempt_done / seconds if steady else 0.0,
        by_bytes,
        _eta(now, left, by_bytes),
    )


def _eta(now: datetime, left: int, rate: float) -> datetime | None:
    if left <= 0:
        return now
    return now + timedelta(seconds=min(left / rate, 10 * 365 * 86400)) if rate > 0 else None
