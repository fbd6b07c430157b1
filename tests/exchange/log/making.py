"""A log in a folder of a test: real keys, a clock that stands still, and what was written to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from exchange.keys.log import LogKeys, make_log_keys
from exchange.log.events import Event, EventKind
from exchange.log.fsck import LogCheck, fsck
from exchange.log.leaves import Leaf
from exchange.log.opening import LogPlaces
from exchange.log.reader import read_log
from exchange.log.writer import Log

NOW = datetime(2026, 5, 4, 12, 0, 0, 5000, tzinfo=UTC)
BOOT = Event(EventKind.BOOT, {"version": "0.1.0"})


@cache
def log_keys() -> LogKeys:
    """Real ones, made once."""
    return make_log_keys(Path(mkdtemp(prefix="lg-keys-")))


@dataclass
class LogSite:
    """Where a test's log lies."""

    root: Path
    keys: LogKeys = field(default_factory=log_keys)
    clock: Callable[[], datetime] = lambda: NOW

    @property
    def places(self) -> LogPlaces:
        return LogPlaces(
            self.root / "state/log", self.root / "keys/log.heads", self.root / "state/journal.jsonl"
        )

    def folder(self, generation: int = 1) -> Path:
        return self.places.generation(generation)

    def open(self) -> Log:
        return Log.open(self.places, self.keys, self.clock)

    def fill(self, count: int = 5) -> None:
        """So many events, each in a commit of its own."""
        with self.open() as log:
            for number in range(count):
                log.append(Event(EventKind.INSTANCE_RECEIVED, {"exchange": f"e{number}", "count": number}))

    def fill_at_once(self, count: int) -> None:
        """So many events in one commit."""
        with self.open() as log:
            log.append_all(Event(EventKind.INSTANCE_SENT, {"number": number}) for number in range(count))

    def read(self) -> list[Leaf]:
        return list(read_log(self.places.folder))

    def kinds(self) -> list[str]:
        return [leaf.kind for leaf in self.read()]

    def fsck(self) -> LogCheck:
        """What is wrong with the newest generation."""
        return fsck(self.places, self.keys)[-1]
