"""Which objects the cleaner may take at all: what it cannot clean completely is held for a person.

Held today: encapsulated models, and encapsulated documents unless the profile has them rebuilt
(`redact.documents`); voice recordings; graphics that are drawn free-hand or as bitmaps, which may be
handwriting; and content trees where the profile does not clean them (113104): without its content a
structured report or key object note says nothing. Everything else is cleaned completely by the header,
content and pixel rooms: structured reports by their content items, structure sets, plans, segmentations and
annotations by their labels, presentation states by their text objects, waveforms by their annotations, icons
by being removed.
"""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.documents.rebuild import REBUILT_CLASSES
from redact.headers.profile import Documents, Option, Profile
from redact.structured.items import CONTENT_SEQUENCE

_SR_ROOT = "1.2.840.10008.5.1.4.1.1.88."
_ENCAPSULATED_ROOT = "1.2.840.10008.5.1.4.1.1.104."
_STANDALONE_ROOTS = (
    "1.2.840.10008.5.1.4.1.1.8",
    "1.2.840.10008.5.1.4.1.1.9",
)  # retired overlay, curve objects
_AUDIO = frozenset({"1.2.840.10008.5.1.4.1.1.9.4.1", "1.2.840.10008.5.1.4.1.1.9.4.2"})
_ENCAPSULATED_DOCUMENT = 0x00420011
_HPGL_DOCUMENT = 0x00686300
_FREEHAND = frozenset({"POLYLINE", "INTERPOLATED"})
_STRAIGHT_LINE_NUMBERS = 4  # two points of two coordinates


def admit(ds: Dataset, profile: Profile) -> None:
    """Let an object pass that can be cleaned completely.

    Args:
        ds: The object.
        profile: What would clean it.

    Raises:
        HeldError: It cannot: `structured-content`, `encapsulated-document` or `complex-graphics`.
    """
    sop_class = str(ds.get("SOPClassUID", "") or "")
    _refuse_documents(ds, sop_class, profile.documents)
    cleans = Option.CLEAN_STRUCTURED_CONTENT in profile.options
    if not cleans and (sop_class.startswith(_SR_ROOT) or CONTENT_SEQUENCE in ds):
        # Table E.1-1 disposes of ContentSequence: an empty report is no object that could leave.
        raise HeldError(
            ReasonCode.STRUCTURED_CONTENT,
            "cannot clean a structured report or key object note: the profile disposes of its content tree",
            "(0040,A730)",
            "choose a profile with 113104 (Clean Structured Content), or reject it",
        )
    if sop_class in _AUDIO:
        raise HeldError(
            ReasonCode.STRUCTURED_CONTENT,
            "cannot clean a voice recording: what is said in it is not read",
            "(5400,0100)",
            "reject it, or have a person listen to it",
        )
    if sop_class in _STANDALONE_ROOTS:
        raise HeldError(
            ReasonCode.COMPLEX_GRAPHICS,
            "cannot clean a stand-alone overlay or curve: its content goes",
            "",
            "reject it",
        )
    _refuse_drawings(ds)


def is_rebuilt(ds: Dataset, documents: Documents) -> bool:
    """Whether this object's document is one that is written anew."""
    return documents is Documents.REBUILD and str(ds.get("SOPClassUID", "") or "") in REBUILT_CLASSES


def _refuse_documents(ds: Dataset, sop_class: str, documents: Documents) -> None:
    if is_rebuilt(ds, documents) and _HPGL_DOCUMENT not in ds:
        return
    for tag in (_ENCAPSULATED_DOCUMENT, _HPGL_DOCUMENT):
        if tag in ds:
            raise _document(f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
    if sop_class.startswith(_ENCAPSULATED_ROOT):
        raise _document("(0042,0011)")


def _document(path: str) -> HeldError:
    return HeldError(
        ReasonCode.ENCAPSULATED_DOCUMENT,
        "cannot clean an encapsulated document: it is never passed unread",
        path,
        "reject it, or write documents: rebuild in the profile (PDF and CDA)",
    )


def _refuse_drawings(ds: Dataset) -> None:
    if str(ds.get("ShutterShape", "")).find("BITMAP") >= 0:
        raise _drawing("(0018,1600)")
    for path, item in _graphic_layers(ds):
        if "CompoundGraphicSequence" in item:
            raise _drawing(f"{path}.(0070,0209)")
        for number, graphic in enumerate(item.get("GraphicObjectSequence") or ()):
            points = graphic.get("GraphicData") or ()
            if graphic.get("GraphicType") in _FREEHAND and len(points) > _STRAIGHT_LINE_NUMBERS:
                raise _drawing(f"{path}.(0070,0009)[{number}]")


def _graphic_layers(ds: Dataset) -> Iterator[tuple[str, Dataset]]:
    for number, item in enumerate(ds.get("GraphicAnnotationSequence") or ()):
        yield f"(0070,0001)[{number}]", item


def _drawing(path: str) -> HeldError:
    return HeldError(
        ReasonCode.COMPLEX_GRAPHICS,
        "cannot clean free-hand or bitmap graphics: they may be handwriting",
        path,
        "have a person look at the drawing, or reject it",
    )
