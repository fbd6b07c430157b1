"""Text in pixels where the profile retains identity: whose is it?

- this patient's own name, id or birth date, and known words and short numbers: it stays;
- a name, id or birth date that is another's: the image may be mislabelled, and the instance is held. Blanking
  it and sending the rest under this patient's name would hide the mistake;
- any other identifier of the study (another id of the patient, a physician, the institution): it goes;
- unknown text goes or stays by the pixel policy, as ever.

Somebody else is seen where a line says that it is a name, an id or a birth date («Name:», «MRN», «DOB», also
with the value to the right of it), where it has the form of a name in DICOM (carets) or `FAMILY, Given`, and
where one of the patient's own names stands beside an unknown word and the other names do not: a relative.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from itertools import pairwise

from rapidfuzz import fuzz

from exchange.domain.identifiers import HarvestedIdentifiers, IdentifierKind
from redact.headers.text import clean_descriptor
from redact.identifiers.matcher import Matcher
from redact.identifiers.pseudonymiser import is_placeholder
from redact.identifiers.spellings import fold
from redact.identifiers.vocabulary import is_known_word
from redact.ocr.lines import ReadLine
from redact.ocr.matching import (
    ALIKE,
    SHORTEST_FUZZY,
    IdentifierMatcher,
    date_form,
    date_spellings,
    folded_text,
)
from redact.pixels.labels import DAY, LABELS, NOT_MONTHS, heading, is_day

_WORD = re.compile(r"[^\W\d_]+")
_READ = re.compile(r"[^\W_]+")  # readers take letters for digits
_CARETS = re.compile(r"[^\W\d_]{2,}\^[^\W\d_^]*(?:\^[^\W\d_]*)*")
_FAMILY_GIVEN = re.compile(r"\W*([^\W\d_][^\W\d_'’-]+),\s*([^\W\d_][^\W\d_'’.-]+(?:[ .'’-]+[^\W\d_]+)?)\W*")
_NUMBER = re.compile(r"[^\W_][\w./-]*")
_BESIDE_NAMES = """
mr mrs ms miss dr prof herr frau mme jr sr male female man woman yrs yr years unknown
"""
_BESIDE = frozenset(_BESIDE_NAMES.split())
_NOBODY = Matcher(HarvestedIdentifiers())
_SHORTEST_NUMBER = 3
_SHORTEST_PART = 4
_SHORTEST_JOINED = 6


class Whose(Enum):
    """What a line of text says of a person."""

    OWN = auto()  # this patient's, or nobody's: known words
    ANOTHERS = auto()  # somebody else's, where the patient's should stand
    IDENTIFIER = auto()  # an identifier of the study that is not to remain
    UNKNOWN = auto()


class OwnText:
    """Judges lines against one patient's identity.

    Args:
        own: Identifiers of the object's own identity.
        born: PatientBirthDate, "" where unknown.
        others: All other identifiers of the study.
        days: Dates that stay, YYYYMMDD.
        hold: Whether somebody else's identity holds the instance; a person may have released it.
    """

    def __init__(
        self,
        own: HarvestedIdentifiers,
        born: str,
        others: HarvestedIdentifiers,
        days: Iterable[str] = (),
        *,
        hold: bool = True,
    ) -> None:
        self.hold = hold
        self._others = IdentifierMatcher(others)
        self._names = {
            folded_text(word)
            for one in own.of(IdentifierKind.PATIENT_NAME)
            for word in _WORD.findall(one.value)
        } - {""}
        self._numbers = [
            folded for one in own.of(IdentifierKind.PATIENT_ID) if (folded := folded_text(one.value))
        ]
        self._born = born
        self._days = frozenset(spelt for day in {born, *days} for spelt in date_spellings(day))

    def whose(self, line: ReadLine, lines: Sequence[ReadLine]) -> Whose:
        """Whose this line is, among the lines of one picture.

        Args:
            line: One of them.
            lines: All; a label to the left of a line belongs to it.
        """
        return self.of_text(f"{heading(line, lines)} {line.text}".strip())

    def of_text(self, text: str) -> Whose:
        """Whose this text is."""
        rest, found = self._labelled(text)
        if Whose.ANOTHERS in found or self._is_another_name(rest):
            return Whose.ANOTHERS
        rest = " ".join(chunk for chunk in rest.split() if not self._is_own_chunk(chunk))
        if Whose.IDENTIFIER in found or self._others.matches(rest):
            return Whose.IDENTIFIER
        known = clean_descriptor(rest, _NOBODY)
        return Whose.OWN if "".join(known.split()) == "".join(rest.split()) else Whose.UNKNOWN

    def _labelled(self, text: str) -> tuple[str, set[Whose]]:
        """What is no labelled value, and whose the labelled values are."""
        rest, found, at = "", set(), 0
        labels = list(LABELS.finditer(text))
        for index, label in enumerate(labels):
            following = labels[index + 1] if index + 1 < len(labels) else None
            value = text[label.end() : following.start() if following else len(text)]
            if label["other"] is not None:
                continue
            rest += text[at : label.start()] + " "
            at = label.end() + len(value)
            if label["name"] is not None:
                found.add(self._whose_name(value))
                rest += _READ.sub(lambda word: word[0] if word[0].isdigit() else " ", value) + " "
            elif label["number"] is not None:
                verdict, value_rest = self._whose_number(value)
                found.add(verdict)
                rest += value_rest + " "
            else:
                found.add(self._whose_birth(value))
                rest += " ".join(NOT_MONTHS.findall(value)) + " "
        return rest + text[at:], found

    def _whose_name(self, value: str) -> Whose:
        read = [word for word in _READ.findall(value) if sum(map(str.isalpha, word)) > len(word) // 2]
        words = [word for word in read if len(word) > 1 and word.lower() not in _BESIDE]
        if not words or is_placeholder(value.strip()):
            return Whose.OWN
        if not self._names:
            return Whose.IDENTIFIER  # the header names nobody whom it could contradict
        if all(self._is_own_name(word) for word in words):
            return Whose.OWN
        return Whose.ANOTHERS

    def _whose_number(self, value: str) -> tuple[Whose, str]:
        match = _NUMBER.search(value)
        number = folded_text(match[0]) if match else ""
        digits = match is not None and any(mark.isdigit() for mark in match[0])
        if match is None or not digits or len(number) < _SHORTEST_NUMBER or is_placeholder(match[0]):
            return Whose.OWN, value
        rest = value[match.end() :]
        if not self._numbers:
            return Whose.IDENTIFIER, rest
        if any(_same_number(number, own) for own in self._numbers):
            return Whose.OWN, rest
        return (Whose.IDENTIFIER if self._others.matches(match[0]) else Whose.ANOTHERS), rest

    def _whose_birth(self, value: str) -> Whose:
        day = DAY.search(value)
        if day is None:
            return Whose.OWN
        if not self._born:
            return Whose.IDENTIFIER
        return Whose.OWN if is_day(day[0], self._born) else Whose.ANOTHERS

    def _is_another_name(self, text: str) -> bool:
        """Whether there is a name without a label that is not the patient's."""
        if not self._names:
            return False
        named = [match[0] for match in _CARETS.finditer(text)]
        pair = _FAMILY_GIVEN.fullmatch(text)
        if pair and not is_known_word(fold(pair[1])[0]):
            named.append(text)
        for name in named:
            words = [word for word in _WORD.findall(name) if len(word) > 1 and word.lower() not in _BESIDE]
            if not all(self._is_own_name(word) for word in words) and not self._others.matches(name):
                return True
        return self._is_relative(text)

    def _is_relative(self, text: str) -> bool:
        """Whether one of several own names stands beside a word that is neither own nor known."""
        words = _WORD.findall(text)
        own = {folded_text(word) for word in words if self._is_own_name(word)} - {""}
        if len(own) != 1 or len(self._names) < 2 or self._others.matches(text):
            return False
        if any(is_known_word(fold(word)[0]) for word in words if folded_text(word) in own):
            return False
        beside = (
            after if self._is_own_name(word) else word
            for word, after in pairwise(words)
            if self._is_own_name(word) != self._is_own_name(after)
        )
        return any(
            len(word) > 2 and word.lower() not in _BESIDE and not is_known_word(fold(word)[0])
            for word in beside
        )

    def _is_own_name(self, word: str) -> bool:
        folded = folded_text(word)
        if folded in self._names or any(_misread(folded, name) for name in self._names):
            return True
        if len(folded) < _SHORTEST_JOINED:
            return False
        for name in sorted(self._names, key=len, reverse=True):  # joined: readers lose spaces
            folded = folded.replace(name, "", 1) if len(name) > 1 else folded
        return len(folded) <= 1

    def _is_own_chunk(self, chunk: str) -> bool:
        words = _WORD.findall(chunk)
        if words and all(self._is_own_name(word) for word in words) and not any(map(str.isdigit, chunk)):
            return True
        if any(mark.isdigit() for mark in chunk):
            number = folded_text(chunk)
            if len(number) >= _SHORTEST_NUMBER and any(_same_number(number, own) for own in self._numbers):
                return True
            return date_form(chunk) in self._days and not words
        return False


def _misread(folded: str, name: str) -> bool:
    """Whether a word is the name with a character misread, as `redact.ocr.matching` forgives it."""
    return min(len(folded), len(name)) >= SHORTEST_FUZZY and fuzz.ratio(folded, name, score_cutoff=ALIKE) > 0


def _same_number(read: str, own: str) -> bool:
    """Whether a number is the patient's, with or without the letters around it."""
    if read == own or read.lstrip("o") == own.lstrip("o"):
        return True
    return min(len(read), len(own)) >= _SHORTEST_PART and (own in read or read in own)
