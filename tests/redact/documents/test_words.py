"""Lines are cleaned alone and together; words that are known stay as they stand."""

import re

from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.documents.words import Rule, clean_lines, plain
from redact.headers.text import clean_descriptor
from redact.identifiers.matcher import Matcher

MATCHER = Matcher(
    HarvestedIdentifiers(frozenset({Identifier(IdentifierKind.PATIENT_ID, "4471180", "PatientID")}))
)
SECRET = re.compile(r"\b12\s+march\s+1961\b|quill\s?feather|\bqu?ill?\b")


def clean(text: str) -> str:
    """A rule for free text that knows one name and one date."""
    return " ".join(SECRET.sub(" ", text.lower()).split())


RULE = Rule(clean, lambda text: clean(text) != text)


def test_invisible_and_compatible_characters_hide_nothing() -> None:
    assert plain("Qui\u200bll\u00adfeather \uff21\ufb01\u3000x\ue000") == "Quillfeather Afi x"
    assert plain("no\x00air\x85left") == "no air left"
    assert plain("seen Q u i l l today") == "seen Quill today"
    assert plain("call 5 5 5 1 2 3 7 7 now") == "call  now"
    assert plain("grades 1 2 3, vitamin B 1 2") == "grades 1 2 3, vitamin B 1 2"


def test_what_lines_tell_together_goes() -> None:
    assert clean_lines(["chest", "on 12", "march", "1961 lungs"], RULE) == ["chest", "on lungs", "", ""]
    assert clean_lines(["12 march", "", "1961"], RULE) == ["", "", ""]
    assert clean_lines(["Q", "u", "i", "l", "l", "chest"], RULE) == ["", "", "", "", "", "chest"]


@given(
    st.lists(st.sampled_from(["chest", "on", "12", "march", "1961", "lungs", "", "q", "quill", "feather"]))
)
def test_nothing_is_told_by_any_lines_together(lines: list[str]) -> None:
    cleaned = clean_lines(lines, RULE)
    assert len(cleaned) == len(lines)
    standing = [line for line in cleaned if line]
    for at in range(len(standing)):
        for size in range(1, 5):
            together = " ".join(standing[at : at + size])
            assert clean(together) == together
    said = {word for line in lines for word in line.split()}
    assert {word for line in standing for word in line.split()} <= said | {
        "q" * count for count in range(3, 99)
    }


@given(st.lists(st.sampled_from(["chest", "lungs 5 mm", "3", "no"]), max_size=12))
def test_what_tells_nothing_stays_where_it_stands(lines: list[str]) -> None:
    assert clean_lines(lines, RULE) == lines


def test_cells_of_a_table_are_no_telephone_number() -> None:
    rule = Rule(lambda text: clean_descriptor(text, MATCHER), MATCHER.found)
    cells = ["Nodule 5 mm", "120", "130", "125", "118", "512", "512", "300"]
    assert clean_lines(cells, rule) == cells
    assert clean_lines(["447", "1180", "030 4505", "1234"], rule) == ["", "", "", "1234"]
