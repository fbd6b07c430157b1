"""What a line in an image says that it is: a name, an id or a day of birth, by the label before it.

Labels are told as readers misread them, too: `D0B`, `lD`.
"""

import re
from collections.abc import Sequence

from redact.ocr.lines import ReadLine
from redact.ocr.matching import MONTHS

_PATIENT = r"(?:patient(?:en)?(?:['’]?s)?|pat|pt)[ ._-]*"
_NO_LETTER = r"(?<![^\W\d_])"
_NAME = (
    rf"{_NO_LETTER}(?:{_PATIENT}(?:name|nom)\b\s*[:=.]*|{_PATIENT}[:=])"
    r"|^\W*(?:name|nom|nombre)\s*[:=]"
)
_NUMBER = (
    rf"{_NO_LETTER}(?:{_PATIENT}(?:[il1]d|nr|no|number|num)\b|mrn\b|p[il1]d\b)\s*[.:=#]*"
    rf"|{_NO_LETTER}[il1]d\s*[.:=#]+"
)
_BIRTH = (
    rf"{_NO_LETTER}(?:d\.?[o0]\.?b\b\.?|date\s+of\s+birth|birth[ _-]*date|born\b"
    r"|geb(?:oren|urtsdatum)?\b\.?)\s*(?:am\s)?[:=]*"
)
# Of something else: its own id or name is not the patient's.
_OTHER = (
    rf"{_NO_LETTER}(?:age|sex|gender|alter|date|time|dr|ref|tech(?:nician)?|study|series|exam|acc(?:ession)?"
    r"|hosp(?:ital)?|inst(?:itution)?|operator|user|station|device|system|software|protocol|file|image|frame"
    r"|case|order|visit|ward)\b(?:[ _-]*(?:id|no|nr|name|date|time)\b)?\s*[.:=#]*"
)
LABELS = re.compile(
    rf"(?P<birth>{_BIRTH})|(?P<name>{_NAME})|(?P<number>{_NUMBER})|(?P<other>{_OTHER})", re.IGNORECASE
)
_MONTH = rf"(?:{'|'.join(MONTHS)})[a-z]*"
DAY = re.compile(
    rf"\d{{1,4}}[-/. ]{{1,2}}(?:\d{{1,2}}|{_MONTH})[-/., ]{{1,2}}\d{{1,4}}"
    rf"|{_MONTH}[-/. ]*\d{{1,2}}[-/., ]+\d{{2,4}}|\d{{1,2}}{_MONTH}\d{{2,4}}|\d{{8}}|\d{{6}}",
    re.IGNORECASE,
)
_DAY_PART = re.compile(rf"\d+|(?:{'|'.join(MONTHS)})")
NOT_MONTHS = re.compile(rf"(?!{_MONTH})\b[^\W\d_]{{2,}}", re.IGNORECASE)


def is_day(text: str, born: str) -> bool:
    """Whether what looks like a day may be this one (YYYYMMDD), in any usual order, with a short year too."""
    parts = [
        f"{MONTHS.index(part[:3]) + 1:02d}" if part[:3] in MONTHS else part
        for part in _DAY_PART.findall(text.lower())
    ]
    year, month, day = born[:4], born[4:6], born[6:]
    orders = [
        order
        for shown in (year, year[2:])
        for order in ((shown, month, day), (day, month, shown), (month, day, shown))
    ]
    read = [part.zfill(2) for part in parts]
    return any(read == list(order) or "".join(read) == "".join(order) for order in orders)


def heading(line: ReadLine, lines: Sequence[ReadLine]) -> str:
    """The label that stands alone to the left of a line, at its height; "" where there is none."""
    height = line.y1 - line.y0
    best: ReadLine | None = None
    for other in lines:
        beside = min(line.y1, other.y1) - max(line.y0, other.y0) > height // 2
        if other is line or not beside or other.x1 > line.x0 + height // 2:
            continue
        if best is None or other.x1 > best.x1:
            best = other
    if best is None or line.x0 - best.x1 > 8 * height:
        return ""
    text = best.text.strip()
    label = LABELS.match(text) or LABELS.match(f"{text}:")
    return f"{text.rstrip(':= ')}:" if label and label.end() >= len(text) else ""
