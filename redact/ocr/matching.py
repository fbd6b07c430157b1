"""Does a line that was read mean one of the patient's identifiers? Fuzzy, because readers misread.

Names and numbers are compared after folding what a reader confuses (O and 0, l and 1, S and 5, …). This only
ever adds to what is removed: a false match costs a few pixels of background, a missed one an identity.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from rapidfuzz import fuzz

from exchange.domain.identifiers import HarvestedIdentifiers, IdentifierKind
from redact.identifiers.matcher import Matcher

_WORDS = (
    IdentifierKind.PATIENT_NAME,
    IdentifierKind.PERSON,
    IdentifierKind.INSTITUTION,
    IdentifierKind.ADDRESS,
)
_NUMBERS = (IdentifierKind.PATIENT_ID, IdentifierKind.PHONE, IdentifierKind.NUMBER)

_CONFUSED = str.maketrans(
    {
        "0": "o",
        "q": "o",
        "1": "l",
        "i": "l",
        "|": "l",
        "!": "l",
        "5": "s",
        "$": "s",
        "8": "b",
        "2": "z",
        "6": "b",
    }
)
_SHORTEST_EXACT = 3  # shorter words ("LI", "DE") occur by chance and are removed by the gates only
SHORTEST_FUZZY = 5  # from here one misread character is forgiven
ALIKE = 82.0  # rapidfuzz ratio, 0-100
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class IdentifierMatcher:
    """Matches lines against what was harvested from the headers."""

    def __init__(self, identifiers: HarvestedIdentifiers) -> None:
        self._spelt = Matcher(identifiers)
        self._words = frozenset(_tokens(item.value for item in identifiers.of(*_WORDS)))
        self._numbers = frozenset(
            folded
            for item in identifiers.of(*_NUMBERS)
            if len(folded := folded_text(item.value)) >= _SHORTEST_EXACT
        )
        self._dates = frozenset(
            spelling
            for item in identifiers.of(IdentifierKind.DATE)
            for spelling in date_spellings(item.value)
        )

    def matches(self, text: str) -> bool:
        """True when the line holds a name, a number or a date of the patient, misread or not."""
        whole = folded_text(text)
        if len(whole) < _SHORTEST_EXACT:
            return False
        tokens = list(_tokens([text]))
        return (
            self._spelt.found(text)
            or any(self._is_word(token) for token in tokens)
            or any(_within(number, whole) for number in self._numbers)
            or any(spelling in date_form(text) for spelling in self._dates)
            or any(len(word) >= SHORTEST_FUZZY and word in whole for word in self._words)
        )

    def _is_word(self, token: str) -> bool:
        if token in self._words:
            return True
        if len(token) < SHORTEST_FUZZY:
            return False
        return any(
            len(word) >= SHORTEST_FUZZY and fuzz.ratio(token, word, score_cutoff=ALIKE) > 0
            for word in self._words
        )


def _within(number: str, whole: str) -> bool:
    if len(number) < SHORTEST_FUZZY:
        return number == whole
    if number in whole:
        return True
    return len(whole) >= len(number) - 1 and fuzz.partial_ratio(number, whole, score_cutoff=ALIKE + 6) > 0


def _tokens(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        for token in re.split(r"[^0-9A-Za-z\u0080-\U0010FFFF|!$]+", _plain(value)):
            folded = folded_text(token)
            # Han and kana names are one or two characters; they never occur by chance in European text.
            if len(folded) >= _SHORTEST_EXACT or (len(folded) >= 2 and folded > "\u2e80"):
                yield folded


def _plain(text: str) -> str:
    """Lower case without diacritics; CamelCase as readers join words is left as it is."""
    return "".join(
        mark for mark in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(mark)
    )


def folded_text(text: str) -> str:
    """Letters and digits only, without what readers confuse: O and 0, l and 1, S and 5, and the like."""
    return "".join(mark for mark in _plain(text).translate(_CONFUSED) if mark.isalnum())


def date_spellings(date: str) -> Iterator[str]:
    """The ways in which YYYYMMDD is written, as `date_form` leaves them."""
    if not re.fullmatch(r"\d{8}", date):
        return
    year, month, day = date[:4], date[4:6], date[6:]
    for shown in {year, year[2:]}:
        if len(shown) == 4:
            yield from (shown + month + day, day + month + shown, month + day + shown)
        if month.isdigit() and 1 <= int(month) <= 12:
            name = MONTHS[int(month) - 1]
            yield from (day + name + shown, shown + name + day, name + day + shown)


def date_form(text: str) -> str:
    """Digits (with what readers take for them) and month names only, in order."""
    plain = _plain(text)
    kept = re.findall(rf"\d+|{'|'.join(MONTHS)}|[oli]", plain)
    return "".join({"o": "0", "l": "1", "i": "1"}.get(part, part) for part in kept)
