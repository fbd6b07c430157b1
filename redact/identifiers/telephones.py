"""Telephone numbers: the forms of a known one, and what in free text looks like one that nobody harvested.

A number is written with its country code or without, with a trunk zero, without its area code, and in groups
as people like. Groups of digits that stand together are taken for a telephone number from seven digits on,
whatever else they may be: descriptors fail closed.
"""

import re

SHORTEST = 7  # digits; the shortest number that reaches a subscriber without anything before it
_TRUNK = re.compile(r"\(0\)")
_DIGITS = re.compile(r"\d+")
_LONGEST_COUNTRY_CODE = 3  # ITU-T E.164
# Groups that nothing but separators part; a letter or a comma says that they are quantities.
_GROUPS = re.compile(r"(?<![^\W_])\+?\(?\d+(?:[\s()\-‐‑‒–−_./+]{1,3}\d+)+(?![^\W_])")
# Quantities: 1.25 (slice thickness), lists of b-values, a matrix of equal sides.
_DECIMAL = re.compile(r"(?<![\w.\-/])(?:0|[1-9]\d?)\.\d{1,2}(?![\w\-/]|\.\d)")
_B_VALUES = re.compile(
    r"(?<![^\W_])b[ _=]?(?:0|[1-9]\d{0,2}[05]|5)(?:[ _/](?:[1-9]\d{0,2}[05]|5))*(?![^\W_])", re.IGNORECASE
)


def telephone_forms(value: str) -> frozenset[str]:
    """The digits under which a telephone number may be written, without leading zeros, of seven and more.

    The whole, without a country code of one to three digits where there is one, and each way of leaving out
    groups in front.
    """
    groups = _DIGITS.findall(_TRUNK.sub(" ", value))
    digits = "".join(groups)
    forms = {"".join(groups[at:]) for at in range(len(groups))}
    if "+" in value or digits.startswith("00"):
        bare = digits.lstrip("0")
        forms |= {bare[length:] for length in range(1, _LONGEST_COUNTRY_CODE + 1)}
    return frozenset(form for form in (one.lstrip("0") for one in forms) if len(form) >= SHORTEST)


def without_telephone_numbers(text: str) -> str:
    """The text without groups of digits that together may be a telephone number."""
    masked = text
    for quantity in (_DECIMAL, _B_VALUES):
        masked = quantity.sub(lambda match: "x" * len(match[0]), masked)
    pieces, position = [], 0
    for match in _GROUPS.finditer(masked):
        if _is_telephone(match[0]):
            pieces.append(text[position : match.start()])
            position = match.end()
    return " ".join([*pieces, text[position:]]) if pieces else text


def _is_telephone(chain: str) -> bool:
    groups = _DIGITS.findall(chain)
    equal = len(set(groups)) == 1 and len(groups) <= 3
    return sum(map(len, groups)) >= SHORTEST and not equal
