"""What only several files together show: UIDs, shifts and ids that agree, references that resolve."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date

from tests.hostile.key import Action, AnswerKey, Check, Instance
from tests.hostile.reading import Opened

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})(.*)", re.DOTALL)
_SOP, _STUDY, _SERIES, _PATIENT, _STUDY_DATE = (
    "(0008,0018)", "(0020,000D)", "(0020,000E)", "(0010,0020)", "(0008,0020)",
)  # fmt: skip


@dataclass(slots=True)
class Relations:
    """Relations between the files that came out.

    Attributes:
        references, resolved: References whose two files came out, and those that lead to the other's new UID.
        merged, split: Patients, studies or series that became one, or that fell apart; by what they are.
        intervals, kept: Patients of whom several studies came out, and those with the days between them kept.
    """

    references: int = 0
    resolved: int = 0
    unresolvable: int = 0
    merged: Counter[str] = field(default_factory=Counter)
    split: Counter[str] = field(default_factory=Counter)
    intervals: int = 0
    kept: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)


class Facts:
    """What is noted of every output, to be judged when all have been seen."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], str] = {}
        self._uids: dict[str, Counter[str]] = defaultdict(Counter)
        self._ids: dict[str, Counter[str]] = defaultdict(Counter)
        self._shifts: dict[str, Counter[int]] = defaultdict(Counter)
        self._seen: dict[str, Instance] = {}

    def note(self, instance: Instance, opened: Opened) -> None:
        """Read what will be compared."""
        self._seen[instance.file] = instance
        places = {check.place for check in instance.checks if check.action in _COMPARED}
        places |= {reference.place for reference in instance.references} | {
            _SOP,
            _STUDY,
            _SERIES,
            _PATIENT,
            _STUDY_DATE,
        }
        for place in places:
            self._values[instance.file, place] = (opened.text(place) or "").strip("\0 ")
        for check in instance.checks:
            value = self._values.get((instance.file, check.place), "")
            if check.action is Action.UID_CONSISTENT and value:
                self._uids[check.value][value] += 1
            elif check.action is Action.PATIENT_ID_CONSISTENT and value:
                self._ids[instance.patient][value] += 1
            elif check.action is Action.DATE_SHIFTED:
                days = _moved(check.value, value)
                if days:
                    self._shifts[instance.patient][days] += 1

    def uid_is_consistent(self, instance: Instance, check: Check) -> bool:
        """Whether this UID became what it became everywhere, and no other UID became the same."""
        value = self._values[instance.file, check.place]
        return (
            bool(value) and self._uids[check.value].most_common(1)[0][0] == value and self._is_single(value)
        )

    def _is_single(self, value: str) -> bool:
        return sum(value in became for became in self._uids.values()) == 1

    def date_is_shifted(self, instance: Instance, check: Check) -> bool:
        """Whether this date moved by the patient's shift, its time and zone as before."""
        days = _moved(check.value, self._values[instance.file, check.place])
        return bool(days) and self._shifts[instance.patient].most_common(1)[0][0] == days

    def patient_is_consistent(self, instance: Instance, check: Check) -> bool:
        """Whether the new id is the patient's, and nobody else's."""
        value = self._values[instance.file, check.place]
        others = (ids for patient, ids in self._ids.items() if patient != instance.patient)
        return (
            bool(value)
            and value != check.value
            and self._ids[instance.patient].most_common(1)[0][0] == value
            and not any(value in ids for ids in others)
        )

    def relations(self, key: AnswerKey) -> Relations:
        """References, groups and intervals over all outputs."""
        found = Relations()
        for instance in key.instances:
            for reference in instance.references:
                if instance.file not in self._seen or reference.target not in self._seen:
                    found.unresolvable += 1
                    continue
                found.references += 1
                new = self._values[instance.file, reference.place]
                if new and new == self._values[reference.target, _SOP]:
                    found.resolved += 1
                else:
                    found.broken.append((instance.file, reference.place))
        self._groups(found)
        self._intervals(found)
        return found

    def _groups(self, found: Relations) -> None:
        for name, place, keyed in (
            ("patients", _PATIENT, lambda one: one.patient),
            ("studies", _STUDY, lambda one: one.study),
            ("series", _SERIES, lambda one: (one.study, one.modality)),
        ):
            became: dict[object, set[str]] = defaultdict(set)
            came_from: dict[str, set[object]] = defaultdict(set)
            for file, instance in self._seen.items():
                value = self._values[file, place]
                became[keyed(instance)].add(value)
                came_from[value].add(keyed(instance))
            found.merged[name] += sum(len(origins) - 1 for origins in came_from.values())
            found.split[name] += sum(len(values) - 1 for values in became.values())

    def _intervals(self, found: Relations) -> None:
        """Days between the studies of a patient, before and after."""
        before: dict[str, dict[str, str]] = defaultdict(dict)
        after: dict[str, dict[str, str]] = defaultdict(dict)
        for file, instance in self._seen.items():
            dates = [check.value for check in instance.checks if check.place == _STUDY_DATE and check.value]
            if dates:
                before[instance.patient][instance.study] = dates[0]
                after[instance.patient][instance.study] = self._values[file, _STUDY_DATE]
        for patient, studies in before.items():
            names = sorted(studies)
            if len(names) > 1:
                found.intervals += 1
                old = _moved(studies[names[1]], studies[names[0]])
                new = _moved(after[patient][names[1]], after[patient][names[0]])
                found.kept += old == new


_COMPARED = frozenset({Action.UID_CONSISTENT, Action.PATIENT_ID_CONSISTENT, Action.DATE_SHIFTED})


def _moved(before: str, after: str) -> int | None:
    """Days from `after` to `before`; None where one is no date, or its time was changed."""
    old, new = _DATE.fullmatch(before), _DATE.fullmatch(after)
    if old is None or new is None or old[4] != new[4]:
        return None
    try:
        first = date(int(old[1]), int(old[2]), int(old[3]))
        return (first - date(int(new[1]), int(new[2]), int(new[3]))).days
    except ValueError:
        return None
