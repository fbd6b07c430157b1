"""Scores what a tool wrote against the answer key, in the ten actions of MIDI-B.

A file that did not come out fails every one of its actions in the column "of all"; the column "of files that
came out" leaves it out. Besides: planted words anywhere in the bytes, and relations between the files.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.hostile import drawing
from tests.hostile.key import (
    FILE_NAME,
    FRAMES,
    PREAMBLE,
    WHOLE_FILE,
    Action,
    AnswerKey,
    Check,
    Instance,
)
from tests.hostile.matching import folded, in_bytes, in_text, scannable
from tests.hostile.outcome import Outcome, Outcomes, Status
from tests.hostile.reading import Opened
from tests.hostile.relations import Facts, Relations

_SHOWN = 0.4  # correlation with the drawn strokes from which they count as legible
_SAME = 0.99  # share of the pixels outside the boxes that must be as before
_PIXELS = "(7FE0,0010)"


@dataclass(slots=True)
class Tally:
    """One action's count."""

    passed: int = 0
    came_out: int = 0
    total: int = 0

    @property
    def of_came_out(self) -> float:
        """Percent of the actions on files that came out."""
        return 100 * self.passed / self.came_out if self.came_out else 0.0

    @property
    def of_all(self) -> float:
        """Percent of all actions."""
        return 100 * self.passed / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that failed on a file that came out; `words` are of made-up patients."""

    action: Action
    file: str
    place: str
    words: tuple[str, ...] = ()


@dataclass
class Score:
    """What the scorer found.

    Attributes:
        planted, surviving: Words in the bytes: distinct ones per file that came out, and those left.
        statuses: Files by what became of them; reasons: held and crashed ones by why.
    """

    actions: dict[Action, Tally] = field(default_factory=lambda: {action: Tally() for action in Action})
    failures: list[Failure] = field(default_factory=list)
    planted: int = 0
    surviving: list[Failure] = field(default_factory=list)
    statuses: Counter[Status] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    relations: Relations = field(default_factory=Relations)

    @property
    def total(self) -> Tally:
        """All actions together."""
        return Tally(
            sum(one.passed for one in self.actions.values()),
            sum(one.came_out for one in self.actions.values()),
            sum(one.total for one in self.actions.values()),
        )

    def failed(self, action: Action) -> list[Failure]:
        """The failures of one action."""
        return [one for one in self.failures if one.action is action]


def score(key: AnswerKey, inputs: Path, outputs: Path, outcomes: Outcomes) -> Score:
    """Score a tool's outputs.

    Args:
        key: Of the set.
        inputs: The set's folder, for pixels that must be as before.
        outputs: What the outcomes' paths are relative to.
        outcomes: By input file; one that is not named is missing.
    """
    facts, result = Facts(), Score()
    waiting: list[tuple[Instance, Check]] = []
    for instance in key.instances:
        outcome = outcomes.get(instance.file, Outcome(Status.MISSING))
        opened = _open(outputs, outcome)
        if outcome.status is Status.OUT and opened is None:
            outcome = Outcome(Status.CRASHED, reason="output cannot be read")
        result.statuses[outcome.status] += 1
        if opened is None:
            result.reasons[outcome.reason or str(outcome.status)] += 1
        for check in instance.checks:
            result.actions[check.action].total += 1
        if opened is None:
            continue
        facts.note(instance, opened)
        _scan(result, instance, opened, outcome.output or "")
        original = _Original(inputs / instance.file)
        for check in instance.checks:
            result.actions[check.action].came_out += 1
            if check.action in _DEFERRED:
                waiting.append((instance, check))
            else:
                _count(
                    result,
                    instance,
                    check,
                    _CHECKS[check.action](check, opened, _Place(instance, original, outcome)),
                )
    for instance, check in waiting:
        _count(result, instance, check, _DEFERRED[check.action](facts, instance, check))
    result.relations = facts.relations(key)
    return result


def _count(result: Score, instance: Instance, check: Check, passed: bool) -> None:
    if passed:
        result.actions[check.action].passed += 1
    else:
        result.failures.append(
            Failure(check.action, instance.file, check.place, check.words or (check.value,))
        )


def _open(outputs: Path, outcome: Outcome) -> Opened | None:
    if outcome.status is not Status.OUT or outcome.output is None:
        return None
    try:
        opened = Opened(outputs / outcome.output)
        return opened if opened.is_dicom else None
    except Exception:  # noqa: BLE001 - an output that pydicom cannot read is no output
        return None


class _Original:
    """The input, opened when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: Opened | None = None

    def __call__(self) -> Opened:
        if self._opened is None:
            self._opened = Opened(self._path)
        return self._opened


@dataclass(frozen=True, slots=True)
class _Place:
    instance: Instance
    original: _Original
    outcome: Outcome


def _scan(result: Score, instance: Instance, opened: Opened, name: str) -> None:
    """Every byte of the output, for every planted word that is rare enough."""
    checks = (check for check in instance.checks if check.action is Action.TEXT_REMOVED and check.scan)
    by_case = {word.casefold(): word for check in checks for word in sorted(check.words, reverse=True)}
    words = sorted(word for word in by_case.values() if scannable(word, instance.codec))
    whole = opened.everything() + name.encode().lower()
    result.planted += len(words)
    for word in words:
        if any(form in whole for form in scannable(word, instance.codec)):
            result.surviving.append(Failure(Action.TEXT_REMOVED, instance.file, "bytes", (word,)))


def _tag_retained(check: Check, opened: Opened, _place: _Place) -> bool:
    return opened.holds(check.place)


def _not_null(check: Check, opened: Opened, _place: _Place) -> bool:
    """A value that its item requires; an item that is gone as a whole requires nothing."""
    item = check.place.rpartition(".")[0]
    return (bool(item) and not opened.holds_item(item)) or not opened.is_empty(check.place)


def _text_retained(check: Check, opened: Opened, _place: _Place) -> bool:
    text = opened.text(check.place)
    if text is None:
        return False
    return _words(check.value) in _words(text)


def _words(text: str) -> str:
    """The words of a text between blanks, so that one phrase can be looked for in another."""
    return " " + " ".join(filter(None, (folded(word) for word in re.split(r"[\s,;:^()/]+", text)))) + " "


def _text_removed(check: Check, opened: Opened, place: _Place) -> bool:
    codec = place.instance.codec
    if check.place == FILE_NAME:
        return not any(in_text(word, place.outcome.output or "") for word in check.words)
    if check.place == PREAMBLE:
        data: bytes | None = opened.preamble
    elif check.place == WHOLE_FILE:
        data = opened.everything()
    elif check.place == FRAMES:
        data = opened.raw(_PIXELS)
    else:
        data = opened.raw(check.place)
    if data is None:
        return True
    lowered = data.lower()
    texts = [opened.text(check.place) or ""] if check.place.startswith("(") else []
    if check.place == "(0042,0011)":
        lowered = opened.everything()
    elif len(data) < 1 << 16:
        texts += [data.decode(name, "ignore") for name in (codec, "utf-8")]
    return not any(
        in_bytes(word, codec, lowered) or any(in_text(word, text) for text in texts) for word in check.words
    )


def _uid_changed(check: Check, opened: Opened, _place: _Place) -> bool:
    text = (opened.text(check.place) or "").strip("\0 ")
    return bool(text) and text != check.value


def _hidden(check: Check, opened: Opened, _place: _Place) -> bool:
    where = _PIXELS if check.place == FRAMES else check.place
    if not opened.holds(where):
        return check.place != FRAMES
    try:
        picture = opened.picture(where)
    except Exception:  # noqa: BLE001 - what nobody can decode shows nothing, and fails elsewhere
        return check.place != FRAMES
    if picture is None or check.box is None:
        return check.place != FRAMES
    x0, y0, x1, y1 = check.box
    strokes = drawing.mask(check.words[0], int(check.value))
    return drawing.resembles(picture[y0:y1, x0:x1], strokes) < _SHOWN


def _retained(check: Check, opened: Opened, place: _Place) -> bool:
    try:
        before, after = place.original().picture(_PIXELS), opened.picture(_PIXELS)
    except Exception:  # noqa: BLE001 - pixels that cannot be decoded are not retained
        return False
    if before is None or after is None or before.shape != after.shape:
        return False
    same = np.asarray(before == after)
    if check.box:
        x0, y0, x1, y1 = check.box
        outside = np.ones(same.shape, bool)
        outside[y0:y1, x0:x1] = False
        same = same[outside]
    return bool(same.mean() >= _SAME)


def _uid_consistent(facts: Facts, instance: Instance, check: Check) -> bool:
    return facts.uid_is_consistent(instance, check)


def _date_shifted(facts: Facts, instance: Instance, check: Check) -> bool:
    return facts.date_is_shifted(instance, check)


def _patient_consistent(facts: Facts, instance: Instance, check: Check) -> bool:
    return facts.patient_is_consistent(instance, check)


_CHECKS: dict[Action, Callable[[Check, Opened, _Place], bool]] = {
    Action.TAG_RETAINED: _tag_retained,
    Action.TEXT_NOT_NULL: _not_null,
    Action.TEXT_RETAINED: _text_retained,
    Action.TEXT_REMOVED: _text_removed,
    Action.UID_CHANGED: _uid_changed,
    Action.PIXELS_HIDDEN: _hidden,
    Action.PIXELS_RETAINED: _retained,
}
_DEFERRED: dict[Action, Callable[[Facts, Instance, Check], bool]] = {
    Action.UID_CONSISTENT: _uid_consistent,
    Action.DATE_SHIFTED: _date_shifted,
    Action.PATIENT_ID_CONSISTENT: _patient_consistent,
}
