"""Small PDFs and CDA documents by hand, and objects that hold them."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from agent.config.profiles import load_profile
from exchange.dicomio.header import read_header
from redact.documents.cda import LOINC
from redact.headers.profile import Documents, NameRecognition
from redact.identifiers.harvest import harvest
from redact.identifiers.names import NameRecogniser
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.stage import CleanedInstance, CleaningPlan, InstanceCleaner, Readers

PDF, CDA = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.104.2"
HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
FAMILY, GIVEN, NUMBER, BORN = "Quillfeather", "Ottoline", "QF-4711-88", "19610312"


def shown(*lines: str) -> bytes:
    """Operators that show lines from the top of a page."""
    escaped = (line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines)
    text = " T* ".join(f"({line}) Tj" for line in escaped)
    return f"BT /F1 12 Tf 14 TL 72 700 Td {text} ET\n".encode("cp1252")


def stream(data: bytes, entries: bytes = b"", *, packed: bool = True) -> bytes:
    """A stream object."""
    body = zlib.compress(data) if packed else data
    filtered = b" /Filter /FlateDecode" if packed else b""
    return b"<< /Length %d%s %s >>\nstream\n%s\nendstream" % (len(body), filtered, entries, body)


def pdf(
    *pages: bytes,
    font: bytes = HELVETICA,
    root: bytes = b"",
    page: bytes = b"",
    objects: Sequence[bytes] = (),
    resources: bytes = b"",
    trailer: bytes = b"",
) -> bytes:
    """A PDF 1.4 with these content streams.

    Args:
        pages: Operators of each page.
        font: Of /F1.
        root: More entries of the catalog.
        page: More entries of each page.
        objects: More objects: the first is number 100.
        resources: More entries of each page's resources.
        trailer: More entries of the trailer.
    """
    numbered: dict[int, bytes] = {1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % root, 3: font}
    for number, content in enumerate(pages):
        at = 4 + 2 * number
        numbered[at] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> %s >> %s >>" % (at + 1, resources, page)
        )
        numbered[at + 1] = stream(content)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    numbered[2] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages))
    numbered.update(enumerate(objects, 100))
    return _written(b"%PDF-1.4\n", numbered, trailer)


def _written(before: bytes, numbered: Mapping[int, bytes], trailer: bytes) -> bytes:
    body, rows = before, b""
    for number, content in sorted(numbered.items()):
        rows += b"%d 1\n%010d 00000 n \n" % (number, len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = max(numbered) + 1
    return body + (
        b"xref\n0 1\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
        % (rows, size, trailer, len(body))
    )


def updated(original: bytes, changed: Mapping[int, bytes]) -> bytes:
    """An incremental update: what was there stays in the file."""
    at = original.rindex(b"startxref\n") + len(b"startxref\n")
    return _written(original, changed, b"/Prev %d" % int(original[at:].split()[0]))


def cda(*sections: str, header: str = "", body: str = "", title: str = "Radiology report") -> bytes:
    """A CDA document about the patient.

    Args:
        sections: Narrative blocks.
        header: More of the header.
        body: More of the body.
        title: Of the document.
    """
    components = "".join(
        f'<component><section><code code="18782-3" codeSystem="{LOINC}" displayName="{FAMILY}"/>'
        f"<title>Findings</title><text>{text}</text></section></component>"
        for text in sections
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3">'
        f'<id root="1.2.3.4" extension="{NUMBER}"/><title>{title}</title>'
        "<recordTarget><patientRole>"
        f'<id extension="{NUMBER}" root="1.2.3.4"/><addr><city>Mudwick</city></addr>'
        '<telecom value="tel:55512377"/>'
        f"<patient><name><family>{FAMILY}</family><given>{GIVEN}</given></name>"
        f'<birthTime value="{BORN}"/></patient></patientRole></recordTarget>{header}'
        f"<component><structuredBody>{components}{body}</structuredBody></component></ClinicalDocument>\n"
    ).encode()


def encapsulated(sop_class: str, document: bytes) -> Dataset:
    """An object with a document."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, "1.2.3.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.2", "1.2.3.3"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = f"{FAMILY}^{GIVEN}", NUMBER, BORN
    ds.PatientSex, ds.StudyDate, ds.StudyTime, ds.StudyID = "F", "20240517", "101500", "7"
    ds.AccessionNumber, ds.ReferringPhysicianName = "ACC-991177", "Brambleworth^Silas"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber, ds.Manufacturer = "DOC", "1", "1", "Maker"
    ds.ConversionType, ds.BurnedInAnnotation, ds.RecognizableVisualFeatures = "WSD", "YES", "YES"
    ds.ContentDate, ds.ContentTime, ds.AcquisitionDateTime = "20240517", "101500", "20240517101500"
    ds.DocumentTitle = f"CT report {FAMILY}"
    ds.ConceptNameCodeSequence = []
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf" if sop_class == PDF else "text/XML"
    if sop_class == CDA:
        ds.HL7InstanceIdentifier = f"1.2.3.4^{NUMBER}"
    ds.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    ds.EncapsulatedDocumentLength = len(document)
    return ds


def saved(ds: Dataset, path: Path) -> Path:
    """Write an object as it would come."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = UID(ds.SOPClassUID)
    ds.file_meta.MediaStorageSOPInstanceUID = UID(ds.SOPInstanceUID)
    ds.save_as(path, enforce_file_format=True)
    return path


def cleaned(
    ds: Dataset,
    folder: Path,
    documents: Documents = Documents.REBUILD,
    names: NameRecogniser | None = None,
) -> CleanedInstance:
    """Clean and prove an object with the default profile, and a recogniser of names where one is given."""
    source = saved(ds, folder / "in.dcm")
    profile = replace(load_profile("default"), documents=documents)
    plan = CleaningPlan(
        profile=replace(profile, names=NameRecognition("some", 0.5)) if names else profile,
        pseudonymiser=Pseudonymiser(bytes(range(32)), "here"),
        identifiers=harvest(read_header(source)),
        readers=Readers(names=names),
        canary_seed=b"test",
    )
    return InstanceCleaner(plan).run(source, folder / "out.dcm")


def document_of(instance: CleanedInstance) -> bytes:
    """The document in a cleaned file, without padding."""
    header = read_header(instance.path)
    return bytes(header.EncapsulatedDocument)[: header.EncapsulatedDocumentLength]
