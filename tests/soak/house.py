"""A daemon for large things: a route that passes through, one that cleans headers; and its memory."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.dicomio.examine import examine
from exchange.dimse.association import Association
from exchange.dimse.peer import DicomPeer
from tests.interop.studies import HEADERS_ONLY
from tests.support.appliance import Appliance, Site, folder_peer, outbound
from tests.support.ports import HOST
from tests.support.process import peak_mib
from tests.support.promises import worker_pids

RETRY = {"first_seconds": 0.5, "most_seconds": 2.0}
_PIECE = 256 * 1024


def say(*lines: str) -> None:
    """A program's output, at once: a soak is watched."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Memory:
    """Peaks in MiB: of the daemon's own process, and of the worst of its workers."""

    daemon: float
    worker: float

    def __str__(self) -> str:
        return f"daemon {self.daemon:.0f} MiB, worker {self.worker:.0f} MiB"


def memory(box: Appliance) -> Memory:
    """The peaks so far."""
    return Memory(peak_mib(box.pid), max(map(peak_mib, worker_pids(box.pid)), default=0.0))


@contextmanager
def large_house(folder: Path, quiet_seconds: float = 2.0, **peers: Site) -> Iterator[Appliance]:
    """Route AS_IS passes through, route HEADERS cleans headers; both deliver to the folder `outgoing`.

    Args:
        folder: Short; must exist.
        quiet_seconds: Of both routes.
        peers: More destinations of AS_IS.
    """
    as_is = outbound("as-is", "AS_IS", ["outgoing", *peers], quiet_seconds=quiet_seconds, retry=RETRY)
    as_is |= {"deidentify": "none", "reason": "generated images"}
    headers = outbound(
        "headers", "HEADERS", ["outgoing"], quiet_seconds=quiet_seconds, profile="headers", retry=RETRY
    )
    box = Appliance(
        folder / "site",
        routes=[as_is, headers],
        peers=peers or {"unused": folder_peer(folder)},
        profiles={"headers": HEADERS_ONLY},
        limits={"stage_seconds": 7200.0},
    )
    with box:
        yield box


def store(port: int, called_ae: str, files: Sequence[Path]) -> None:
    """C-STORE files over one association, in pieces; each must be accepted."""
    layout = examine(files[0])
    pair = (layout.sop_class_uid, layout.transfer_syntax_uid)
    with Association.request(DicomPeer(called_ae, HOST, port, "SOAK"), [pair]) as association:
        for path in files:
            one = examine(path)
            pieces = _pieces(path, one.dataset_offset)
            status = association.store(
                association.contexts[pair], one.sop_class_uid, one.sop_instance_uid, pieces
            )
            assert status == 0x0000, hex(status)


def _pieces(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            yield piece
