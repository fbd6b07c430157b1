"""Encapsulated PDF and CDA (PS3.3 A.45.1, A.45.2) in an object's header: taken out, rebuilt, put back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from exchange.domain.findings import Finding, Severity
from redact.documents.cda import rebuild_cda
from redact.documents.outcome import Rebuilt
from redact.documents.refusals import DocumentLimits, refused
from redact.documents.taking import DOCUMENT, LENGTH, document_bytes
from redact.documents.words import Rule
from redact.headers.elements import put_ascii
from redact.headers.outcome import HeaderContext
from redact.headers.text import clean_descriptor

PDF_STORAGE = "1.2.840.10008.5.1.4.1.1.104.1"
CDA_STORAGE = "1.2.840.10008.5.1.4.1.1.104.2"
_MIME_TYPE, _MIME_TYPES = 0x00420012, 0x00420014
_BURNED_IN, _FEATURES, _HL7_IDENTIFIER = 0x00280301, 0x00280302, 0x0040E001
_DOCUMENT_PATH = f"({DOCUMENT >> 16:04X},{DOCUMENT & 0xFFFF:04X})"
_MIME_TYPE_OF = {PDF_STORAGE: "application/pdf", CDA_STORAGE: "text/XML"}
REBUILT_CLASSES = frozenset(_MIME_TYPE_OF)
WRITTEN = (DOCUMENT, _MIME_TYPE, LENGTH, _BURNED_IN)


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A rebuilt document on its way into its cleaned header."""

    sop_class_uid: str
    rebuilt: Rebuilt
    instance_uid: str = field(repr=False)

    def put(self, ds: Dataset) -> None:
        """Write it and what says what it is (PS3.3 C.24.2)."""
        data = self.rebuilt.data
        ds[DOCUMENT] = DataElement(DOCUMENT, "OB", data)
        ds[LENGTH] = DataElement(LENGTH, "UL", len(data))
        put_ascii(ds, _MIME_TYPE, "LO", [_MIME_TYPE_OF[self.sop_class_uid]])
        # C.24.2: «A de-identified document may use the value NO.»
        put_ascii(ds, _BURNED_IN, "CS", ["NO"])
        if _FEATURES in ds:
            put_ascii(ds, _FEATURES, "CS", ["NO"])  # there are no pictures any more
        if _MIME_TYPES in ds:
            del ds[_MIME_TYPES]  # of what was embedded
        if self.sop_class_uid == CDA_STORAGE:
            put_ascii(ds, _HL7_IDENTIFIER, "ST", [self.instance_uid])

    def findings(self) -> Sequence[Finding]:
        """What a person should know: that words are all that is left."""
        done = self.rebuilt
        said = [
            Finding("document.rebuilt", Severity.NOTE, "written anew from its cleaned words"),
        ]
        gone = {
            "images": done.images,
            "drawings": done.drawings,
            "pages without readable text": done.unread,
            "notes or entries": done.dropped,
        }
        if any(gone.values()):
            told = ", ".join(f"{count} {what}" for what, count in gone.items() if count)
            said.append(Finding("document.content-removed", Severity.FLAG, told))
        return said


@dataclass(frozen=True, slots=True)
class TakenDocument:
    """A document as it came; the repr shows nothing of it."""

    sop_class_uid: str
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, ds: Dataset) -> "TakenDocument":
        """The document of an object of one of the two SOP classes.

        Raises:
            HeldError: `encapsulated-document`; there is none, or not what the SOP class says.
        """
        return cls(str(ds.SOPClassUID), _document(ds))

    def rebuild(self, context: HeaderContext, instance_uid: str) -> NewDocument:
        """Write it anew.

        Args:
            context: Of its study.
            instance_uid: Of the cleaned object.

        Raises:
            HeldError: `encapsulated-document`; it cannot be done without leaving something unread. `names`.
        """

        def clean(text: str) -> str:
            return context.cleaned_text(clean_descriptor, text, _DOCUMENT_PATH)

        def found(text: str) -> bool:
            return context.matcher.found(text) or context.finds_names(text, _DOCUMENT_PATH)

        rule = Rule(clean, found)
        if self.sop_class_uid == CDA_STORAGE:
            rebuilt = rebuild_cda(self.data, rule, instance_uid)
        else:
            from redact.documents.pdf import rebuild_pdf  # imports pypdf: half a second that few studies need

            rebuilt = rebuild_pdf(self.data, rule)
        return NewDocument(self.sop_class_uid, rebuilt, instance_uid)


def _document(ds: Dataset) -> bytes:
    data = document_bytes(ds)
    if not data:
        raise refused("there is none in the object")
    if len(data) > DocumentLimits().document:
        raise refused("it is larger than the limit")
    said = str(ds.get("MIMETypeOfEncapsulatedDocument", "") or "").partition(";")[0].strip().lower()
    expected = _MIME_TYPE_OF[str(ds.SOPClassUID)].lower()
    if said not in {"", expected, expected.replace("text/", "application/")}:
        raise refused("its MIME type is not that of its SOP class")
    return data
