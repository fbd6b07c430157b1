"""A study of very many instances through the daemon: passed through, and with its headers cleaned.

python -m tests.soak.large_study [--instances 20000] [--routes AS_IS,HEADERS]

Status 1 when not all was delivered in one exchange or the daemon needed 512 MiB or more.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.soak.giant import BOUND_MIB
from tests.soak.house import Memory, large_house, memory, say, store
from tests.support.appliance import short_folder
from tests.support.ct_files import CtFiles

SIDE = 64


@dataclass(frozen=True)
class Passage:
    """What it took; `exchanges` should be 1, `delivered` all instances."""

    before: Memory
    after: Memory
    received_seconds: float
    delivered_seconds: float
    delivered: int
    exchanges: int


def pass_study(folder: Path, instances: int, called_ae: str) -> Passage:
    """Send one study over one association; `folder` is short."""
    files = CtFiles(SIDE).study(folder / "study", instances)
    with large_house(folder) as box:
        before, start = memory(box), time.monotonic()
        store(box.port, called_ae, files)
        received = time.monotonic()

        def closed(_box: object) -> bool:
            found = box.exchanges()
            return sum(one["instance_count"] for one in found) >= instances and all(
                one["state"] in {"closed", "held"} for one in found
            )

        box.wait_for(closed, "end of the study", 600 + instances / 5)
        ended, exchanges = time.monotonic(), len(box.in_state("closed"))
        return Passage(
            before, memory(box), received - start, ended - received, len(box.delivered()), exchanges
        )


def main() -> None:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=20_000)
    parser.add_argument("--routes", default="AS_IS,HEADERS")
    options = parser.parse_args()
    good = True
    for route in options.routes.split(","):
        with short_folder() as folder:
            passage = pass_study(folder, options.instances, route)
        rate = options.instances / passage.received_seconds
        say(
            f"study of {options.instances} instances, route {route}: received in "
            f"{passage.received_seconds:.0f} s ({rate:.0f}/s), "
            f"closed {passage.delivered_seconds:.0f} s later",
            f"  delivered   {passage.delivered} instances in {passage.exchanges} exchange(s)",
            f"  when ready  {passage.before}",
            f"  peak        {passage.after}   (bound {BOUND_MIB:.0f} MiB)",
        )
        good = good and passage.delivered == options.instances and passage.after.daemon < BOUND_MIB
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
