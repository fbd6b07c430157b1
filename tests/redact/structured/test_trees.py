"""Any content tree with identifiers planted in it: clean, proved, nothing survives, every reference holds."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from redact.headers.cleaner import clean_header
from redact.structured.items import Position
from tests.redact.headers.studies import context, read
from tests.redact.structured.making import (
    IMAGE,
    PSEUDONYMISER,
    SECRETS,
    by_reference,
    code,
    coded,
    image,
    item,
    leaves,
    number,
    report,
    text,
    through,
)

IDENTIFYING = ["121008", "121009", "121022", "121029", "121030", "113870"]
DESCRIBING = ["121071", "121075", "121106", "112039", "121065"]
PLANTS = [
    "Quillfeather",
    "Ottoline QUILLFEATHER",
    "quillfeather, o.",
    "QF-471188",
    "qf 471188",
    "0471188",
    "Dr. Wetherby",
    "QX88123",
    "12 April 1961",
    "17.05.2024",
    "Brambleholt",
]
WORDS = ["nodule", "in left lung", "Mass of", "seen by", "follow up", "Zqxvrrk", "12 mm", "-", "\n"]

plant = st.sampled_from(PLANTS)
prose = st.lists(st.sampled_from(WORDS) | plant, min_size=1, max_size=5).map(" ".join)
concept = st.sampled_from(IDENTIFYING + DESCRIBING)
leaf = st.one_of(
    st.builds(text, st.sampled_from(DESCRIBING), prose),
    st.builds(text, st.sampled_from(IDENTIFYING), plant),
    st.builds(lambda name, who: item("PNAME", code(name), PersonName=who), concept, plant),
    st.builds(lambda name: item("UIDREF", code(name), UID=IMAGE), st.sampled_from(["112040", "121012"])),
    st.builds(lambda name: item("DATE", code(name), Date="20240517"), st.sampled_from(["111060", "121031"])),
    st.builds(
        lambda name: item("DATETIME", code(name), DateTime="19610412101500"),
        st.sampled_from(["111526", "111527"]),
    ),
    st.builds(number, st.sampled_from(["112038", "121033"]), st.sampled_from(["12.5", "471188", "63"])),
    st.builds(lambda words: coded("121071", code("L1", "99ACME", words[:60])), prose),
    st.builds(lambda words: item("TEXT", code("7", "99ACME", words[:60]), TextValue=words), prose),
    st.builds(image),
)


def holding(children: st.SearchStrategy[Dataset]) -> st.SearchStrategy[Dataset]:
    return st.builds(
        lambda name, held: item("CONTAINER", code(name), *held),
        st.sampled_from(["126010", "125007", "121000"]),
        st.lists(children, min_size=1, max_size=4),
    )


trees = st.lists(st.recursive(leaf, holding, max_leaves=12), min_size=1, max_size=5)


def positions(ds: Dataset, here: Position = (1,)) -> Iterator[tuple[Position, Dataset]]:
    """Every item with its position; the root too."""
    yield here, ds
    for ordinal, child in enumerate(ds.get("ContentSequence") or (), start=1):
        yield from positions(child, (*here, ordinal))


@st.composite
def reports(draw: st.DrawFn) -> Dataset:
    """A report with up to four by-reference relationships between its items."""
    ds = report(*deepcopy(draw(trees)))
    ds.InstitutionName = "Brambleholt Clinic"
    places = list(positions(ds))
    for _ in range(draw(st.integers(0, 4))):
        source, target = draw(st.sampled_from(places))[1], draw(st.sampled_from(places))[0]
        if "ContentSequence" in source or source.get("ValueType") == "TEXT":
            kept = list(source.get("ContentSequence") or ())
            source.ContentSequence = [*kept, by_reference(*target)]
    return ds


def name_of(ds: Dataset) -> str:
    names = ds.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(reports())
def test_any_report_is_cleaned_and_proved(ds: Dataset) -> None:
    with TemporaryDirectory() as folder:
        outcome = through(Path(folder), deepcopy(ds))
        assert outcome.proved
        told = outcome.path.read_bytes().lower()
        assert not [secret for secret in SECRETS if secret.lower().encode() in told]
        cleaned = read(outcome.path)
    before, after = dict(positions(ds)), dict(positions(cleaned))
    for position, one in after.items():
        assert (name_of(one), one.get("ValueType")) == (
            name_of(before[position]),
            before[position].get("ValueType"),
        )
    for one in leaves(cleaned):
        if "ReferencedContentItemIdentifier" in one:
            value = one.ReferencedContentItemIdentifier
            target = tuple(value) if not isinstance(value, int) else (value,)
            assert target in after
        if "ReferencedSOPSequence" in one:
            assert one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == PSEUDONYMISER.uid(IMAGE)
    check_values(cleaned)


def check_values(ds: Dataset) -> None:
    """Every item has the value that its type needs (PS3.3 Table C.17-5)."""
    needed = {
        "TEXT": "TextValue",
        "PNAME": "PersonName",
        "DATE": "Date",
        "DATETIME": "DateTime",
        "UIDREF": "UID",
    }
    for one in leaves(ds):
        keyword = needed.get(str(one.get("ValueType", "")))
        assert keyword is None or str(one.get(keyword, "")), keyword
        assert one.get("ValueType") != "CODE" or one.ConceptCodeSequence[0].CodeMeaning
        assert one.get("ValueType") != "NUM" or "MeasuredValueSequence" in one
        assert name_of(one) or "ConceptNameCodeSequence" not in one


@given(reports())
def test_cleaning_again_changes_no_text(ds: Dataset) -> None:
    """An item that stayed for the sake of a reference whose item went may go itself then."""
    first = deepcopy(ds)
    clean_header(first, context(ds))
    second = deepcopy(first)
    clean_header(second, context(first))
    left = iter(said(first))
    assert all(one in left for one in said(second))
    if not any("ReferencedContentItemIdentifier" in one for one in leaves(ds)):
        assert said(second) == said(first)


def said(ds: Dataset) -> list[tuple[str, str, str]]:
    return [
        (name_of(one), str(one.get("ValueType", "")), str(one.get("TextValue", "")) if not own(one) else "")
        for one in leaves(ds)
    ]


def own(ds: Dataset) -> bool:
    """A subject's id is a pseudonym, and that of a pseudonym is another."""
    return name_of(ds) in {"121029", "121030"}
