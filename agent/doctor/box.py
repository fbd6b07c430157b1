"""Checks of the box: interpreter, firmware profile, memory, limits, clock, time zone, locale."""

import locale
import os
import resource
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.doctor.results import Status
from agent.doctor.runner import Answer
from agent.doctor.stores import log_end
from agent.doctor.surroundings import Surroundings
from agent.pipeline.kernel_clock import UNSYNCHRONISED, kernel_clock_status

LEAST_PYTHON = (3, 11)
# No Lockgate was written before this day: an earlier clock is wrong.
BUILT_AFTER = datetime(2026, 1, 1, tzinfo=UTC)
_FILES_WANTED = 4096
_FILES_LEAST = 1024
_BACKWARDS = timedelta(seconds=5)


def python_version(_: Surroundings) -> Answer:
    """The interpreter is one that is supported."""
    version = sys.version_info
    text = f"Python {version.major}.{version.minor}.{version.micro}"
    if (version.major, version.minor) < LEAST_PYTHON:
        return Status.FAIL, text, "install Python 3.11 or newer and make the environment anew"
    if not sys.flags.safe_path and sys.path[:1] == [""]:
        return (
            Status.WARN,
            f"{text}, modules of the working directory come first",
            "use the console script, or -P",
        )
    return Status.PASS, text


def firmware_profile(surroundings: Surroundings) -> Answer:
    """A firmware profile fits this machine, and the one in use is it."""
    profile, machine = surroundings.profile, surroundings.machine
    if profile is None:
        return Status.FAIL, surroundings.profile_problem, "set firmware_profile in the site file"
    workers = profile.worker_count(machine.cores, machine.memory_mib)
    detail = (
        f"{profile.profile} ({profile.title}), {machine.cores} cores, {workers} workers, "
        f"{', '.join(profile.inference.execution_providers)}, keys in {profile.key_backends[-1]}"
    )
    if machine.machine not in profile.detect.machine:
        return (
            Status.FAIL,
            f"{profile.profile} is for {', '.join(profile.detect.machine)}",
            "correct firmware_profile",
        )
    if profile.status == "untested":
        return Status.WARN, f"{detail}; never tested on such a board", "try it with test studies first"
    return Status.PASS, detail


def memory(surroundings: Surroundings) -> Answer:
    """There is as much memory as the profile asks for."""
    mib = surroundings.machine.memory_mib
    least = surroundings.profile.memory.least_mib if surroundings.profile else 2048
    if mib < least:
        return Status.WARN, f"{mib} MiB, the profile asks for {least}", "add memory, or lower limits.workers"
    return Status.PASS, f"{mib} MiB"


def open_files(_: Surroundings) -> Answer:
    """Enough files may be open at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = sys.maxsize if soft == resource.RLIM_INFINITY else soft
    fix = "LimitNOFILE=65536 in the unit, or ulimit -n"
    if count < _FILES_LEAST:
        return Status.FAIL, f"{soft} open files (hard limit {hard})", fix
    if count < _FILES_WANTED:
        return Status.WARN, f"{soft} open files (hard limit {hard})", fix
    return Status.PASS, "unlimited" if soft == resource.RLIM_INFINITY else f"{soft} open files"


def clock(surroundings: Surroundings) -> Answer:
    """The clock is not behind this software, nor behind the log's last leaf."""
    now = surroundings.now
    fix = "set the clock; receipts carry its time"
    if now < BUILT_AFTER:
        return Status.FAIL, f"{now:%Y-%m-%d} is before this software was made", fix
    last = log_end(surroundings).last_time if surroundings.loaded else None
    if last is not None and now < last - _BACKWARDS:
        return (
            Status.FAIL,
            f"the log's last leaf is {(last - now).total_seconds():.0f} s in the future",
            fix,
        )
    return Status.PASS, f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock_synchronised(_: Surroundings) -> Answer:
    """The kernel says that something keeps its clock right (adjtimex(2))."""
    status = kernel_clock_status()
    if status is None:
        return Status.SKIP, "the kernel does not say"
    if status & UNSYNCHRONISED:
        return Status.WARN, "nothing keeps the clock right", "run systemd-timesyncd or chrony"
    return Status.PASS, "kept by NTP"


def time_zone(_: Surroundings) -> Answer:
    """The time zone is one that exists; everything recorded is UTC all the same."""
    named = os.environ.get("TZ", "").lstrip(":")
    if named and not Path(named).is_absolute():
        try:
            ZoneInfo(named)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return Status.WARN, f"TZ={named} is unknown: local times are UTC", "correct TZ or install tzdata"
    zone = datetime.now().astimezone()
    return Status.PASS, f"local time is UTC{zone:%z}; records are in UTC"


def text_encoding(_: Surroundings) -> Answer:
    """Text and file names are UTF-8."""
    names, texts = sys.getfilesystemencoding(), locale.getpreferredencoding(do_setlocale=False)
    if names.lower() != "utf-8" or texts.lower().replace("-", "") != "utf8":
        return Status.WARN, f"file names are {names}, text is {texts}", "set LANG=C.UTF-8"
    return Status.PASS, "UTF-8"
