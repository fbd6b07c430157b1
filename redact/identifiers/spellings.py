"""The ways in which a harvested identifier may be written in free text.

Names: any order of the components, any case, any or no separator, initials before or after, without
diacritics or with their two-letter transcription (ü as u or ue), each component alone. Numbers: with and
without separators and leading zeros; of telephones also without country and area code. Dates: thirty forms.
Text: any white space and punctuation between the words. All on folded text (`fold`).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import permutations

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.identifiers.telephones import telephone_forms
from redact.identifiers.vocabulary import is_known_word

SHORTEST_NUMBER = 3  # a shorter id or number ("1", "07") says nothing once its own element is gone
_LONG = 6  # from this length on a token is also found inside a longer word
_MAX_PARTS = 4
_SHORTEST_TITLE_NAME = 4
_GAP = r"[\W_]{0,3}"
_EDGE_BEFORE, _EDGE_AFTER = r"(?<![^\W_])", r"(?![^\W_])"
_LETTER_BEFORE, _LETTER_AFTER = r"(?<![^\W\d_])", r"(?![^\W\d_])"
_DIGIT_BEFORE, _DIGIT_AFTER = r"(?<!\d)", r"(?!\d)"
_COUNTRY_CODE_BEFORE = r"(?:(?<!\d)|(?<=\+\d)|(?<=\+\d\d)|(?<=\+\d\d\d))"
_SPECIAL = {
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ł": "l",
    "þ": "th",
    "ı": "i",
    "ĳ": "ij",
}
_TWO_LETTERS = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "ñ": "nn"}
_TITLES = frozenset(
    {
        "dr",
        "md",
        "prof",
        "mr",
        "mrs",
        "ms",
        "miss",
        "sir",
        "herr",
        "frau",
        "mme",
        "mlle",
        "phd",
        "do",
        "rn",
        "rt",
        "jr",
        "sr",
        "ii",
        "iii",
        "iv",
        "facr",
        "frcr",
        "ing",
        "dipl",
        "von",
        "van",
        "der",
        "den",
        "de",
        "la",
        "le",
        "du",
        "da",
        "di",
        "del",
    }
)
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write an identifier.

    Attributes:
        pattern: Regular expression on folded text.
        plain: The folded word itself, for the fuzzy comparison.
        fuzzy: Whether a mistyped form counts too.
    """

    pattern: str = field(repr=False)
    plain: str = field(default="", repr=False)
    fuzzy: bool = False


def fold(text: str) -> tuple[str, list[int]]:
    """Text without case, width and diacritics, and for each of its characters the index it came from."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    folded: list[str] = []
    origin: list[int] = []
    for index, character in enumerate(text):
        for part in unicodedata.normalize("NFKD", character.casefold()):
            if unicodedata.combining(part):
                continue
            plain = _SPECIAL.get(part, part)
            folded.append(plain)
            origin += [index] * len(plain)
    return "".join(folded), origin


def spellings(identifiers: HarvestedIdentifiers, *, lone_names: bool = True) -> frozenset[Spelling]:
    """All spellings of all identifiers that free text is searched for.

    Args:
        identifiers: What was harvested.
        lone_names: Whether one word of a name counts by itself, of people who are not the patient.
    """
    made: set[Spelling] = set()
    for item in identifiers.items:
        if item.kind is IdentifierKind.PERSON and not lone_names:
            for names in _names(item.value):
                made.update(_combined(names[:_MAX_PARTS]))
        else:
            made.update(_of(item))
    return frozenset(made)


def _of(item: Identifier) -> Iterator[Spelling]:
    match item.kind:
        case IdentifierKind.PATIENT_NAME:
            yield from _name(item.value, everyday_words=True)
        case IdentifierKind.PERSON:
            yield from _name(item.value, everyday_words=False)
        case IdentifierKind.PATIENT_ID | IdentifierKind.NUMBER:
            yield from _number(item.value)
        case IdentifierKind.PHONE:
            yield from _number(item.value)
            yield from _telephone(item.value)
        case IdentifierKind.DATE:
            yield from _date(item.value)
        case IdentifierKind.INSTITUTION | IdentifierKind.ADDRESS | IdentifierKind.OTHER:
            yield from _phrase(item.value)
        case IdentifierKind.UID:
            yield from _uid(item.value)
        case IdentifierKind.OWN:
            pass  # a mark beside another kind


def tokens_of(text: str) -> list[str]:
    """The folded words and numbers of an identifier."""
    return [token for token in re.split(r"[\W_]+", fold(text)[0]) if token]


def _variants(text: str) -> Iterator[list[str]]:
    """The tokens of a name, plain and with two-letter transcriptions of its diacritics."""
    plain = tokens_of(text)
    yield plain
    lowered = unicodedata.normalize("NFC", text).lower()
    transcribed = tokens_of("".join(_TWO_LETTERS.get(character, character) for character in lowered))
    if transcribed != plain:
        yield transcribed


def _names(value: str) -> Iterator[list[str]]:
    """The words of a name without titles, in each of its variants."""
    for tokens in _variants(value):
        # «Herr» and «Miss» are surnames, too; striking such a word costs a text nothing.
        yield [
            token
            for token in tokens
            if not token.isdigit() and (token not in _TITLES or len(token) >= _SHORTEST_TITLE_NAME)
        ]


def _name(value: str, *, everyday_words: bool) -> Iterator[Spelling]:
    for names in _names(value):
        for token in names:
            # A physician called «Head» must not cost every study its body part; the patient's own name does.
            # A login such as «user2» is no word.
            if len(token) >= 2 and (everyday_words or not token.isalpha() or not is_known_word(token)):
                yield Spelling(_bounded(token), token, fuzzy=token.isascii())
            elif not token.isascii():
                yield Spelling(re.escape(token))
        yield from _combined(names[:_MAX_PARTS])


def found_name(value: str) -> Iterator[Spelling]:
    """The spellings of a name that was found where it stands: each word of it, whatever else it means."""
    yield from _name(value, everyday_words=True)
    for token in tokens_of(value):
        yield Spelling(_EDGE_BEFORE + re.escape(token) + _EDGE_AFTER)


def _bounded(token: str) -> str:
    pattern = re.escape(token)
    if not token.isascii() or len(token) >= _LONG:
        return pattern  # no blanks between words in some scripts; a long name is found inside any word
    return _LETTER_BEFORE + pattern + _LETTER_AFTER


def _combined(names: list[str]) -> Iterator[Spelling]:
    if len(names) < 2:
        return
    for first, second in permutations(names, 2):
        joined = re.escape(first) + _GAP + re.escape(second)
        yield Spelling(_LETTER_BEFORE + joined + _LETTER_AFTER)
        if len(first) + len(second) >= _LONG:
            yield Spelling(re.escape(first + second))
        if len(first) >= 2:
            initial = re.escape(second[0])
            yield Spelling(_LETTER_BEFORE + re.escape(first) + _GAP + initial + r"\.?" + _LETTER_AFTER)
            yield Spelling(_LETTER_BEFORE + initial + r"\.?" + _GAP + re.escape(first) + _LETTER_AFTER)
        # Initials alone only where dots say that they are initials: «JS» may mean anything.
        yield Spelling(_LETTER_BEFORE + re.escape(first[0]) + r"\.\s?" + re.escape(second[0]) + r"\.")
    if len(names) > 2:
        whole = _GAP.join(re.escape(name) for name in names)
        yield Spelling(_LETTER_BEFORE + whole + _LETTER_AFTER)


def _number(value: str) -> Iterator[Spelling]:
    characters = "".join(tokens_of(value))
    forms = {characters, characters.lstrip("0")}
    digits = "".join(character for character in characters if character.isdigit())
    if len(digits) >= 5:
        forms |= {digits, digits.lstrip("0")}
    for form in forms:
        # A number of single letters and digits is made of "known words", and still somebody's number.
        if len(form) < SHORTEST_NUMBER or (form.isalpha() and is_known_word(form)):
            continue
        spaced = r"[\s\-_./:]{0,2}".join(re.escape(character) for character in form)
        if form.isdigit():
            yield Spelling(_DIGIT_BEFORE + "0*" + spaced + _DIGIT_AFTER)
        elif len(form) >= _LONG:
            yield Spelling(spaced)
        else:
            yield Spelling(_EDGE_BEFORE + spaced + _EDGE_AFTER)


def _telephone(value: str) -> Iterator[Spelling]:
    for form in telephone_forms(value):
        yield Spelling(_COUNTRY_CODE_BEFORE + "0*" + r"[\W_]{0,3}".join(form) + _DIGIT_AFTER)


def _phrase(value: str) -> Iterator[Spelling]:
    for tokens in _variants(value):
        joined = "".join(tokens)
        if len(joined) >= SHORTEST_NUMBER and not (len(tokens) == 1 and is_known_word(joined)):
            yield Spelling(_EDGE_BEFORE + r"[\W_]*".join(re.escape(token) for token in tokens) + _EDGE_AFTER)
        for token in tokens:
            if len(token) >= 4 and not token.isdigit() and not is_known_word(token):
                yield Spelling(_bounded(token), token, fuzzy=token.isascii())


def _uid(value: str) -> Iterator[Spelling]:
    if len(value) >= 10:
        yield Spelling(re.escape(fold(value)[0]))


def _date(value: str) -> Iterator[Spelling]:
    try:
        day = date(int(value[:4]), int(value[4:6]), int(value[6:8]))
    except ValueError:
        return
    year, month, number = f"{day.year:04}", f"{day.month:02}", f"{day.day:02}"
    name = _MONTHS[day.month - 1]
    gap = r"[\s\-_./\\]"
    month_name = f"(?:{name}|{name[:3]})" + r"\.?"
    month_loose, day_loose = f"0?{day.month}", f"0?{day.day}"
    ordinal = day_loose + "(?:st|nd|rd|th)?"
    years = f"(?:{year}|{year[2:]})"
    forms = [
        year + month + number,
        number + month + year,
        month + number + year,
        f"{years}{gap}{{1,2}}{month_loose}{gap}{{1,2}}{day_loose}",
        f"{day_loose}{gap}{{1,2}}{month_loose}{gap}{{1,2}}{years}",
        f"{month_loose}{gap}{{1,2}}{day_loose}{gap}{{1,2}}{years}",
        rf"{ordinal}[\W_]{{0,3}}(?:of\s)?{month_name}[\W_]{{0,3}}{years}",
        rf"{month_name}[\W_]{{0,3}}{ordinal}[\W_]{{0,3}}{years}",
        rf"{year}[\W_]{{0,3}}{month_name}[\W_]{{0,3}}{day_loose}",
        year + r"[年.\-/]\s?" + month_loose + r"[月.\-/]\s?" + day_loose + "日?",
    ]
    for form in forms:
        yield Spelling(_DIGIT_BEFORE + form + _DIGIT_AFTER)
    for short in {year[2:] + month + number, number + month + year[2:], month + number + year[2:]}:
        yield Spelling(_EDGE_BEFORE + short + _EDGE_AFTER)
