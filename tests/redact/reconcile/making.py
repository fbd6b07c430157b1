"""Instances of a partner, in any encoding, and the stage run over them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread  # noqa: TID251 - an outside reader
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID

from exchange.durable import write_file
from redact.reconcile.quarantine import Quarantine
from redact.reconcile.stage import ReconciledInstance, Store, reconcile_instance
from tests.support.small_studies import make_instance

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
SYNTAXES = (IMPLICIT, EXPLICIT, DEFLATED, BIG, RLE)

QUARANTINE = Quarantine(
    "telerad", "from-telerad-", "lockgate edge-01", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
)


def item(**values: object) -> Dataset:
    """A sequence item."""
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def foreign(number: int = 0) -> Dataset:
    """An instance with everything by which a PACS might take it for a local one."""
    ds = make_instance(1, number)
    ds.PatientID, ds.IssuerOfPatientID = "0815", ""
    ds.OtherPatientIDs = ["0815", "4711"]
    ds.OtherPatientIDsSequence = Sequence(
        [item(PatientID="4711", IssuerOfPatientID="B", TypeOfPatientID="TEXT")]
    )
    ds.AccessionNumber = "A-1"
    ds.IssuerOfAccessionNumberSequence = Sequence([item(LocalNamespaceEntityID="RIS")])
    ds.AdmissionID, ds.StudyID = "V-9", "A-1"
    ds.RequestAttributesSequence = Sequence(
        [item(RequestedProcedureID="RP-1", ScheduledProcedureStepID="SPS-1", AccessionNumber="A-1")]
    )
    ds.PlacerOrderNumberImagingServiceRequest = "PO-1"
    ds.FillerOrderNumberImagingServiceRequest = "FO-1"
    ds.PatientComments = "0815"
    ds.InstitutionName = "0815"
    block = ds.private_block(0x0041, "LGTEST", create=True)
    block.add_new(0x01, "OB", b"\1\2\3\4")
    return ds


def save(ds: Dataset, path: Path, syntax: str = EXPLICIT) -> Path:
    """Write a Part 10 file in a transfer syntax; pixels are made to fit it."""
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == RLE and "PixelData" in ds:
        ds.PixelData = encapsulate([bytes(64) + b"\0\1\2\3", b"\4\5"], has_bot=True)
        ds["PixelData"].is_undefined_length = True
    raw = BytesIO()
    ds.save_as(raw, enforce_file_format=True)
    path.write_bytes(raw.getvalue())
    return path


def to(path: Path) -> Store:
    """Stores into a plain file."""

    def store(chunks: Iterator[bytes], _sha256: str) -> Path:
        write_file(path, chunks)
        return path

    return store


def reconcile(source: Path, target: Path, quarantine: Quarantine = QUARANTINE) -> ReconciledInstance:
    """The stage over one file."""
    return reconcile_instance(source, quarantine, {}, to(target))


def read(path: Path) -> Dataset:
    """What another reader makes of it."""
    return dcmread(path)
