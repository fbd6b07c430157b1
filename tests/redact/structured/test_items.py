"""Reading content items: names, positions and references, of whatever form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from redact.structured.concepts import Concept
from redact.structured.items import concept_of, items_of, position_of, referenced_positions
from tests.redact.structured.making import by_reference, code, item, report, text


def test_a_concept_name_of_each_form_of_code() -> None:
    long, urn = Dataset(), Dataset()
    long.LongCodeValue, long.CodingSchemeDesignator, long.CodeMeaning = "1" * 20, "LN", "Long"
    urn.URNCodeValue, urn.CodeMeaning = "urn:oid:1.2.3", "By URN"
    assert concept_of(item("TEXT", code("121008 "))) == Concept("DCM", "121008")
    assert concept_of(item("TEXT", long)) == Concept("LN", "1" * 20)
    assert concept_of(item("TEXT", urn)) == Concept("", "urn:oid:1.2.3")
    assert concept_of(item("TEXT", code("G-C0E3", "SRT"))) == Concept("SCT", "363698007")


def test_an_item_without_a_concept_name_has_none_and_an_empty_one_has_an_empty_one() -> None:
    assert concept_of(item("TEXT", None)) is None
    empty = item("TEXT", None)
    empty.ConceptNameCodeSequence = []
    assert concept_of(empty) == Concept("", "")


def test_what_is_no_sequence_has_no_items() -> None:
    ds = Dataset()
    ds[Tag(0x0040A043)] = RawDataElement(Tag(0x0040A043), "LO", 4, b"name", 0, False, True)
    assert items_of(ds, 0x0040A043) == []
    assert concept_of(ds) == Concept("", "")


@pytest.mark.parametrize(
    ("path", "position"),
    [
        ("", (1,)),
        ("(0040,A730)[0].", (1, 1)),
        ("(0040,A730)[4].(0040,A730)[11].", (1, 5, 12)),
        ("(0040,0555)[0].", None),
        ("(0040,A730)[0].(0040,A043)[0].", None),
    ],
)
def test_positions(path: str, position: tuple[int, ...] | None) -> None:
    assert position_of(path) == position


def test_references_are_found_at_any_depth() -> None:
    ds = report(
        text("121071", "one", by_reference(1, 2)),
        item("CONTAINER", None, text("121071", "two", by_reference(1, 1, 1), by_reference(1))),
    )
    assert referenced_positions(ds) == {(1, 2), (1, 1, 1), (1,)}


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_a_position_counts_from_one(indexes: list[int]) -> None:
    path = "".join(f"(0040,A730)[{index}]." for index in indexes)
    assert position_of(path) == (1, *(index + 1 for index in indexes))
