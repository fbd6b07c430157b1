"""IAN and MPPS: made durable before they are answered, then heeded when their study settles."""

import structlog

from agent.custody.notices import record_notice
from agent.pipeline.appliance import Appliance
from exchange.domain.notices import StudyNotice
from exchange.log.events import Event, EventKind

log = structlog.get_logger()

# The log takes codes only, and the sender may write anything.
_STATUSES = {
    "": "",
    "IN PROGRESS": "in-progress",
    "COMPLETED": "completed",
    "DISCONTINUED": "discontinued",
}


def take_notice(appliance: Appliance, notice: StudyNotice) -> None:
    """Keep what another system tells of a study; durable when this returns.

    Raises:
        UnknownNoticeError: It updates a notice that never came: 0x0112.
        DuplicateNoticeError: It creates a procedure step that has ended: 0x0111.
        CustodyError: It cannot be kept; the sender should try again.
    """
    for one in record_notice(appliance.custody, notice):
        appliance.log.append(
            Event(
                EventKind.NOTICE_RECEIVED,
                {
                    "service": one.kind.value,
                    "status": _STATUSES.get(one.status, "other"),
                    "instances": len(one.sop_instance_uids),
                    "peer": one.peer,
                },
            )
        )
        log.info("notice", code=one.kind.value, peer=one.peer, count=len(one.sop_instance_uids))
    appliance.wake()
