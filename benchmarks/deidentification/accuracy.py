"""What each contestant leaves, loses and breaks on one generated set."""

import sys
import time
from pathlib import Path

from benchmarks.deidentification import iod
from benchmarks.deidentification.contest import Contestant, play
from tests.hostile.cleaning import clean_folder
from tests.hostile.generate import Generator
from tests.hostile.key import Action, AnswerKey
from tests.hostile.outcome import Outcomes, Status
from tests.hostile.scorer import Score, Tally, score

WHOLE = "lockgate clean"
_LABEL, _CELL = 34, 17


def run(folder: Path, contestants: list[Contestant], *, seed: int, patients: int, small: bool) -> list[str]:
    """Generate, let everyone clean, score; returns the table."""
    inputs = folder / "files"
    key = Generator(inputs, seed, patients, small).run()
    names = [one.file for one in key.instances]
    played: dict[str, tuple[Path, Outcomes]] = {}
    _say(f"{WHOLE} on {len(names)} files")
    played[WHOLE] = (folder / "whole", clean_folder(inputs, folder / "whole"))
    for number, contestant in enumerate(contestants):
        _say(contestant.label)
        out = folder / f"out-{number}"
        played[contestant.label] = (out, play(contestant, inputs, names, out).outcomes)
    verdicts: dict[str, iod.Verdict] = {}
    scores, changes = {}, {}
    for label, (out, outcomes) in played.items():
        _say(f"scoring {label}")
        scores[label] = score(key, inputs, out, outcomes)
        if iod.available():
            changes[label] = iod.compare(key, inputs, out, outcomes, verdicts)
    return [*_head(key, seed), *_table(scores, changes), "", *_reasons(scores)]


def _say(text: str) -> None:
    print(f"({time.strftime('%H:%M:%S')} {text})", file=sys.stderr, flush=True)


def _head(key: AnswerKey, seed: int) -> list[str]:
    origins = {one.origin.split(":")[0] for one in key.instances}
    people = len({one.patient for one in key.instances})
    kinds = sorted({one.modality for one in key.instances})
    charsets = {one.charset.split(":")[0] for one in key.instances}
    checks = sum(len(one.checks) for one in key.instances)
    return [
        f"== accuracy: {len(key.instances)} hostile files of {people} patients, seed {seed}",
        f"  {len(kinds)} modalities ({' '.join(kinds)}), {len(charsets)} character sets, {checks} actions;"
        f" base files: {', '.join(sorted(origins))}",
        "  lockgate clean is the whole command; the two columns beside it clean headers only, without OCR",
        "  each action: % of files that came out / % of all (a file that did not come out fails everything)",
    ]


def _table(scores: dict[str, Score], changes: dict[str, iod.IodChange]) -> list[str]:
    every = list(scores.values())
    related = [one.relations for one in every]
    rows: list[tuple[str, list[str]]] = [("", list(scores))]
    rows += [(f"{action}", [_percent(one.actions[action]) for one in every]) for action in Action]
    rows += [
        ("all actions", [_percent(one.total) for one in every]),
        ("planted strings surviving", [f"{len(one.surviving)} of {one.planted}" for one in every]),
        ("  %", [f"{100 * len(one.surviving) / max(1, one.planted):.1f}" for one in every]),
        *((f"files {status}", [str(one.statuses[status]) for one in every]) for status in Status),
        ("references that resolve", [f"{one.resolved} of {one.references}" for one in related]),
    ]
    for name in ("patients", "studies", "series"):
        rows.append(
            (f"{name} merged / split", [f"{one.merged[name]} / {one.split[name]}" for one in related])
        )
    rows.append(("patients whose intervals are kept", [f"{one.kept} of {one.intervals}" for one in related]))
    after = [changes[label] for label in scores if label in changes]
    if after:
        rows += [
            ("files with new dciodvfy errors", [f"{one.worse} of {one.files}" for one in after]),
            ("  not counted: dciodvfy fails", [str(one.unread) for one in after]),
            ("  new errors", [str(one.errors) for one in after]),
            ("  IOD no longer recognised", [str(one.unrecognised) for one in after]),
        ]
    return [_row(label, cells) for label, cells in rows]


def _percent(tally: Tally) -> str:
    return f"{tally.of_came_out:.1f} / {tally.of_all:.1f}"


def _row(label: str, cells: list[str]) -> str:
    return f"  {label:{_LABEL}}" + "".join(f"{cell[: _CELL - 1]:>{_CELL}}" for cell in cells)


def _reasons(scores: dict[str, Score]) -> list[str]:
    """Why files did not come out."""
    lines = []
    for label, one in scores.items():
        if one.reasons:
            listed = ", ".join(f"{reason} {count}" for reason, count in one.reasons.most_common())
            lines.append(f"  {label}: {listed}")
    return ["  files that did not come out, by reason", *lines] if lines else []
