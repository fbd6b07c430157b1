"""Notices of other systems as our own types: IAN (PS3.4 R), MPPS (PS3.4 F), commitment (PS3.4 J).

Their data sets are small and read in memory. What cannot be used is refused with the status of PS3.7 annex C.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from uuid import uuid4

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from exchange.dicomio.limits import Limits
from exchange.dicomio.quiet import quiet
from exchange.dicomio.syntaxes import encoding_of
from exchange.dicomio.walk import Walk
from exchange.dicomio.window import Window
from exchange.dimse import commandset
from exchange.dimse.commandset import Request
from exchange.dimse.commitment import read_report
from exchange.domain.errors import InputError
from exchange.domain.notices import (
    CommitmentReport,
    DuplicateNoticeError,
    NoticeKind,
    StudyNotice,
    UnknownNoticeError,
)
from exchange.domain.uid import is_uid

INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_NOTIFICATION = "1.2.840.10008.3.1.2.3.5"
COMMITMENT = "1.2.840.10008.1.20.1"

_STEP_STATES = frozenset({"IN PROGRESS", "COMPLETED", "DISCONTINUED"})  # PS3.3 C.4.14
_EVENT_TYPES = (1, 2)  # PS3.4 table J.3-2
_NEVER_COMES = "UNAVAILABLE"  # InstanceAvailability (0008,0056)
# Decoded by pydicom an element of 16 bytes takes some hundred; 50,000 instances need 350,000.
_LIMITS = Limits(depth=16, elements=400_000)


class Unacceptable(Exception):  # noqa: N818 - reads as the state that it reports
    """A notice that cannot be used.

    Attributes:
        status: PS3.7 annex C.
        comment: For a person; free of PHI.
    """

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment


@dataclass(frozen=True, slots=True)
class DataSetSource:
    """One request with its whole data set, and who sent it."""

    request: Request
    transfer_syntax_uid: str
    sop_class_uid: str
    data: bytes = field(repr=False)
    called_ae: str
    calling_ae: str
    peer: str
    peer_address: str


def study_notice(source: DataSetSource, received_at: datetime) -> StudyNotice:
    """Read an N-CREATE of an IAN or MPPS, or an N-SET of an MPPS.

    Args:
        source: The request; its context's SOP class is IAN or MPPS.
        received_at: Now, timezone-aware UTC.

    Raises:
        Unacceptable: It cannot be used.
    """
    creates = source.request.operation == commandset.N_CREATE
    is_mpps = source.sop_class_uid == MPPS
    if not creates and (not is_mpps or source.request.operation != commandset.N_SET):
        raise Unacceptable(commandset.UNRECOGNIZED_OPERATION, "operation not supported")
    notice_id = source.request.sop_instance_uid
    if not creates and not notice_id:
        raise Unacceptable(commandset.NO_SUCH_SOP_INSTANCE, "no SOP Instance UID")
    status, study, instances = _read(source, creates=creates)
    return StudyNotice(
        # The SCP names what the SCU did not (PS3.7 10.1.5.1.4).
        notice_id=notice_id or f"2.25.{uuid4().int}",
        kind=NoticeKind.MPPS if is_mpps else NoticeKind.IAN,
        status=status,
        study_instance_uid=study,
        sop_instance_uids=instances,
        called_ae=source.called_ae,
        calling_ae=source.calling_ae,
        peer=source.peer,
        received_at=received_at,
    )


def commitment_report(source: DataSetSource) -> CommitmentReport:
    """Read an N-EVENT-REPORT of storage commitment (PS3.4 J.3.3).

    Raises:
        Unacceptable: It cannot be used.
    """
    if source.request.event_type not in _EVENT_TYPES:
        raise Unacceptable(commandset.NO_SUCH_EVENT_TYPE, "event type is neither 1 nor 2")
    _check_structure(source)
    try:
        return read_report(
            source.request.event_type, source.data, source.transfer_syntax_uid, source.peer_address
        )
    except InputError:
        raise Unacceptable(commandset.INVALID_ARGUMENT_VALUE, "no storage commitment report") from None


def status_of(error: Exception) -> tuple[int, str]:
    """What to answer when a notice could not be made durable."""
    if isinstance(error, UnknownNoticeError):
        return commandset.NO_SUCH_SOP_INSTANCE, "no such SOP Instance"
    if isinstance(error, DuplicateNoticeError):
        return commandset.DUPLICATE_SOP_INSTANCE, "SOP Instance exists and differs"
    return commandset.PROCESSING_FAILURE, "cannot store the notice, try again later"


def _read(source: DataSetSource, *, creates: bool) -> tuple[str, str, tuple[str, ...]]:
    """Status, study and instances."""
    _check_structure(source)
    encoding = encoding_of(source.transfer_syntax_uid)
    assert encoding is not None  # noqa: S101 - `_check_structure` asked
    try:
        with quiet():
            ds = read_dataset(BytesIO(source.data), encoding.implicit_vr, encoding.little_endian)
            if source.sop_class_uid == MPPS:
                return _read_step(ds, creates=creates)
            return "", _study(ds), tuple(dict.fromkeys(_available(ds)))
    except Unacceptable:
        raise
    except Exception:  # noqa: BLE001 - the boundary to pydicom for one notice; its texts may quote values
        raise Unacceptable(commandset.PROCESSING_FAILURE, "cannot understand the data set") from None


def _check_structure(source: DataSetSource) -> None:
    """Look at it before pydicom does: what decodes to a thousand times its size stays out."""
    encoding = encoding_of(source.transfer_syntax_uid)
    if encoding is None or encoding.deflated:
        raise Unacceptable(commandset.PROCESSING_FAILURE, "cannot understand the transfer syntax")
    try:
        Walk(Window(BytesIO(source.data), len(source.data)), 0, encoding, _LIMITS).run()
    except InputError:
        raise Unacceptable(commandset.PROCESSING_FAILURE, "cannot understand the data set") from None


def _read_step(ds: Dataset, *, creates: bool) -> tuple[str, str, tuple[str, ...]]:
    status = str(ds.get("PerformedProcedureStepStatus") or "").strip()
    if creates and "PerformedProcedureStepStatus" not in ds:
        raise Unacceptable(commandset.MISSING_ATTRIBUTE, "PerformedProcedureStepStatus is missing")
    if status not in _STEP_STATES and (creates or status):
        raise Unacceptable(commandset.INVALID_ATTRIBUTE_VALUE, "PerformedProcedureStepStatus is not valid")
    study = ""
    if creates:
        scheduled = _items(ds, "ScheduledStepAttributesSequence")
        if "ScheduledStepAttributesSequence" not in ds:
            raise Unacceptable(commandset.MISSING_ATTRIBUTE, "ScheduledStepAttributesSequence is missing")
        # The images of one performed step lie in one study, which its scheduled steps name.
        study = _study(scheduled[0] if scheduled else Dataset())
    return status, study, tuple(dict.fromkeys(_performed(ds)))


def _study(ds: Dataset) -> str:
    if "StudyInstanceUID" not in ds:
        raise Unacceptable(commandset.MISSING_ATTRIBUTE, "StudyInstanceUID is missing")
    study = str(ds.get("StudyInstanceUID") or "").strip("\0 ")
    if not study:
        raise Unacceptable(commandset.MISSING_ATTRIBUTE_VALUE, "StudyInstanceUID is empty")
    if not is_uid(study):
        raise Unacceptable(commandset.INVALID_ATTRIBUTE_VALUE, "StudyInstanceUID is no UID")
    return study


def _items(ds: Dataset, keyword: str) -> list[Dataset]:
    return list(ds.get(keyword) or ())


def _available(ds: Dataset) -> Iterator[str]:
    """The instances that an IAN names (PS3.4 table R.3.2-1), but for those that cannot come."""
    if "ReferencedSeriesSequence" not in ds:
        raise Unacceptable(commandset.MISSING_ATTRIBUTE, "ReferencedSeriesSequence is missing")
    for series in _items(ds, "ReferencedSeriesSequence"):
        for reference in _items(series, "ReferencedSOPSequence"):
            if str(reference.get("InstanceAvailability") or "").strip() != _NEVER_COMES:
                yield _referenced(reference)


def _performed(ds: Dataset) -> Iterator[str]:
    """The instances that an MPPS names (PS3.4 table F.7.2-1)."""
    for series in _items(ds, "PerformedSeriesSequence"):
        for keyword in ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence"):
            for reference in _items(series, keyword):
                yield _referenced(reference)


def _referenced(reference: Dataset) -> str:
    if "ReferencedSOPInstanceUID" not in reference:
        raise Unacceptable(commandset.MISSING_ATTRIBUTE, "ReferencedSOPInstanceUID is missing")
    uid = str(reference.get("ReferencedSOPInstanceUID") or "").strip("\0 ")
    if not is_uid(uid):
        raise Unacceptable(commandset.INVALID_ATTRIBUTE_VALUE, "ReferencedSOPInstanceUID is no UID")
    return uid
