"""The fault table: what is broken, and what is expected to go on, to be held, to be fatal."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum

from tests.chaos.scene import Scene
from tests.chaos.shim import Calls
from tests.support.appliance import COMMAND
from tests.support.promises import worker_pids

_DAY = 86_400


class Progress(Enum):
    """What of a study that is offered while something is broken."""

    GOES_ON = "it is accepted and delivered while the fault lasts"
    WAITS = "it is accepted, and delivered once the fault is over"
    REFUSED = "it is refused with a status that means: try again; then it is accepted and delivered"
    ANY = "it depends on the moment; afterwards it is accepted and delivered"


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        name: What it is called in the report.
        breaks: Breaks something for as long as one is inside.
        expect_progress: Of a study that is offered meanwhile.
        expect_held: The code under which that study is held in the end; "" when it is not.
        expect_fatal: Whether the daemon ends (by itself or killed); it is started again then.
        route: Where the study is offered.
        offered_first: The study is on its way when the fault comes.
        slow: Only in the soak.
    """

    name: str
    breaks: Callable[[Scene], AbstractContextManager[None]]
    expect_progress: Progress
    expect_held: str = ""
    expect_fatal: bool = False
    route: str = "BOTH"
    offered_first: bool = False
    slow: bool = False


def calls_fail(
    calls: Calls, error: int, contains: str, *, skip: int = 0, every: int = 1
) -> Callable[[Scene], AbstractContextManager[None]]:
    """System calls on paths with `contains` in them fail."""

    def breaks(scene: Scene) -> AbstractContextManager[None]:
        return scene.shim.failing(calls, error, contains=contains, skip=skip, every=every)

    return breaks


def clock_steps(seconds: int) -> Callable[[Scene], AbstractContextManager[None]]:
    """The wall clock jumps, and back again afterwards."""
    return lambda scene: scene.shim.clock_moved(seconds)


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    """The power goes; it comes back afterwards."""
    scene.box.kill9()
    yield


def locked(seconds: float) -> Callable[[Scene], AbstractContextManager[None]]:
    """Another process holds the database's write lock: a backup, say, or a curious administrator."""

    @contextmanager
    def breaks(scene: Scene) -> Iterator[None]:
        script = (
            "import sqlite3, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None);"
            " d.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", script, str(scene.box.state / "lockgate.db")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline().strip() == "locked"
            try:
                yield
                threading.Event().wait(seconds)  # the fault itself: longer or shorter than anyone's patience
            finally:
                other.communicate("")

    return breaks


@contextmanager
def second_daemon(scene: Scene) -> Iterator[None]:
    """Somebody starts the appliance twice: the second refuses, in words, and disturbs nobody."""
    command = [COMMAND, "run", "-c", str(scene.box.site_file)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2, second.stderr
    assert "cannot" in second.stderr
    assert "another" in second.stderr
    assert "Traceback" not in second.stderr
    yield


@contextmanager
def workers_killed(scene: Scene) -> Iterator[None]:
    """The kernel is short of memory and takes the workers; once, while a study is being cleaned."""
    pids = worker_pids(scene.box.pid)
    assert pids, "no worker to kill"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    yield


@contextmanager
def partner_down(scene: Scene) -> Iterator[None]:
    """The partner is away."""
    scene.partner.down()
    try:
        yield
    finally:
        scene.partner.up()


def partner_stalls(scene: Scene) -> AbstractContextManager[None]:
    """The partner takes the data and does not answer."""
    return scene.stalled()


_SPOOL, _FROZEN, _RECEIPTS, _LOG, _DATABASE = (
    "/spool/",
    "/frozen/",
    "/receipts/",
    "/state/log/",
    "/lockgate.db",
)

TABLE: tuple[Fault, ...] = (
    Fault("power cut", killed, Progress.REFUSED, expect_fatal=True),
    Fault("power cut under way", killed, Progress.WAITS, expect_fatal=True, offered_first=True, slow=True),
    Fault("spool full", calls_fail(Calls.CHANGES, errno.ENOSPC, _SPOOL), Progress.REFUSED),
    Fault("spool I/O error", calls_fail(Calls.CHANGES, errno.EIO, _SPOOL), Progress.REFUSED),
    Fault("spool fsync fails", calls_fail(Calls.FSYNC, errno.EIO, _SPOOL), Progress.REFUSED, slow=True),
    Fault("spool read-only", calls_fail(Calls.CHANGES | Calls.UNLINK, errno.EROFS, _SPOOL), Progress.REFUSED),
    Fault("spool unreadable", calls_fail(Calls.READ, errno.EIO, _SPOOL, every=3), Progress.ANY, slow=True),
    Fault("frozen folder full", calls_fail(Calls.CHANGES, errno.ENOSPC, _FROZEN), Progress.WAITS),
    Fault(
        "frozen folder I/O error", calls_fail(Calls.CHANGES, errno.EIO, _FROZEN), Progress.WAITS, slow=True
    ),
    Fault("receipts full", calls_fail(Calls.CHANGES, errno.ENOSPC, _RECEIPTS), Progress.WAITS),
    Fault("receipts I/O error", calls_fail(Calls.CHANGES, errno.EIO, _RECEIPTS), Progress.WAITS, slow=True),
    Fault("log full", calls_fail(Calls.CHANGES, errno.ENOSPC, _LOG), Progress.WAITS, slow=True),
    Fault("log I/O error", calls_fail(Calls.CHANGES, errno.EIO, _LOG), Progress.WAITS, slow=True),
    Fault("database full", calls_fail(Calls.CHANGES, errno.ENOSPC, _DATABASE), Progress.ANY),
    Fault("database I/O error", calls_fail(Calls.CHANGES, errno.EIO, _DATABASE), Progress.ANY, slow=True),
    Fault("every 5th change fails", calls_fail(Calls.CHANGES, errno.EIO, "", every=5), Progress.ANY),
    Fault(
        "every 17th change: no space",
        calls_fail(Calls.CHANGES, errno.ENOSPC, "", every=17),
        Progress.ANY,
        slow=True,
    ),
    Fault("clock a day ahead", clock_steps(_DAY), Progress.GOES_ON, slow=True),
    Fault("clock a day back", clock_steps(-_DAY), Progress.GOES_ON),
    Fault("clock a day back under way", clock_steps(-_DAY), Progress.GOES_ON, offered_first=True),
    Fault("clock a day ahead under way", clock_steps(_DAY), Progress.GOES_ON, offered_first=True),
    Fault("database locked 3 s", locked(3), Progress.WAITS),
    Fault("database locked 40 s", locked(40), Progress.WAITS, slow=True),
    Fault("second daemon", second_daemon, Progress.GOES_ON),
    Fault("workers killed", workers_killed, Progress.GOES_ON, offered_first=True),
    Fault("partner away, folder there", partner_down, Progress.GOES_ON, route="FOLDER"),
    Fault("partner stalls, folder there", partner_stalls, Progress.GOES_ON, route="FOLDER"),
    Fault("partner away", partner_down, Progress.WAITS, route="PARTNER", slow=True),
    Fault("partner stalls", partner_stalls, Progress.WAITS, route="PARTNER", slow=True),
)
