"""Originals without text: what each contestant removes of them all the same."""

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from PIL import Image

from benchmarks.pixels import grounds_real
from benchmarks.pixels.contestants import LOCKGATE, Answer, Contestant
from benchmarks.pixels.scoring import filled
from benchmarks.pixels.table import Must, row
from exchange.domain.errors import HeldError, InputError
from redact.pixels.render import Picture
from redact.pixels.view import View
from tests.support.corpus import find_corpus

_MODALITIES = frozenset({"CT", "MR", "PT", "NM", "US", "DX", "CR", "RF", "XA", "MG", "OP"})
_OF_A_FOLDER, _MOST_FRAMES, _SMALLEST = 12, 16, 64
_NOT = (
    "ruby-misc/implicit_us_jpeg2k-lossless-mono2-multiframe.dcm",  # the cut-off feet of a line at its top
    # One image in many syntaxes: once is enough.
    "codec-ct-ge-all-ts/CTImage.dcm_",
    "codec-ct-ge-all-ts/1_CTImage.dcm_JPEG2000TransferSyntax",
    "codec-ct-ge-all-ts/1_CTImage.dcm_JPEGLSLossy",
    "codec-ct-ge-all-ts/1_CTImage.dcm_JPEGProcess1",
)
_FALSE, _TOUCHED = 0.0005, 0.02


@dataclass
class Tally:
    """Of one contestant.

    Attributes:
        images: That came out.
        touched: Of them, those of which anything was removed, in any frame.
        removed: Pixels of first frames.
        area: Pixels of first frames.
        kept: Why images did not come out.
    """

    images: int = 0
    touched: int = 0
    removed: int = 0
    area: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)

    def add(self, name: str, size: tuple[int, int], answer: Answer) -> None:
        """One image."""
        if answer.status != "out":
            self.kept[f"{answer.status} {answer.reason}".strip()] += 1
            return
        self.images += 1
        self.touched += answer.removed > 0
        self.names += [name] if answer.removed else []
        self.area += size[0] * size[1]
        self.removed += int(filled(size, answer.boxes).sum())

    @property
    def share(self) -> float:
        """Of the area that was removed."""
        return self.removed / self.area if self.area else 0.0


def paths(count: int) -> list[Path]:
    """Files of the corpus that its manifest says carry no text, and pydicom's that were looked at.

    Args:
        count: At most so many, spread over all.
    """
    found: list[Path] = []
    corpus = find_corpus()
    if corpus is not None:
        folders: dict[str, list[Path]] = {}
        with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
            for entry in csv.DictReader(file):
                if _is_clean(entry):
                    folders.setdefault(entry["path"].split("/")[0], []).append(corpus / entry["path"])
        for listed in folders.values():
            found += _spread(listed, _OF_A_FOLDER)
    found += [path for path in grounds_real.paths() if corpus is None or corpus not in path.parents]
    return _spread(found, count)


def run(folder: Path, contestants: Sequence[Contestant], count: int) -> dict[str, Tally]:
    """Let everyone clean what is clean."""
    folder.mkdir(parents=True, exist_ok=True)
    tallies = {one.label: Tally() for one in contestants}
    for path, picture in _pictures(paths(count)):
        png = folder / "original.png"
        Image.fromarray(picture).save(png, compress_level=1)
        for each in contestants:
            out = folder / "cleaned.dcm"
            out.unlink(missing_ok=True)
            answer = each.ask(picture=png, dicom=path, out=out)
            tallies[each.label].add(path.name, (picture.shape[0], picture.shape[1]), answer)
    return tallies


def table(tallies: dict[str, Tally]) -> list[str]:
    """As text."""
    every = list(tallies.values())
    lines = [
        "== originals without text (by the profile's own policy; peers by their default)",
        row("", list(tallies)),
        row("images that came out", [str(one.images) for one in every]),
        row("  of them touched, in any frame", [str(one.touched) for one in every]),
        row("area removed, %", [f"{100 * one.share:.4f}" for one in every]),
        row("images held or crashed", [str(sum(one.kept.values())) for one in every]),
    ]
    for label, one in tallies.items():
        if one.kept:
            listed = ", ".join(f"{reason} {count}" for reason, count in one.kept.most_common())
            lines.append(f"  {label}: {listed}")
        if label == LOCKGATE and one.names:
            lines.append(f"  {label} touched: {', '.join(one.names)}")
    return lines


def musts(tallies: dict[str, Tally]) -> list[Must]:
    """What is asked of Lockgate."""
    one = tallies[LOCKGATE]
    return [
        Must("area removed of clean originals", one.share, _FALSE, at_most=True),
        Must("share of clean originals touched", one.touched / max(1, one.images), _TOUCHED, at_most=True),
    ]


def _is_clean(entry: dict[str, str]) -> bool:
    rows, _, columns = entry["rows_cols"].partition("x")
    return (
        entry["burned_in"] == "n"
        and entry["modality"] in _MODALITIES
        and int(entry["frames"] or 1) <= _MOST_FRAMES
        and min(int(rows), int(columns)) >= _SMALLEST
        and not entry["path"].startswith(_NOT)
    )


def _spread(listed: list[Path], count: int) -> list[Path]:
    """So many of them, evenly."""
    if len(listed) <= count:
        return listed
    return [listed[index * len(listed) // count] for index in range(count)]


def _pictures(listed: Sequence[Path]) -> Iterator[tuple[Path, Picture]]:
    seen: set[bytes] = set()
    for path in listed:
        try:
            picture = View(path).frame(0)[0]
            digest = sha256(picture.tobytes()).digest()
            if digest not in seen:
                yield path, picture
            seen.add(digest)
        except (HeldError, InputError) as error:
            print(f"({path.name} is left out: {error.code})", file=sys.stderr)
