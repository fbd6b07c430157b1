"""One giant instance through the daemon: received by C-STORE, passed through to a folder and a DICOM partner.

python -m tests.soak.giant [--mb 2000]     status 1 when the daemon needed 512 MiB or more
"""

import argparse
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from exchange.dicomio.digest import dataset_sha256
from tests.soak.house import Memory, large_house, memory, say, store
from tests.support import dcmtk
from tests.support.appliance import dicom_peer, short_folder
from tests.support.ct_files import giant

BOUND_MIB = 512.0


@dataclass(frozen=True)
class Passage:
    """What it took.

    Attributes:
        before, after: Memory when the daemon was ready, and at the end.
        received_seconds, delivered_seconds: Until the answer; from there until the exchange was closed.
        same: Whether every destination has the data set's bytes as they were sent.
    """

    before: Memory
    after: Memory
    received_seconds: float
    delivered_seconds: float
    same: bool


def pass_giant(folder: Path, megabytes: int) -> Passage:
    """Send one instance of so many MB; `folder` is short and has room for five of it."""
    file = giant(folder / "giant.dcm", megabytes)
    wanted = dataset_sha256(file)
    # +B: it writes what comes instead of keeping it in memory
    with (
        dcmtk.StoreScp(folder / "partner", options=("+xa", "-pm", "+B")) as partner,
        large_house(folder, 0.5, partner=dicom_peer("STORESCP", partner.port)) as box,
    ):
        before, start = memory(box), time.monotonic()
        store(box.port, "AS_IS", [file])
        received = time.monotonic()
        box.wait_closed(1, 300 + megabytes)
        ended = time.monotonic()
        landed = [*box.delivered(), *partner.files()]
        same = len(landed) == 2 and all(dataset_sha256(path) == wanted for path in landed)
        return Passage(before, memory(box), received - start, ended - received, same)


def main() -> None:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=2000)
    options = parser.parse_args()
    with short_folder() as folder:
        if shutil.disk_usage(folder).free < 6e6 * options.mb:
            raise SystemExit(f"cannot run: {6 * options.mb} MB of disk are needed")
        passage = pass_giant(folder, options.mb)
    say(
        f"instance of {options.mb} MB: received in {passage.received_seconds:.1f} s, "
        f"closed {passage.delivered_seconds:.1f} s later at a folder and a DICOM partner",
        f"  when ready  {passage.before}",
        f"  peak        {passage.after}   (bound {BOUND_MIB:.0f} MiB)",
        f"  the same bytes at both: {passage.same}",
    )
    sys.exit(0 if passage.same and passage.after.daemon < BOUND_MIB else 1)


if __name__ == "__main__":
    main()
