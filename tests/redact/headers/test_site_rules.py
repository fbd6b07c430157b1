"""A site's own rules at work: each action on real and made headers, the most specific first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.valuerep import validate_value

from agent.config.problems import MistakesError
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.account import Account
from redact.headers.cleaner import clean_header
from redact.headers.outcome import HeaderOutcome
from redact.identifiers.dates import shift_date
from redact.identifiers.hashing import hashed
from redact.identifiers.pseudonymiser import Pseudonymiser
from tests.redact.headers.studies import KEY, context, ct, encoded, profile, reread, small

Rule = dict[str, Any]


def cleaned(
    ds: Dataset, *rules: Rule, options: tuple[str, ...] = ("113107",)
) -> tuple[Dataset, HeaderOutcome]:
    outcome = clean_header(ds, context(ds, using=profile(*options, rules=list(rules))))
    return ds, outcome


def request(**attributes: Any) -> Sequence:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return Sequence([item])


def test_keeping_strikes_out_the_patient() -> None:
    ds, _ = cleaned(
        small(RequestedProcedureDescription="Zyxo protocol of Jane Doe", RequestingService="Wardle East"),
        {"keyword": "RequestedProcedureDescription", "action": "keep"},
    )
    assert ds.RequestedProcedureDescription == "Zyxo protocol of"
    assert "RequestingService" not in ds


def test_what_would_be_kept_empty_is_disposed_of() -> None:
    ds, _ = cleaned(
        small(RequestedProcedureDescription="Doe"),
        {"keyword": "RequestedProcedureDescription", "action": "keep"},
    )
    assert "RequestedProcedureDescription" not in ds


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientAge", "093Y", "090Y"),  # one class from 90 on, whatever a rule says
        ("PatientAge", "Jane", None),
        ("StudyTime", "101112.5", "101112.5"),
        ("EthnicGroup", "group of Jane Doe", "group of"),
        ("PatientSize", "1.75", 1.75),
        ("OtherPatientIDs", "MRN-4711-99", None),
        ("ReferringPhysicianName", "Doe^Jane", None),
    ],
)
def test_keeping_by_vr(keyword: str, value: str, expected: object) -> None:
    ds, _ = cleaned(small(**{keyword: value}), {"keyword": keyword, "action": "keep"}, options=())
    assert (ds[keyword].value if keyword in ds else None) == expected


def test_kept_uids_are_mapped_all_the_same() -> None:
    rule = {"keyword": "IrradiationEventUID", "action": "keep"}
    ds, outcome = cleaned(small(IrradiationEventUID="1.2.3.99"), rule)
    assert ds.IrradiationEventUID == outcome.uid_map["1.2.3.99"]
    ds, _ = cleaned(small(IrradiationEventUID="1.2.3.99"), rule, options=("113107", "113110"))
    assert ds.IrradiationEventUID == "1.2.3.99"


@pytest.mark.parametrize(
    ("data", "stays"),
    [
        (bytes(range(7, 39)), True),
        (b"\x00\x01Jane Doe\x02\x03", False),
        ("\x01\x02Jane Doe".encode("utf-16-le"), False),
        (b"just words from end to end", False),
    ],
)
def test_kept_bytes_are_searched(data: bytes, stays: bool) -> None:
    ds = small()
    ds.MakerNote = data
    ds, _ = cleaned(ds, {"keyword": "MakerNote", "action": "keep"})
    assert ("MakerNote" in ds) is stays


def test_sequences_are_kept_with_their_items_cleaned() -> None:
    inner = request(ScheduledProcedureStepDescription="CT Chest Doe", RequestedProcedureID="REQ-88123")
    ds, _ = cleaned(
        small(RequestAttributesSequence=inner),
        {"keyword": "RequestAttributesSequence", "action": "keep"},
        options=("113105",),
    )
    assert ds.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "CT Chest"
    assert "RequestedProcedureID" not in ds.RequestAttributesSequence[0]


def test_dates_shift_by_the_patients_days_without_any_option() -> None:
    ds, outcome = cleaned(
        small(PatientBirthDate="19800301", AcquisitionDateTime="20200229101112.5+0100"),
        {"keyword": "PatientBirthDate", "action": "shift"},
        {"keyword": "AcquisitionDateTime", "action": "shift"},
        options=(),
    )
    days = outcome.patient.shift_days
    assert ds.PatientBirthDate == shift_date("19800301", days)
    assert ds.AcquisitionDateTime == shift_date("20200229", days) + "101112.5+0100"
    assert not ds.StudyDate
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"


def test_dates_are_reduced_to_their_year() -> None:
    ds, _ = cleaned(
        small(AcquisitionDateTime="20200229101112.5+0100", SeriesDate="no date", ContentDate="2020.02.29"),
        {"vr": ["DA", "DT"], "action": "year"},
        options=(),
    )
    assert (ds.StudyDate, ds.ContentDate, ds.AcquisitionDateTime) == ("20200101", "20200101", "2020")
    assert not ds.SeriesDate
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"


def test_hashing_keeps_together_what_belongs_together() -> None:
    def one(key: bytes = KEY) -> Dataset:
        ds = small(AccessionNumber="ACC-1 ", RequestAttributesSequence=request(AccessionNumber="ACC-1"))
        ds.InstitutionName, ds.SeriesNumber, ds.StudyID = "Wardle East", "7", ""
        rules = [
            {"keyword": keyword, "action": "hash"}
            for keyword in ("AccessionNumber", "InstitutionName", "SeriesNumber", "StudyID")
        ]
        rules.append({"keyword": "RequestAttributesSequence", "action": "keep"})
        clean_header(ds, context(ds, using=profile(rules=rules), key=key))
        return ds

    ds = one()
    assert ds.AccessionNumber == ds.RequestAttributesSequence[0].AccessionNumber
    assert len(ds.AccessionNumber) == 16
    assert ds.AccessionNumber != ds.InstitutionName
    assert ds.SeriesNumber != 7
    assert not ds.StudyID
    assert one().AccessionNumber == ds.AccessionNumber
    assert one(bytes(32)).AccessionNumber != ds.AccessionNumber


@given(
    st.sampled_from(["AE", "CS", "DS", "IS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"]),
    st.text(min_size=1),
)
def test_a_hash_is_a_value_of_its_vr(vr: str, value: str) -> None:
    token = hashed(Pseudonymiser(KEY, "x"), vr, value)
    assert bool(token) is bool(value.replace("\0", " ").strip())
    validate_value(vr, token, 2)  # pydicom's RAISE
    assert hashed(Pseudonymiser(KEY, "x"), vr, f" {value} ") == token


def test_replacing_and_emptying_by_pattern() -> None:
    ds, _ = cleaned(
        small(ProtocolName="secret", ConvolutionKernel="B30f", DeviceSerialNumber="77"),
        {"tag": "0018,10xx", "action": "empty"},
        {"keyword": "ProtocolName", "action": "replace", "value": "trial 7"},
    )
    assert (ds.ProtocolName, ds.ConvolutionKernel) == ("trial 7", "B30f")
    assert "DeviceSerialNumber" in ds
    assert not ds.DeviceSerialNumber


def test_the_most_specific_rule_counts() -> None:
    rules: list[Rule] = [
        {"vr": "LO", "action": "remove"},
        {"tag": "0008,10xx", "action": "empty"},
        {"keyword": "StudyDescription", "action": "replace", "value": "keyword"},
        {"path": "**.StudyDescription", "action": "replace", "value": "anywhere"},
        {"path": "RequestAttributesSequence.StudyDescription", "action": "replace", "value": "path"},
        {
            "path": "RequestAttributesSequence.StudyDescription",
            "action": "replace",
            "value": "path in CT",
            "when": {"Modality": "CT"},
        },
    ]
    for count, expected in ((6, "path in CT"), (5, "path"), (4, "anywhere"), (3, "keyword")):
        ds = small(RequestAttributesSequence=request(StudyDescription="x", SeriesDescription="y"))
        ds, _ = cleaned(ds, *rules[:count], {"keyword": "RequestAttributesSequence", "action": "keep"})
        item = ds.RequestAttributesSequence[0]
        assert item.StudyDescription == expected
        assert not item.SeriesDescription
    assert "ManufacturerModelName" not in cleaned(small(ManufacturerModelName="M"), rules[0])[0]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"Modality": "CT", "Manufacturer": "ACME Ltd"}, "yes"),
        ({"Modality": "MR", "Manufacturer": "ACME Ltd"}, "yes"),
        ({"Modality": "US", "Manufacturer": "ACME Ltd"}, None),
        ({"Modality": "CT", "Manufacturer": "Other"}, None),
        ({"Modality": "CT", "Manufacturer": "ACME Ltd", "BodyPartExamined": "HEAD"}, None),
    ],
)
def test_a_rule_holds_for_the_objects_that_it_says(attributes: dict[str, str], expected: str | None) -> None:
    when = {
        "Manufacturer": {"matches": "^acme"},
        "any": [{"Modality": "CT"}, {"Modality": {"in": ["MR", "PT"]}}],
        "not": {"BodyPartExamined": {"present": True}},
    }
    rule = {"keyword": "StudyID", "action": "replace", "value": "yes", "when": when}
    ds, _ = cleaned(small(StudyID="4711-77", **attributes), rule)
    assert (ds.StudyID or None) == expected


def test_conditions_are_asked_of_the_object_as_it_came() -> None:
    rules: list[Rule] = [
        {"keyword": "Manufacturer", "action": "remove"},
        {"keyword": "StudyID", "action": "replace", "value": "yes", "when": {"Manufacturer": "ACME"}},
    ]
    ds, _ = cleaned(small(StudyID="4711-77", Manufacturer="ACME"), *rules)
    assert "Manufacturer" not in ds
    assert ds.StudyID == "yes"


def test_a_value_that_fits_two_rules_of_one_rank_is_held() -> None:
    """By PS3.6 Modality has one value, so the rules exclude each other; a file that breaks this is held."""
    rules = [
        {"keyword": "StudyID", "action": "keep", "when": {"Modality": "CT"}},
        {"keyword": "StudyID", "action": "remove", "when": {"Modality": "MR"}},
    ]
    ds = small(StudyID="1")
    ds.Modality = ["CT", "MR"]
    with pytest.raises(HeldError, match="cannot choose between rules") as held:
        cleaned(ds, *rules)
    assert (held.value.code, held.value.path) == (ReasonCode.POLICY, "(0020,0010)")


@pytest.mark.parametrize(("action", "value"), [("hash", None), ("shift", None), ("replace", "x")])
def test_an_action_that_does_not_fit_the_vr_of_the_file_is_held(action: str, value: str | None) -> None:
    rule: Rule = {"tag": "0018,13xx", "action": action}
    if value:
        rule["value"] = value
    with pytest.raises(HeldError) as held:
        cleaned(read_enhanced(), rule)
    assert held.value.code is ReasonCode.POLICY


def read_enhanced() -> Dataset:
    ds = small()
    ds.add_new(0x00181310, "US", [0, 256, 256, 0])  # AcquisitionMatrix
    return ds


def test_what_lockgate_answers_for_is_out_of_reach_of_wide_rules() -> None:
    before = ct()
    ds, outcome = cleaned(
        ct(),
        {"vr": ["UI", "US", "CS", "LO", "PN", "SQ"], "action": "remove"},
        {"tag": "6xxx,xxxx", "action": "keep"},
    )
    after = reread(ds)
    assert (after.Rows, after.SOPClassUID) == (before.Rows, before.SOPClassUID)
    assert after.PatientID == outcome.patient.patient_id
    assert after.StudyInstanceUID == outcome.uid_map[str(before.StudyInstanceUID)]
    assert "FrameOfReferenceUID" not in after


def test_overlays_go_whatever_a_pattern_says() -> None:
    ds = small()
    ds.add_new(0x60003000, "OW", bytes(range(8)))
    ds, _ = cleaned(ds, {"tag": "6xxx,xxxx", "action": "keep"}, {"vr": "OW", "action": "keep"})
    assert Tag(0x60003000) not in ds


def private(*, implicit: bool = False) -> Dataset:
    ds = small()
    block = ds.private_block(0x0029, "ACME CSA HEADER", create=True)
    elements: list[tuple[int, str, Any]] = [
        (0x08, "CS", "IMAGE NUM 4"),
        (0x10, "LO", "coil of Jane Doe"),
        (0x11, "DS", "1.5"),
        (0x20, "OB", b"\x00\x01\x02\x03"),
        (0x21, "DA", "20200229"),
        (0x22, "UI", "1.2.3.4"),
        (0x23, "SQ", Sequence([Dataset()])),
        (0x24, "UT", "long text"),
    ]
    for number, vr, value in elements:
        block.add_new(number, vr, value)
    ds.private_block(0x0029, "OTHER MAKER", create=True).add_new(0x10, "LO", "gone")
    if implicit:
        for element in list(ds):
            if element.tag.is_private and element.tag.element > 0xFF and element.VR in {"LO", "CS", "DS"}:
                ds.add_new(element.tag, "UN", str(element.value).encode())
    return ds


def left(ds: Dataset) -> dict[str, Any]:
    return {f"{tag:08X}": ds[tag].value for tag in list(ds.keys()) if tag.is_private}


def test_private_elements_stay_by_creator_if_plain_and_without_identifiers() -> None:
    ds, outcome = cleaned(private(), {"private": {"creator": "ACME CSA HEADER"}, "action": "keep"})
    assert left(ds) == {
        "00290010": "ACME CSA HEADER",
        "00291008": "IMAGE NUM 4",
        "00291010": "coil of",
        "00291011": 1.5,
    }
    assert "113111" not in outcome.method_codes


def test_private_rules_by_element_count_before_those_of_the_creator() -> None:
    ds, _ = cleaned(
        private(),
        {"private": {"creator": "ACME CSA HEADER"}, "action": "keep"},
        {"private": {"creator": "ACME CSA HEADER", "element": 0x08}, "action": "remove"},
        {"private": {"creator": "ACME CSA HEADER", "group": 0x0029, "element": 0x10}, "action": "hash"},
        {"private": {"creator": "ACME CSA HEADER", "group": 0x0031, "element": 0x11}, "action": "remove"},
    )
    kept = left(ds)
    assert sorted(kept) == ["00290010", "00291010", "00291011"]
    assert len(kept["00291010"]) == 16


def test_private_elements_of_implicit_vr_stay_where_the_rule_says_what_they_hold() -> None:
    rules = [
        {"private": {"creator": "ACME CSA HEADER", "element": 0x10, "vr": "LO"}, "action": "keep"},
        {"private": {"creator": "ACME CSA HEADER", "element": 0x11, "vr": "DS"}, "action": "keep"},
        {"private": {"creator": "ACME CSA HEADER", "element": 0x08}, "action": "keep"},
    ]
    ds, _ = cleaned(private(implicit=True), *rules)
    assert sorted(left(ds)) == ["00290010", "00291010", "00291011"]
    assert ds[0x00291010].value == "coil of"
    liar = private(implicit=True)
    liar.add_new(0x00291011, "UN", b"Jane Doe")
    liar.add_new(0x00291010, "UN", "coil of Jäne Döe".encode("latin-1"))  # nobody says in which characters
    ds, _ = cleaned(liar, *rules)
    assert left(ds) == {}


def test_the_account_names_the_rule_behind_everything() -> None:
    account, ds = Account(), ct()
    rules: list[Rule] = [
        {"keyword": "StudyDescription", "action": "remove"},
        {"private": {"creator": "GEMS_IDEN_01", "element": 0x04}, "action": "keep"},
    ]
    ds.add_new(0x60003000, "OW", bytes(8))
    ds.RequestAttributesSequence = request(AccessionNumber="77812", RequestedProcedureDescription="Zyxo")
    clean_header(ds, context(ct(), using=profile("113107", "113105", rules=rules)), account)
    said = {one.path: (one.result.value if one.result else "added", one.reason) for one in account.treatments}
    assert said["(0008,1030)"] == ("removed", "site rule 1")
    assert said["(0009,1004)"] == ("kept", "site rule 2")
    assert said["(0009,1001)"] == ("removed", "Table E.1-1 X: private")
    assert said["(0008,0020)"] == ("shifted", "option 113107")
    assert said["(0008,0050)"] == ("emptied", "Table E.1-1 Z")
    assert said["(0008,0060)"] == ("kept", "not listed: VR CS")
    assert said["(0010,0010)"] == ("replaced", "Table E.1-1: the patient's pseudonym")
    assert said["(0012,0062)"] == ("added", "PS3.15 E.1.1: what was done")
    assert said["(6000,3000)"] == ("removed", "Table E.1-1 X")
    assert said["(0040,0275)"] == ("descend", "option 113105")
    assert said["(0040,0275)[0].(0008,0050)"] == ("emptied", "Table E.1-1 Z")
    for keyword in ("1CT1", "JFK", "Zyxo", "77812"):
        assert keyword not in repr(account.treatments)


def test_the_account_changes_nothing() -> None:
    with_account, without = ct(), ct()
    one = clean_header(with_account, context(ct()), Account())
    other = clean_header(without, context(ct()))
    assert with_account == without
    assert one.actions == other.actions


@pytest.mark.parametrize(
    "rule",
    [
        {"keyword": "SOPInstanceUID", "action": "keep"},
        {"keyword": "PatientName", "action": "keep"},
        {"keyword": "PixelData", "action": "remove"},
        {"keyword": "EncapsulatedDocument", "action": "keep"},
        {"keyword": "Rows", "action": "replace", "value": "1"},
        {"tag": "(6000,3000)", "action": "keep"},
        {"tag": "60xx,3000", "action": "keep"},
        {"tag": "FFFA,FFFA", "action": "keep"},
        {"tag": "0002,0016", "action": "keep"},
        {"keyword": "StudyDate", "action": "hash"},
        {"keyword": "StudyTime", "action": "shift"},
        {"keyword": "StudyDescription", "action": "year"},
        {"keyword": "ContentSequence", "action": "hash"},
        {"keyword": "BodyPartExamined", "action": "replace", "value": "chest"},
        {"keyword": "StudyDescription", "action": "replace", "value": "Prüfung"},
        {"keyword": "StudyDescription", "action": "replace"},
        {"keyword": "StudyDescription", "action": "keep", "value": "x"},
        {"vr": ["LO", "DA"], "action": "hash"},
        {"vr": "UN", "action": "keep"},
        {"private": {"creator": "X", "element": 1}, "action": "shift"},
        {"private": {"creator": "X", "element": 1, "vr": "OB"}, "action": "keep"},
        {"private": {"creator": "X", "vr": "DS"}, "action": "keep"},
        {"keyword": "StudyDate", "action": "keep"},
    ],
    ids=str,
)
def test_rules_that_no_profile_may_hold(rule: Rule) -> None:
    with pytest.raises(MistakesError) as refused:
        profile(rules=[rule])
    assert len(refused.value.problems) == 1, [str(one) for one in refused.value.problems]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"keyword": "StudyID"}, {"tag": "(0020,0010)"}),
        ({"tag": "0018,10xx"}, {"tag": "0018,1xx0"}),
        ({"vr": ["UT", "LT"]}, {"vr": "LT"}),
        ({"path": "**.StudyID"}, {"path": "*.StudyID"}),
        ({"private": {"creator": "X", "element": 1}}, {"private": {"creator": "X", "element": 1}}),
        (
            {"keyword": "StudyID", "when": {"Modality": "CT"}},
            {"keyword": "StudyID", "when": {"StationName": "A"}},
        ),
    ],
    ids=str,
)
def test_ties_are_refused(one: Rule, other: Rule) -> None:
    with pytest.raises(MistakesError, match="rule 2 can select what rule 1 selects"):
        profile(rules=[{**one, "action": "remove"}, {**other, "action": "keep"}])


def test_rules_that_exclude_each_other_are_no_tie() -> None:
    when = [{"Modality": "CT"}, {"Modality": ["MR", "PT"]}]
    rules = [{"keyword": "StudyID", "action": "remove", "when": one} for one in when]
    assert len(profile(rules=[*rules, {"keyword": "StudyID", "action": "empty"}]).rules) == 3


def test_the_digest_covers_all_of_a_rule() -> None:
    base: Rule = {"keyword": "StudyID", "action": "replace", "value": "1", "when": {"Modality": "CT"}}
    digests = {
        profile(rules=[rule]).sha256
        for rule in (
            base,
            {**base, "value": "2"},
            {**base, "when": {"Modality": "MR"}},
            {**base, "when": {"not": {"Modality": "CT"}}},
            {"keyword": "StudyID", "action": "replace", "value": "1"},
            {"path": "StudyID", "action": "replace", "value": "1"},
            {"tag": "0020,001x", "action": "empty"},
            {"vr": "SH", "action": "hash"},
            {"private": {"creator": "X"}, "action": "keep"},
            {"private": {"creator": "X", "element": 1}, "action": "keep"},
            {"private": {"creator": "X", "element": 1, "vr": "DS"}, "action": "keep"},
        )
    }
    assert len(digests) == 11
    written_otherwise = {"tag": "0020,0010", "action": "replace", "value": "1", "when": {"Modality": ["ct "]}}
    assert profile(rules=[written_otherwise]).sha256 == profile(rules=[base]).sha256


def test_digests_of_profiles_of_earlier_versions_are_the_same() -> None:
    """Receipts name a profile by its digest: what says the same has the digest that it had in version 0.1."""
    rules = [
        {"keyword": "StudyID", "action": "replace", "value": "1"},
        {"tag": "0008,0070", "action": "remove"},
    ]
    digest = "52cfb1544a5ab0ea8c56f3de9deb3001ad489435dae8f3579c2de0a458fb4410"
    assert profile("113105", rules=rules).sha256 == digest


SELECTIONS: list[Rule] = [
    {"vr": "LO"},
    {"vr": ["SH", "CS", "UT"]},
    {"vr": "PN"},
    {"vr": "UI"},
    {"vr": ["DA", "DT"]},
    {"vr": ["OB", "OW"]},
    {"vr": "SQ"},
    {"tag": "0008,1xxx"},
    {"tag": "0010,xxxx"},
    {"tag": "0040,xxxx"},
    {"keyword": "StudyDescription"},
    {"keyword": "ReferringPhysicianName"},
    {"keyword": "MakerNote"},
    {"path": "**.RequestedProcedureDescription"},
    {"path": "RequestAttributesSequence.AccessionNumber"},
    {"private": {"creator": "ACME CSA HEADER"}},
    {"private": {"creator": "ACME CSA HEADER", "element": 0x10}},
]


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    chosen = draw(st.lists(st.sampled_from(SELECTIONS), max_size=6, unique_by=str))
    actions = st.sampled_from(["keep", "keep", "remove", "empty", "hash", "shift", "year"])
    return [{**selection, "action": draw(actions)} for selection in chosen]


def telling() -> Dataset:
    ds = private()
    ds.AccessionNumber, ds.StudyDescription, ds.ReferringPhysicianName = (
        "ACC-77812",
        "CT of Jane Doe",
        "Doe^Jane",
    )
    ds.InstitutionName, ds.PatientComments = "Wardle East Infirmary", "call Jane Doe, MRN 4711 99"
    ds.MakerNote, ds.EthnicGroup = b"\0\1by Jane Doe\2", "Doe"
    ds.RequestAttributesSequence = request(
        AccessionNumber="ACC-77812",
        RequestedProcedureDescription="asked by Doe^Jane at Wardle East Infirmary",
    )
    return ds


@given(rule_lists(), st.sampled_from([(), ("113107",), ("113105", "113107"), ("113111",)]))
def test_whatever_the_rules_no_identifier_stays(rules: list[Rule], options: tuple[str, ...]) -> None:
    try:
        using = profile(*options, rules=rules)
    except MistakesError:
        return  # an action that does not fit, a tie, a date that would be kept
    ds = telling()
    try:
        clean_header(ds, context(telling(), using=using))
    except HeldError as held:
        if held.code is ReasonCode.POLICY:
            return  # the action does not fit the VR of the file
        raise
    left_over = encoded(ds).lower()
    for identifier in (b"doe", b"jane", b"4711", b"77812", b"wardle", b"20200229", b"1.2.3.4.5"):
        assert identifier not in left_over
