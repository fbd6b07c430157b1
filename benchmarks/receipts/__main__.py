"""Issuing and verifying receipts, against plain SHA-256 of the same bytes.

    python -m benchmarks.receipts [--counts 3 300 3000] [--kib 512] [--rounds 5] [--out FILE] [--dir FOLDER]

Required: verification with files takes at most 1.3 times as long as hashing them (the median of the rounds,
where each round does both one after the other). Status 1 when a count of 300 or more misses it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median

from benchmarks.wire.machine import hardware
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from tests.vectors.statements import Author
from tests.vectors.studies import Instance
from tests.vectors.world import AT, Case, Site, folder_of
from tests.vectors.zips import zipped

BOUND = 1.3
_CHUNK = 1 << 20


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[3, 300, 3000])
    parser.add_argument("--kib", type=int, default=512, help="of pixels in each file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the table there as well")
    parser.add_argument("--dir", type=Path, help="where the studies lie (default: the temporary folder)")
    options = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory(prefix="lg-receipts-", dir=options.dir) as name:
        lines = [f"# receipts, {datetime.now(UTC):%Y-%m-%d}", *hardware(Path(name)), *issuing(Path(name))]
        lines.append(f"instances  verify ms with files    SHA-256  ratio  of {options.kib} KiB each")
        for count in options.counts:
            spans = verifying(Path(name) / str(count), count, options.kib, options.rounds)
            missed |= count >= 300 and spans[1] > BOUND * spans[2]
            lines.append(
                f"{count:>9}"
                + "".join(f"{one * 1e3:>11.1f}" for one in spans)
                + f"{spans[1] / spans[2]:>7.2f}"
            )
        lines.append(f"required: at most {BOUND}; {'MISSED' if missed else 'met'}")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.out is not None:
        options.out.write_text(text)
    return int(missed)


def issuing(folder: Path) -> list[str]:
    """Receipts a second by the product's own issuer: statement, DSSE, CMS, zip; no disk, no log."""
    from exchange.receipts.facts import Edition, Stage
    from tests.exchange.receipts.making import Site as Product
    from tests.exchange.receipts.making import Study, body, write_study

    site, four = Product(folder / "site"), write_study(folder / "four")
    lines = []
    for count in (4, 300):
        item = four.subjects[0]
        subjects = tuple(replace(item, sop_instance_uid=f"2.25.{number + 100}") for number in range(count))
        facts = body(Study(four.folder, subjects))

        def issue(facts=facts) -> None:  # type: ignore[no-untyped-def]
            site.issuer.issue(Stage.DEIDENTIFIED, Edition.PARTNER, facts)

        lines.append(f"issued, {count:>3} instances        {1 / timed(issue, 40):8.0f} receipts a second")
    return lines


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median seconds."""
    spans = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        spans.append(time.perf_counter() - start)
    return median(spans)


def verifying(folder: Path, count: int, kib: int, rounds: int) -> tuple[float, float, float]:
    """Seconds without files, with files, and for SHA-256 of those files alone."""
    site = Site()
    study = [Instance(f"2.25.{1000 + at}", pixels=at.to_bytes(4, "big") * (kib * 256)) for at in range(count)]
    bundle = zipped(site.issue(Author().write("deidentified", study)))
    Case("", (bundle,), site.trust, folder_of(study)).write(folder)
    del study
    trust = read_trust(folder / "trust")
    paths = [folder / "bundles/0.receipt.zip"]

    def verify(files: Path | None) -> None:
        (report,) = verify_bundles(paths, Request(trust, AT, files))
        assert report.ok, report.first_error

    alone = timed(lambda: verify(None), rounds)
    with_files, floor = [], []
    for _ in range(rounds):
        floor.append(timed(lambda: hash_all(folder / "study"), 1))
        with_files.append(timed(lambda: verify(folder / "study"), 1))
    return alone, median(with_files), median(floor)


def hash_all(folder: Path) -> None:
    """The floor: every byte of every file through SHA-256."""
    for path in folder.rglob("*.dcm"):
        digest = sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)


if __name__ == "__main__":
    sys.exit(main())
