"""An identifier in an attribute of each VR: text where numbers belong, somebody's number as a number."""

from struct import pack

from tests.hostile.drafts import Draft, is_big_endian
from tests.hostile.people import Secret
from tests.hostile.private import implicit_item

_TEXT = (
    ("PositionReferenceIndicator", "LO"), ("LUTExplanation", "LO"), ("CameraOwnerName", "UT"),
    ("LensMake", "UT"), ("PotentialDiagnosticTasks", "UC"), ("PotentialReasonsForProcedure", "UC"),
    ("SelectorUTValue", "UT"), ("SelectorSTValue", "ST"), ("SelectorLTValue", "LT"),
    ("SelectorPNValue", "PN"), ("SelectorLOValue", "LO"),
)  # fmt: skip
_ASCII = (
    ("RetrieveAETitle", "AE"), ("StationAETitle", "AE"), ("RetrieveURL", "UR"), ("StorageURL", "UR"),
    ("ScanOptions", "CS"), ("SelectorSHValue", "SH"), ("SelectorASValue", "AS"),
    ("SelectorTMValue", "TM"), ("SelectorDAValue", "DA"), ("SelectorDTValue", "DT"),
    ("SelectorUIValue", "UI"), ("SelectorDSValue", "DS"), ("ImageComments", "UN"),
)  # fmt: skip
_BYTES = (
    ("RedPaletteColorLookupTableData", "OW"), ("ICCProfile", "OB"), ("VectorGridData", "OF"),
    ("SelectorODValue", "OD"), ("TrackPointIndexList", "OL"), ("SelectorOVValue", "OV"),
    ("SelectorOBValue", "OB"), ("SelectorUNValue", "UN"), ("BluePaletteColorLookupTableData", "OW"),
    ("EncryptedContent", "OB"), ("MAC", "OB"),
)  # fmt: skip
_NUMBERS = (
    ("SelectorULValue", "UL", "<I"), ("SelectorUVValue", "UV", "<Q"), ("SelectorSVValue", "SV", "<q"),
    ("SelectorSLValue", "SL", "<i"), ("SelectorFDValue", "FD", "<d"),
)  # fmt: skip
_WORDS = (
    ("SelectorUSValue", "US"),
    ("SelectorSSValue", "SS"),
    ("SelectorFLValue", "FL"),
    ("SelectorATValue", "AT"),
)


def text_vrs(draft: Draft) -> None:
    """VRs of characters, and sequences and text as UN."""
    patient, digits = draft.patient, draft.patient.digits
    number = Secret(digits, (digits,))
    for keyword, vr in _TEXT:
        draft.text(draft.top, keyword, patient.anything(), vr=vr)
    for keyword, vr in _ASCII:
        text = f"https://pacs.example/{digits}" if vr == "UR" else digits
        draft.data(draft.top, keyword, vr, text.encode(), number)
    secret = patient.next_name()
    if not is_big_endian(draft.ds):  # libraries disagree on the byte order of the items
        draft.data(
            draft.top,
            "PatientInsurancePlanCodeSequence",
            "UN",
            implicit_item(draft, secret),
            secret,
            undefined=True,
        )


def binary_vrs(draft: Draft) -> None:
    """Text in VRs of bytes: look-up tables, colour profiles, grids."""
    patient, digits = draft.patient, draft.patient.digits
    number = Secret(digits, (digits,))
    for keyword, vr in _BYTES:
        secret = patient.next_name()
        data = draft.charset.encode(f"{secret.text} {digits} ")
        draft.data(draft.top, keyword, vr, data.ljust(-(-len(data) // 8) * 8), secret, number)


def number_vrs(draft: Draft) -> None:
    """The patient's number as a number, and as letters where a number belongs."""
    digits = draft.patient.digits
    number = Secret(digits, (digits,))
    for keyword, vr, form in _NUMBERS:
        written = form.replace("<", ">") if is_big_endian(draft.ds) else form
        value = float(digits) if vr == "FD" else int(digits)
        draft.data(draft.top, keyword, vr, pack(written, value), Secret(digits, (digits,), scan=False))
    for keyword, vr in _WORDS:
        draft.data(draft.top, keyword, vr, f"{digits:>12}".encode(), number)
    draft.data(draft.top, "SelectorISValue", "IS", digits.encode(), number)
