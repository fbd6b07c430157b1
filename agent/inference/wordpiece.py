"""Text as WordPiece tokens, as models of the BERT family were trained on them, with each word's place.

BERT's own rules: invisible characters are dropped, white space parts words, punctuation marks and CJK
characters are words of their own, a word is cut greedily into the longest pieces of the vocabulary.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 100  # characters; a longer one is unknown
_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: index of its first character, index after its last, token ids (one at least)."""

    start: int
    end: int
    pieces: tuple[int, ...]


class WordPieces:
    """A vocabulary, in the order of its ids, and how texts are brought to it.

    Raises:
        ValueError: `[UNK]`, `[CLS]` or `[SEP]` is missing.
    """

    def __init__(self, vocabulary: Sequence[str], *, lower: bool, strip_accents: bool) -> None:
        self._ids = {token: number for number, token in enumerate(vocabulary)}
        if not {UNKNOWN, START, END} <= self._ids.keys():
            raise ValueError("a token is missing")
        self._lower, self._strip_accents = lower, strip_accents
        self.unknown, self.start, self.end = (self._ids[token] for token in (UNKNOWN, START, END))

    def words(self, text: str) -> Iterator[Word]:
        """The words of a text, in order."""
        for start, end, written in _written_words(text):
            word = written.lower() if self._lower else written
            if self._strip_accents:
                parted = unicodedata.normalize("NFD", word)
                word = "".join(one for one in parted if unicodedata.category(one) != "Mn")
            if word:
                yield Word(start, end, self._pieces(word))

    def _pieces(self, word: str) -> tuple[int, ...]:
        pieces: list[int] = []
        start = 0
        while start < len(word) <= _LONGEST_WORD:
            prefix = "##" if start else ""
            end = next(
                (end for end in range(len(word), start, -1) if prefix + word[start:end] in self._ids), 0
            )
            if not end:
                return (self.unknown,)
            pieces.append(self._ids[prefix + word[start:end]])
            start = end
        return tuple(pieces) or (self.unknown,)


def _written_words(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and characters of each word; characters that are dropped part nothing."""
    start, end, word = 0, 0, ""
    for index, character in enumerate(text):
        category = unicodedata.category(character)
        # To BERT all of ASCII that is neither letter, digit nor space is punctuation: `$` and `^`, too.
        mark = character.isascii() and category[0] in "PS"
        alone = mark or category[0] == "P" or _CJK.fullmatch(character) is not None
        if alone or category[0] == "Z" or character in "\t\n\r":
            if word:
                yield start, end, word
                word = ""
            if alone:
                yield index, index + 1, character
        elif category[0] != "C" and character != "\ufffd":
            start = start if word else index
            end, word = index + 1, word + character
    if word:
        yield start, end, word
