"""Checks of what is kept: state folder, spool, database, log."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from agent.doctor.results import Finish, Status
from agent.doctor.runner import Answer
from agent.doctor.surroundings import Surroundings
from exchange.domain.errors import LockgateError
from exchange.keys.log import LOG_KEY, LogKeys
from exchange.log.end import LogEnd, look_at_end
from exchange.log.opening import LogPlaces

_SLOW_FSYNC = 0.2
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


def log(surroundings: Surroundings) -> Answer:
    """The log's checkpoint, its last leaves and the second store of heads belong together."""
    end = log_end(surroundings)
    if end.problem:
        return Status.FAIL, end.problem, "keep the folder as it is, and run lockgate log fsck"
    if not end.generation:
        raise Finish(Status.SKIP, "not there yet; run makes it")
    return Status.PASS, f"{end.leaves} leaves in generation {end.generation}; its end holds together"


def log_end(surroundings: Surroundings) -> LogEnd:
    """The end of the site's log; nothing where there is no log or no key of it yet."""
    site = surroundings.site
    if not (site.keys / LOG_KEY).exists():
        return LogEnd()
    places = LogPlaces(site.log_folder, site.log_heads_file)
    try:
        return look_at_end(places, LogKeys.from_folder(site.keys))
    except LockgateError as error:
        return LogEnd(problem=error.message)
