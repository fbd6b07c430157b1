"""Finding harvested identifiers in free text, however they are spelt there, and striking them out.

Text is folded first (case, width, diacritics, ligatures), then one regular expression over all spellings is
run; `spellings` makes them. Matches are mapped back to the original text, so what remains is untouched.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property
from struct import pack, unpack

from rapidfuzz.distance import DamerauLevenshtein

from exchange.domain.identifiers import HarvestedIdentifiers, IdentifierKind
from redact.identifiers.needles import Needles
from redact.identifiers.spellings import Spelling, fold, found_name, spellings
from redact.identifiers.telephones import telephone_forms

_WORD = re.compile(r"[^\W\d_]+")
_FUZZY_LENGTH = 6  # from this length on, a word at one edit's distance is the same name mistyped
_NUMBER_LENGTH = 5
_LONGEST_NUMBER = 64  # digits; as long as the longest id (LO)
_WHOLE = re.compile(r"\s*[+-]?0*([1-9]\d{4,})(?:\.0*)?\s*", re.ASCII)
_CACHE_LIMIT = 50_000


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Free text without the identifiers, and how many places were struck out."""

    text: str = field(repr=False)
    hits: int


class Matcher:
    """Finds the identifiers of one study; reusable over all its instances.

    Args:
        identifiers: Of the study and the patient's earlier exchanges.
        lone_names: Whether one word of a name counts by itself, of people who are not the patient.
        found: Names that stand in a text, not in an element of identity.
    """

    def __init__(
        self, identifiers: HarvestedIdentifiers, *, lone_names: bool = True, found: Iterable[str] = ()
    ) -> None:
        made = spellings(identifiers, lone_names=lone_names).union(*map(found_name, found))
        self._pattern = _compile(made)
        self._fuzzy = frozenset(
            spelling.plain for spelling in made if spelling.fuzzy and len(spelling.plain) >= _FUZZY_LENGTH
        )
        self._numbers = frozenset(_plain_numbers(identifiers))
        self._doubles = frozenset(float(number) for number in self._numbers)
        self._singles = frozenset(map(_single, self._doubles))
        self._cache: dict[str, Cleaned] = {}
        self._identifiers = identifiers

    def __repr__(self) -> str:
        return f"Matcher({len(self._fuzzy)} names)"

    def found(self, text: str) -> bool:
        """Whether any identifier stands in the text."""
        return self.clean(text).hits > 0

    def has_number(self, values: Sequence[str]) -> bool:
        """Whether a DS or IS value, however written, is one of the patient's numbers (five digits, more)."""
        return bool(self._numbers) and not self._numbers.isdisjoint(map(_plain, values))

    def has_value(self, value: float, *, single: bool = False) -> bool:
        """Whether a binary number is one of those numbers, whatever its sign.

        Args:
            value: As decoded.
            single: Whether it was stored in single precision, which keeps some seven digits of a number.
        """
        if isinstance(value, int):
            return str(abs(value)) in self._numbers
        return abs(value) in (self._singles if single else self._doubles)

    def in_bytes(self, data: bytes) -> bool:
        """Whether an identifier of six characters and more stands in bytes that should be numbers."""
        return self._needles.found_in(data)

    @cached_property
    def _needles(self) -> Needles:
        return Needles(self._identifiers)

    def clean(self, text: str) -> Cleaned:
        """The text without any harvested identifier.

        The struck places leave one space where words would run together; surrounding space is trimmed only
        where something was struck.
        """
        known = self._cache.get(text)
        if known is None:
            if len(self._cache) >= _CACHE_LIMIT:
                self._cache.clear()
            known = self._cache[text] = self._clean(text)
        return known

    def _clean(self, text: str) -> Cleaned:
        hits, current = 0, text
        # Striking one identifier may bring the parts of another together: repeat until nothing is found.
        while spans := self._spans(current):
            hits += len(spans)
            current = strike(current, spans)
        return Cleaned(current, hits)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        folded, origin = fold(text)
        spans = []
        if self._pattern is not None:
            spans = [match.span() for match in self._pattern.finditer(folded) if match.end() > match.start()]
        if self._fuzzy:
            spans += [match.span() for match in _WORD.finditer(folded) if self._mistyped(match[0])]
        return [(origin[start], origin[end - 1] + 1) for start, end in sorted(spans)]

    def _mistyped(self, word: str) -> bool:
        if len(word) < _FUZZY_LENGTH:
            return False
        return any(
            abs(len(word) - len(name)) <= 1 and DamerauLevenshtein.distance(word, name, score_cutoff=1) <= 1
            for name in self._fuzzy
        )


def _plain_numbers(identifiers: HarvestedIdentifiers) -> Iterator[str]:
    for item in identifiers.of(IdentifierKind.PATIENT_ID, IdentifierKind.NUMBER, IdentifierKind.PHONE):
        # The number in MRN-4471180 names the patient without its letters, too.
        found = set(re.findall(r"\d+", re.sub(r"[\W_]", "", item.value)))
        if item.kind is IdentifierKind.PHONE:
            found |= telephone_forms(item.value)
        for digits in found:
            if _NUMBER_LENGTH <= len(digits.lstrip("0")) <= _LONGEST_NUMBER:
                yield str(int(digits))


def _plain(value: str) -> str:
    """A DS or IS value as the digits of a whole number; "" where it is none of five digits or more."""
    match = _WHOLE.fullmatch(value)
    if match:
        return match[1]
    if "e" not in value.lower():
        return ""
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        return ""
    # The exponent is looked at first: a few characters may stand for a number of a billion digits.
    whole = number.is_finite() and number.adjusted() < _LONGEST_NUMBER and number == int(number)
    return str(abs(int(number))) if whole else ""


def _single(value: float) -> float:
    """The nearest number of single precision; of one too large for it, itself."""
    try:
        (single,) = unpack("<f", pack("<f", value))
    except OverflowError:
        return value
    return float(single)


def _compile(made: frozenset[Spelling]) -> re.Pattern[str] | None:
    if not made:
        return None
    # Longest first: an alternation takes the first branch that matches.
    ordered = sorted({spelling.pattern for spelling in made}, key=lambda pattern: (-len(pattern), pattern))
    return re.compile("|".join(ordered))


def strike(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text without these parts of it, which are sorted; one space parts what would run together."""
    pieces, position = [], 0
    for start, end in spans:
        if start >= position:
            pieces.append(text[position:start])
        position = max(position, end)
    pieces.append(text[position:])
    joined = " ".join(piece.strip(" ^,;:=_-/") for piece in pieces if piece.strip(" ^,;:=_-/"))
    return joined.strip()
