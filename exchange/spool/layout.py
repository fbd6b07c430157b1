"""Which file is what in a spool; names come from digests and our own ids, never from the wire."""

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

from exchange.domain.errors import SpoolError
from exchange.durable import fsync_folder

_IDENTITY = re.compile(r"[0-9a-f]{64}")
_ARRIVAL_ID = re.compile(r"[0-9a-f]{32}")
_DATA = re.compile(r"(?P<identity>[0-9a-f]{64})\.(?P<kind>sealed|dcm)")
_ARRIVAL = re.compile(r"(?P<identity>[0-9a-f]{64})\.(?P<arrival>[0-9a-f]{32})\.arrival")


@dataclass(frozen=True, slots=True)
class FileName:
    """The name of a file of ours.

    Attributes:
        arrival_id: Of a further arrival; "" for the instance itself.
        plain: True for a file of version 1, which lies there in clear.
    """

    identity: str
    arrival_id: str = ""
    plain: bool = False


def parse_name(name: str) -> FileName | None:
    """What a name says, None when it is none of ours."""
    if found := _DATA.fullmatch(name):
        return FileName(found["identity"], plain=found["kind"] == "dcm")
    if found := _ARRIVAL.fullmatch(name):
        return FileName(found["identity"], found["arrival"])
    return None


def data_path(root: Path, identity: str) -> Path:
    """The sealed file of an identity (it may not exist).

    Raises:
        SpoolError: This is no identity.
    """
    if not _IDENTITY.fullmatch(identity):
        raise SpoolError("cannot name a spool file: this is no identity")
    return root / identity[:2] / f"{identity}.sealed"


def arrival_path(root: Path, identity: str, arrival_id: str) -> Path:
    """The record of a further arrival."""
    return data_path(root, identity).with_name(f"{identity}.{arrival_id}.arrival")


def make_shards(root: Path) -> None:
    """Make the 256 folders of the data files, durably: later none is made while a sender waits.

    Raises:
        OSError: The disk failed.
    """
    for number in range(256):
        (root / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
    fsync_folder(root)


def is_arrival_id(text: str) -> bool:
    """Whether this is a UUID in hex, as we make them."""
    return _ARRIVAL_ID.fullmatch(text) is not None


def lock_folder(root: Path) -> int:
    """Keep every other process, and every other `Spool`, off this folder; the descriptor holds the lock.

    Raises:
        SpoolError: Another one is at work there.
        OSError: The lock file cannot be made.
    """
    descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SpoolError(
            "cannot use the spool: another process is at work in it",
            "stop the other lockgate daemon, or give this one a spool of its own",
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
