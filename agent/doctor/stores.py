"""Checks of what is kept: state folder, spool, database, journal."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.doctor.results import Finish, Status
from agent.doctor.runner import Answer
from agent.doctor.surroundings import Surroundings
from exchange.domain.errors import JournalError
from exchange.journal.entries import MAX_LINE, parse

_SLOW_FSYNC = 0.2
_TAIL = 256 * 1024
_SQLITE = "sqlite:///"


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def state_folder(surroundings: Surroundings) -> Answer:
    """The state folder is ours alone and can be written."""
    path = surroundings.site.state
    if not path.exists():
        parent = _existing(path)
        if os.access(parent, os.W_OK | os.X_OK):
            return Status.PASS, f"{path} is not there yet; run makes it"
        return (
            Status.FAIL,
            f"{path} cannot be made in {parent}",
            f"make it, owned by the user of the service: {path}",
        )
    if not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Status.FAIL, f"{path} is no folder that we may write", "correct its owner and mode"
    if path.stat().st_mode & 0o007:
        return Status.WARN, f"every user of the box may enter {path}", f"chmod o= {path}"
    return Status.PASS, str(path)


def spool_space(surroundings: Surroundings) -> Answer:
    """The spool's disk has room beyond the reserve that intake leaves free."""
    site = surroundings.site
    free = shutil.disk_usage(_existing(site.spool_folder)).free >> 20
    reserve = site.limits.spool_reserve_mib
    wanted = surroundings.profile.spool.least_free_mib if surroundings.profile else reserve * 4
    fix = "free or enlarge the disk of the spool, or move it: spool: …"
    if free <= reserve:
        return Status.FAIL, f"{free} MiB free, the reserve is {reserve}: everything is refused", fix
    if free < wanted:
        return Status.WARN, f"{free} MiB free, the firmware profile asks for {wanted}", fix
    return Status.PASS, f"{free} MiB free, reserve {reserve}"


def spool_durable(surroundings: Surroundings) -> Answer:
    """A file can be written, fsynced with its folder, and removed, on the spool's disk."""
    folder = _existing(surroundings.site.spool_folder)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Status.FAIL, f"{folder} cannot be written", "correct its owner and mode"
    began = time.monotonic()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".lockgate-doctor-") as file:
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    took = time.monotonic() - began
    if took > _SLOW_FSYNC:
        return (
            Status.WARN,
            f"fsync took {took * 1000:.0f} ms",
            "use an SSD; each accepted instance waits for one",
        )
    return Status.PASS, f"fsync took {took * 1000:.1f} ms"


def database(surroundings: Surroundings) -> Answer:
    """The database opens and is sound."""
    url = surroundings.site.database_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        raise Finish(Status.SKIP, "not there yet; run makes it")
    from agent.custody.health import examine

    health = examine(url)
    if health.problem:
        return Status.FAIL, health.problem, "stop the daemon and restore the database from a backup"
    return Status.PASS, health.summary


@dataclass(frozen=True, slots=True)
class JournalTail:
    """What the end of a journal says.

    Attributes:
        entries: How many of the last entries were read.
        last_time: Of the last one; None when there is none.
        problem: What is wrong; "" when nothing is.
    """

    entries: int = 0
    last_time: datetime | None = None
    problem: str = ""


def journal(surroundings: Surroundings) -> Answer:
    """The last entries of the journal follow one another."""
    path = surroundings.site.journal_file
    if not path.exists():
        raise Finish(Status.SKIP, "not there yet; run makes it")
    tail = journal_tail(path)
    if tail.problem:
        return Status.FAIL, tail.problem, "keep the file as it is and look at it with lockgate log fsck"
    return Status.PASS, f"the last {tail.entries} entries hold together"


def journal_tail(path: Path) -> JournalTail:
    """Read the last quarter megabyte of a journal and check its chain.

    An incomplete last line is no problem: another process may be writing it, or a crash left it and opening
    cuts it off.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - max(_TAIL, 2 * MAX_LINE)))
            lines = file.read().split(b"\n")[:-1]
            whole = size <= max(_TAIL, 2 * MAX_LINE)
    except FileNotFoundError:
        return JournalTail()
    lines = lines if whole else lines[1:]
    previous, last = None, None
    for line in lines:
        try:
            entry = parse(line)
        except JournalError as error:
            return JournalTail(len(lines), last, error.message)
        if previous is not None and (entry.prev != previous.hash or entry.seq != previous.seq + 1):
            return JournalTail(len(lines), last, f"entry {entry.seq} does not follow the one before it")
        previous, last = entry, datetime.fromisoformat(entry.t)
    return JournalTail(len(lines), last)
