"""The log's one writer: events become leaves of a Merkle tree, durable and signed before `append` returns.

The order of a commit, each step durable before the next: private rows, leaves, tiles, the new head in the
second store (once the old one is shown to be its beginning), the signed checkpoint. From the moment the head
is in the second store the leaves count: what fails before is taken back, what is missing after is made up.

A leaf never holds text: values are integers, digests and short names, so that no value read from a study can
get into it. What names a person is in the private row.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from exchange.domain.errors import LogError
from exchange.durable import make_folder, write_file
from exchange.keys.log import LogKeys
from exchange.log.batch import Batch, LeafRef
from exchange.log.checkpoint import Head, sign_checkpoint
from exchange.log.events import Event, EventKind, Outcome
from exchange.log.files import LogFiles
from exchange.log.growing import GrowingFile
from exchange.log.heads import Heads
from exchange.log.leaves import timestamp
from exchange.log.merkle import EMPTY_ROOT, Frontier, leaf_hash
from exchange.log.opening import CHECKPOINT, Found, LogPlaces, check_extension, find, read_checkpoint
from exchange.log.predecessor import seal_journal, sealed_aside
from exchange.log.private import PrivateRows
from exchange.log.reader import LogReader
from exchange.log.tiles import Tiles

PRIVATE_ROWS = "private.db"
LOCK = "lock"


@dataclass(slots=True)
class _Waiting:
    events: Sequence[Event]
    refs: tuple[LeafRef, ...] = ()
    error: LogError | None = None
    done: bool = False


class Log:
    """The one writer of a log. Thread-safe; concurrent appends share one commit."""

    def __init__(self, places: LogPlaces, keys: LogKeys, clock: Callable[[], datetime], lock: int) -> None:
        """Use `Log.open`."""
        self._places = places
        self._keys = keys
        self._clock = clock
        self._lock = lock
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._files: LogFiles
        self._unsure = False
        self._unpublished = False
        self._broken = ""
        self._head = LeafRef(-1, "")
        self._frontier = Frontier()
        self._signed: Head
        self._checkpoint = b""
        self._generation = 1
        self._heads: Heads
        self._private: PrivateRows

    @classmethod
    def open(cls, places: LogPlaces, keys: LogKeys, clock: Callable[[], datetime]) -> Self:
        """Open (or create, mode 0600) a log as its only writer.

        What a crash left beyond the last signed head is cut off and `log.recovered` is logged. A log that is
        not the one that was signed last stays aside, and a new generation begins with `log.recovered` and an
        alert. The hashes of the last leaves are checked, not the whole log: that is `fsck`.

        Args:
            places: Where it lies; folders are made when missing.
            keys: The log's keys.
            clock: Gives the time of each leaf, timezone-aware.

        Raises:
            LogError: Another process holds it, or it cannot be opened.
        """
        try:
            make_folder(places.folder)
            lock = os.open(places.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogError(f"cannot open the log {places.folder}: {error.strerror}") from error
        log = cls(places, keys, clock, lock)
        try:
            log._start()
        except BaseException:
            log._close_files()
            os.close(lock)
            raise
        return log

    @property
    def head(self) -> LeafRef:
        """The last durable leaf; seq -1 while there is none."""
        return self._head

    @property
    def signed(self) -> Head:
        """The last signed head."""
        return self._signed

    @property
    def generation(self) -> int:
        """Which log of this key it is."""
        return self._generation

    @property
    def folder(self) -> Path:
        """Where this generation lies."""
        return self._places.generation(self._generation)

    @property
    def private(self) -> PrivateRows:
        """The erasable rows."""
        return self._private

    def append(self, event: Event) -> LeafRef:
        """Log one event durably.

        Raises:
            LogError: It could not be written; nothing may be done that relies on it.
        """
        return self.append_all((event,))[0]

    def append_all(self, events: Iterable[Event]) -> tuple[LeafRef, ...]:
        """Log events in this order, next to each other, in one commit.

        Raises:
            LogError: They could not be written; none of them counts.
        """
        waiting = _Waiting(tuple(events))
        with self._queue_lock:
            self._queue.append(waiting)
        # Whoever gets the write lock writes for all who wait: one commit serves every thread.
        with self._write_lock:
            if not waiting.done:
                self._write_queue()
        if waiting.error is not None:
            raise waiting.error
        return waiting.refs

    def proof(self, seq: int) -> bytes:
        """The `tlog-proof@v1` of a leaf under the newest checkpoint.

        Raises:
            LogError: There is no such leaf, or the log cannot be read.
        """
        return self.reader().proof(seq)

    def reader(self) -> LogReader:
        """The log as it is signed now."""
        with self._write_lock:
            return LogReader(Tiles(self.folder), self._signed, self._checkpoint)

    def erase(self, seq: int, actor: str = "") -> bool:
        """Erase the private part of a leaf, and log that; whether there was one. Proofs still verify.

        Raises:
            LogError: It could not be logged or erased.
        """
        if not self._private.erase(self._generation, seq):
            return False
        self.append(Event(EventKind.PRIVATE_ERASED, {"leaf": seq}, actor=actor))
        return True

    def close(self) -> None:
        """Give up the lock; later appends are refused."""
        with self._write_lock:
            self._broken = "it is closed"
            self._close_files()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LogError(
                f"cannot open the log {self._places.folder}: another process is its writer",
                "only one appliance process may run on this state folder; stop the other one",
            ) from error
        self._private = PrivateRows.open(self._places.folder / PRIVATE_ROWS, self._keys.private)
        self._heads = Heads.open(self._places.heads)
        found = find(self._places, self._keys, self._heads.last)
        self._generation, self._frontier = found.generation, found.frontier
        self._private.forget_beyond(self._generation, found.frontier.size)
        if found.frontier.size:
            _, leaf = next(iter(Tiles(self.folder).leaves(found.frontier.size - 1, found.frontier.size)))
            self._head = LeafRef(found.frontier.size - 1, leaf_hash(leaf).hex())
        try:
            make_folder(self.folder)
            self._files = LogFiles(self.folder)
            self._files.cut(found.frontier.size, found.tail)
            self._sign_found(found)
        except OSError as error:
            raise LogError(
                f"cannot open the log {self._places.folder}: {error.strerror}", "check the disk"
            ) from error
        if self._heads.damaged:
            found.say.append(Event(EventKind.ALERT, {"code": "log-heads-damaged"}, Outcome.FAILED))
        journal = self._places.journal
        first = self._generation == 1 and not found.frontier.size
        sealed = seal_journal(journal) if first and journal is not None else []
        if sealed or found.say:
            self.append_all([*sealed, *found.say])
        if journal is not None:
            sealed_aside(journal)

    def _sign_found(self, found: Found) -> None:
        """The head of what was found is in both stores before anything is added."""
        head = Head(self._keys.origin(self._generation), found.frontier.size, found.frontier.root)
        self._signed = head
        if not head.size and self._generation > 1:
            self._signed = Head(head.origin, 0, EMPTY_ROOT)
            return
        if self._heads.last != head:
            self._heads.append(head)
        if read_checkpoint(self.folder, self._keys, head.origin) != head:
            self._unpublished = True
            self._publish()
        else:
            self._checkpoint = (self.folder / CHECKPOINT).read_bytes()

    def _write_queue(self) -> None:
        with self._queue_lock:
            batch, self._queue = self._queue, []
        try:
            self._write(batch)
        except LogError as error:
            for waiting in batch:
                waiting.error = error
        for waiting in batch:
            waiting.done = True

    def _write(self, waiting: Sequence[_Waiting]) -> None:
        if self._broken:
            raise LogError(f"cannot write the log {self._places.folder}: {self._broken}", "restart the agent")
        try:
            self._mend()
        except OSError as error:
            raise self._error(error, "check the disk") from error
        batch, now = Batch(self._frontier.copy(), self._head), timestamp(self._clock())
        done = [
            (one, batch.add(one.events, now, partial(self._private.seal, self._generation)))
            for one in waiting
        ]
        if batch.frontier.size > self._frontier.size:
            self._commit(batch)
        for one, refs in done:
            one.refs = refs

    def _commit(self, batch: Batch) -> None:
        if batch.rows:
            self._private.store(self._generation, batch.rows)
        touched: list[GrowingFile] = []
        try:
            self._files.grow(batch.entries, touched)
            self._files.grow(batch.tiles, touched)
            head = Head(self._signed.origin, batch.frontier.size, batch.frontier.root)
            self._require_extension(head)
            touched.append(self._heads.file)
            self._heads.append(head)
        except (OSError, LogError) as error:
            self._files.doubtful, self._unsure = touched, True
            self._mend_quietly()
            if isinstance(error, LogError):
                raise
            raise self._error(error, "free space on the state disk, or check the disk") from error
        for file in touched:
            file.keep()
        self._frontier, self._signed, self._head = batch.frontier, head, batch.last
        self._files.forget_full(self._frontier.size)
        self._unpublished = True
        try:
            self._publish()
        except OSError:
            # The leaves count already: leaves, tiles and head are durable. The checkpoint is written anew
            # before anything else is, or at the next start.
            return

    def _require_extension(self, head: Head) -> None:
        """The disk, read back, must show that what was signed last is the beginning of what is signed now."""
        last = self._heads.last
        old = last if last is not None and last.origin == head.origin else Head(head.origin, 0, EMPTY_ROOT)
        if not check_extension(Tiles(self.folder), old, head):
            self._broken = "what is on the disk does not continue what was signed"
            raise LogError(
                f"cannot write the log {self._places.folder}: {self._broken}",
                "run `lockgate log fsck` and restart the agent; it begins a new log and keeps this one",
            )

    def _publish(self) -> None:
        """Write the checkpoint of the last signed head.

        Raises:
            OSError: It could not be written; the one before stays.
        """
        if not self._unpublished:
            return
        self._checkpoint = sign_checkpoint(self._signed, self._keys, int(self._clock().timestamp()))
        write_file(self.folder / CHECKPOINT, self._checkpoint)
        self._unpublished = False

    def _mend(self) -> None:
        """Before anything is written: what failed is taken back, what is missing is made up.

        Raises:
            OSError: The disk still fails.
        """
        self._files.restore()
        if self._unsure:
            self._check_end()
            self._unsure = False
        self._publish()

    def _mend_quietly(self) -> None:
        try:
            self._mend()
        except (OSError, LogError):
            return

    def _check_end(self) -> None:
        """After the disk has failed: the end of what was acknowledged is still there."""
        size = self._frontier.size
        tiles = Tiles(self.folder)
        try:
            last = next(iter(tiles.leaves(size - 1, size)))[1] if size else b""
            sound = not size or leaf_hash(last).hex() == self._head.hash == tiles.node(0, size - 1).hex()
        except LogError:
            sound = False
        if not sound:
            self._broken = "its end was lost when the disk failed"
            raise LogError(f"cannot write the log {self._places.folder}: {self._broken}", "check the disk")

    def _error(self, error: OSError, hint: str) -> LogError:
        return LogError(f"cannot write the log {self._places.folder}: {error.strerror}", hint)

    def _close_files(self) -> None:
        for name in ("_files", "_heads", "_private"):
            if hasattr(self, name):
                getattr(self, name).close()
