#!/usr/bin/env python3
"""Pass the corpus of real files through `lockgate clean` and write docs/corpus.md: what became of each file.

    scripts/corpus_table.py [--jobs N] [--out docs/corpus.md]

Two passes: the whole folder in one run, as a user would; then the files that were held only because others in
the folder have the same SOP Instance UID with different contents, in runs in which no UID occurs twice.
"""

import argparse
import csv
import json
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.appliance import lockgate  # noqa: E402 - found through the path set above
from tests.support.corpus import find_corpus  # noqa: E402

CONFLICT = "uid-conflict"
_SECONDS = 7200.0
_ORDER = ("clean", "held", "failed")
Row = dict[str, str]
Entry = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "corpus.md")
    options = parser.parse_args()
    corpus = find_corpus()
    if corpus is None:
        raise SystemExit("cannot write the table: no corpus ($LOCKGATE_CORPUS or ../shared/corpus)")
    manifest = {row["path"]: row for row in csv.DictReader((corpus / "MANIFEST.csv").open(encoding="utf-8"))}
    with tempfile.TemporaryDirectory(prefix="lg-corpus-") as name:
        together = clean(corpus, Path(name) / "all", options.jobs)
        lost = set(manifest) - set(together)
        if lost:
            raise SystemExit(f"{len(lost)} files of the corpus are not in the report: {sorted(lost)[:5]}")
        conflicts = [path for path in manifest if code_of(together[path]) == CONFLICT]
        apart = alone(corpus, conflicts, manifest, Path(name), options.jobs)
    options.out.write_text("\n".join(page(manifest, together, apart)) + "\n", "utf-8")
    print(f"written: {options.out.name}")


def clean(source: Path, target: Path, jobs: int) -> dict[str, Entry]:
    """One run; the report's entries by input path."""
    report, key = target.with_suffix(".json"), target.with_suffix(".key")
    key.write_bytes(bytes(range(1, 33)))
    key.chmod(0o600)
    begun = time.monotonic()
    ran = lockgate(
        "clean",
        source,
        target,
        "--key",
        key,
        "--report",
        report,
        "--jobs",
        str(jobs),
        timeout_seconds=_SECONDS,
    )
    if ran.returncode not in {0, 1}:
        raise SystemExit(ran.stderr)
    entries = {str(one["input"]): one for one in json.loads(report.read_text())["files"]}
    print(f"({len(entries)} files in {time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
    return entries


def alone(
    corpus: Path, paths: list[str], manifest: dict[str, Row], folder: Path, jobs: int
) -> dict[str, Entry]:
    """Runs over copies, each with at most one file of a UID."""
    rounds: dict[int, list[str]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for path in paths:
        uid = manifest[path]["sop_uid"]
        rounds[seen[uid]].append(path)
        seen[uid] += 1
    found: dict[str, Entry] = {}
    for number, chosen in rounds.items():
        source = folder / f"round-{number}"
        for path in chosen:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(corpus / path, source / path)
        found.update(clean(source, folder / f"round-{number}-out", jobs))
    return found


def code_of(entry: Entry) -> str:
    """The first reason's code; "" of a clean file."""
    reasons = entry["reasons"]
    return str(reasons[0]["code"]) if isinstance(reasons, list) and reasons else ""


def page(manifest: dict[str, Row], together: dict[str, Entry], apart: dict[str, Entry]) -> list[str]:
    """The page, in Markdown."""
    final = {path: apart.get(path, together[path]) for path in manifest}
    counted = Counter(str(one["status"]) for one in together.values() if one["input"] in manifest)
    totals = ", ".join(f"{counted[status]} {status}" for status in _ORDER)
    reasons = Counter((str(one["status"]), code_of(one)) for one in final.values())
    ranked = sorted(reasons.items(), key=lambda one: (_ORDER.index(one[0][0]), -one[1], one[0][1]))
    return [
        "# Real files through `lockgate clean`",
        "",
        f"{len(manifest)} public DICOM files of many makers, default profile; `scripts/corpus_table.py`",
        "writes this page. No file is lost and none ends the run: each is clean, held or failed with a",
        "published code.",
        "",
        f"In one run: {totals}. {len(apart)} of the held ones share their SOP Instance UID with a",
        "file of other contents (`uid-conflict`): they were passed again without each other, and the",
        "tables show what became of them then.",
        "",
        "## By reason",
        "",
        "| status | code | files |",
        "|---|---|---|",
        *(f"| {status} | {f'`{code}`' if code else ''} | {count} |" for (status, code), count in ranked),
        "",
        "## By modality",
        "",
        *_grouped(manifest, final, "modality", "modality"),
        "",
        "## By transfer syntax",
        "",
        *_grouped(manifest, final, "transfer_syntax", "transfer syntax"),
    ]


def _grouped(manifest: dict[str, Row], final: dict[str, Entry], column: str, title: str) -> list[str]:
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    for path, row in manifest.items():
        name = row[column] or "(not given)"
        groups[name][str(final[path]["status"])] += 1
        if code_of(final[path]):
            codes[name][code_of(final[path])] += 1
    lines = [f"| {title} | files | clean | held | failed | codes |", "|---|---|---|---|---|---|"]
    for name, counted in sorted(groups.items()):
        listed = ", ".join(f"`{code}` {count}" for code, count in codes[name].most_common())
        cells = (name, counted.total(), counted["clean"], counted["held"], counted["failed"], listed)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


if __name__ == "__main__":
    main()
