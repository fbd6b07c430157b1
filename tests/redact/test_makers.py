"""A maker that is called like somebody: cleaner and proof agree that the element names the maker."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.cleaner import clean_header
from redact.identifiers.harvest import harvest
from redact.verify.proof import prove_instance
from tests.redact.headers.studies import context, small
from tests.redact.verify.studies import EXPECTATIONS, IDENTIFIERS, pair

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def cleaned(maker: str, keyword: str = "Manufacturer", **names: str) -> str | None:
    def made() -> Dataset:
        return small(SOPClassUID=SEGMENTATION, **{keyword: maker}, **names)

    ds = made()
    clean_header(ds, context(made()))
    return str(ds[keyword].value) if keyword in ds else None


def verdict(folder: Path, maker: str, *people: Identifier, keyword: str = "Manufacturer") -> str:
    """`passes`, or the path at which the instance is held."""
    source, output = pair(folder, lambda ds: setattr(ds, keyword, maker))
    try:
        prove_instance(
            source,
            output,
            identifiers=IDENTIFIERS.union([HarvestedIdentifiers(frozenset(people))]),
            expectations=EXPECTATIONS,
        )
    except HeldError as held:
        return held.path
    return "passes"


def people(kind: IdentifierKind, name: str) -> tuple[Identifier, ...]:
    ds = small(OperatorsName=name) if kind is IdentifierKind.PERSON else small(PatientName=name)
    return tuple(item for item in harvest(ds).items if item.kind is kind)


@pytest.mark.parametrize(
    "name", ["Brainwave", "Brainwave^Karl", "QIICR", "Brainwave Labs", "Philips", "Pons^A"]
)
@pytest.mark.parametrize("keyword", ["Manufacturer", "ManufacturerModelName"])
def test_a_maker_may_be_called_like_a_person(name: str, keyword: str, tmp_path: Path) -> None:
    maker = name.split("^")[0].split()[0]
    assert cleaned(maker, keyword, ContentCreatorName=name) == maker
    assert verdict(tmp_path, maker, *people(IdentifierKind.PERSON, name), keyword=keyword) == "passes"


@pytest.mark.parametrize(
    "maker",
    [
        "Karl Brainwave",
        "BRAINWAVE, KARL",
        "K. Brainwave",
        "Dr. Brainwave",
        "Brainwave, MD",
        "Prof. Dr. Brainwave",
        "ref Brainwave",
        "for Brainwave Labs",
    ],
)
def test_a_person_who_stands_there_is_found(maker: str, tmp_path: Path) -> None:
    left = cleaned(maker, OperatorsName="Brainwave^Karl")
    assert left is None or "brainwave" not in left.lower()
    assert verdict(tmp_path, maker, *people(IdentifierKind.PERSON, "Brainwave^Karl")) == "(0008,0070)"


@pytest.mark.parametrize("maker", ["Brainwave", "Brainwave Labs", "acme MRN-4711-99"])
def test_the_patient_may_not_stand_there(maker: str, tmp_path: Path) -> None:
    left = cleaned(maker, PatientName="Brainwave^Karl")
    assert left is None or not {"Brainwave", "4711"} & set(left.replace("-", " ").split())
    number = Identifier(IdentifierKind.PATIENT_ID, "MRN-4711-99", "x")
    known = people(IdentifierKind.PATIENT_NAME, "Brainwave^Karl")
    assert verdict(tmp_path, maker, number, *known) == "(0008,0070)"


def test_elsewhere_a_persons_name_is_one(tmp_path: Path) -> None:
    assert cleaned("Brainwave", "ProtocolName", OperatorsName="Brainwave") != "Brainwave"
    known = people(IdentifierKind.PERSON, "Brainwave")
    assert verdict(tmp_path, "Brainwave", *known, keyword="ProtocolName") == "(0018,1030)"
