"""The journal of versions before 0.3, which the log replaces: sealed into the first leaf, kept, read-only.

Its entries were lines of JSON, each with the SHA-256 of the line before it.
"""

import json
import os
from hashlib import sha256
from pathlib import Path

from exchange.domain.errors import LogError
from exchange.log.events import Event, EventKind, Outcome

_GENESIS = "0" * 64
_MAX_LINE = 65_535


def seal_journal(path: Path) -> list[Event]:
    """The event that seals a journal: its entries, the hash of the last, the file's digest; none without one.

    A journal whose chain is broken is sealed as it is, and the event says so.

    Raises:
        LogError: It is there and cannot be read.
    """
    whole, count, head, broken = sha256(), 0, _GENESIS, 0
    try:
        with path.open("rb") as file:
            while line := file.readline(_MAX_LINE + 2):
                whole.update(line)
                count += 1
                if not broken and not _follows(line, head, count - 1):
                    broken = count
                head = sha256(line.rstrip(b"\n")).hexdigest()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LogError(f"cannot read the journal {path}: {error.strerror}", "correct its mode") from error
    said: dict[str, str | int] = {"entries": count, "head": head, "sha256": whole.hexdigest()}
    if broken:
        said["brokenLine"] = broken
    return [Event(EventKind.JOURNAL_SEALED, said, Outcome.FAILED if broken else Outcome.OK)]


def sealed_aside(path: Path) -> None:
    """Nobody writes it any more."""
    try:
        if path.stat().st_mode & 0o222:
            os.chmod(path, 0o400)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LogError(f"cannot protect the journal {path}: {error.strerror}", "correct its owner") from error


def _follows(line: bytes, head: str, number: int) -> bool:
    try:
        fields = json.loads(line)
        return bool(line.endswith(b"\n") and fields["prev"] == head and fields["seq"] == number)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
