"""Text as WordPiece tokens, as models of the BERT family were trained on them, with each word's place.

BERT's own rules: invisible characters are dropped, white space parts words, punctuation marks and CJK
characters are words of their own, a word is cut greedily into the longest pieces of the vocabulary.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 100  # characters; a longer one is unknown
_CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text.

    Attributes:
        start: Index of its first character.
        end: Index after its last one.
        pieces: Token ids; one at least.
    """

    start: int
    end: int
    pieces: tuple[int, ...]


class WordPieces:
    """A vocabulary, and how texts are brought to it.

    Args:
        vocabulary: Tokens in the order of their ids, one of each, `[UNK]`, `[CLS]` and `[SEP]` among them.
        lower: Whether case does not count.
        strip_accents: Whether accents do not.

    Raises:
        ValueError: A token is missing or there twice.
    """

    def __init__(self, vocabulary: Sequence[str], *, lower: bool, strip_accents: bool) -> None:
        self._ids = {token: number for number, token in enumerate(vocabulary)}
        if len(self._ids) != len(vocabulary) or not {UNKNOWN, START, END} <= self._ids.keys():
            raise ValueError("a token is missing or there twice")
        self._lower = lower
        self._strip_accents = strip_accents
        self.unknown, self.start, self.end = (self._ids[token] for token in (UNKNOWN, START, END))

    def words(self, text: str) -> Iterator[Word]:
        """The words of a text, in order."""
        for start, end, written in _written_words(text):
            plain = self._plain(written)
            if plain:
                yield Word(start, end, self._pieces(plain))

    def _plain(self, word: str) -> str:
        if self._lower:
            word = word.lower()
        if self._strip_accents:
            parted = unicodedata.normalize("NFD", word)
            word = "".join(one for one in parted if unicodedata.category(one) != "Mn")
        return word

    def _pieces(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST_WORD:
            return (self.unknown,)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self._ids), 0)
            if not end:
                return (self.unknown,)
            pieces.append(self._ids[prefix + word[start:end]])
            start = end
        return tuple(pieces)


def _written_words(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and characters of each word; characters that are dropped part nothing."""
    start, end, word = 0, 0, ""
    for index, character in enumerate(text):
        if _is_dropped(character):
            continue
        alone = _is_punctuation(character) or _is_cjk(character)
        if alone or _is_space(character):
            if word:
                yield start, end, word
            word = ""
            if alone:
                yield index, index + 1, character
            continue
        start = start if word else index
        end, word = index + 1, word + character
    if word:
        yield start, end, word


def _is_space(character: str) -> bool:
    return character in "\t\n\r" or unicodedata.category(character) == "Zs"


def _is_dropped(character: str) -> bool:
    if character in "\t\n\r":
        return False
    return character == "\ufffd" or unicodedata.category(character).startswith("C")


def _is_punctuation(character: str) -> bool:
    # BERT takes all of ASCII that is neither letter, digit nor space for punctuation, `$` and `^` too.
    if character.isascii():
        return not character.isalnum() and character.isprintable() and character != " "
    return unicodedata.category(character).startswith("P")


def _is_cjk(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in _CJK)
