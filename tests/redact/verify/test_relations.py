"""The proof of content trees: what a broken cleaner leaves in a report is found by its place, never told."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from agent.config.profiles import load_profile
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.headers.cleaner import clean_header
from redact.headers.outcome import HeaderContext
from redact.headers.profile import Profile
from redact.identifiers.harvest import harvest
from redact.verify.content import item_path
from redact.verify.expectations import Expectations
from redact.verify.proof import InstanceProof, prove_instance
from tests.redact.headers.studies import default_profile, profile
from tests.redact.structured.making import (
    IMAGE,
    PSEUDONYMISER,
    SECRETS,
    by_reference,
    code,
    coded,
    image,
    item,
    number,
    report,
    save,
    text,
)

EXPLICIT, IMPLICIT, BIG, DEFLATED = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
Change = Callable[[Dataset], None]


def full() -> Dataset:
    """A report with items of every kind; the numbers of its items are those that the tests name."""
    return report(
        text("121022", "QX88123"),  # 0: a dummy, as others stay after it
        item("PNAME", code("121008"), PersonName="Wetherby^Ann"),  # 1
        text("121071", "Nodule, left lung", image(), by_reference(1, 1)),  # 2
        item("DATE", code("111060"), Date="20240517"),  # 3
        item("DATETIME", code("111526"), DateTime="202405171015"),  # 4
        item("UIDREF", code("112040"), UID=IMAGE),  # 5
        coded("121071", code("4147007", "SCT", "Mass")),  # 6
        number("112038", "12.5"),  # 7
        item("CONTAINER", code("126010"), text("121071", "Mass"), text("121106", "Zqxvrrk")),  # 8
        item("PNAME", code("121029"), PersonName="Quillfeather^Ottoline"),  # 9
        text("121030", "QF-471188"),  # 10
        coded("121032", code("F", "DCM", "Female")),  # 11: goes
        number("121033", "63", "a"),  # 12: goes
        item("DATE", code("121031"), Date="19610412"),  # 13: goes
    )


def without_reference() -> Dataset:
    """The same without a by-reference relationship."""
    ds = full()
    del ds.ContentSequence[2].ContentSequence[1]
    return ds


def proved(
    folder: Path,
    original: Dataset,
    change: Change,
    *,
    using: Profile | None = None,
    syntax: str = EXPLICIT,
    known: HarvestedIdentifiers | None = None,
) -> InstanceProof:
    """Clean, spoil, write, prove."""
    using = using or default_profile()
    found = harvest(original)
    source = save(folder / "original.dcm", original, syntax=syntax)
    cleaned = deepcopy(original)
    clean_header(cleaned, HeaderContext.of(using, PSEUDONYMISER, [found]))
    change(cleaned)
    output = folder / "cleaned.dcm"
    write_instance(output, cleaned, syntax, None)
    return prove_instance(
        source,
        output,
        identifiers=found if known is None else known,
        expectations=Expectations.of(using.options, PSEUDONYMISER, rules=using.rules),
        canary_seed=b"reports",
    )


def held(folder: Path, original: Dataset, change: Change, **options: object) -> HeldError:
    with pytest.raises(HeldError) as caught:
        proved(folder, original, change, **options)  # type: ignore[arg-type]
    told = f"{caught.value} {caught.value.path} {caught.value!r}"
    assert not [secret for secret in SECRETS if secret in told]
    return caught.value


def nothing(ds: Dataset) -> None:
    """No change."""


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("made", [full, without_reference])
def test_a_cleaned_report_passes(made: Callable[[], Dataset], syntax: str, tmp_path: Path) -> None:
    proof = proved(tmp_path, made(), nothing, syntax=syntax)
    assert (proof.known_identifiers, proof.iod) == ("absent", "no worse")


@pytest.mark.parametrize(
    "options", [(), ("113106",), ("113108",), ("113109",), ("113110",), ("113112",), ("113105", "113107")]
)
def test_it_passes_under_every_option(options: tuple[str, ...], tmp_path: Path) -> None:
    ds = without_reference()
    ds.ContentSequence.extend([text("121016", "SER-77123"), text("121009", "Brambleholt Clinic")])
    ds.ContentSequence.append(item("UIDREF", code("121012"), UID="1.2.276.99.5"))
    proof = proved(tmp_path, ds, nothing, using=profile("113104", *options))
    assert proof.known_identifiers == "absent"


@pytest.mark.parametrize("name", ["default", "hipaa-safe-harbor", "research", "teaching"])
def test_it_passes_under_every_shipped_profile(name: str, tmp_path: Path) -> None:
    proof = proved(tmp_path, without_reference(), nothing, using=load_profile(name))
    assert (proof.known_identifiers, proof.iod) == ("absent", "no worse")


def setting(keyword: str, value: object, *indexes: int) -> Change:
    def change(ds: Dataset) -> None:
        for index in indexes:
            ds = ds.ContentSequence[index]
        setattr(ds, keyword, value)

    return change


LEAKS: dict[str, tuple[Change, str]] = {
    "accession number": (setting("TextValue", "QX88123", 0), "(0040,A730)[0].(0040,A160)"),
    "name in text": (setting("TextValue", "Nodule, Quillfeather", 2), "(0040,A730)[2].(0040,A160)"),
    "observer's name": (setting("PersonName", "Wetherby^Ann", 1), "(0040,A730)[1].(0040,A123)"),
    "subject's name": (setting("PersonName", "Quillfeather^Ottoline", 9), "(0040,A730)[9].(0040,A123)"),
    "subject's id": (setting("TextValue", "QF-471188", 10), "(0040,A730)[10].(0040,A160)"),
    "deep": (setting("TextValue", "for Dr Wetherby", 8, 0), "(0040,A730)[8].(0040,A730)[0].(0040,A160)"),
    "uid": (setting("UID", IMAGE, 5), "(0040,A730)[5].(0040,A124)"),
    "date": (setting("Date", "20240517", 3), "(0040,A730)[3].(0040,A121)"),
    "datetime": (setting("DateTime", "202405171015", 4), "(0040,A730)[4].(0040,A120)"),
    "code meaning": (
        setting("ConceptCodeSequence", [code("1", "99ACME", "Quillfeather's mass")], 6),
        "(0040,A730)[6].(0040,A168)[0].(0008,0104)",
    ),
    "concept name": (
        setting("ConceptNameCodeSequence", [code("121071", "DCM", "Seen by Wetherby")], 2),
        "(0040,A730)[2].(0040,A043)[0].(0008,0104)",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found(leak: str, tmp_path: Path) -> None:
    change, path = LEAKS[leak]
    error = held(tmp_path, without_reference(), change)
    assert error.code is ReasonCode.PROOF_IDENTIFIER
    assert error.path in {path, path[: path.rindex(".")]}


def silent() -> list[Dataset]:
    """The last three items of the report, saying nothing."""
    sex, age, born = deepcopy(list(full().ContentSequence[11:]))
    sex.ConceptCodeSequence = [code("261665006", "SCT", "Unknown")]
    age.MeasuredValueSequence = []
    born.Date = "19000101"
    return [sex, age, born]


def put_back(which: int) -> Change:
    """The last items as far as one that still says what it said."""

    def change(ds: Dataset) -> None:
        ds.ContentSequence.extend(silent()[: which - 11])
        ds.ContentSequence.append(deepcopy(full().ContentSequence[which]))

    return change


def test_items_that_may_go_may_stay_and_say_nothing(tmp_path: Path) -> None:
    proof = proved(tmp_path, full(), lambda ds: ds.ContentSequence.extend(silent()))
    assert proof.iod == "no worse"


@pytest.mark.parametrize("which", [11, 12, 13], ids=["sex", "age", "birth"])
def test_an_item_that_should_have_gone_is_found(which: int, tmp_path: Path) -> None:
    error = held(tmp_path, without_reference(), put_back(which))
    assert error.code is ReasonCode.PROOF_IDENTIFIER
    assert error.path.startswith(f"(0040,A730)[{which}]")


@pytest.mark.parametrize(
    ("concept", "value"), [("121022", "Head"), ("121009", "Clinic"), ("121016", "A1"), ("121008", "Long")]
)
def test_known_words_under_an_identifying_name_are_found(concept: str, value: str, tmp_path: Path) -> None:
    """No scan can find these: the words name no one, the concept name does."""
    original = report(text(concept, value), text("121071", "Nodule"))
    spoiled = [text(concept, value), text("121071", "Nodule")]
    error = held(tmp_path, original, setting("ContentSequence", spoiled), known=HarvestedIdentifiers())
    assert (error.code, error.path.split(".")[0]) == (ReasonCode.PROOF_IDENTIFIER, "(0040,A730)[0]")


def test_what_the_harvest_missed_is_searched_all_the_same(tmp_path: Path) -> None:
    original = report(text("121022", "QX-9917264"), text("121071", "Nodule"))
    error = held(
        tmp_path,
        original,
        setting("TextValue", "Nodule, QX 9917264", 0),
        known=HarvestedIdentifiers(),
    )
    assert error.path == "(0040,A730)[0].(0040,A160)"


def reference_of(ds: Dataset) -> Dataset:
    return ds.ContentSequence[2].ContentSequence[0].ReferencedSOPSequence[0]  # type: ignore[no-any-return]


def listed_evidence(ds: Dataset) -> Dataset:
    series = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    return series.ReferencedSOPSequence[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("of", [reference_of, listed_evidence])
def test_a_reference_to_another_image_is_found(of: Callable[[Dataset], Dataset], tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        of(ds).ReferencedSOPInstanceUID = "2.25.99"

    error = held(tmp_path, without_reference(), change)
    assert error.path.endswith("(0008,1155)")


def test_a_uid_that_is_another_is_found(tmp_path: Path) -> None:
    error = held(tmp_path, without_reference(), setting("UID", "2.25.99", 5))
    assert (error.code, error.path) == (ReasonCode.PROOF_IDENTIFIER, "(0040,A730)[5]")


def deleting(keyword: str, *indexes: int) -> Change:
    def change(ds: Dataset) -> None:
        for index in indexes:
            ds = ds.ContentSequence[index]
        delattr(ds, keyword)

    return change


@pytest.mark.parametrize(
    ("keyword", "index"),
    [
        ("PersonName", 1),
        ("TextValue", 2),
        ("Date", 3),
        ("UID", 5),
        ("ConceptCodeSequence", 6),
        ("ConceptNameCodeSequence", 2),
        ("ValueType", 2),
        ("RelationshipType", 2),
        ("MeasuredValueSequence", 7),
    ],
)
def test_a_required_attribute_that_is_gone_is_found(keyword: str, index: int, tmp_path: Path) -> None:
    error = held(tmp_path, without_reference(), deleting(keyword, index))
    assert error.code is ReasonCode.PROOF_IOD


@pytest.mark.parametrize("keyword", ["TextValue", "ValueType", "RelationshipType"])
def test_a_required_attribute_deep_in_the_tree_is_found(keyword: str, tmp_path: Path) -> None:
    error = held(tmp_path, without_reference(), deleting(keyword, 8, 0))
    assert error.code is ReasonCode.PROOF_IOD
    assert error.path.startswith("(0040,A730)[")


def test_an_empty_value_is_found(tmp_path: Path) -> None:
    error = held(tmp_path, without_reference(), setting("TextValue", "", 2))
    assert error.code is ReasonCode.PROOF_IOD


def test_an_item_that_had_to_stay_is_missed(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        del ds.ContentSequence[-1]

    error = held(tmp_path, without_reference(), change)
    assert (error.code, error.path) == (ReasonCode.PROOF_IOD, "(0040,A730)[10]")


def test_items_that_moved_up_are_found(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        del ds.ContentSequence[4]

    error = held(tmp_path, without_reference(), change)
    assert (error.code, error.path) == (ReasonCode.PROOF_IOD, "(0040,A730)[4]")


def test_items_in_another_order_are_found(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.ContentSequence.append(ds.ContentSequence.pop(1))

    assert held(tmp_path, without_reference(), change).code is ReasonCode.PROOF_IOD


def test_an_item_more_is_found(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.ContentSequence.append(text("121071", "Nodule"))

    assert held(tmp_path, without_reference(), change).code is ReasonCode.PROOF_IOD


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_a_by_reference_relationship_must_name_the_same_item(syntax: str, tmp_path: Path) -> None:
    def another(ds: Dataset) -> None:
        ds.ContentSequence[2].ContentSequence[1].ReferencedContentItemIdentifier = [1, 2]

    assert held(tmp_path, full(), another, syntax=syntax).code is ReasonCode.PROOF_IOD


def test_the_item_that_a_relationship_names_must_be_there(tmp_path: Path) -> None:
    original = report(text("121071", "Nodule", by_reference(1, 2)), text("121022", "QX88123"))

    def change(ds: Dataset) -> None:
        del ds.ContentSequence[1]

    error = held(tmp_path, original, change)
    assert (error.code, error.path) == (ReasonCode.PROOF_IOD, "(0040,A730)[0].(0040,A730)[0]")


def test_a_path_from_a_position() -> None:
    assert item_path((1,)) == ""
    assert item_path((1, 3, 1)) == "(0040,A730)[2].(0040,A730)[0]"
