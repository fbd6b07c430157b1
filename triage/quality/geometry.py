"""Slices in space: gaps in ImagePositionPatient along the normal of the slices (PS3.3 C.7.6.2.1.1).

SliceLocation is never used: it is optional, relative to nothing in particular, and often wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from exchange.domain.findings import Finding, Severity
from triage.quality.summary import InstanceSummary, Vector

MIN_SLICES = 4
MIN_SPACING_MM = 0.05  # nearer is float jitter
_SAME_PLACE = 0.1  # of the slice spacing: positions nearer than this are one place
_GAP = 1.5  # times the usual spacing: at least one slice is missing
_UNEVEN = 0.1  # of the usual spacing


def check_slices(label: str, slices: Sequence[InstanceSummary]) -> list[Finding]:
    """Look for missing and uneven slices in one series.

    Args:
        label: How the evidence names the series.
        slices: Its single-frame instances without localizers.
    """
    missing = uneven = repeated = stacks = 0
    for stack in _stacks(slices):
        places = sorted(_places(stack))
        if len(places) < MIN_SLICES:
            continue
        stacks += 1
        distinct, counts = _distinct(places)
        found, odd = _gaps(distinct)
        missing += found + _dips(counts)
        uneven += odd
        repeated += _extras(counts)
    findings = []
    if missing:
        evidence = f"{label}: ImagePositionPatient lacks about {missing} slices in {stacks} stacks"
        findings.append(Finding("completeness.missing-slice", Severity.FLAG, evidence))
    if uneven:
        evidence = f"{label}: ImagePositionPatient is uneven at {uneven} places in {stacks} stacks"
        findings.append(Finding("completeness.uneven-slices", Severity.FLAG, evidence))
    if repeated:
        evidence = f"{label}: ImagePositionPatient is the same in {repeated} instances beyond the first"
        findings.append(Finding("completeness.duplicate-position", Severity.NOTE, evidence))
    return findings


def _stacks(slices: Sequence[InstanceSummary]) -> list[list[InstanceSummary]]:
    """Slices that lie on one another: same orientation, size, phase, echo, perhaps acquisition."""
    stacks: dict[tuple[object, ...], list[InstanceSummary]] = defaultdict(list)
    for one in slices:
        normal = one.normal
        if normal is not None and one.position is not None:
            turned = tuple(round(value, 2) + 0.0 for value in normal)
            stacks[(turned, one.rows, one.columns, one.image_type, one.stack)].append(one)
    divided = []
    for key in sorted(stacks, key=repr):
        divided += _by_acquisition(stacks[key])
    return divided


def _by_acquisition(stack: list[InstanceSummary]) -> list[list[InstanceSummary]]:
    """Divide by AcquisitionNumber only where slices share places: some scanners count every slice with it."""
    parts: dict[int | None, list[InstanceSummary]] = defaultdict(list)
    for one in stack:
        parts[one.acquisition].append(one)
    shared = len({one.position for one in stack}) < len(stack)
    if shared and len(parts) > 1 and min(len(part) for part in parts.values()) >= MIN_SLICES:
        return [parts[key] for key in sorted(parts, key=lambda number: -1 if number is None else number)]
    return [stack]


def _places(stack: Sequence[InstanceSummary]) -> list[float]:
    """Distances in mm along the normal."""
    normal = stack[0].normal
    if normal is None:
        return []
    return [_along(one.position, normal) for one in stack if one.position is not None]


def _along(position: Vector, normal: Vector) -> float:
    return sum(a * b for a, b in zip(position, normal, strict=True))


def _distinct(places: Sequence[float]) -> tuple[list[float], list[int]]:
    """Places without repeats, and how many instances stand at each."""
    real = [after - before for before, after in pairwise(places) if after - before > MIN_SPACING_MM]
    near = _SAME_PLACE * median(real) if real else MIN_SPACING_MM
    distinct, counts = [places[0]], [1]
    for place in places[1:]:
        if place - distinct[-1] > near:
            distinct.append(place)
            counts.append(1)
        else:
            counts[-1] += 1
    return distinct, counts


def _dips(counts: Sequence[int]) -> int:
    """Instances missing from one of several passes (phases); a pass may end earlier than another."""
    usual = Counter(counts).most_common(1)[0][0]
    full = [index for index, count in enumerate(counts) if count >= usual]
    inside = counts[full[0] : full[-1] + 1]
    return sum(usual - count for count in inside if count < usual)


def _extras(counts: Sequence[int]) -> int:
    """Repeats where one instance a place is the rule."""
    single = Counter(counts).most_common(1)[0][0] == 1
    return sum(count - 1 for count in counts) if single else 0


def _gaps(places: Sequence[float]) -> tuple[int, int]:
    """Slices missing inside, and steps that are neither the usual one nor a multiple of it."""
    steps = [after - before for before, after in pairwise(places)]
    if not steps:
        return 0, 0
    usual = median(steps)
    if usual < MIN_SPACING_MM:
        return 0, 0
    missing = uneven = 0
    for step in steps:
        if step > _GAP * usual:
            missing += max(1, round(step / usual) - 1)
        elif abs(step - usual) > _UNEVEN * usual:
            uneven += 1
    return missing, uneven
