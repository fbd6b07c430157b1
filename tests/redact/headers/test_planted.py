"""No planted string survives: in any text, at any depth, in private blocks, curves, overlays or UN."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.tag import Tag

from exchange.domain.errors import HeldError
from redact.headers.cleaner import clean_header
from tests.redact.headers.studies import context, encoded, small

CANARY = "Zqxcanary"
VALUES = {
    "PN": f"{CANARY}^{CANARY}",
    "AE": CANARY.upper(),
    "CS": CANARY.upper(),
    "UI": CANARY,
    "DA": CANARY[:8],
    "TM": CANARY,
    "DT": CANARY,
    "DS": CANARY,
    "IS": CANARY,
    "AS": "ZQXC",
    "UR": f"http://{CANARY}.org/",
}
# Names that makers give to things stay unless they hold an identifier (redact.headers.unlisted).
TECHNICAL = {
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "SequenceName",
    "PulseSequenceName",
    "ConvolutionKernel",
    "ReceiveCoilName",
    "TransmitCoilName",
    "ReceiveCoilManufacturerName",
    "TransmitCoilManufacturerName",
    "SecondaryCaptureDeviceManufacturer",
    "SecondaryCaptureDeviceSoftwareVersions",
    "SecondaryCaptureDeviceManufacturerModelName",
    "FilterType",
    "ImagedNucleus",
    "OpticalPathIdentifier",
    "AttenuationCorrectionMethod",
    "ReconstructionMethod",
    "ScatterCorrectionMethod",
    "DetectorLinesOfResponseUsed",
    "CodingSchemeName",
    "CodingSchemeExternalID",
    "CodingSchemeResponsibleOrganization",
    "CodingSchemeVersion",
    "CodeValue",
    "LongCodeValue",
    "URNCodeValue",
    "CodingSchemeDesignator",
}
CODES = ("Cod", "LongCode", "URNCode")
NEVER_HERE = {0x7FE0, 0x0002, 0x0000, 0x0004, 0x0006}
HELD = {0x00420011, 0x00686300}


def raw(tag: int, vr: str, text: str) -> RawDataElement:
    data = text.encode()
    return RawDataElement(
        Tag(tag), vr, len(data) + len(data) % 2, data + b" " * (len(data) % 2), 0, False, True
    )


def planted(tag: int, vr: str, depth: int) -> Dataset:
    ds = small()
    place = ds
    for _ in range(depth):
        item = Dataset()
        place.ReferencedInstanceSequence = [item]
        place = item
    place[Tag(tag)] = raw(tag, vr, VALUES.get(vr, f"{CANARY} was here"))
    return ds


def elements() -> list[tuple[int, str, str]]:
    listed = []
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        vr = vr.split(" or ")[0]
        if (
            vr != "SQ"
            and tag >> 16 not in NEVER_HERE
            and tag not in HELD
            and vr not in {"US", "SS", "AT", ""}
        ):
            listed.append((tag, vr, keyword))
    return listed


def decode(ds: Dataset) -> None:
    """Convert every element as a reader does; what cannot be converted would not have been let in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tag in list(ds.keys()):
            try:
                _ = ds[tag].value
            except (ValueError, BytesLengthException):
                del ds[tag]


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_every_attribute_of_the_dictionary(depth: int, decoded: bool) -> None:
    ds = small()
    place = ds
    for _ in range(depth):
        item = Dataset()
        place.ReferencedInstanceSequence = [item]
        place = item
    for tag, vr, keyword in elements():
        if keyword not in {"SOPClassUID", "SOPInstanceUID"} and vr != "NONE":
            place[Tag(tag)] = raw(tag, vr, VALUES.get(vr, f"{CANARY} was here"))
    if decoded:
        decode(place)
    clean_header(ds, context(small()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the surviving technical names are too long for their VR
        survivors = {
            place[tag].keyword
            for tag in list(place.keys())
            if CANARY.lower() in str(place[tag].value).lower() and place[tag].VR != "SQ"
        }
    assert survivors <= TECHNICAL
    for keyword in TECHNICAL & set(place.dir()):
        del place[keyword]
    assert CANARY.lower().encode() not in encoded(ds).lower()


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x50000022, "LO"),
        (0x50002500, "LO"),
        (0x501E2610, "US"),
        (0x60000022, "LO"),
        (0x60004000, "LT"),
        (0x60001500, "LO"),
        (0x40000010, "LT"),
        (0x40004000, "LT"),
        (0xFFFCFFFC, "OB"),
        (0x00091001, "LO"),
        (0x00190010, "LO"),
        (0x00111022, "UN"),
        (0x00080001, "UL"),
        (0x00082FFF, "UN"),
        (0x00102FFF, "LO"),
        (0x02000010, "ST"),
        (0x00080000, "UL"),
        (0xFFFAFFFA, "UN"),
        (0x00041200, "LO"),
        (0x00020016, "AE"),
    ],
)
@pytest.mark.parametrize("depth", [0, 2])
def test_groups_outside_the_dictionary(tag: int, vr: str, depth: int) -> None:
    ds = planted(tag, vr, depth)
    clean_header(ds, context(small()))
    for item in (ds, *ds.get("ReferencedInstanceSequence", ())):
        assert Tag(tag) not in item
    if tag >> 16 >= 8:
        assert CANARY.lower().encode() not in encoded(ds).lower()


def test_private_sequences_and_their_items_go() -> None:
    ds = small()
    item = Dataset()
    item.PatientComments = CANARY
    block = ds.private_block(0x0029, "ACME 1.1", create=True)
    block.add_new(0x10, "SQ", [item])
    block.add_new(0x11, "UN", CANARY.encode())
    outcome = clean_header(ds, context(small()))
    assert outcome.actions.removed == 3
    assert CANARY.encode() not in encoded(ds)


@pytest.mark.parametrize("technical", sorted(name for name in TECHNICAL if not name.startswith(CODES)))
def test_identifiers_leave_even_technical_names(technical: str) -> None:
    ds = small(**{technical: ["Doe scanner"] if technical == "SoftwareVersions" else "Doe scanner"})
    clean_header(ds, context(small()))
    assert b"Doe" not in encoded(ds)
    assert b"scanner" in encoded(ds)


@pytest.mark.parametrize("keyword", ["CodeValue", "LongCodeValue", "CodingSchemeDesignator"])
def test_identifiers_in_codes_are_held(keyword: str) -> None:
    with pytest.raises(HeldError) as caught:
        clean_header(small(**{keyword: "Doe scanner"}), context(small()))
    assert "Doe" not in str(caught.value)


def test_a_code_that_holds_an_identifier_is_held_by_its_path() -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "MRN471199", "99X", "Known"
    ds = small(ProcedureCodeSequence=[item])
    with pytest.raises(HeldError) as caught:
        clean_header(ds, context(small()))
    assert caught.value.path == "(0008,1032)[0].(0008,0100)"
    assert "4711" not in str(caught.value)


@given(
    secret=st.from_regex(r"\A[A-Z][a-z]{5,10}q[a-z]{2}\Z"),
    keyword=st.sampled_from(
        [
            "StudyDescription",
            "ImageComments",
            "PatientComments",
            "InstitutionName",
            "ProtocolName",
            "RequestAttributesSequence",
            "DerivationDescription",
            "SeriesDescription",
            "OperatorsName",
            "ReferringPhysicianName",
            "TextComments",
        ]
    ),
    before=st.sampled_from(["", "CT ", "Chest for ", "Seen by Dr. "]),
    after=st.sampled_from(["", " 1970-01-02", "'s scan", "_head", ", follow up"]),
)
def test_an_unknown_word_in_any_sentence(secret: str, keyword: str, before: str, after: str) -> None:
    text = f"{before}{secret}{after}"[:60]
    ds = small()
    if keyword == "RequestAttributesSequence":
        item = Dataset()
        item.ReasonForTheRequestedProcedure = text
        ds.RequestAttributesSequence = [item]
    else:
        setattr(ds, keyword, text)
    clean_header(ds, context(small()))
    assert secret.lower().encode() not in encoded(ds).lower()
