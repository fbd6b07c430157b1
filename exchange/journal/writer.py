"""The journal: an append-only, fsynced, hash-chained record of events, one JSON line each.

An entry is `{"kind", "obj", "outcome", "prev", "seq", "t", "v"}` (plus `actor` where somebody acted) in
canonical form; its hash is SHA-256 over the line without the newline, and the next entry's `prev` is that
hash. `append` returns only when the entry is on the disk. A journal never holds text: values are integers,
digests and short names, so that no value read from a study can get into it.

Trust: the disk may be edited behind our back; `fsck` shows the first entry that does not follow. Cutting
whole entries off the end is seen only by who remembers a later head (the transparency log adds that).
"""

import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from exchange.domain.errors import JournalError
from exchange.durable import fsync_folder, make_folder
from exchange.journal.entries import GENESIS, MAX_LINE, EntryRef, compose, parse
from exchange.journal.events import Event, EventKind


@dataclass(slots=True)
class _Waiting:
    events: Sequence[Event]
    refs: tuple[EntryRef, ...] = ()
    error: JournalError | None = None
    done: bool = False


class Journal:
    """The one writer of a journal file. Thread-safe; concurrent appends share one fsync."""

    def __init__(self, descriptor: int, path: Path, clock: Callable[[], datetime]) -> None:
        """Use `Journal.open`."""
        self._descriptor = descriptor
        self._path = path
        self._clock = clock
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._size = 0
        self._head = EntryRef(-1, GENESIS)
        self._broken = ""
        self._doubtful = False

    @classmethod
    def open(cls, path: Path, clock: Callable[[], datetime]) -> Self:
        """Open (or create, mode 0600) a journal as its only writer.

        An incomplete last line, as a crash leaves it, is cut off and `log.recovered` is recorded. Earlier
        entries are not re-checked here: that is `fsck`.

        Args:
            path: The file; its folder is made when missing.
            clock: Gives the time of each entry, timezone-aware.

        Raises:
            JournalError: Another process holds it, it cannot be opened, or its last entry is broken.
        """
        try:
            make_folder(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"cannot open the journal {path}: {error.strerror}") from error
        journal = cls(descriptor, path, clock)
        try:
            journal._start()
        except BaseException:
            os.close(descriptor)
            raise
        return journal

    @property
    def head(self) -> EntryRef:
        """The last durable entry; seq -1 while there is none."""
        return self._head

    def append(self, event: Event) -> EntryRef:
        """Record one event durably.

        Raises:
            JournalError: It could not be written; nothing may be done that relies on it.
        """
        return self.append_all((event,))[0]

    def append_all(self, events: Iterable[Event]) -> tuple[EntryRef, ...]:
        """Record events in this order, next to each other, with one fsync.

        Raises:
            JournalError: They could not be written; none of them counts.
        """
        waiting = _Waiting(tuple(events))
        with self._queue_lock:
            self._queue.append(waiting)
        # Whoever gets the write lock writes for all who wait: one fsync serves every thread.
        with self._write_lock:
            if not waiting.done:
                self._write_queue()
        if waiting.error is not None:
            raise waiting.error
        return waiting.refs

    def close(self) -> None:
        """Give up the lock; later appends are refused."""
        with self._write_lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
                self._broken = "it is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError(
                f"cannot open the journal {self._path}: another process is its writer",
                "only one appliance process may run on this state folder; stop the other one",
            ) from error
        fsync_folder(self._path.parent)
        self._size = os.fstat(self._descriptor).st_size
        torn = self._cut_torn_line()
        if self._size:
            line = self._last_line()
            try:
                entry = parse(line)
            except JournalError as error:
                raise JournalError(
                    f"cannot continue the journal {self._path}: its last entry is broken",
                    "run `lockgate log fsck`, restore the file from a backup, and keep the broken one",
                ) from error
            self._head = EntryRef(entry.seq, entry.hash)
        if torn:
            self.append(Event(EventKind.LOG_RECOVERED, {"bytes": torn}))

    def _cut_torn_line(self) -> int:
        """Truncate what follows the last newline; returns how many bytes that was."""
        end = self._size
        keep = 0
        while end > 0:
            start = max(0, end - MAX_LINE)
            found = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if found >= 0:
                keep = start + found + 1
                break
            end = start
        torn = self._size - keep
        if torn:
            os.ftruncate(self._descriptor, keep)
            os.fsync(self._descriptor)
            self._size = keep
        return torn

    def _last_line(self) -> bytes:
        start = max(0, self._size - MAX_LINE - 2)
        tail = os.pread(self._descriptor, self._size - start, start)
        return tail[:-1].rpartition(b"\n")[2]

    def _write_queue(self) -> None:
        with self._queue_lock:
            batch, self._queue = self._queue, []
        try:
            self._write(batch)
        except JournalError as error:
            for waiting in batch:
                waiting.error = error
        for waiting in batch:
            waiting.done = True

    def _write(self, batch: Sequence[_Waiting]) -> None:
        if self._broken:
            raise JournalError(f"cannot write the journal {self._path}: {self._broken}", "restart the agent")
        if self._doubtful:
            self._restore()
        head = self._head
        now = _timestamp(self._clock())
        lines: list[bytes] = []
        written: list[tuple[_Waiting, tuple[EntryRef, ...]]] = []
        for waiting in batch:
            refs: list[EntryRef] = []
            for event in waiting.events:
                line = compose(event, head, now)
                head = EntryRef(head.seq + 1, sha256(line).hexdigest())
                refs.append(head)
                lines.append(line + b"\n")
            written.append((waiting, tuple(refs)))
        self._flush(b"".join(lines))
        self._head = head
        for waiting, done in written:
            waiting.refs = done

    def _flush(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._undo()
            raise JournalError(
                f"cannot write the journal {self._path}: {error.strerror}", "free space on the state disk"
            ) from error
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            # After a failed fsync the kernel may have dropped the pages: nobody can say what is on the disk.
            self._doubtful = True
            raise JournalError(
                f"cannot write the journal {self._path}: {error.strerror}", "check the disk"
            ) from error
        self._size += len(data)

    def _undo(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._doubtful = True

    def _restore(self) -> None:
        """Take back what was not acknowledged, and write the last page anew, before anything else is written.

        The kernel calls the pages of a failed fsync clean, and the next fsync would say yes without them.
        What was acknowledged had an fsync of its own, but the page in which it ends was written again since:
        made dirty with the same bytes it has to reach the disk before the next entry counts.
        """
        descriptor, start = self._descriptor, self._size - self._size % mmap.PAGESIZE
        try:
            os.ftruncate(descriptor, self._size)
            if self._size and sha256(self._last_line()).hexdigest() != self._head.hash:
                self._broken = "its end was lost when the disk failed"
                raise JournalError(f"cannot write the journal {self._path}: {self._broken}", "check the disk")
            page = os.pread(descriptor, self._size - start, start)
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_APPEND)  # with it pwrite() appends
            try:
                if os.pwrite(descriptor, page, start) != len(page):
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            finally:
                fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
            os.fsync(descriptor)
        except OSError as error:
            raise JournalError(
                f"cannot write the journal {self._path}: {error.strerror}", "check the disk"
            ) from error
        self._doubtful = False


def _timestamp(moment: datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
