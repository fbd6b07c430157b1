"""Retired text and curves, overlay planes with drawn text, icons, comments in frames, burned-in text."""

from struct import pack

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate, generate_frames

from tests.hostile import drawing
from tests.hostile.drafts import Draft, drop, is_big_endian, put, tag_of
from tests.hostile.key import FRAMES, Action, Check
from tests.hostile.people import Secret

_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81))
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91))
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")
_MARGIN = 4


def retired(draft: Draft) -> None:
    """Group 4000, retired comments, curves 50xx with labels, audio and data."""
    patient = draft.patient
    for tag, vr in (
        (0x40000010, "LT"),
        (0x40004000, "LT"),
        (0x00084000, "LT"),
        (0x00324000, "LT"),
        (0x00380040, "LO"),
    ):
        draft.text(draft.top, tag, patient.anything(), vr=vr)
    group = 0x50000000 | draft.chance.randrange(0, 0x20, 2) << 16
    put_number(draft, group | 0x0005, 1)
    put_number(draft, group | 0x0010, 4)
    for tag, vr in (
        (group | 0x0022, "LO"),
        (group | 0x0040, "SH"),
        (group | 0x2500, "LO"),
        (group | 0x0030, "SH"),
    ):
        secret = Secret(patient.digits, (patient.digits,)) if vr == "SH" else patient.anything()
        draft.text(draft.top, tag, secret, vr=vr)
    name = patient.next_name()
    draft.data(draft.top, group | 0x3000, "OW", draft.charset.encode(name.text), name)


def put_number(draft: Draft, tag: int, value: int) -> None:
    """A US element in the file's byte order."""
    if not draft.answer:
        put(draft.ds, tag, "US", pack(">H" if is_big_endian(draft.ds) else "<H", value))


def overlay(draft: Draft) -> None:
    """A plane whose bits draw the patient's number, with telling description, label and comments."""
    patient, ds = draft.patient, draft.ds
    rows, columns = 48, 160
    group = 0x60000000 | draft.chance.randrange(0, 0x20, 2) << 16
    for tag, value in ((0x0010, rows), (0x0011, columns), (0x0100, 1), (0x0102, 0)):
        put_number(draft, group | tag, value)
    if not draft.answer:
        put(ds, group | 0x0040, "CS", b"G ")
        put(ds, group | 0x0050, "SS", b"\0\1\0\1" if is_big_endian(ds) else b"\1\0\1\0")
    for tag, vr in ((0x0022, "LO"), (0x1500, "LO"), (0x4000, "LT")):
        draft.text(draft.top, group | tag, patient.anything(), vr=vr)
    plane, box = _drawn(np.zeros((rows, columns), np.uint8), patient.digits, 18, 1)
    _note_drawn(draft, draft.top.path(group | 0x3000), patient.digits, 18, box)
    if not draft.answer:
        bits = np.packbits(plane.astype(bool).ravel(), bitorder="little").tobytes()
        put(ds, group | 0x3000, "OW", _swapped(bits) if is_big_endian(ds) else bits)


def icon(draft: Draft) -> None:
    """An icon with the name in its picture and in its comments."""
    spot = draft.item(draft.top, "IconImageSequence")
    picture, box = _drawn(np.zeros((64, 128), np.uint8), draft.patient.digits, 16, 255)
    draft.text(spot, "ImageComments", draft.patient.next_name())
    _note_drawn(draft, spot.path(0x7FE00010), draft.patient.digits, 16, box)
    if draft.answer:
        drop(draft.ds, tag_of("IconImageSequence"))
        return
    icon_ds = spot.ds
    icon_ds.SamplesPerPixel, icon_ds.PhotometricInterpretation = 1, "MONOCHROME2"
    icon_ds.Rows, icon_ds.Columns, icon_ds.BitsAllocated, icon_ds.BitsStored = 64, 128, 8, 8
    icon_ds.HighBit, icon_ds.PixelRepresentation = 7, 0
    put(
        icon_ds,
        0x7FE00010,
        "OW" if draft.ds.file_meta.TransferSyntaxUID.is_implicit_VR else "OB",
        picture.tobytes(),
    )


def frames(draft: Draft) -> None:
    """Comment and application segments in JPEG frames, comments in JPEG 2000 ones."""
    ds, syntax = draft.ds, str(draft.ds.file_meta.TransferSyntaxUID)
    if "PixelData" not in ds:
        return
    name = draft.patient.next_name()
    text = draft.charset.encode(f"{name.text} {draft.patient.patient_id}")
    if syntax in _JPEG + _JPEG_2000:
        count = int(ds.get("NumberOfFrames", 1) or 1)
        insert = _with_comment if syntax in _JPEG_2000 else _with_segments
        marked = [insert(frame, text) for frame in generate_frames(ds.PixelData, number_of_frames=count)]
        draft.region(FRAMES, name, Secret("", (draft.patient.patient_id,)))
        if not draft.answer:
            ds.PixelData = encapsulate(marked)
            ds["PixelData"].is_undefined_length = True


def _with_segments(frame: bytes, text: bytes) -> bytes:
    """COM, APP1 and APP13 after SOI (ISO 10918-1 B.2.4)."""
    segments = b"".join(
        pack(">BBH", 0xFF, marker, 2 + len(head + text)) + head + text
        for marker, head in ((0xFE, b""), (0xE1, b"Exif\0\0"), (0xED, b"Photoshop 3.0\0"))
    )
    return frame[:2] + segments + frame[2:]


def _with_comment(frame: bytes, text: bytes) -> bytes:
    """COM before the first tile part (ISO 15444-1 A.9.2)."""
    start = frame.find(b"\xff\x90")
    return frame[:start] + pack(">HHH", 0xFF64, 4 + len(text), 1) + text + frame[start:]


def burn(draft: Draft) -> None:
    """The patient's number drawn into the pixels in a dark band; else all pixels must stay."""
    ds = draft.ds
    if "PixelData" not in ds:
        return
    if not _can_burn(draft):
        if not draft.loaded.base.text:
            draft.checks.append(Check(Action.PIXELS_RETAINED, FRAMES))
        return
    stored = ds.pixel_array.copy()
    top = (1 << (ds.BitsStored - int(ds.PixelRepresentation))) - 1
    low = 0 if not ds.PixelRepresentation else int(stored.min())
    line, box = draft.patient.patient_id, _box(draft.patient.patient_id)
    stored[0 : box[3] + 2, 0 : box[2] + 2] = low
    drawn, box = _drawn(stored, line, _HEIGHT, top)
    _note_drawn(draft, FRAMES, line, _HEIGHT, box)
    draft.checks.append(Check(Action.PIXELS_RETAINED, FRAMES, box=_around(box)))
    if draft.answer:
        drawn[0 : box[3] + 2, 0 : box[2] + 2] = low
    ds.PixelData = drawn.tobytes()


_HEIGHT = 14


def _box(line: str) -> tuple[int, int, int, int]:
    rows, columns = drawing.mask(line, _HEIGHT).shape
    return _MARGIN, _MARGIN, _MARGIN + columns, _MARGIN + rows


def _around(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The band, and what a cautious cleaner may blank beside it: a line's height."""
    return 0, 0, box[2] + _HEIGHT + 2, box[3] + _HEIGHT + 2


def _can_burn(draft: Draft) -> bool:
    ds, box = draft.ds, _box(draft.patient.patient_id)
    return (
        str(ds.file_meta.TransferSyntaxUID) in _NATIVE
        and int(ds.get("NumberOfFrames", 1) or 1) == 1
        and ds.SamplesPerPixel == 1
        and ds.BitsAllocated in {8, 16}
        and ds.Columns >= box[2] + 8
        and ds.Rows >= 2 * box[3]
    )


def _drawn(
    picture: NDArray[np.generic], line: str, height: int, value: int
) -> tuple[NDArray[np.generic], tuple[int, int, int, int]]:
    strokes = drawing.mask(line, height)
    rows, columns = strokes.shape
    box = (_MARGIN, _MARGIN, _MARGIN + columns, _MARGIN + rows)
    picture[box[1] : box[3], box[0] : box[2]][strokes] = value
    return picture, box


def _note_drawn(draft: Draft, place: str, line: str, height: int, box: tuple[int, int, int, int]) -> None:
    draft.checks.append(Check(Action.PIXELS_HIDDEN, place, (line,), value=str(height), box=box))


def _swapped(data: bytes) -> bytes:
    return np.frombuffer(data, "<u2").astype(">u2").tobytes()
