"""`glance`: one structural walk that also brings the few header values that acceptance and indexing need.

It runs for every instance on the way in. The values are those that `read_header` and `getters` would give;
what is not plain ASCII of the VR expected is left to pydicom, element by element.
"""

import struct
from collections.abc import Mapping
from io import BytesIO
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from exchange.dicomio.examine import survey, survey_bare
from exchange.dicomio.getters import text, uid
from exchange.dicomio.limits import Limits
from exchange.dicomio.quiet import quiet
from exchange.dicomio.refusals import not_dicom
from exchange.dicomio.syntaxes import EXPLICIT_BIG
from exchange.dicomio.walk import Captured
from exchange.domain.glance import Glance
from exchange.domain.source import Source

_CHARACTER_SET = 0x00080005
_MODALITY = 0x00080060
_PATIENT_ID = 0x00100020
_ISSUER = 0x00100021
_STUDY = 0x0020000D
_SERIES = 0x0020000E
_WANTED = frozenset({_CHARACTER_SET, _MODALITY, _PATIENT_ID, _ISSUER, _STUDY, _SERIES})
_EXPECTED = {
    _MODALITY: (b"CS", b""),
    _PATIENT_ID: (b"LO", b"SH", b""),
    _ISSUER: (b"LO", b"SH", b""),
    _STUDY: (b"UI", b""),
    _SERIES: (b"UI", b""),
}
_DEFAULTS = Limits()
_ESCAPE = b"\x1b"
# Character sets in which a byte below 0x80 is the ASCII character (PS3.3 C.12.1.1.2); Japan's ISO_IR 13 and
# what switches by escape sequences is left to pydicom.
_ASCII_SETS = frozenset(
    {
        b"",
        b"ISO_IR 6",
        *(b"ISO_IR %d" % number for number in (100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 192, 203)),
        b"GB18030",
        b"GBK",
    }
)
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


def glance(source: Source, limits: Limits = _DEFAULTS) -> Glance:
    """Walk the structure of a file once, as `examine` does, and read what identifies it.

    Args:
        source: The file.
        limits: What it may cost.

    Raises:
        InputError: As `examine`; `not-dicom` also when one of the values cannot be decoded.
        OSError: The file cannot be read.
    """
    layout, captured = survey(source, limits, _WANTED)
    uids = (layout.sop_class_uid, layout.sop_instance_uid, layout.transfer_syntax_uid)
    return _glance(uids, captured, little_endian=layout.little_endian)


def glance_bare(
    file: BinaryIO, byte_count: int, announced: tuple[str, str, str], limits: Limits = _DEFAULTS
) -> Glance:
    """As `glance`, of a bare data set and what was announced of it (`survey_bare`).

    Raises:
        InputError: As `glance`.
        OSError: It cannot be read.
    """
    syntax, found = survey_bare(file, byte_count, announced, limits, _WANTED)
    uids = (found.sop_class_uid, found.sop_instance_uid, syntax)
    return _glance(uids, found.captured, little_endian=syntax != EXPLICIT_BIG)


def _glance(uids: tuple[str, str, str], captured: Mapping[int, Captured], *, little_endian: bool) -> Glance:
    plain = _plain_texts(captured)
    found = _read_by_pydicom(captured, little_endian=little_endian) if plain is None else plain
    return Glance(
        sop_class_uid=uids[0],
        sop_instance_uid=uids[1],
        transfer_syntax_uid=uids[2],
        study_instance_uid=found[_STUDY],
        series_instance_uid=found[_SERIES],
        modality=found[_MODALITY],
        patient_id=found[_PATIENT_ID],
        issuer_of_patient_id=found[_ISSUER],
    )


def _plain_texts(captured: Mapping[int, Captured]) -> dict[int, str] | None:
    """The values, or None when one of them is not plain."""
    character_set = captured.get(_CHARACTER_SET)
    if character_set is not None and character_set.value.strip(b"\0 ") not in _ASCII_SETS:
        return None
    found = {}
    for tag, expected in _EXPECTED.items():
        one = captured.get(tag)
        raw = b"" if one is None else one.value
        if not raw.isascii() or _ESCAPE in raw or (one is not None and one.vr not in expected):
            return None
        found[tag] = _plain(tag, raw.decode("ascii"))
    return found


def _plain(tag: int, value: str) -> str:
    if tag in (_STUDY, _SERIES):
        return value.rstrip("\0 ").split("\\", 1)[0].strip("\0 ")
    if tag == _MODALITY:
        return value.rstrip("\0 ")
    return "\\".join(part.rstrip("\0 ") for part in value.split("\\"))


def _read_by_pydicom(captured: Mapping[int, Captured], *, little_endian: bool) -> dict[int, str]:
    """The values as pydicom reads them out of a data set of these elements only."""
    order = "<" if little_endian else ">"
    raw = b"".join(_element(order, tag, one) for tag, one in sorted(captured.items()))
    implicit = all(not one.vr for one in captured.values())
    try:
        with quiet():
            ds = read_dataset(BytesIO(raw), implicit, little_endian)
            return _texts(ds)
    except Exception:  # noqa: BLE001 - the boundary to pydicom for one file; its texts may quote values
        raise not_dicom("an element's value cannot be decoded") from None


def _texts(ds: Dataset) -> dict[int, str]:
    return {
        _STUDY: uid(ds, "StudyInstanceUID"),
        _SERIES: uid(ds, "SeriesInstanceUID"),
        _MODALITY: text(ds, "Modality"),
        _PATIENT_ID: text(ds, "PatientID"),
        _ISSUER: text(ds, "IssuerOfPatientID"),
    }


def _element(order: str, tag: int, one: Captured) -> bytes:
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if not one.vr:
        return head + struct.pack(order + "L", len(one.value)) + one.value
    if one.vr in _LONG_VRS:
        return head + one.vr + struct.pack(order + "HL", 0, len(one.value)) + one.value
    return head + one.vr + struct.pack(order + "H", len(one.value)) + one.value
