"""The forms in which an identifier may reappear: words, phrases, initials, separators, date formats.

Pure functions over text; written apart from the cleaner's matcher, so that a form forgotten there is found
here.
"""

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_ALNUM = re.compile(r"[\W_]+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMERALS = re.compile(r"\d+")
MIN_SUBSCRIBER = 7
_TRANSLITERATED = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """Text without what people write differently: case, diacritics, compatibility forms."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_TRANSLITERATED))
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def words(text: str) -> tuple[str, ...]:
    """The words of folded text: runs of letters and digits."""
    return tuple(_WORD.findall(folded(text)))


def squeezed(text: str) -> str:
    """Folded text without separators of any kind."""
    return _ALNUM.sub("", folded(text))


def spellings(value: str) -> tuple[str, ...]:
    """A value and, where it has German umlauts, the same with `ae`, `oe`, `ue`."""
    if value.isascii():
        return (value,)
    transliterated = unicodedata.normalize("NFC", value).casefold().translate(_UMLAUTS)
    return (value,) if transliterated == value.casefold() else (value, transliterated)


def name_groups(value: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(family words, given words) of each group of a PN value (PS3.5 section 6.2.1).

    The middle name counts as given; prefixes and suffixes (Dr, Jr) name no one. A value without carets is
    taken as family words only, except `family, given`.
    """
    groups = []
    for group in value.split("="):
        parts = group.split("^") if "^" in group else group.split(",", 1)
        for family in spellings(parts[0]):
            given = words(" ".join(parts[1:3]))
            if words(family) or given:
                groups.append((words(family), given))
    return groups


def name_phrases(family: tuple[str, ...], given: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Word sequences that name a person by more than one part: both orders, first names, initials, joined."""
    if not family or not given:
        return {family} if len(family) > 1 else set()
    joined, first, surname = "".join(family), given[0], family[-1]
    phrases = {
        (*family, *given),
        (*given, *family),
        (*family, first),
        (first, *family),
        (surname, first),
        (first, surname),
    }
    phrases |= {(joined, first), (first, joined), (joined + first,), (first + joined,)}
    if len(joined) > 2:
        initial = first[0]
        phrases |= {(initial, *family), (*family, initial)}
        phrases |= {(initial + joined,), (joined + initial,)} if len(joined) > 3 else set()
    return phrases


def telephone_digits(value: str) -> set[str]:
    """How a telephone number may be dialled: as it is, inland without the country code, locally.

    Each as bare digits, with and without the trunk prefix 0; those of seven digits and more only.
    """
    plain = value.replace("(0)", " ")
    dialled = {"".join(_NUMERALS.findall(plain[at:])) for at in _numeral_starts(plain)}
    whole = "".join(_NUMERALS.findall(plain))
    if "+" in plain or whole.startswith("00"):
        subscriber = whole.removeprefix("00")
        # E.164 country codes have up to three digits, and nothing says how many
        dialled.update((subscriber[1:], subscriber[2:], subscriber[3:]))
    bare = {digits.lstrip("0") for digits in dialled}
    return {form for digits in bare if len(digits) >= MIN_SUBSCRIBER for form in (digits, "0" + digits)}


def _numeral_starts(text: str) -> list[int]:
    return [match.start() for match in _NUMERALS.finditer(text)]


def is_unspaced(text: str) -> bool:
    """Whether this script (Han, Kana, Hangul, Thai) writes words without spaces between them."""
    return any("฀" <= c <= "๿" or "぀" <= c <= "鿿" or "가" <= c <= "힣" for c in text)


_DATES = (
    re.compile(r"(?<!\d)(?P<y>\d{4})(?P<s>[-/. :]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})"),
    re.compile(r"(?<!\d)(?P<d>\d{1,2})(?P<s>[-/. ])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<m>\d{1,2})(?P<s>[-/. ])(?P<d>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<d>\d{2})(?P<m>\d{2})(?P<y>(?:19|20)\d{2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<m>\d{2})(?P<d>\d{2})(?P<y>(?:19|20)\d{2})(?!\d)"),
    re.compile(
        rf"(?<!\d)(?P<d>\d{{1,2}})[-/. ]*(?P<n>{'|'.join(_MONTHS)})[a-z]*[-/., ]*(?P<y>\d{{4}}|\d{{2}})(?!\d)"
    ),
    re.compile(
        rf"(?<![a-z])(?P<n>{'|'.join(_MONTHS)})[a-z]*[-/. ]*(?P<d>\d{{1,2}})"
        r"(?:st|nd|rd|th)?[-/., ]+(?P<y>\d{4})(?!\d)"
    ),
)
_DIGIT = re.compile(r"\d[^\n]{3,}\d")


def dates_in(text: str) -> set[str]:
    """Every calendar day that text may mean, as YYYYMMDD; ambiguous forms give both readings."""
    if not _DIGIT.search(text):
        return set()
    plain = folded(text)
    found: set[str] = set()
    for form in _DATES:
        for match in form.finditer(plain):
            parts = match.groupdict()
            month = _MONTHS.index(parts["n"]) + 1 if parts.get("n") else int(parts["m"])
            day = int(parts["d"])
            if 1 <= month <= 12 and 1 <= day <= 31:
                years = [parts["y"]] if len(parts["y"]) == 4 else ["19" + parts["y"], "20" + parts["y"]]
                found.update(f"{year}{month:02d}{day:02d}" for year in years)
    return found
