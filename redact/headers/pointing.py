"""How a profile writes what a rule points at: keywords, tags, patterns, paths; read into selectors."""

import re
from itertools import pairwise

from pydicom.datadict import dictionary_has_tag, tag_for_keyword

from exchange.domain.errors import ConfigurationError
from redact.headers.selectors import ANY, ANY_DEPTH, PathSelector, TagSelector, vr_by_dictionary

_TAG = re.compile(r"\(?([0-9A-Fa-fxX]{4}),?([0-9A-Fa-fxX]{4})\)?")
_STEPS = {"*": ANY, "**": ANY_DEPTH}
MOST_STEPS = 64


def keyword_selector(text: str) -> TagSelector:
    """The element of this keyword of PS3.6, wherever it stands.

    Raises:
        ConfigurationError: There is none.
    """
    return TagSelector(_tag_of_keyword(text))


def tag_selector(text: str) -> TagSelector:
    """The elements of a tag such as `(0018,1030)` or a pattern such as `0018,10xx`, wherever they stand.

    Raises:
        ConfigurationError: It is no tag, is private, or leaves every digit open.
    """
    match = _TAG.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(
            f"{text!r} is no tag", "write (gggg,eeee) in hexadecimal digits, x for any digit"
        )
    digits = (match[1] + match[2]).lower()
    if set(digits) == {"x"}:
        raise ConfigurationError("a pattern of x only selects everything", "give at least one digit")
    if digits[3] != "x" and int(digits[3], 16) & 1:
        raise ConfigurationError(
            f"{text} is private: its block differs from file to file",
            "write private: {creator: …, group: 0x…, element: 0x…}",
        )
    mask = int("".join("0" if digit == "x" else "F" for digit in digits), 16)
    return TagSelector(int(digits.replace("x", "0"), 16), mask)


def path_selector(text: str) -> PathSelector:
    """The element at a path such as `RequestAttributesSequence.*.CodeMeaning` or `**.CodeMeaning`.

    Steps are keywords or tags; `*` stands for one sequence, `**` for any number of them, none included.

    Raises:
        ConfigurationError: A step names no element, a step before the last no sequence, or the last nothing.
    """
    parts = [part.strip() for part in text.split(".")]
    steps = [_STEPS[part] if part in _STEPS else _step(part) for part in parts]
    if len(steps) > MOST_STEPS:
        raise ConfigurationError(f"the path has more than {MOST_STEPS} steps", "shorten it with **")
    if steps[-1] < 0:
        raise ConfigurationError("the path ends in a wildcard", "name the element last")
    for part, step in zip(parts[:-1], steps, strict=False):
        if step >= 0 and dictionary_has_tag(step) and vr_by_dictionary(step) != "SQ":
            raise ConfigurationError(f"{part} is no sequence", "name sequences before the last step")
    if any(one == other == ANY_DEPTH for one, other in pairwise(steps)):
        raise ConfigurationError("** stands twice in a row", "leave one")
    return PathSelector(tuple(steps))


def _step(part: str) -> int:
    if not _TAG.fullmatch(part):
        return _tag_of_keyword(part)
    selector = tag_selector(part)
    if not selector.exact:
        raise ConfigurationError(f"{part} is a pattern", "a step of a path is a keyword, a tag, * or **")
    return selector.tag


def _tag_of_keyword(text: str) -> int:
    tag = tag_for_keyword(text) if text else None  # some entries of the dictionary have none
    if tag is None:
        raise ConfigurationError(f"no attribute has the keyword {text!r}", "give it as in PS3.6")
    return int(tag)
