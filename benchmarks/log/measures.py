"""What an append, a proof, an opening and an fsck of a log cost, on the disk of a folder."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from exchange.keys.log import LogKeys, make_log_keys
from exchange.log.events import Event, EventKind
from exchange.log.fsck import LogCheck, fsck
from exchange.log.opening import LogPlaces
from exchange.log.writer import Log

T = TypeVar("T")

GROUP = 250


def event(number: int) -> Event:
    """One like those of a receipt, the longest of the common ones."""
    said: dict[str, str | int] = {
        "exchange": f"01920000-0000-7000-8000-{number:012d}",
        "receipt": f"01920000-0000-7000-9000-{number:012d}",
        "edition": "partner",
        "stage": "deidentified",
        "paeSha256": f"{number:064x}",
        "signer": "ab" * 32,
    }
    return Event(EventKind.RECEIPT_ISSUED, said)


class Bench:
    """A log in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys: LogKeys = make_log_keys(folder / "keys")
        self.places = LogPlaces(folder / "log", folder / "keys" / "heads")

    def open(self) -> Log:
        """The writer."""
        return Log.open(self.places, self.keys, lambda: datetime.now(UTC))

    def fill(self, count: int, group: int = GROUP) -> float:
        """Append so many leaves in groups; leaves a second."""
        with self.open() as log:
            began = time.monotonic()
            for start in range(0, count, group):
                log.append_all(map(event, range(start, min(count, start + group))))
            return count / (time.monotonic() - began)

    def one_by_one(self, count: int, threads: int) -> float:
        """Appends of one leaf each, by so many threads at once; appends a second."""
        with self.open() as log:

            def work() -> None:
                for number in range(count // threads):
                    log.append(event(number))

            workers = [threading.Thread(target=work) for _ in range(threads)]
            began = time.monotonic()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            return count / (time.monotonic() - began)

    def prove(self, count: int) -> list[float]:
        """Seconds of each of so many proofs, spread over the log."""
        spans = []
        with self.open() as log:
            size = log.signed.size
            for number in range(count):
                began = time.monotonic()
                log.proof(number * (size - 1) // count)
                spans.append(time.monotonic() - began)
        return spans

    def reopen(self) -> float:
        """Seconds."""
        took, log = _timed(self.open)
        log.close()
        return took

    def fsck(self) -> tuple[float, Sequence[LogCheck]]:
        """Seconds, and what it found."""
        return _timed(lambda: fsck(self.places, self.keys))


def fsync_seconds(folder: Path, count: int = 100) -> float:
    """What one fsync of a small append costs here: the floor of every append."""
    path = folder / "floor"
    with path.open("wb", buffering=0) as file:
        began = time.monotonic()
        for _ in range(count):
            file.write(bytes(400))
            os.fsync(file.fileno())
        took = (time.monotonic() - began) / count
    path.unlink()
    return took


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    answer = work()
    return time.monotonic() - began, answer
