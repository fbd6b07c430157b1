"""What stands in a report's content is harvested over the study, and struck out of its images too."""

import pytest

from exchange.domain.identifiers import Identifier, IdentifierKind
from redact.headers.cleaner import clean_header
from redact.identifiers.harvest import harvest
from tests.redact.headers.studies import context, encoded, small
from tests.redact.structured.making import code, coded, item, number, report, text


def found(kind: IdentifierKind, *items: object) -> set[str]:
    made = harvest(report(*items, ReferringPhysicianName="", AccessionNumber=""))  # type: ignore[arg-type]
    return {one.value for one in made.items if one.kind is kind}


@pytest.mark.parametrize(
    ("concept", "kind"),
    [
        ("121030", IdentifierKind.PATIENT_ID),
        ("121022", IdentifierKind.NUMBER),
        ("121020", IdentifierKind.NUMBER),
        ("121016", IdentifierKind.NUMBER),
        ("113871", IdentifierKind.NUMBER),
        ("121009", IdentifierKind.INSTITUTION),
        ("121013", IdentifierKind.OTHER),
        ("128774", IdentifierKind.OTHER),
    ],
)
def test_text_under_a_name_that_identifies(concept: str, kind: IdentifierKind) -> None:
    assert "Bramble 77123" in found(kind, text(concept, "Bramble 77123"))


def test_names_with_their_parts_whatever_the_value_type() -> None:
    assert {"Wetherby^Ann", "Wetherby", "Ann"} <= found(
        IdentifierKind.PERSON, item("PNAME", code("121008"), PersonName="Wetherby^Ann")
    )
    assert "Wetherby" in found(IdentifierKind.PERSON, text("121008", "Wetherby"))
    assert {"Holt", "May"} <= found(
        IdentifierKind.PATIENT_NAME, item("PNAME", code("121029"), PersonName="Holt^May")
    )


def test_numbers_under_a_name_that_identifies() -> None:
    assert "77123" in found(IdentifierKind.PATIENT_ID, number("121030", "77123"))
    assert "77123" in found(IdentifierKind.PATIENT_ID, item("NUMERIC", code("121030"), NumericValue="77123"))


@pytest.mark.parametrize("value", ["", "UNKNOWN", "REMOVED", "0000", "N/A"])
def test_placeholders_are_nobody(value: str) -> None:
    assert found(IdentifierKind.NUMBER, text("121022", value)) == {"1"}  # StudyID


def test_other_text_and_codes_are_no_identifiers() -> None:
    made = harvest(report(text("121071", "Bramble"), coded("121071", code("77123", "99ACME", "Bramble"))))
    assert not {one.value for one in made.items} & {"Bramble", "77123"}


def test_codes_that_stand_for_a_person() -> None:
    ds = report()
    observer = item("TEXT", None, VerifyingObserverName="Holt^May", VerifyingOrganization="Bramble Clinic")
    observer.VerifyingObserverIdentificationCodeSequence = [code("STAFF-4711", "99HOSP", "Holt, May")]
    ds.VerifyingObserverSequence = [observer]
    made = harvest(ds).items
    assert (
        Identifier(IdentifierKind.NUMBER, "STAFF-4711", "VerifyingObserverIdentificationCodeSequence") in made
    )
    assert Identifier(IdentifierKind.INSTITUTION, "Bramble Clinic", "VerifyingOrganization") in made


def test_what_a_report_names_is_struck_out_of_the_images_of_its_study() -> None:
    noted = report(
        item("PNAME", code("121008"), PersonName="Wetherby^Ann"),
        text("121022", "QX-9917264"),
        text("121009", "Brambleholt"),
    )
    ds = small(StudyDescription="CT head Wetherby QX9917264", Manufacturer="Brambleholt scanner")
    clean_header(ds, context(small(), noted))
    assert (ds.StudyDescription, ds.Manufacturer) == ("CT head", "scanner")
    assert b"Wetherby" not in encoded(ds)
