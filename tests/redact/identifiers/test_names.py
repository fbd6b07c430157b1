"""Names found in free text: they go, nothing else stays for it, and what cannot be asked holds."""

import re
from collections.abc import Iterable
from hashlib import sha256
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, ModelError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.outcome import HeaderContext
from redact.headers.profile import NameRecognition, Profile
from redact.headers.text import clean_descriptor, clean_kept, clean_technical
from redact.identifiers.matcher import Matcher
from redact.identifiers.names import FoundNames, NameSpan
from redact.identifiers.pseudonymiser import Pseudonymiser

STUDY = HarvestedIdentifiers(frozenset({Identifier(IdentifierKind.PATIENT_NAME, "Doe^Jane", "PatientName")}))
MATCHER = Matcher(STUDY)
PATH = "(0008,1030)"


class Pattern:
    """Finds what a regular expression finds."""

    sha256 = "00" * 32

    def __init__(self, pattern: str, confidence: Any = 0.9) -> None:
        self._pattern, self._confidence = re.compile(pattern), confidence

    def recognise(self, text: str) -> Iterable[tuple[int, int, str, float]]:
        return [(*match.span(), "PER", self._confidence) for match in self._pattern.finditer(text)]


class Answering:
    """Answers whatever it was given."""

    sha256 = "00" * 32

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def recognise(self, text: str) -> Any:  # noqa: ARG002
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Whimsical:
    """Takes for names what a digest of the text picks: of no text can its answer be foreseen."""

    sha256 = "00" * 32

    def recognise(self, text: str) -> Iterable[NameSpan]:
        picked = sha256(text.encode("utf-8", "replace")).digest()
        places = sorted({byte % (len(text) + 1) for byte in picked[:6]})
        return [NameSpan(one, two, "X", 1.0) for one, two in combinations(places, 2) if picked[7] & 1]


def cleaned(recogniser: Any, text: str, threshold: float = 0.5, rule: Any = clean_descriptor) -> str:
    return FoundNames(recogniser, threshold).cleaned(rule, text, MATCHER, PATH)


@pytest.mark.parametrize(
    ("pattern", "text", "left"),
    [
        ("Mark", "CT abdomen, seen by Mark", "CT abdomen, seen by"),
        ("(?<=for )Head", "for Head, CT CHEST", "for CT CHEST"),
        ("(?<=for )Head", "CT HEAD for Head", "CT for"),  # as a harvested name: wherever it stands
        ("Mar", "CT Mark", "CT"),  # half a word is the whole of it
        ("Le", "CT Le", "CT"),
        ("Jane", "CT Jane", "CT"),
        ("nobody", "CT HEAD Mark", "CT HEAD Mark"),
        ("[-. ]+", "CT - HEAD", "CT - HEAD"),  # no letter, no name
    ],
)
def test_what_is_found_goes_from_the_text(pattern: str, text: str, left: str) -> None:
    assert cleaned(Pattern(pattern), text) == left


def test_the_vocabulary_alone_keeps_names_that_are_words() -> None:
    assert clean_descriptor("CT HEAD Mark", MATCHER) == "CT HEAD Mark"


def test_what_the_rule_would_take_stays_gone_whatever_is_found_beside_it() -> None:
    # Struck first, «March» would leave numbers of which none is long enough to go.
    assert clean_descriptor("CT 12 March 1961", MATCHER) == "CT"
    assert cleaned(Pattern("March"), "CT 12 March 1961") == "CT"


def test_less_confident_than_the_threshold_is_no_name() -> None:
    assert cleaned(Pattern("Mark", 0.49), "CT Mark", 0.5) == "CT Mark"
    assert cleaned(Pattern("Mark", 0.5), "CT Mark", 0.5) == "CT"
    assert cleaned(Pattern("Mark", np.float32(0.75)), "CT Mark", 0.5) == "CT"


@pytest.mark.parametrize(
    "answer",
    [
        KeyError("CT Mark"),
        TimeoutError("CT Mark"),
        HeldError(ReasonCode.POLICY, "cannot: CT Mark"),
        None,
        7,
        ["CT Mark"],
        [(0, 3)],
        [(0, 3, "PER", 0.5, "more")],
        [(0, 8, "PER", 1.0)],
        [(-1, 3, "PER", 1.0)],
        [(3, 3, "PER", 1.0)],
        [(3, 2, "PER", 1.0)],
        [(0.0, 2.0, "PER", 1.0)],
        [("0", "2", "PER", 1.0)],
        [(0, 2, None, 1.0)],
        [(0, 2, "PER", 1.1)],
        [(0, 2, "PER", -0.1)],
        [(0, 2, "PER", float("nan"))],
        [(0, 2, "PER", "sure")],
        [(3, 7, "PER", 0.1), (0, 8, "PER", 0.1)],  # what counts for nothing must be possible all the same
    ],
)
def test_what_cannot_be_an_answer_holds_and_quotes_nothing(answer: Any) -> None:
    with pytest.raises(HeldError) as raised:
        cleaned(Answering(answer), "CT Mark")
    error = raised.value
    assert (error.code, error.path) == (ReasonCode.NAMES, PATH)
    assert "Mark" not in f"{error}{error.args}{error.hint}"
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_a_text_without_letters_is_shown_to_nobody() -> None:
    assert cleaned(Answering(RuntimeError()), "12.5 / 3") == "12.5 / 3"


@given(st.text(alphabet="CTHEADMarkle äéß王 -,.12/", max_size=40))
def test_the_rule_alone_never_leaves_less(text: str) -> None:
    left, alone = cleaned(Whimsical(), text), clean_descriptor(text, MATCHER)
    letters = iter(alone)
    assert all(character in letters for character in left if character.isalnum())
    # Nothing is found in what stays, and cleaning it again changes nothing.
    answered = [
        one for one in Whimsical().recognise(left) if any(map(str.isalnum, left[one.start : one.end]))
    ]
    assert not answered or not any(map(str.isalpha, left))
    assert cleaned(Whimsical(), left) == left
    assert cleaned(Whimsical(), text) == left


def context(recogniser: Any, threshold: float = 0.5) -> HeaderContext:
    profile = Profile("test", frozenset(), names=NameRecognition("some", threshold))
    return HeaderContext(profile, Pseudonymiser(bytes(32), "test"), STUDY, recogniser)


def test_free_text_is_looked_at_and_names_of_things_are_not() -> None:
    found = context(Pattern("Mark"))
    assert found.cleaned_text(clean_descriptor, "CT Mark", PATH) == "CT"
    assert found.cleaned_text(clean_kept, "CT Mark Unheardof", PATH) == "CT Unheardof"
    assert found.cleaned_text(clean_technical, "Mark IV", PATH) == "Mark IV"
    # UTF-8 in another character set is read as it was meant.
    assert context(Pattern("Märk")).cleaned_text(clean_kept, "Märk CT".encode().decode("latin-1")) == "CT"


def test_of_a_retained_identity_too() -> None:
    assert context(Pattern("Mark")).less(STUDY).cleaned_text(clean_descriptor, "CT Mark") == "CT"


def test_a_profile_that_wants_a_recogniser_is_not_carried_out_without() -> None:
    with pytest.raises(ModelError, match="some is not loaded"):
        context(None)


def test_a_recogniser_that_no_profile_asks_for_is_not_asked() -> None:
    using = HeaderContext(
        Profile("test", frozenset()), Pseudonymiser(bytes(32), "t"), STUDY, Answering(RuntimeError())
    )
    assert using.cleaned_text(clean_descriptor, "CT Mark") == "CT Mark"
