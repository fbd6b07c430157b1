"""What texts say of people by its place: after a title or a label, before a degree.

The vocabulary of free text holds many words that are names, too (eponyms, colours), and short numbers. In a
letter they stand where names and numbers stand; what stands there goes, whoever's it is. A description of a
series has titles only sometimes, and few words that look like them and are none: DR is a modality, MS a
disease.
"""

import re
from collections.abc import Iterator

from redact.identifiers.spellings import fold
from redact.identifiers.vocabulary import is_known_word

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
# Of descriptions: no bare capitals that are a modality or a disease.
_PLAIN_TITLE = (
    r"Drs?\b\.?|DRS?\.|Prof\b\.?|PROF\.|Professor|Doctor|Mr\b\.?|MR\.|Mrs\b\.?|MRS\.?|Miss|Herrn?|Frau|Mme|Mlle"
    r"|Sra\b\.?"
)
_BEFORE = rf"(?:(?:{_PLAIN_TITLE})\s{{0,3}}(?:(?:med|dent|h\.? ?c)\b\.?\s)?)+"
_BEHIND = r"[ ,]{1,2}(?:M\.D\.|MD|Ph\.D\.|PhD|FRCR|FACR)"
# Each has two groups: words of a name, the one next to the title or degree and perhaps one beside that.
_TITLED = re.compile(rf"(?<!\w){_BEFORE}(?<!\w)({_PART})(?:[ ,]{{1,2}}(?!{_PLAIN_TITLE})({_PART}))?")
_DEGREED = re.compile(rf"(?:\b({_PART})[ ,]{{1,2}})?\b({_PART}){_BEHIND}(?!\w)")
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


def has_title(text: str) -> bool:
    """Whether a title stands before a name in a short text, or a degree behind one."""
    return _TITLED.search(text) is not None or _DEGREED.search(text) is not None


def without_titled(text: str) -> str:
    """A description without the names that a title or a degree tells.

    The word next to it goes; the one beside that too, unless the first is an ordinary word and the other no
    name by its letters: «Dr. BROWN CT» is a name and a modality, «Dr. Karl Brown» is one name.
    """
    kept = list(text)
    for pattern, near, far in ((_TITLED, 1, 2), (_DEGREED, 2, 1)):
        for match in pattern.finditer(text):
            groups = [near]
            if match[far] and (not is_known_word(fold(match[near])[0]) or match[far].istitle()):
                groups.append(far)
            for begin, end in map(match.span, groups):
                kept[begin:end] = " " * (end - begin)
    return "".join(kept)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _TELLING:
        for match in pattern.finditer(text):
            yield match.span(1)
