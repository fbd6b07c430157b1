"""Private elements: several creators, all sorts of VRs, in binary, nested, safe-listed, orphaned."""

from struct import pack

from tests.hostile.drafts import Draft, drop, is_big_endian, put
from tests.hostile.people import Secret

# (creator, group, low byte, VR): rows of PS3.15 Table E.3.10-1 that hold text.
_SAFE = (
    ("GEMS_ACQU_01", 0x0019, 0x9E, "LO"),
    ("GEMS_PARM_01", 0x0043, 0x27, "SH"),
    ("Philips Imaging DD 001", 0x2001, 0x50, "LO"),
    ("NQHeader", 0x0099, 0x05, "LT"),
)
_BLOCK = 0xE0  # high, so that the base's own blocks stay


def private(draft: Draft) -> None:
    """All of them."""
    flat(draft)
    _nested(draft)


def flat(draft: Draft) -> None:
    """Those that every reader can skip."""
    _plain(draft)
    _safe(draft)
    _siemens(draft)
    _orphans(draft)


def _creator(draft: Draft, group: int, name: str, block: int = _BLOCK) -> int:
    """Reserve a block; returns the tag of its element 00."""
    tag = group << 16 | block
    if draft.answer:
        drop(draft.ds, tag)
    else:
        put(draft.ds, tag, "LO", name.encode())
    return group << 16 | block << 8


def _plain(draft: Draft) -> None:
    patient, top = draft.patient, draft.top
    for group, name in ((0x0009, "GEMS_IDEN_01"), (0x0019, "ACME 1.1"), (0x0051, "SIEMENS MR HEADER")):
        first = _creator(draft, group, name)
        for offset, vr in enumerate(("LO", "PN", "ST", "UT", "SH", "UN", "OB", "LT")):
            secret = patient.anything() if vr != "SH" else Secret(patient.digits, (patient.digits,))
            draft.data(top, first | 0x10 + offset, vr, draft.charset.encode(secret.text), secret)
    first = _creator(draft, 0x0029, patient.name.family[:8] if patient.name.family.isascii() else "SITE")
    draft.data(top, first | 0x01, "DA", f"{patient.born:%Y%m%d}".encode(),
               Secret("", (f"{patient.born:%Y%m%d}",), scan=False))  # fmt: skip


def _safe(draft: Draft) -> None:
    for creator, group, low, vr in _SAFE:
        first = _creator(draft, group, creator, _BLOCK + 1)
        secret = (
            draft.patient.next_name() if vr != "SH" else Secret(draft.patient.digits, (draft.patient.digits,))
        )
        draft.data(draft.top, first | low, vr, draft.charset.encode(secret.text), secret)


def _siemens(draft: Draft) -> None:
    """A binary table with text in it, as CSA headers are."""
    first = _creator(draft, 0x0029, "SIEMENS CSA HEADER", _BLOCK + 2)
    name, number = draft.patient.next_name(), draft.patient.next_id()
    body = b"SV10\4\3\2\1" + pack("<II", 2, 77)
    for label, value in (("PatientName", name.text), ("tPatientID", number.text)):
        body += label.encode().ljust(64, b"\0") + pack("<I", 1) + draft.charset.encode(value).ljust(96, b"\0")
    draft.data(draft.top, first | 0x10, "OB", body, name, number)
    draft.data(draft.top, first | 0x20, "UN", body, name, number)


def _nested(draft: Draft) -> None:
    """A private sequence of items, as UN of undefined length (PS3.5 6.2.2 note 2)."""
    if is_big_endian(draft.ds):
        return  # libraries disagree on the byte order of the items
    first = _creator(draft, 0x0019, "ACME NESTED", _BLOCK + 3)
    secret = draft.patient.next_name()
    draft.data(draft.top, first | 0x30, "UN", implicit_item(draft, secret), secret, undefined=True)


def implicit_item(draft: Draft, secret: Secret) -> bytes:
    """One item of undefined length in Implicit VR Little Endian that holds ImageComments."""
    value = draft.charset.encode(secret.text)
    value += b" " * (len(value) % 2)
    element = pack("<HHI", 0x0020, 0x4000, len(value)) + value
    return pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + element + pack("<HHI", 0xFFFE, 0xE00D, 0)


def _orphans(draft: Draft) -> None:
    """Private elements whose block nobody has reserved."""
    secret = draft.patient.anything()
    draft.data(draft.top, 0x00E1EE10, "LO", draft.charset.encode(secret.text), secret)
    draft.data(draft.top, 0x7FE1EE10, "OB", draft.charset.encode(secret.text), secret)
