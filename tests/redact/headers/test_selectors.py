"""Selectors and conditions: what they select, which is more specific, when two can meet."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from exchange.domain.errors import ConfigurationError
from redact.headers.conditions import Condition, Every, IsIn, IsPresent, Matches, Negation, Some, exclusive
from redact.headers.pointing import keyword_selector, path_selector, tag_selector
from redact.headers.selectors import (
    ANY,
    ANY_DEPTH,
    PathSelector,
    PrivateSelector,
    Selector,
    VrSelector,
    overlap,
)

MODALITY, MAKER, IMAGE_TYPE = 0x00080060, 0x00080070, 0x00080008
REQUEST, CODE_MEANING, STEP = 0x00400275, 0x00080104, 0x00400007


def test_a_pattern_selects_what_its_digits_allow() -> None:
    pattern = tag_selector("0018,10xx")
    assert pattern.selects(0x00181030, "LO", ())
    assert not pattern.selects(0x00181130, "LO", ())
    assert tag_selector("(60XX,3000)").selects(0x60023000, "OW", ())
    assert tag_selector("00181030") == keyword_selector("ProtocolName")
    assert (str(pattern), str(keyword_selector("ProtocolName"))) == ("(0018,10xx)", "ProtocolName")


def test_a_path_selects_by_place() -> None:
    exact = path_selector("RequestAttributesSequence.ScheduledProcedureStepDescription")
    assert exact.selects(STEP, "LO", (REQUEST,))
    assert not exact.selects(STEP, "LO", ())
    assert not exact.selects(STEP, "LO", (REQUEST, REQUEST))
    assert path_selector("StudyDescription").selects(0x00081030, "LO", ())
    assert not path_selector("StudyDescription").selects(0x00081030, "LO", (REQUEST,))
    anywhere = path_selector("**.CodeMeaning")
    assert all(
        anywhere.selects(CODE_MEANING, "LO", trail) for trail in ((), (REQUEST,), (REQUEST, 0x00400008))
    )
    below = path_selector("(0040,0275).*.CodeMeaning")
    assert below.selects(CODE_MEANING, "LO", (REQUEST, 0x00400008))
    assert not below.selects(CODE_MEANING, "LO", (REQUEST,))


def test_a_private_selector_knows_its_creator_whatever_the_block() -> None:
    one = PrivateSelector("SIEMENS CSA HEADER", 0x0029, 0x10)
    assert one.selects_private("SIEMENS CSA HEADER", 0x00291010)
    assert one.selects_private("SIEMENS CSA HEADER", 0x00291210)
    assert not one.selects_private("SIEMENS MEDCOM HEADER", 0x00291010)
    assert not one.selects_private("SIEMENS CSA HEADER", 0x00291020)
    assert PrivateSelector("SIEMENS CSA HEADER").selects_private("SIEMENS CSA HEADER", 0x00511020)


def test_the_order_of_specificity() -> None:
    ordered: list[Selector] = [
        VrSelector(frozenset({"LO"})),
        tag_selector("0040,xxxx"),
        tag_selector("0040,00xx"),
        keyword_selector("ScheduledProcedureStepDescription"),
        path_selector("**.ScheduledProcedureStepDescription"),
        path_selector("**.RequestAttributesSequence.ScheduledProcedureStepDescription"),
        path_selector("RequestAttributesSequence.ScheduledProcedureStepDescription"),
    ]
    ranks = [one.rank for one in ordered]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert PrivateSelector("X", 0x0029, 0x10).rank > PrivateSelector("X", None, 0x10).rank
    assert (
        PrivateSelector("X", None, 0x10).rank > PrivateSelector("X", 0x0029).rank > PrivateSelector("X").rank
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("18,10", "is no tag"),
        ("xxxx,xxxx", "selects everything"),
        ("0029,10xx", "is private"),
    ],
)
def test_tags_that_select_nothing_definite(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        tag_selector(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Request.CodeMeaning", "no attribute"),
        ("StudyDate.CodeMeaning", "is no sequence"),
        ("RequestAttributesSequence.*", "ends in a wildcard"),
        ("**.**.CodeMeaning", "twice in a row"),
        ("**.0008,01xx", "is a pattern"),
        ("", "no attribute"),
        (".".join(["*"] * 80 + ["CodeMeaning"]), "more than 64 steps"),
    ],
)
def test_paths_that_lead_nowhere(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        path_selector(text)


STEPS = st.lists(st.sampled_from([1, 2, ANY, ANY_DEPTH]), max_size=3).map(lambda steps: (*steps, 3))
PLACES = [trail for length in range(5) for trail in itertools.product((1, 2, 4), repeat=length)]


@given(STEPS, STEPS)
def test_overlap_of_paths_is_what_trying_every_path_shows(
    one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    first, second = PathSelector(one), PathSelector(other)
    met = any(first.selects(3, "LO", trail) and second.selects(3, "LO", trail) for trail in PLACES)
    # Between them at most four named or single steps stand before the last, so no longer path is needed …
    if met:
        assert overlap(first, second)
    # … unless both need more than four.
    elif sum(step != ANY_DEPTH for step in (*one, *other)) <= 6:
        assert not overlap(first, second)


PATTERNS = st.text("02x", min_size=8, max_size=8).filter(lambda text: text != "x" * 8)


@given(PATTERNS, PATTERNS)
def test_overlap_of_patterns_is_that_no_digit_differs(one: str, other: str) -> None:
    differ = any(
        first != second and "x" not in first + second for first, second in zip(one, other, strict=True)
    )
    assert overlap(tag_selector(one), tag_selector(other)) is not differ


def test_other_overlaps() -> None:
    assert not overlap(tag_selector("0018,10xx"), tag_selector("0018,x1xx"))
    assert overlap(tag_selector("0018,1xx0"), tag_selector("0018,10xx"))
    assert overlap(VrSelector(frozenset({"UT", "LT"})), VrSelector(frozenset({"LT"})))
    assert not overlap(VrSelector(frozenset({"UT"})), VrSelector(frozenset({"LT"})))
    assert overlap(PrivateSelector("X", None, 0x10), PrivateSelector("X", 0x0029, 0x10))
    assert not overlap(PrivateSelector("X", None, 0x10), PrivateSelector("Y", None, 0x10))
    assert not overlap(PrivateSelector("X", 0x0019, 0x10), PrivateSelector("X", 0x0029, 0x10))


def made(**attributes: object) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def test_conditions_ask_the_object() -> None:
    ds = made(Modality="CT ", Manufacturer="SIEMENS Healthineers", ImageType=["DERIVED", "AXIAL"], StudyID="")
    assert IsIn(MODALITY, frozenset({"ct", "mr"})).holds(ds)
    assert not IsIn(MODALITY, frozenset({"mr"})).holds(ds)
    assert Matches(MAKER, "^siemens").holds(ds)
    assert IsIn(IMAGE_TYPE, frozenset({"axial"})).holds(ds)
    assert IsPresent(MAKER).holds(ds)
    assert not IsPresent(0x00200010).holds(ds)
    assert not IsPresent(0x00181030).holds(ds)
    both = Every((IsIn(MODALITY, frozenset({"ct"})), Negation(Matches(MAKER, "philips"))))
    assert both.holds(ds)
    assert not Negation(both).holds(ds)
    assert Some((IsIn(MODALITY, frozenset({"mr"})), IsPresent(MAKER))).holds(ds)


CT, MR = IsIn(MODALITY, frozenset({"ct"})), IsIn(MODALITY, frozenset({"mr"}))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (CT, MR, True),
        (CT, CT, False),
        (CT, IsIn(MODALITY, frozenset({"ct", "mr"})), False),
        (CT, Negation(CT), True),
        (CT, Negation(IsIn(MODALITY, frozenset({"ct", "pt"}))), True),
        (CT, Matches(MODALITY, "^m"), True),
        (CT, Negation(Matches(MODALITY, "^c")), True),
        (CT, Matches(MAKER, "ge"), False),
        (CT, Negation(IsPresent(MODALITY)), True),
        (Every((CT, IsPresent(MAKER))), Every((MR, IsPresent(MAKER))), True),
        (Some((CT, MR)), IsIn(MODALITY, frozenset({"us"})), True),
        (Some((CT, IsPresent(MAKER))), MR, False),
        # Of several values one may be the one, another the other.
        (IsIn(IMAGE_TYPE, frozenset({"axial"})), IsIn(IMAGE_TYPE, frozenset({"localizer"})), False),
        (Matches(MAKER, "a"), Matches(MAKER, "b"), False),
    ],
)
def test_conditions_that_exclude_each_other(one: Condition, other: Condition, expected: bool) -> None:
    assert exclusive(one, other) is exclusive(other, one) is expected


TESTS = st.one_of(
    st.frozensets(st.sampled_from(["ct", "mr", "us"]), min_size=1).map(lambda values: IsIn(MODALITY, values)),
    st.sampled_from(["^c", "r$", "s"]).map(lambda pattern: Matches(MODALITY, pattern)),
    st.just(IsPresent(MODALITY)),
    st.sampled_from(["ge", "siemens"]).map(lambda maker: IsIn(MAKER, frozenset({maker}))),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    TESTS,
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda listed: Every(tuple(listed))),
        st.lists(parts, min_size=1, max_size=3).map(lambda listed: Some(tuple(listed))),
        parts.map(Negation),
    ),
    max_leaves=6,
)
OBJECTS = [
    made(**{key: value for key, value in (("Modality", modality), ("Manufacturer", maker)) if value})
    for modality in ("CT", "MR", "US", "PT", "")
    for maker in ("GE", "Siemens", "")
]


@given(CONDITIONS, CONDITIONS)
def test_what_is_said_to_exclude_each_other_never_holds_together(one: Condition, other: Condition) -> None:
    if exclusive(one, other):
        assert not [ds for ds in OBJECTS if one.holds(ds) and other.holds(ds)]
