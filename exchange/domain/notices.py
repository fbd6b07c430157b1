"""What other systems tell us of studies, besides the images themselves."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from exchange.domain.errors import LockgateError


class NoticeKind(StrEnum):
    """By which service a study was announced."""

    IAN = "ian"  # Instance Availability Notification, PS3.4 R
    MPPS = "mpps"  # Modality Performed Procedure Step, PS3.4 F


@dataclass(frozen=True, slots=True)
class StudyNotice:
    """One notice about one study; made durable before it is answered.

    Attributes:
        notice_id: SOP Instance UID of the notice: a repetition replaces what it said before.
        kind: The service.
        status: PerformedProcedureStepStatus of an MPPS; "" for an IAN, or for an update that leaves it.
        study_instance_uid: The study; "" for an update of an MPPS (N-SET), which does not repeat it: then it
            is the study that the notice of the same `notice_id` named before.
        sop_instance_uids: The instances that belong to it, as far as the notice names them; empty for an
            update of an MPPS that says nothing of instances.
        called_ae: To whom it was told.
        calling_ae: By whom.
        peer: Name of the configured peer, "" when none matched.
        received_at: Timezone-aware UTC.
    """

    notice_id: str
    kind: NoticeKind
    status: str
    study_instance_uid: str
    sop_instance_uids: tuple[str, ...]
    called_ae: str
    calling_ae: str
    peer: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """A peer's answer to a storage commitment request (PS3.4 J.3.3).

    Attributes:
        transaction_uid: Of our request.
        committed: SOP Instance UIDs that the peer answers for.
        failed: SOP Instance UID to FailureReason (0008,1197).
        peer_address: Who told us, for the log.
    """

    transaction_uid: str
    committed: tuple[str, ...]
    failed: dict[str, int]
    peer_address: str = ""


class UnknownNoticeError(LockgateError):
    """An update names a notice that nobody knows: answered «no such SOP instance» (0112H)."""


class DuplicateNoticeError(LockgateError):
    """A creation names a notice that is there and says something else: «duplicate SOP instance» (0111H)."""
