"""Storage commitment as its user: the request, and what a report says (PS3.4 J)."""

import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any

import structlog
from pydicom.filereader import read_dataset

from exchange.dicomio.quiet import quiet
from exchange.dicomio.syntaxes import IMPLICIT_LITTLE, encoding_of
from exchange.dimse.association import Association, AssociationLost
from exchange.dimse.negotiation import Proposal
from exchange.dimse.peer import DicomPeer
from exchange.domain.codes import ReasonCode
from exchange.domain.delivery import CommitmentAnswer
from exchange.domain.errors import ConfigurationError, InputError, LockgateError, PeerRefused, PeerUnavailable
from exchange.domain.notices import CommitmentReport
from exchange.domain.uid import is_uid

STORAGE_COMMITMENT_SOP_CLASS = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_SOP_INSTANCE = "1.2.840.10008.1.20.1.1"
# The default transfer syntax, which every peer takes (PS3.5 10.1).
PROPOSAL: Proposal = (STORAGE_COMMITMENT_SOP_CLASS, IMPLICIT_LITTLE)
PROCESSING_FAILURE = 0x0110
_REQUEST_COMMITMENT = 1  # action type
_ALL_COMMITTED, _SOME_FAILED = 1, 2  # event types
_TRANSACTION_UID, _REFERENCED_SOP_SEQUENCE = 0x00081195, 0x00081199
_REFERENCED_SOP_CLASS_UID, _REFERENCED_SOP_INSTANCE_UID = 0x00081150, 0x00081155

_log = structlog.get_logger()


def new_transaction_uid() -> str:
    """A UID that nobody can guess (PS3.5 B.2 over 122 random bits): who names it was asked by us."""
    return f"2.25.{(secrets.randbits(128) & ~(0xF << 76 | 0x3 << 62)) | 4 << 76 | 2 << 62}"


def request_commitment(
    peer: DicomPeer,
    transaction_uid: str,
    instances: Sequence[tuple[str, str]],
    on_report: Callable[[CommitmentReport], None],
    wait_seconds: float,
) -> CommitmentAnswer:
    """Ask a peer to commit; wait a moment for its report on the same association (PS3.4 J.3.2, J.3.3).

    Args:
        peer: Whom to ask.
        transaction_uid: Of this request; durable before this is called.
        instances: (SOP class, SOP instance) pairs.
        on_report: Makes a report durable; the peer is answered Success only when it returned, and a failure
            when it raised a LockgateError.
        wait_seconds: How long a report is waited for; it may come later, on an association of the peer's.
    """
    try:
        with Association.request(peer, [PROPOSAL]) as association:
            context_id = association.contexts.get(PROPOSAL)
            if context_id is None:
                return CommitmentAnswer.NOT_OFFERED
            target = (STORAGE_COMMITMENT_SOP_CLASS, STORAGE_COMMITMENT_SOP_INSTANCE)
            request = encode_request(transaction_uid, instances)
            status = association.action(context_id, target, _REQUEST_COMMITMENT, request)
            if status != 0x0000:
                _log.warning("commitment refused", status=f"0x{status:04X}")
                return CommitmentAnswer.REFUSED
            _await_report(association, context_id, (peer.host, wait_seconds), on_report)
            return CommitmentAnswer.REQUESTED
    except AssociationLost as error:
        # The request may have been understood: its report would still come, and is known by its transaction.
        return CommitmentAnswer.REQUESTED if error.may_have_landed else CommitmentAnswer.UNREACHABLE
    except PeerRefused:
        return CommitmentAnswer.REFUSED
    except (PeerUnavailable, ConfigurationError):
        return CommitmentAnswer.UNREACHABLE


def _await_report(
    association: Association,
    context_id: int,
    source: tuple[str, float],
    on_report: Callable[[CommitmentReport], None],
) -> None:
    address, wait_seconds = source
    try:
        found = association.event(wait_seconds)
    except AssociationLost:
        return  # some peers close at once and report on an association of their own
    if found is None:
        return
    event, data = found
    status = 0x0000
    try:
        on_report(read_report(event.event_type, data, IMPLICIT_LITTLE, address))
    except LockgateError as error:  # not ours, not readable, or not to be written now: it is asked again
        _log.warning("commitment report not taken", error_type=type(error).__name__)
        status = PROCESSING_FAILURE
    association.answer_event(context_id, event, status)


def encode_request(transaction_uid: str, instances: Sequence[tuple[str, str]]) -> bytes:
    """The action information (PS3.4 J.3.2.1.1), implicit VR little endian."""
    items = b"".join(
        struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item
        for sop_class, sop_instance in instances
        for item in (
            _ui(_REFERENCED_SOP_CLASS_UID, sop_class) + _ui(_REFERENCED_SOP_INSTANCE_UID, sop_instance),
        )
    )
    return _ui(_TRANSACTION_UID, transaction_uid) + _element(_REFERENCED_SOP_SEQUENCE, items)


def _element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def _ui(tag: int, uid: str) -> bytes:
    raw = uid.encode("ascii", "replace")
    return _element(tag, raw + b"\0" * (len(raw) % 2))


def read_report(
    event_type: int, data: bytes, transfer_syntax_uid: str, peer_address: str = ""
) -> CommitmentReport:
    """Read an N-EVENT-REPORT's event information (PS3.4 J.3.3.1.2).

    Args:
        event_type: 1 all committed, 2 some failed.
        data: The encoded data set.
        transfer_syntax_uid: Of the presentation context.
        peer_address: Who told it.

    Raises:
        InputError: It is no such report.
    """
    encoding = encoding_of(transfer_syntax_uid)
    if encoding is None or event_type not in (_ALL_COMMITTED, _SOME_FAILED):
        raise _no_report("its event type or transfer syntax is not one of this service")
    try:
        with quiet():
            ds = read_dataset(BytesIO(data), encoding.implicit_vr, encoding.little_endian)
            transaction_uid = _uid(ds.get("TransactionUID"))
            committed = tuple(uid for uid, _ in _references(ds.get("ReferencedSOPSequence")))
            failed = dict(_references(ds.get("FailedSOPSequence")))
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - the boundary to pydicom for bytes of a peer
        raise _no_report("it cannot be decoded") from None
    failed_uids = set(failed)
    kept = tuple(dict.fromkeys(uid for uid in committed if uid not in failed_uids))
    return CommitmentReport(transaction_uid, kept, failed, peer_address)


def _references(sequence: Any) -> Iterator[tuple[str, int]]:
    for item in sequence or ():
        reason = item.get("FailureReason")
        yield _uid(item.get("ReferencedSOPInstanceUID")), reason if isinstance(reason, int) else 0x0110


def _uid(value: object) -> str:
    uid = str(value or "").rstrip("\0 ")
    if not is_uid(uid):
        raise _no_report("a UID is missing or malformed")
    return uid


def _no_report(why: str) -> InputError:
    return InputError(ReasonCode.NOT_DICOM, f"cannot read the storage commitment report: {why}")
