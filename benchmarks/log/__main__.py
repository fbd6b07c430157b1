"""The log's costs, beside the fsync that nothing durable can do without.

    python -m benchmarks.log [--leaves 1000000] [--appends 400] [--out FILE] [--dir FOLDER]

The proofs, the opening and the fsck are of a log of so many leaves; about two minutes for a million.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.log.measures import GROUP, Bench, fsync_seconds
from benchmarks.wire.machine import hardware


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--appends", type=int, default=400)
    parser.add_argument("--out", type=Path, help="write the table there as well")
    parser.add_argument("--dir", type=Path, help="where the log lies (default: the temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lg-log-", dir=options.dir) as name:
        folder = Path(name)
        lines = [f"# log, {datetime.now(UTC):%Y-%m-%d}", *hardware(folder)]
        lines += small(Bench(folder / "small"), folder, options.appends)
        lines += large(Bench(folder / "large"), options.leaves)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.out is not None:
        options.out.write_text(text)


def small(bench: Bench, folder: Path, appends: int) -> list[str]:
    """Appends that each are durable and signed when they return."""
    floor = fsync_seconds(folder)
    alone = bench.one_by_one(appends, 1)
    eight = bench.one_by_one(appends, 8)
    return [
        f"one fsync of a small append        {floor * 1000:8.2f} ms",
        f"append, 1 thread                   {alone:8.0f} a second ({1 / alone / floor:.1f} fsyncs each)",
        f"append, 8 threads                  {eight:8.0f} a second ({1 / eight / floor:.1f} fsyncs each)",
    ]


def large(bench: Bench, leaves: int) -> list[str]:
    """A log of years."""
    pace = bench.fill(leaves)
    proofs = sorted(bench.prove(500))
    took, checks = bench.fsck()
    assert all(check.ok for check in checks), checks
    size = sum(path.stat().st_size for path in bench.folder.rglob("*") if path.is_file())
    return [
        f"append, groups of {GROUP}              {pace:8.0f} leaves a second, to {leaves:,} leaves",
        f"proof among {leaves:,}          {median(proofs) * 1000:8.2f} ms median, "
        f"{proofs[-1] * 1000:.2f} ms worst of {len(proofs)}",
        f"opening                            {bench.reopen() * 1000:8.1f} ms",
        f"fsck                               {took:8.1f} s, {leaves / took:,.0f} leaves a second",
        f"on the disk                        {size / leaves:8.0f} bytes a leaf",
    ]


if __name__ == "__main__":
    main()
