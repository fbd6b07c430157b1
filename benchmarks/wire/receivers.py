"""Receivers: Lockgate and the others, each a process (tree) that stores below one folder."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.appliance import Appliance, folder_peer, short_folder
from tests.support.dcmtk import StoreScp
from tests.support.orthanc import Orthanc
from tests.support.ports import wait_until

_QUIET_SECONDS = 86_400.0  # nothing is delivered: receiving and indexing alone are measured
_SETTLE_SECONDS = 60.0


@dataclass(frozen=True)
class Receiver:
    """A running receiver.

    Attributes:
        port: Where it listens.
        pid: Root of its process tree.
        stored: How many instances it holds, when it can be asked; waited for before CPU is read.
    """

    port: int
    pid: int
    stored: Callable[[], int] | None = None

    def wait_stored(self, count: int) -> None:
        """Until it has worked off what it answered (indexing goes on after the answer)."""
        stored = self.stored
        if stored is not None:
            wait_until(lambda: stored() >= count, f"{count} instances stored", _SETTLE_SECONDS)


def pass_through(called_ae: str, deliver: str, quiet_seconds: float) -> dict[str, Any]:
    """A route that leaves studies as they are."""
    return {
        "name": called_ae.lower(),
        "direction": "outbound",
        "match": {"called_ae": called_ae},
        "settle": {"quiet_seconds": quiet_seconds},
        "deidentify": "none",
        "reason": "benchmark on generated images",
        "deliver": [deliver],
        "retry": {"first_seconds": 0.5, "most_seconds": 2.0},
    }


@contextmanager
def daemon() -> Iterator[Receiver]:
    """`lockgate run`: the whole process, with the indexing of what it took in."""
    with short_folder() as folder:
        (folder / "out").mkdir()
        box = Appliance(
            folder / "site",
            routes=[pass_through("BENCH", "out", _QUIET_SECONDS)],
            peers={"out": folder_peer(folder / "out")},
            limits={"associations": 32},
        )
        with box:
            yield Receiver(box.port, box.pid, lambda: int(box.status()["arrivals"]))


@contextmanager
def intake_alone(folder: Path) -> Iterator[Receiver]:
    """Lockgate's intake and spool in a process of their own: no database, no indexing."""
    with _child("benchmarks.wire.child_intake", str(folder / "intake")) as receiver:
        yield receiver


@contextmanager
def pynetdicom_raw(folder: Path, *, nodelay: bool) -> Iterator[Receiver]:
    """Raw pynetdicom, writing `encoded_dataset()` to a file."""
    mode = "nodelay" if nodelay else "stock"
    with _child("benchmarks.wire.child_pynetdicom", str(folder / f"pynetdicom-{mode}"), mode) as receiver:
        yield receiver


@contextmanager
def storescp(folder: Path, *, nodelay: bool) -> Iterator[Receiver]:
    """DCMTK's storescp with a process for each association; it never calls fsync."""
    name = f"storescp-{'nodelay' if nodelay else 'stock'}"
    with StoreScp(folder / name, ae_title="BENCH", options=("--fork", "+xa"), nodelay=nodelay) as scp:
        yield Receiver(scp.port, scp.pid)


@contextmanager
def orthanc(folder: Path, *, nodelay: bool) -> Iterator[Receiver]:
    """Orthanc as Debian packages it, storage and SQLite index on the same disk."""
    name = f"orthanc-{'nodelay' if nodelay else 'stock'}"
    with Orthanc(folder / name, ae_title="BENCH", nodelay=nodelay) as server:
        yield Receiver(
            server.dicom_port, server.pid, lambda: int(server.get("/statistics")["CountInstances"])
        )


@contextmanager
def _child(module: str, *arguments: str) -> Iterator[Receiver]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, f"{module} did not start"
        yield Receiver(int(port), process.pid)
    finally:
        try:
            process.communicate("", timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
