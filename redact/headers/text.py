"""Cleaning of text values: descriptors, technical names, code strings.

Three rules, from strict to lenient:
- descriptor (113105, and every text that the table does not name): harvested identifiers are struck out,
  then what a title tells to be a name, every word that is not in the vocabulary, every number of more than
  four digits and all that looks like a date, an address, a UID, a telephone number or an age over 89;
- technical name (maker, model, software version, …; the standard lists none of them as identifying):
  harvested identifiers are struck out;
- code string: a term of the standard stays as it is; other codes stay where all their words are known and no
  identifier is in them.
"""

import re

from redact.identifiers.matcher import Matcher
from redact.identifiers.spellings import fold
from redact.identifiers.telephones import without_telephone_numbers
from redact.identifiers.telling import without_titled
from redact.identifiers.vocabulary import LONGEST_NUMBER, code_terms, is_known_word

_CODE = re.compile(r"[A-Z0-9 _.\-/()+*:?]{1,24}", re.ASCII)
_CHUNK = re.compile(r"\S+")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?%?")
_DATE_LIKE = re.compile(
    r"(?<!\d)(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d{2})"
    r"|\d{1,2}[-./ ]?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-./ ,]{0,2}\d{2,4}"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-./ ]{0,2}\d{1,2}[-./ ,]{1,2}\d{2,4})(?!\d)",
    re.IGNORECASE,
)
# Ages over 89 in words: everybody so old falls into one class (HIPAA 164.514(b)(2)(i)(C)).
_GREAT_AGE = re.compile(
    r"(?<![\d.,])(?:9\d|1[0-4]\d)[\s-]*(?:y/?o|y\.?o\.?|y(?:ea)?rs?|y|jahre?|ans|anni|años|anos)(?![^\W\d_])",
    re.IGNORECASE,
)
_UID_LIKE = re.compile(r"\d+(?:\.\d+){4,}")
_ADDRESS_LIKE = re.compile(r"\S*(?:@|://|www\.|\\\\)\S*", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
# Symbols of other scripts, controls, what a wrong character set makes of letters: no words, but as many.
_FOREIGN_SYMBOL = re.compile(r"[^\w\s\x21-\x7e°²³±×·½¼¾–—‐‑‒−’‘“”„«»…•®™]|[\x1c-\x1f\x80-\x9f]")
_GAPS = re.compile(r"[ \t]{2,}")


def clean_descriptor(text: str, matcher: Matcher) -> str:
    """Free text reduced to what is known to name nobody; fails closed."""
    struck = without_titled(matcher.clean(text).text)
    for pattern in (_ADDRESS_LIKE, _UID_LIKE, _DATE_LIKE, _GREAT_AGE, _FOREIGN_SYMBOL):
        struck = pattern.sub(" ", struck)
    struck = without_telephone_numbers(struck)
    # A run of short words may be a name or number in pieces: what is left is judged word by word.
    kept = _CHUNK.sub(lambda match: _known_part(match[0]), struck)
    # What was struck may have parted an identifier, or the groups of a telephone number.
    while (joined := _joined(kept, matcher)) != kept:
        kept = joined
    return kept


def _joined(text: str, matcher: Matcher) -> str:
    return without_telephone_numbers(matcher.clean(_GAPS.sub(" ", text).strip()).text)


def _known_part(chunk: str) -> str:
    """What of one space-delimited chunk is known: all, or its known pieces."""
    if _NUMBER.fullmatch(chunk):
        return chunk if all(len(digits) <= LONGEST_NUMBER for digits in _DIGITS.findall(chunk)) else ""
    folded, _ = fold(chunk)
    if is_known_word(folded):
        return chunk
    if not _WORD.search(folded):
        return chunk if all(len(digits) <= LONGEST_NUMBER for digits in _DIGITS.findall(folded)) else ""
    pieces = [piece for piece in re.split(r"([\W_]+)", chunk) if piece]
    known = [piece for piece in pieces if not piece.isalnum() or _known_piece(piece)]
    if not any(piece.isalnum() for piece in known):
        return ""
    return "".join(known).strip("^,;:=_-/.&")


def _known_piece(piece: str) -> bool:
    folded, _ = fold(piece)
    return is_known_word(folded) or (folded.isdigit() and len(folded) <= LONGEST_NUMBER)


def clean_technical(text: str, matcher: Matcher) -> str:
    """A maker's, model's or version's name without harvested identifiers."""
    return matcher.clean(text).text


def clean_kept(text: str, matcher: Matcher) -> str:
    """A text that a site's rule keeps, without harvested identifiers."""
    return matcher.clean(text).text


def clean_meaning(text: str, matcher: Matcher) -> str:
    """The meaning of a public scheme's code without harvested identifiers; a known phrase stays as it is."""
    if all(is_known_word(word) for word in _WORD.findall(fold(text)[0])) and not _DIGITS.search(text):
        return text
    return matcher.clean(text).text


def clean_code(text: str, matcher: Matcher) -> str | None:
    """A code string as it is, or None where it is no code that is known to name nobody."""
    stripped = text.strip(" \0")
    if stripped in code_terms() or not stripped:
        return stripped
    if not _CODE.fullmatch(stripped) or matcher.found(stripped):
        return None
    if _WORD.search(stripped):
        return stripped if is_known_word(stripped.lower()) or _all_known(stripped) else None
    return stripped if without_telephone_numbers(stripped) == stripped else None


FREE_TEXT = frozenset({clean_descriptor, clean_kept})
"""The rules for what people wrote; a recogniser of names, where a profile has one, reads no other text."""


def _all_known(code: str) -> bool:
    return all(len(word) == 1 or is_known_word(word.lower()) for word in _WORD.findall(code)) and all(
        len(digits) <= 6 for digits in _DIGITS.findall(code)
    )
