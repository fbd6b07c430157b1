"""Content items by value type and concept name: what identifies goes, all else is cleaned by its kind."""

from copy import deepcopy
from typing import Any

import pytest
from pydicom.dataset import Dataset

from redact.headers.cleaner import clean_header
from redact.headers.outcome import HeaderOutcome
from redact.headers.profile import Profile
from redact.identifiers.dates import shift_date
from tests.redact.headers.studies import context, default_profile, encoded, profile
from tests.redact.structured.making import (
    IMAGE,
    STUDY,
    by_reference,
    code,
    coded,
    image,
    item,
    leaves,
    named,
    number,
    report,
    text,
)

CONTENT, DESCRIPTORS, SHIFTED = "113104", "113105", "113107"


def cleaned(
    *items: Dataset, using: Profile | None = None, **attributes: Any
) -> tuple[Dataset, HeaderOutcome]:
    ds = report(*deepcopy(items), **deepcopy(attributes))
    outcome = clean_header(ds, context(report(*items, **attributes), using=using))
    return ds, outcome


def only(ds: Dataset) -> Dataset:
    (one,) = ds.ContentSequence
    assert isinstance(one, Dataset)
    return one


def test_text_is_cleaned_as_a_descriptor() -> None:
    ds, outcome = cleaned(text("121071", "Nodule in left lung, Ottoline Quillfeather, seen by Wetherby"))
    assert only(ds).TextValue == "Nodule in left lung seen by"
    assert {"113104", "113105"} <= set(outcome.method_codes)


def test_text_of_which_nothing_is_left_becomes_a_dummy_or_goes() -> None:
    ds, _ = cleaned(
        text("121106", "Zqxvrrk"),
        text("121071", "Zqxvrrk"),
        text("99", "Zqxvrrk", scheme="99ACME"),
        text("121106", "Zqxvrrk"),
        text("121075", "Zqxvrrk"),
    )
    assert [one.TextValue for one in ds.ContentSequence] == ["REMOVED"] * 3


def test_a_comment_on_which_others_hang_stays() -> None:
    ds, _ = cleaned(text("121106", "Zqxvrrk", image()))
    assert only(ds).TextValue == "REMOVED"


def test_without_clean_descriptors_listed_text_goes_and_other_text_is_cleaned_all_the_same() -> None:
    ds, _ = cleaned(
        text("121071", "Nodule"),
        text("99", "Nodule of Zqxvrrk", scheme="99ACME"),
        text("121106", "Nodule"),
        using=profile(CONTENT),
    )
    assert [one.TextValue for one in ds.ContentSequence] == ["REMOVED", "Nodule of"]


@pytest.mark.parametrize("concept", ["121008", "121029", "121114", "1"])
def test_person_names_get_dummies_and_the_subject_the_pseudonym(concept: str) -> None:
    ds, outcome = cleaned(item("PNAME", code(concept), PersonName="Head^Long"))
    name = str(only(ds).PersonName)
    assert name == (outcome.patient.patient_name if concept == "121029" else "REMOVED")


@pytest.mark.parametrize("concept", ["121036", "121088", "121152"])
def test_people_who_need_not_be_named_go(concept: str) -> None:
    ds, _ = cleaned(text("121071", "Nodule"), item("PNAME", code(concept), PersonName="Head^Long"))
    assert only(ds).TextValue == "Nodule"


@pytest.mark.parametrize(
    "concept", ["121020", "121021", "121022", "121009", "121013", "121016", "121017", "110119", "113871"]
)
def test_text_under_an_identifying_name_goes_though_its_words_are_known(concept: str) -> None:
    ds, _ = cleaned(text("121071", "Nodule"), text(concept, "Head 12"))
    assert only(ds).TextValue == "Nodule"


def test_a_subject_id_is_the_pseudonym() -> None:
    ds, outcome = cleaned(text("121030", "QF-471188"))
    assert only(ds).TextValue == outcome.patient.patient_id == ds.PatientID


@pytest.mark.parametrize("value_type", ["TEXT", "NUM", "CODE", "DATE"])
def test_an_identifying_name_counts_under_any_value_type(value_type: str) -> None:
    made = {
        "TEXT": text("121008", "Head"),
        "NUM": number("121008", "77"),
        "CODE": coded("121008", code("HEAD", "99STAFF", "Head")),
        "DATE": item("DATE", code("121008"), Date="20240517"),
    }[value_type]
    ds, _ = cleaned(made)
    kept = only(ds)
    told = {
        "TEXT": str(kept.get("TextValue", "")),
        "NUM": str(len(kept.get("MeasuredValueSequence", ()))),
        "CODE": str(kept.ConceptCodeSequence[0].CodeMeaning) if "ConceptCodeSequence" in kept else "",
        "DATE": str(kept.get("Date", "")),
    }
    silent = {"TEXT": "REMOVED", "NUM": "0", "CODE": "Unknown", "DATE": "19000101"}
    assert told[value_type] == silent[value_type]


@pytest.mark.parametrize("concept", [("121033", "DCM"), ("29463-7", "LN"), ("50373000", "SCT")])
def test_patient_characteristics_go_unless_an_option_retains_them(concept: tuple[str, str]) -> None:
    value, scheme = concept
    ds, _ = cleaned(text("121071", "Nodule"), number(value, "61", "a", scheme=scheme))
    assert only(ds).TextValue == "Nodule"
    kept, outcome = cleaned(number(value, "61", "a", scheme=scheme), using=profile(CONTENT, "113108"))
    assert only(kept).MeasuredValueSequence[0].NumericValue == 61
    assert "113108" in outcome.method_codes


@pytest.mark.parametrize(
    ("age", "unit", "told"),
    [
        ("97", "a", "90"),
        ("89", "a", "89"),
        ("1200", "mo", "1080"),
        ("700", "d", "700"),
        ("40000", "d", "32871"),
    ],
)
def test_ages_that_are_kept_are_capped(age: str, unit: str, told: str) -> None:
    ds, _ = cleaned(number("121033", age, unit), using=profile(CONTENT, "113108"))
    assert str(only(ds).MeasuredValueSequence[0].NumericValue).split(".")[0] == told


def test_an_age_in_an_acquisition_context_is_capped_too() -> None:
    age = item("NUMERIC", code("121033"), NumericValue="97", MeasurementUnitsCodeSequence=[code("a", "UCUM")])
    ds, _ = cleaned(AcquisitionContextSequence=[age], using=profile(CONTENT, "113108"))
    assert ds.AcquisitionContextSequence[0].NumericValue == 90


def test_sex_goes_or_is_kept() -> None:
    sex = coded("121032", code("F", "DCM", "Female"))
    ds, _ = cleaned(text("121071", "Nodule"), sex)
    assert only(ds).ValueType == "TEXT"
    ds, _ = cleaned(sex, text("121071", "Nodule"))
    assert ds.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning == "Unknown"
    ds, _ = cleaned(sex, using=profile(CONTENT, "113108"))
    assert only(ds).ConceptCodeSequence[0].CodeValue == "F"


def dates() -> list[Dataset]:
    return [
        item("DATE", code("111060"), Date="20240517"),
        item("TIME", code("111061"), Time="101500"),
        item("DATETIME", code("111526"), DateTime="20240517101500.5+0100"),
        item("DATE", code("1", "99ACME"), Date="20240517"),
        item("DATE", code("121031"), Date="19610412"),
    ]


def test_dates_move_with_the_patient_and_a_birth_date_goes() -> None:
    ds, outcome = cleaned(*dates())
    moved = shift_date("20240517", outcome.patient.shift_days)
    study, time, started, unlisted = ds.ContentSequence
    assert (study.Date, unlisted.Date, str(time.Time)) == (moved, moved, "101500")
    assert started.DateTime == f"{moved}101500.5+0100"
    assert "113107" in outcome.method_codes


def test_dates_are_kept_by_their_option_but_no_birth_date() -> None:
    ds, outcome = cleaned(*dates(), using=profile(CONTENT, "113106"))
    assert [one.Date for one in ds.ContentSequence if "Date" in one] == ["20240517", "20240517"]
    assert "113106" in outcome.method_codes


def test_dates_without_an_option_say_nothing() -> None:
    ds, outcome = cleaned(*dates(), using=profile(CONTENT))
    assert [one.get("Date", "19000101") for one in ds.ContentSequence] == ["19000101"] * 4
    assert (ds.ContentSequence[1].Time, ds.ContentSequence[2].DateTime) == ("000000", "19000101000000")
    assert {"113106", "113107"}.isdisjoint(outcome.method_codes)


@pytest.mark.parametrize("value", ["18990101", "20241399", "yesterday"])
def test_a_date_that_cannot_be_moved_becomes_a_dummy(value: str) -> None:
    wrong = item("DATE", code("111060"))
    wrong.add_new(0x0040A121, "LO", value)
    wrong["Date"].VR = "DA"
    ds, _ = cleaned(wrong)
    assert only(ds).Date == "19000101"


def test_uids_and_references_are_mapped_alike_and_standard_uids_stay() -> None:
    ds, outcome = cleaned(
        item("UIDREF", code("112040"), UID=IMAGE),
        item("UIDREF", code("1", "99ACME"), UID="1.2.840.10008.5.1.4.1.1.2"),
        item("COMPOSITE", None, image(), ReferencedSOPSequence=image().ReferencedSOPSequence),
    )
    new = outcome.uid_map[IMAGE]
    assert [one.UID for one in ds.ContentSequence if "UID" in one] == [new, "1.2.840.10008.5.1.4.1.1.2"]
    references = [one.ReferencedSOPSequence[0] for one in leaves(ds) if "ReferencedSOPSequence" in one]
    assert {one.ReferencedSOPInstanceUID for one in references} == {new}
    assert {one.ReferencedSOPClassUID for one in references} == {"1.2.840.10008.5.1.4.1.1.2"}
    listed = ds.CurrentRequestedProcedureEvidenceSequence[0]
    assert listed.StudyInstanceUID == outcome.uid_map[STUDY] == ds.StudyInstanceUID
    assert listed.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == new


def test_uids_are_retained_by_their_option() -> None:
    ds, outcome = cleaned(item("UIDREF", code("112040"), UID=IMAGE), using=profile(CONTENT, "113110"))
    assert only(ds).UID == IMAGE
    assert "113110" in outcome.method_codes


@pytest.mark.parametrize(
    ("option", "concept", "kept"),
    [
        ("113109", "121016", True),
        ("113109", "121009", False),
        ("113112", "121009", True),
        ("113112", "121016", False),
    ],
)
def test_device_and_institution_are_kept_by_their_options(option: str, concept: str, kept: bool) -> None:
    ds, _ = cleaned(
        text("121071", "Nodule"), text(concept, "Brambleholt 77123"), using=profile(CONTENT, option)
    )
    assert [one.TextValue for one in named(ds, concept)] == (["Brambleholt 77123"] if kept else [])


def test_what_an_option_keeps_loses_the_patients_own_identifiers() -> None:
    ds, _ = cleaned(text("121016", "77123 Quillfeather"), using=profile(CONTENT, "113109"))
    assert only(ds).TextValue == "77123"


def test_codes_of_public_schemes_stay_and_private_meanings_are_cleaned() -> None:
    ds, _ = cleaned(
        coded("121071", code("4147007", "SCT", "Mass")),
        coded("121071", code("L1", "99ACME", "Mass of Zqxvrrk")),
    )
    first, second = (one.ConceptCodeSequence[0] for one in ds.ContentSequence)
    assert (first.CodeValue, first.CodeMeaning) == ("4147007", "Mass")
    assert (second.CodeValue, second.CodeMeaning) == ("L1", "Mass of")


def test_numbers_stay_unless_they_are_the_patients_own() -> None:
    ds, _ = cleaned(number("112038", "12.5"), number("112038", "471188"))
    first, second = ds.ContentSequence
    assert first.MeasuredValueSequence[0].NumericValue == 12.5
    assert len(second.MeasuredValueSequence) == 0


def test_coordinates_and_containers_stay() -> None:
    scoord = item("SCOORD", code("111030"), image(), GraphicType="POINT", GraphicData=[1.0, 2.0])
    space = item("SCOORD3D", code("111030"), GraphicType="POINT", GraphicData=[1.0, 2.0, 3.0])
    space.ReferencedFrameOfReferenceUID = f"{STUDY}.9"
    times = item("TCOORD", code("122704"), TemporalRangeType="POINT", ReferencedTimeOffsets=[1.5])
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    holder = item("CONTAINER", code("126010"), scoord, space, times, ContentTemplateSequence=[template])
    ds, outcome = cleaned(holder)
    kept = only(ds)
    assert kept.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (kept.ValueType, kept.ContinuityOfContent) == ("CONTAINER", "SEPARATE")
    first, second, third = kept.ContentSequence
    assert (first.GraphicType, list(first.GraphicData)) == ("POINT", [1.0, 2.0])
    assert second.ReferencedFrameOfReferenceUID == outcome.uid_map[f"{STUDY}.9"]
    assert (third.TemporalRangeType, third.ReferencedTimeOffsets) == ("POINT", 1.5)


def test_a_time_coordinate_moves() -> None:
    ds, outcome = cleaned(
        item("TCOORD", code("122704"), TemporalRangeType="POINT", ReferencedDateTime="20240517101500")
    )
    assert only(ds).ReferencedDateTime == shift_date("20240517", outcome.patient.shift_days) + "101500"


def test_device_identifiers_go_with_their_container() -> None:
    udi = item("CONTAINER", code("121000"), text("74711-3", "(01)0088123", scheme="LN"))
    ds, _ = cleaned(text("121071", "Nodule"), udi)
    assert only(ds).TextValue == "Nodule"
    ds, _ = cleaned(udi, text("121071", "Nodule"))
    assert "ContentSequence" not in ds.ContentSequence[0]
    ds, _ = cleaned(udi, using=profile(CONTENT, "113109"))
    assert only(only(ds)).TextValue == "(01)0088123"


def test_what_a_value_type_says_changes_nothing() -> None:
    """Canon writes PERSON NAME for PNAME; a TEXT may hold a PersonName."""
    ds, _ = cleaned(
        item("PERSON NAME", code("113870"), PersonName="Wetherby^Ann"),
        item("TEXT", code("121071"), PersonName="Wetherby^Ann"),
    )
    assert [str(one.PersonName) for one in ds.ContentSequence] == ["REMOVED", "REMOVED"]


def test_an_item_without_a_name_is_one() -> None:
    nameless = [
        item("TEXT", None, TextValue="Zqxvrrk"),
        item("PNAME", None, PersonName="Wetherby^Ann"),
        item("NUM", None, MeasuredValueSequence=number("1", "471188").MeasuredValueSequence),
    ]
    ds, _ = cleaned(*nameless)
    first, second, third = ds.ContentSequence
    assert (first.TextValue, str(second.PersonName)) == ("REMOVED", "REMOVED")
    assert len(third.MeasuredValueSequence) == 0


def test_a_report_without_content_stays_one() -> None:
    ds, _ = cleaned(text("121022", "QX88123"))
    assert "ContentSequence" not in ds
    assert ds.ValueType == "CONTAINER"


@pytest.mark.parametrize("depth", [1, 5, 20])
def test_depth_makes_no_difference(depth: int) -> None:
    inner = text("121071", "Mass, Quillfeather", item("PNAME", code("121008"), PersonName="Wetherby^Ann"))
    for _ in range(depth):
        inner = item("CONTAINER", code("126010"), inner)
    ds, _ = cleaned(inner)
    assert b"Quillfeather" not in encoded(ds)
    assert [one.TextValue for one in leaves(ds) if "TextValue" in one] == ["Mass"]
    assert [str(one.PersonName) for one in leaves(ds) if "PersonName" in one] == ["REMOVED"]


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_types_are_known_at_any_depth(depth: int) -> None:
    """ObservationDateTime (X/D) is optional in an item, hence removed, in nested items as well."""
    inner = text("121071", "Mass", ObservationDateTime="20240517101500")
    for _ in range(depth):
        inner = item("CONTAINER", code("126010"), inner)
    ds, _ = cleaned(inner, using=profile(CONTENT))
    assert [one.get("ObservationDateTime") for one in leaves(ds)] == [None] * (depth + 1)


@pytest.mark.parametrize("concept", ["121022", "121036", "121032", "121033", "121031", "121000"])
def test_what_stays_stays_in_its_place(concept: str) -> None:
    """Items may go from the end only: all others are found where they were."""
    made = {
        "121022": text("121022", "QX88123"),
        "121036": item("PNAME", code("121036"), PersonName="Quillfeather^Maud"),
        "121032": coded("121032", code("F", "DCM", "Female")),
        "121033": number("121033", "63", "a"),
        "121031": item("DATE", code("121031"), Date="19610412"),
        "121000": item("CONTAINER", code("121000"), text("74711-3", "(01)0088123", scheme="LN")),
    }[concept]
    ds, _ = cleaned(made, text("121071", "Nodule"), made, made)
    assert [one.ConceptNameCodeSequence[0].CodeValue for one in ds.ContentSequence] == [concept, "121071"]
    assert ds.ContentSequence[1].TextValue == "Nodule"
    assert b"88123" not in encoded(ds)
    assert b"19610412" not in encoded(ds).replace(b"PatientBirthDate", b"")


def test_an_item_that_is_referenced_or_holds_a_referenced_one_stays() -> None:
    ds, _ = cleaned(
        text("121071", "Nodule", by_reference(1, 2, 1), by_reference(1, 3)),
        item("CONTAINER", code("121000"), text("74711-3", "(01)0088123", scheme="LN")),
        text("121022", "QX88123"),
        text("121022", "QX88123"),
    )
    assert [one.ConceptNameCodeSequence[0].CodeValue for one in ds.ContentSequence] == [
        "121071",
        "121000",
        "121022",
    ]
    assert ds.ContentSequence[1].ContentSequence[0].TextValue == "REMOVED"
    assert ds.ContentSequence[2].TextValue == "REMOVED"


def test_items_elsewhere_are_cleaned_by_their_names_too() -> None:
    """Acquisition context (Type 2) may lose an item; a protocol's item gets a dummy."""
    context_items = [
        item("TEXT", code("109054"), TextValue="Resting"),
        item("TEXT", code("121022"), TextValue="Head"),
        item("NUMERIC", code("121033"), NumericValue="61"),
    ]
    protocol = item("TEXT", code("121022"), TextValue="Head")
    holder = Dataset()
    holder.ProtocolContextSequence = [protocol]
    ds, _ = cleaned(AcquisitionContextSequence=context_items, ScheduledProtocolCodeSequence=[holder])
    assert [one.TextValue for one in ds.AcquisitionContextSequence] == ["Resting"]
    assert ds.ScheduledProtocolCodeSequence[0].ProtocolContextSequence[0].TextValue == "REMOVED"


def test_a_site_rule_comes_first() -> None:
    rules = [{"keyword": "TextValue", "action": "replace", "value": "by the site"}]
    ds, _ = cleaned(text("121022", "QX88123"), using=profile(CONTENT, DESCRIPTORS, rules=rules))
    assert only(ds).TextValue == "by the site"


@pytest.mark.parametrize(
    ("action", "left"), [("keep", None), ("hash", "hashed"), ("remove", "removed"), ("empty", "")]
)
def test_a_site_rule_keeps_nothing_under_an_identifying_name(action: str, left: str | None) -> None:
    rules = [{"keyword": "TextValue", "action": action}]
    ds, _ = cleaned(text("121071", "Zqx"), text("121022", "Head"), using=profile(CONTENT, rules=rules))
    values = [one.get("TextValue", "removed") for one in ds.ContentSequence]
    if left is None:
        assert values == ["Zqx"]  # the rule keeps the other one
    elif left == "hashed":
        assert len(values) == 2
        assert not {"Head", "Zqx"} & set(values)
    else:
        assert [value or "" for value in values] == [left, left]


def test_years_by_a_site_rule_are_kept_of_no_birth_date() -> None:
    rules: list[dict[str, Any]] = [{"vr": ["DA", "DT"], "action": "year"}]
    ds, _ = cleaned(*dates(), using=profile(CONTENT, rules=rules))
    assert [one.Date for one in ds.ContentSequence if "Date" in one] == ["20240101", "20240101"]
    assert [one.DateTime for one in ds.ContentSequence if "DateTime" in one] == ["2024"]


def test_cleaning_again_changes_no_text() -> None:
    items = [
        text("121071", "Nodule of Zqxvrrk in left lung"),
        item("PNAME", code("121008"), PersonName="Wetherby^Ann"),
        item("PNAME", code("121029"), PersonName="Quillfeather^Ottoline"),
        coded("121071", code("L1", "99ACME", "Mass of Zqxvrrk")),
        number("112038", "471188"),
    ]
    first, _ = cleaned(*items)
    second = report(*first.ContentSequence)
    for keyword in ("PatientName", "PatientID"):
        setattr(second, keyword, getattr(first, keyword))
    clean_header(second, context(second, using=default_profile()))
    texts = [[one.get("TextValue") for one in leaves(ds)] for ds in (first, second)]
    assert texts[0] == texts[1]
    assert len(list(leaves(first))) == len(list(leaves(second)))
