"""What identifies nobody: side, projection, phase, scale, acoustic indices; the whole line must be one."""

import re
from collections.abc import Collection, Mapping

from redact.pixels.rules import Marker

_SIDE = r"(?:L|R|LT|RT|LEFT|RIGHT|BILAT(?:ERAL)?)"
_VIEW = (
    r"(?:AP|PA|LAT(?:ERAL)?|OBL(?:IQUE)?|LAO|RAO|LPO|RPO|MLO|CC|XCCL|ML|LM|AXIAL|SAG(?:ITTAL)?|COR(?:ONAL)?"
    r"|ERECT|STANDING|SITTING|SUPINE|PRONE|(?:SEMI-?)?UPRIGHT|DECUB(?:ITUS)?)"
)
_PHASE = (
    r"(?:(?:ARTERIAL|(?:PORTAL ?)?VENOUS|PORTAL|NATIVE|DELAYED|LATE|EARLY|EQUILIBRIUM|NEPHROGRAPHIC"
    r"|EXCRETORY)(?: ?PHASE)?|PHASE ?\d{1,2}|INSP(?:IRATION)?|EXP(?:IRATION)?"
    r"|SYSTOLE|DIASTOLE|REST|STRESS|\d{1,2} ?%)"
)
_UNIT = r"(?:CM/S|M/S|MM/S|CM|MM|KHZ|MHZ|HZ|DB|FPS|MS|KV|MAS|HU)"
_INDEX = r"(?:MI|TI[SBC]?) ?[:=<]{0,2} ?\d(?:[.,]\d{1,2})?"
_FORMS: Mapping[Marker, re.Pattern[str]] = {
    Marker.LATERALITY: re.compile(_SIDE),
    Marker.PROJECTION: re.compile(rf"(?:{_SIDE}[ -]?)?{_VIEW}(?:[ -]{_VIEW})?(?:[ -]{_SIDE})?"),
    Marker.PORTABLE: re.compile(rf"(?:{_VIEW} )?(?:PORTABLE|MOBILE)(?: {_VIEW})?"),
    Marker.PHASE: re.compile(_PHASE),
    Marker.SCALE: re.compile(rf"[-+]?\d{{1,3}}(?:[.,]\d{{1,2}})? ?{_UNIT}"),
    Marker.ACOUSTIC: re.compile(rf"{_INDEX}(?:[ ,;/]{{0,2}}{_INDEX}){{0,3}}"),
}
_LONGEST = 40


def marker_of(text: str, kinds: Collection[Marker]) -> Marker | None:
    """Of which of these kinds a whole line is; None where it is none of them.

    Case and space at the ends do not count; of a misread marker nothing is guessed.
    """
    if len(text) > _LONGEST:
        return None
    plain = " ".join(text.upper().split())
    return next((kind for kind in Marker if kind in kinds and _FORMS[kind].fullmatch(plain)), None)
