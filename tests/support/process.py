"""What a process tree has cost: CPU seconds and peak memory, from /proc."""

import os
import time
from pathlib import Path

from tests.support.ports import wait_until

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and its living descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(int(stat.parent.name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, ended children (that were waited for) included."""
    total = 0
    for one in tree(pid):
        fields = _fields(one)
        total += sum(map(int, fields[11:15])) if fields else 0
    return total / _TICKS


def wait_idle(pid: int, deadline_seconds: float = 60) -> None:
    """Until the tree has used next to no CPU for a second: what it does at its start is over."""

    def idle() -> bool:
        before = cpu_seconds(pid)
        time.sleep(1.0)  # the span that is measured
        return cpu_seconds(pid) - before < 0.05

    wait_until(idle, "idle process", deadline_seconds)


def peak_mib(pid: int) -> float:
    """The largest resident size that this one process has had (VmHWM)."""
    return _status(pid, "VmHWM")


def resident_mib(pid: int) -> float:
    """The resident size of this one process now (VmRSS)."""
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name; [] when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
