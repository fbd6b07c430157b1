"""A box after years: what a study costs custody after 1,000 exchanges and after 100,000, and a daemon there.

python -m tests.soak.custody [--exchanges 100000] [--few 1000]

Status 1 when a study costs 1.5 times as much or more after the many, or the daemon needs 512 MiB.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from agent.custody.database import Database, open_database
from tests.agent.custody.crowd import crowd
from tests.agent.custody.test_scaling import one_study, statements
from tests.agent.custody.world import World
from tests.soak.giant import BOUND_MIB
from tests.soak.house import large_house, memory, say, store
from tests.support.appliance import short_folder
from tests.support.ct_files import CtFiles

STUDIES = 15
RATIO = 1.5


@dataclass(frozen=True)
class Cost:
    """Of one study with all looks of schedule and status: median milliseconds, and statements."""

    milliseconds: float
    statements: int


def cost(database: Database, name: str) -> Cost:
    """Some studies, one after the other, each new."""
    world, spans, counts = World(database), [], []
    for number in range(STUDIES):
        with statements(database) as seen:
            start = time.perf_counter()
            one_study(world, f"{name}{number}")
            spans.append(1000 * (time.perf_counter() - start))
        counts.append(len(seen))
    return Cost(median(spans), int(median(counts)))


def compare(file: Path, few: int, many: int) -> tuple[Cost, Cost]:
    """The cost after `few` exchanges and after `many`, in one database file."""
    database = open_database(f"sqlite:///{file}")
    try:
        crowd(database, few)
        cost(database, "warm")
        first = cost(database, "few")
        crowd(database, many - few, first=few)
        return first, cost(database, "many")
    finally:
        database.close()


@dataclass(frozen=True)
class Years:
    """A daemon over so many exchanges: seconds to start, to list, for 100 instances; its memory."""

    start_seconds: float
    status_seconds: float
    study_seconds: float
    daemon_mib: float


def serve_after(folder: Path, many: int) -> Years:
    """Fill the database of a site while its daemon is down, then start it and send a study."""
    files = CtFiles(64).study(folder / "study", 100)
    with large_house(folder, 0.5) as box:
        box.terminate()
        database = open_database(f"sqlite:///{box.state / 'lockgate.db'}")
        crowd(database, many)
        database.close()
        began = time.monotonic()
        box.start(600)
        ready = time.monotonic()
        box.status()
        answered = time.monotonic()
        store(box.port, "AS_IS", files)
        box.wait_for(lambda one: len(one.delivered()) == len(files), "study", 300)
        return Years(ready - began, answered - ready, time.monotonic() - answered, memory(box).daemon)


def main() -> None:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=1000)
    options = parser.parse_args()
    with short_folder() as folder:
        few, many = compare(folder / "lockgate.db", options.few, options.exchanges)
    ratio = many.milliseconds / few.milliseconds
    say(
        f"custody, one study of two instances with every look at the lists, median of {STUDIES}",
        f"  after {options.few:7d} exchanges   {few.milliseconds:7.1f} ms   {few.statements} statements",
        f"  after {options.exchanges:7d} exchanges   {many.milliseconds:7.1f} ms   "
        f"{many.statements} statements   ratio {ratio:.2f} (bound {RATIO})",
    )
    with short_folder() as folder:
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        none, years = serve_after(folder / "a", 1), serve_after(folder / "b", options.exchanges)
    for name, one in (("after one", none), (f"after {options.exchanges}", years)):
        say(
            f"daemon {name}: ready in {one.start_seconds:.1f} s, "
            f"status in {1000 * one.status_seconds:.0f} ms, "
            f"100 instances through in {one.study_seconds:.1f} s, peak {one.daemon_mib:.0f} MiB"
        )
    good = ratio < RATIO and many.statements == few.statements and years.daemon_mib < BOUND_MIB
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
