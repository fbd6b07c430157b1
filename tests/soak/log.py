"""A log of years: a million leaves in groups, then its proofs, its opening, its memory and its fsck.

    python -m tests.soak.log [--leaves 1000000]

Status 1 when a proof takes 10 ms or more (the median), fsck takes more than three times as long
for twice as many leaves,
opening takes a second, or the process needs 256 MiB.
"""

import argparse
import os
import sys
import time
from statistics import median

from benchmarks.log.measures import Bench
from exchange.log.fsck import fsck
from tests.soak.house import say
from tests.support.appliance import short_folder
from tests.support.process import peak_mib

PROOF_SECONDS, OPEN_SECONDS, BOUND_MIB = 0.010, 1.0, 256


def main() -> None:
    """Fill, measure, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leaves", type=int, default=1_000_000)
    count: int = parser.parse_args().leaves
    with short_folder() as folder:
        half, whole = Bench(folder / "half"), Bench(folder / "whole")
        half.fill(count // 2)
        say(f"{whole.fill(count):8.0f} leaves a second, appended in groups of 250")
        checked = [checked_in(half), checked_in(whole)]
        proofs = sorted(whole.prove(1000))
        opened = whole.reopen()
    peak = peak_mib(os.getpid())
    say(
        f"{checked[0]:8.1f} s fsck of {count // 2:,} leaves",
        f"{checked[1]:8.1f} s fsck of {count:,} leaves",
        f"{median(proofs) * 1000:8.2f} ms a proof, {proofs[-1] * 1000:.2f} ms the worst of {len(proofs)}",
        f"{opened * 1000:8.1f} ms to open",
        f"{peak:8.0f} MiB at most",
    )
    linear = checked[1] < checked[0] * 3
    sound = median(proofs) < PROOF_SECONDS and opened < OPEN_SECONDS and peak < BOUND_MIB
    sys.exit(0 if linear and sound else 1)


def checked_in(bench: Bench) -> float:
    """Seconds of an fsck that finds nothing."""
    began = time.monotonic()
    checks = fsck(bench.places, bench.keys)
    assert all(check.ok for check in checks), checks
    return time.monotonic() - began


if __name__ == "__main__":
    main()
