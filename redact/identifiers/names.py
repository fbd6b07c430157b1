"""Names of people in free text that no element of identity holds, as a recogniser finds them.

The vocabulary (`vocabulary`) keeps words that are names, too: «Mark», «Head». A site may plug in a recogniser
of its own, which judges a word by where it stands. What it finds goes as a harvested name would, wherever
else it stands in that text. It only ever takes away more: the rule for the text is applied as ever, before
and after. It fails closed: where it cannot answer, the instance is held.
"""

from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import NamedTuple, Protocol
from unicodedata import combining

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.identifiers.matcher import Matcher, strike

_CACHE_LIMIT = 10_000
_NOBODY = HarvestedIdentifiers()

TextRule = Callable[[str, Matcher], str]
Span = tuple[int, int]


class NameSpan(NamedTuple):
    """Where a name stands in a text.

    Attributes:
        start: Index of its first character.
        end: Index after its last one.
        label: What the recogniser calls it, e.g. `PER`; every span is a name, whatever its label.
        confidence: 0 to 1.
    """

    start: int
    end: int
    label: str
    confidence: float


class NameRecogniser(Protocol):
    """Finds names of people in one text. Built in the worker by `agent.inference`, injected; never pickled.

    The same text gives the same answer, whatever was asked before. It has no network, clock or randomness,
    and writes the text nowhere.

    Attributes:
        sha256: Lower-case hex digest of what decides its answers: weights, or a list of names.
    """

    sha256: str

    def recognise(self, text: str) -> Iterable[tuple[int, int, str, float]]:
        """The names in the text, as `NameSpan` or tuples like it, in any order; they may overlap.

        It may raise whatever it likes, a timeout of its own too: the instance is held.
        """


class FoundNames:
    """Frees texts of the names that a recogniser finds.

    Args:
        recogniser: Is asked with each text as it stands in the element.
        threshold: Names of which it is less confident stay; 0 to 1.
    """

    def __init__(self, recogniser: NameRecogniser, threshold: float) -> None:
        self._recogniser = recogniser
        self._threshold = threshold
        self._known: dict[str, tuple[Span, ...]] = {}

    def cleaned(self, rule: TextRule, text: str, matcher: Matcher, path: str) -> str:
        """What a rule leaves of a text, without the names found in it, nor any found in what is left.

        Args:
            rule: Of the element.
            text: Its value.
            matcher: Of the study's identifiers; the rule's second argument.
            path: Of the element, for the hold.

        Returns:
            Nothing that the rule alone would not have left.

        Raises:
            HeldError: `names`; the recogniser failed, or answered what cannot be.
        """
        left = rule(text, matcher)
        if spans := self._spans(text, path):
            left = rule(_without(left, [text[start:end] for start, end in spans]), matcher)
        # What is left may read otherwise: only what it finds no name in stays. Each turn takes a letter off.
        while spans := self._spans(left, path):
            struck = _without(left, [left[start:end] for start, end in spans])
            left = rule(struck if struck != left else strike(left, spans), matcher)
        return left

    def in_text(self, text: str, path: str) -> bool:
        """Whether a name is found in the text.

        Raises:
            HeldError: `names`, as of `cleaned`.
        """
        return bool(self._spans(text, path))

    def _spans(self, text: str, path: str) -> tuple[Span, ...]:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            known = self._known[text] = self._asked(text, path)
        return known

    def _asked(self, text: str, path: str) -> tuple[Span, ...]:
        if not any(character.isalpha() for character in text):
            return ()
        try:
            answered = [NameSpan(*one) for one in self._recogniser.recognise(text)]
        except Exception:  # noqa: BLE001 - the boundary to foreign code, whose words may be those of the text
            raise _held("it failed", path) from None
        if not all(_is_possible(one, len(text)) for one in answered):
            raise _held("it answered with what is no place in the text", path)
        sure = {_whole_words(text, one) for one in answered if one.confidence >= self._threshold}
        return tuple(sorted(one for one in sure if any(map(str.isalnum, text[slice(*one)]))))


def _is_possible(span: NameSpan, length: int) -> bool:
    kinds: tuple[type, ...] = (Integral, Integral, str, Real)
    if not all(isinstance(one, kind) for one, kind in zip(span, kinds, strict=True)):
        return False
    return 0 <= span.start < span.end <= length and 0.0 <= span.confidence <= 1.0


def _whole_words(text: str, span: NameSpan) -> Span:
    """The span with the rest of the words that it begins and ends in: half a name names somebody, too."""
    start, end = int(span.start), int(span.end)
    while start and _goes_on(text, start):
        start -= 1
    while end < len(text) and _goes_on(text, end):
        end += 1
    return start, end


def _goes_on(text: str, index: int) -> bool:
    return all(one.isalnum() or combining(one) for one in text[index - 1 : index + 1])


def _without(text: str, names: list[str]) -> str:
    return Matcher(_NOBODY, found=names).clean(text).text


def _held(why: str, path: str) -> HeldError:
    return HeldError(
        ReasonCode.NAMES,
        f"cannot clean a text: the recogniser of names gave no answer that can be used, {why}",
        path,
        "see the plug-in's own documentation; a release of the hold asks it again",
    )
