"""Finding harvested identifiers in bytes that should be numbers: tables, grids, samples.

Only what is long enough not to occur there by chance is looked for: six characters with four different ones,
in the encodings that text has in files. UIDs and dates are left to the proof: a study has thousands of them.
"""

import re
from collections.abc import Iterator

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.identifiers.spellings import tokens_of
from redact.identifiers.telephones import telephone_forms
from redact.identifiers.vocabulary import is_known_word

_SHORTEST, _DISTINCT = 6, 4
_SEPARATORS = ("^", " ", ", ", ",", "_", "-", "")
_BETWEEN = re.compile(r"[\W_]+")
_ENCODINGS = ("latin-1", "utf-8", "utf-16-le", "utf-16-be")
_NAMES = frozenset({IdentifierKind.PATIENT_NAME, IdentifierKind.PERSON})
_NOT_SOUGHT = frozenset({IdentifierKind.UID, IdentifierKind.DATE})


class Needles:
    """The identifiers of one study as bytes."""

    def __init__(self, identifiers: HarvestedIdentifiers) -> None:
        texts = {text for item in identifiers.items if item.kind not in _NOT_SOUGHT for text in _forms(item)}
        self._encoded = frozenset(
            encoded.lower()
            for text in texts
            if len(text) >= _SHORTEST and len(set(text)) >= _DISTINCT
            for variant in {text, text.lower(), text.upper()}
            for encoding in (_ENCODINGS if not text.isascii() else ("ascii",))
            if (encoded := _encoded(variant, encoding))
        )

    def found_in(self, data: bytes) -> bool:
        """Whether one of them stands in the bytes, in any case of the letters."""
        small = data.lower()
        # Without its zeros UTF-16 of ASCII is ASCII.
        return any(needle in text for text in {small, small.replace(b"\0", b"")} for needle in self._encoded)


def _forms(item: Identifier) -> Iterator[str]:
    value = item.value.strip()
    if not is_known_word(value.lower()):
        yield value
    if item.kind is IdentifierKind.PHONE:
        yield from telephone_forms(value)
    for words in (tokens_of(value), [word for word in _BETWEEN.split(value) if word]):
        yield from (word for word in words if not is_known_word(word.lower()))
        if len(words) > 1:
            orders = (words, words[::-1]) if item.kind in _NAMES else (words,)
            yield from (separator.join(order) for order in orders for separator in _SEPARATORS)


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b""
