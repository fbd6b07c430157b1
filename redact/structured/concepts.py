"""What a content item is about, by its concept name: PS3.15 Table E.3.4-1 (2026a) and what it lacks.

A content item is a name and a value (PS3.3 C.17.3, 10.2). Where the name says that the value identifies
somebody (an accession number, an observer's name, a birth date), the value alone need not look like it: a
physician may be called Head, an id may be a NUM. Retired SNOMED-RT codes (SRT, SNM3, 99SDM) stand for the SCT
codes that replaced them (PS3.16 Annex O), as PS3.15 E.3.4 asks. Of private schemes the words of the meaning
are asked.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from exchange.domain.identifiers import IdentifierKind
from redact.identifiers.schemes import is_public

_RETIRED_SNOMED = {
    "DD-60002": "116224001",
    "DF-0068E": "398325003",
    "DF-0070B": "398164008",
    "F-00033": "271921002",
    "F-02455": "160476009",
    "G-C0E3": "363698007",
    "G-D320": "397898000",
    "G-D321": "398201009",
    "PA-30029": "440252007",
    "R-42B89": "371524004",
}
_SNOMED = frozenset({"SRT", "SNM3", "99SDM"})
# Value types whose value may identify by itself; references (UIDREF, IMAGE, …) are mapped in any case.
_TELLING = frozenset({"TEXT", "PNAME", "CODE", "NUM", "DATE", "CONTAINER"})
_KINDS: dict[IdentifierKind, str] = {
    # PS3.16 TID 1007, 1008 (subject, mother of the fetus)
    IdentifierKind.PATIENT_NAME: "DCM 121029 DCM 121036 LN 54125-0 SCT 371484003",
    IdentifierKind.PATIENT_ID: "DCM 121030",
    # TID 1003, 1020, 10002 (observers, participants), 3001 (log entries)
    IdentifierKind.PERSON: "DCM 121008 DCM 113870 DCM 113850 DCM 121114 DCM 121088 DCM 121152 DCM 121435"
    " DCM 121081 NCDR 76 UMLS C1441532",
    # TID 1005 (requests), 1004, 1010, 1021 (serial numbers), 1009 (specimens), 1020 (staff)
    IdentifierKind.NUMBER: "DCM 121020 DCM 121021 DCM 121022 DCM 121016 DCM 121196 DCM 113880 DCM 121041"
    " DCM 121040 DCM 121043 DCM 111700 DCM 111705 DCM 113871 DCM 113516 DCM 128775 DCM 121148 LN 74711-3",
    IdentifierKind.INSTITUTION: "DCM 113873 DCM 121009 DCM 121434 DCM 122128",
    IdentifierKind.OTHER: "DCM 110119 DCM 113877 DCM 121013 DCM 121193 DCM 121017 DCM 121197 DCM 121121"
    " DCM 128774 DCM 110190 DCM 111706 DCM 111724 DCM 113872",
}
# What makers call their things (TID 1004, 1010, 1021, 4019), as Manufacturer and ManufacturerModelName do.
_MAKERS_NAMES = "121014 121015 121194 121195 113878 113879 111001 111003 122405 111529"
_TECHNICAL = frozenset(("DCM", value) for value in _MAKERS_NAMES.split())
_SUBJECTS = frozenset({IdentifierKind.PATIENT_NAME, IdentifierKind.PATIENT_ID})
_WORD = re.compile(r"[a-z]+")
# Words of private concept names: one of the first alone, or one of the second beside one of the third.
_ALONE_WORDS = """
mrn ssn accession dob birth birthdate birthday physician radiologist technologist technician operator referrer
nurse address telephone phone fax email hospital institution clinic organization organisation ward insurance
passport login username age sex gender
"""
_WHOSE_WORDS = "patient patients subject person observer author reader staff user doctor device station"
_WHAT_WORDS = "name names id ids identifier number initials serial location"
_ALONE, _WHOSE, _WHAT = (frozenset(words.split()) for words in (_ALONE_WORDS, _WHOSE_WORDS, _WHAT_WORDS))


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept name as it is coded.

    Attributes:
        scheme: Coding Scheme Designator.
        value: Code Value, Long Code Value or URN Code Value.
        meaning: Code Meaning; asked where the scheme is a private one.
    """

    scheme: str
    value: str = field(repr=False)
    meaning: str = field(default="", repr=False, compare=False)

    @property
    def present(self) -> "Concept":
        """The same concept under its present code."""
        if self.scheme in _SNOMED and self.value in _RETIRED_SNOMED:
            return Concept("SCT", _RETIRED_SNOMED[self.value], self.meaning)
        return self


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what the Basic Profile does with a content item and which options change that.

    Attributes:
        base: `X` remove the item, `D` give it a dummy value, `X/D` the latter where it is needed.
        options: Letters: `U`, `D`, `I`, `P` options that keep; `T` date options; `C` clean descriptors.
    """

    base: str
    options: str

    @property
    def cleanable(self) -> bool:
        """Whether the value is free text, a date or a reference: cleaned, shifted or mapped by an option."""
        return any(letter in self.options for letter in "CTU")


def row_of(concept: Concept, value_type: str) -> Row | None:
    """The row of a concept and value type; None where the table has none."""
    return _rows().get((concept.scheme, concept.value), {}).get(value_type)


def listed_base(concept: Concept) -> str:
    """What becomes of any value under a listed concept that identifies, whatever its type; "" if it does not.

    A concept may be listed for one value type (Person Observer Name, PNAME) and be used with another (TEXT):
    then the most protective of its rows counts.
    """
    rows = [
        row
        for value_type, row in _rows().get((concept.scheme, concept.value), {}).items()
        if value_type in _TELLING and not row.cleanable
    ]
    if not rows:
        return ""
    return "X" if all(row.base == "X" for row in rows) else "D"


def identifying_base(concept: Concept) -> str:
    """As `listed_base`; concepts of private schemes identify where the words of their meaning say so."""
    return listed_base(concept) or ("D" if _private_name_identifies(concept) else "")


def kind_of(concept: Concept) -> IdentifierKind | None:
    """What kind of identifier stands under this concept; None where no identifier does, or an unknown one."""
    return _kinds().get((concept.scheme, concept.value))


def is_subject(concept: Concept) -> bool:
    """Whether the value names the patient."""
    return kind_of(concept) in _SUBJECTS


def is_technical(concept: Concept) -> bool:
    """Whether the value is a maker's name of a device or an algorithm."""
    return (concept.scheme, concept.value) in _TECHNICAL


def _private_name_identifies(concept: Concept) -> bool:
    if not concept.meaning or is_public(concept.scheme):
        return False
    words = set(_WORD.findall(concept.meaning.lower()))
    return bool(words & _ALONE) or bool(words & _WHOSE and words & _WHAT)


@cache
def _kinds() -> dict[tuple[str, str], IdentifierKind]:
    kinds = {}
    for kind, listed in _KINDS.items():
        words = listed.split()
        kinds.update(dict.fromkeys(zip(words[::2], words[1::2], strict=True), kind))
    return kinds


@cache
def _rows() -> dict[tuple[str, str], dict[str, Row]]:
    text = (files("redact.structured") / "content_items.txt").read_text(encoding="ascii")
    rows: defaultdict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for line in text.splitlines():
        if line and not line.startswith("#"):
            value_type, base, options, scheme, *values = line.split()
            for value in values:
                rows[scheme, value][value_type] = Row(base, options.strip("-"))
    return dict(rows)
