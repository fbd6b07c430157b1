"""The words that may stay in cleaned free text: radiology's own, and nobody's name.

Free text fails closed: what is neither a known word nor a short number is dropped. Lists are shipped of code
strings of the standard and of words of coded concepts and attribute names (both generated), with hand-kept
ones of what these lack (`more_code_terms.txt`) and of what stands in real descriptions
(`everyday_words.txt`). A word that is also somebody's name is caught before this by the identifiers
harvested from the study.
"""

import re
from functools import cache
from importlib.resources import files

LONGEST_NUMBER = 4  # digits; a longer run may be an id
_WORD = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")


@cache
def code_terms() -> frozenset[str]:
    """Defined terms and enumerated values of CS attributes, upper case."""
    kept_by_hand = (term for line in _lines("more_code_terms.txt") for term in line.split(","))
    return frozenset((*_lines("code_terms.txt"), *kept_by_hand))


@cache
def known_words() -> frozenset[str]:
    """All words of the lists, folded to lower case."""
    words = set(_lines("concept_words.txt"))
    for line in (*_lines("everyday_words.txt"), *code_terms()):
        words.update(match[0] for match in _WORD.finditer(line.lower()))
    return frozenset(words)


def is_known_word(folded: str) -> bool:
    """Whether a folded word or compound (`t2_tse_sag`, `3d`) holds known words and short numbers only.

    Single letters are known: they carry no name by themselves.
    """
    words = _WORD.findall(folded)
    if not all(len(word) == 1 or word in known_words() for word in words):
        return False
    return bool(words) and all(len(digits) <= LONGEST_NUMBER for digits in _DIGITS.findall(folded))


def _lines(name: str) -> list[str]:
    text = (files("redact.identifiers") / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
