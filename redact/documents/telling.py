"""What letters say of people by its place: after a title or a label, before a degree.

The vocabulary of free text holds many words that are names, too (eponyms, colours), and short numbers; in a
description of a series that does little harm, in a letter they stand where names and numbers stand. What
stands there goes, whoever's it is.
"""

import re
from collections.abc import Iterator

_PART = r"[^\W\d_a-z][\w'’.-]{0,40}"
_NAME = rf"{_PART}(?:[ ,]{{1,2}}{_PART}){{0,3}}"
_NUMBER = r"[A-Za-z]{0,3}[-/ ]?\d[\d \-/.]{0,24}"
_TITLE = (
    r"Drs?|DRS?|Prof|PROF|Professor|Doctor|Mr|MR|Mrs|MRS|Ms|MS|Miss|Herrn?|Frau|Mme|Mlle|Sig|Sra|Sr|Nurse"
    r"|[Nn]ame|NAME|[Bb]y|BY|[Pp]hysician|PHYSICIAN|[Rr]adiologist|RADIOLOGIST|[Cc]onsultant|[Ss]igned|SIGNED"
)
_DEGREE = r"M\.?D\.?|Ph\.?D\.?|D\.?O\.?|FRCR|FACR|MBBS|MBChB|R\.?N\.?|MSc|FRCP"
_LABEL = (
    r"MRN|ID|SSN|NHS|[Nn]umber|Acc|Accession|[Cc]ase|[Oo]rder|[Rr]ef|[Vv]isit|[Aa]ccount|[Pp]olicy|No\.|Nr\."
)
_PHONE_LABEL = r"[Tt]el|TEL|[Ff]ax|FAX|[Ff]on|[Tt]elefon|[Cc]all|[Pp]hone|PHONE|[Tt]elephone|[Mm]obile"
# Each has one group: what goes.
_TELLING = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:{_TITLE})\b[.:]{{0,2}}\s{{1,3}}(?:(?:{_TITLE}|med|dent|rer|nat|habil)\b[.:]?\s){{0,4}}({_NAME})",
        rf"\b({_NAME})[ ,]{{1,2}}(?:{_DEGREE})(?!\w)",
        rf"(?<!\w)(?:{_LABEL})\W{{0,3}}({_NUMBER})",
        rf"(?<!\w)(?:{_PHONE_LABEL})\W{{1,3}}(\d[\d \-/().]{{0,24}})",
    )
)


def without_telling(line: str, before: str = "") -> str:
    """A line without what its place tells.

    Args:
        line: One line.
        before: The line before it, which may end in a title or label; nothing of it is in the answer.
    """
    text = f"{before}\n{line}"
    start = len(before) + 1
    kept = list(text)
    for begin, end in _spans(text):
        kept[begin:end] = " " * (end - begin)
    return "".join(kept[start:])


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _TELLING:
        for match in pattern.finditer(text):
            yield match.span(1)
