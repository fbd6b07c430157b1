"""Entries: composing, reading and checking the journal's lines."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from exchange.domain.errors import JournalError
from exchange.journal.events import Event

GENESIS = "0" * 64
MAX_LINE = 65_535  # bytes; the limit of a log leaf, which an entry becomes
VERSION = 1


@dataclass(frozen=True, slots=True)
class EntryRef:
    """Where an event stands: its number (from 0) and the hash of its line."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as read back; `kind` is text because later versions may add kinds."""

    seq: int
    t: str
    kind: str
    outcome: str
    actor: str
    obj: Mapping[str, str | int]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class JournalCheck:
    """What `fsck` found.

    Attributes:
        entries: Whole entries that follow one another from the first.
        head: Hash of the last of them.
        broken_line: 1-based line of the first broken entry, 0 when none is.
        problem: What is wrong with it, "" when nothing is.
    """

    entries: int
    head: str
    broken_line: int = 0
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the whole chain holds."""
        return not self.broken_line


def compose(event: Event, head: EntryRef, now: str) -> bytes:
    """The line (without newline) of an event that follows `head`."""
    fields: dict[str, object] = {
        "kind": event.kind.value,
        "obj": dict(event.obj),
        "outcome": event.outcome.value,
        "prev": head.hash,
        "seq": head.seq + 1,
        "t": now,
        "v": VERSION,
    }
    if event.actor:
        fields["actor"] = event.actor
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def parse(line: bytes) -> Entry:
    """Read one line (without newline).

    Raises:
        JournalError: It is no entry of this version.
    """
    try:
        fields = json.loads(line.decode("ascii"))
        entry = Entry(
            seq=fields["seq"],
            t=fields["t"],
            kind=fields["kind"],
            outcome=fields["outcome"],
            actor=fields.get("actor", ""),
            obj=fields["obj"],
            prev=fields["prev"],
            hash=sha256(line).hexdigest(),
        )
        known = fields["v"] == VERSION
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JournalError("cannot read an entry: the line is not a journal entry") from error
    if not known:
        raise JournalError("cannot read an entry: it was written by a later version", "update Lockgate")
    texts = (entry.t, entry.kind, entry.outcome, entry.actor, entry.prev)
    if type(entry.seq) is not int or not all(isinstance(text, str) for text in texts):
        raise JournalError("cannot read an entry: a field has the wrong type")
    return entry


def read(path: Path) -> Iterator[Entry]:
    """The entries of a journal in order, without checking the chain; a torn last line is left out.

    Raises:
        JournalError: The file cannot be read, or a line is not an entry.
    """
    for line in _lines(path):
        if line.endswith(b"\n"):
            yield parse(line[:-1])


def fsck(path: Path) -> JournalCheck:
    """Verify the whole chain and name the first entry that is broken.

    Raises:
        JournalError: The file cannot be read at all.
    """
    head = EntryRef(-1, GENESIS)
    for number, line in enumerate(_lines(path), start=1):
        problem = ""
        if not line.endswith(b"\n"):
            problem = "incomplete last line (a crash; opening the journal cuts it off)"
        else:
            try:
                entry = parse(line[:-1])
            except JournalError as error:
                problem = error.message
            else:
                if entry.seq != head.seq + 1:
                    problem = f"number {entry.seq} where {head.seq + 1} must stand"
                elif entry.prev != head.hash:
                    problem = "does not follow the entry before it: that one or this one was changed"
                else:
                    head = EntryRef(entry.seq, entry.hash)
        if problem:
            return JournalCheck(head.seq + 1, head.hash, number, problem)
    return JournalCheck(head.seq + 1, head.hash)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            # One byte more than an entry may have: a longer line is broken, not a reason to fill the memory.
            while line := file.readline(MAX_LINE + 2):
                yield line
    except OSError as error:
        raise JournalError(f"cannot read the journal {path}: {error.strerror}") from error
