"""What a storage status means for a delivery (PS3.7 C, PS3.4 B.2.3, PS3.18 I.2 uses the same codes)."""

from exchange.domain.delivery import InstanceOutcome, InstanceState

SUCCESS = 0x0000
DUPLICATE_SOP_INSTANCE = 0x0111

_MEANINGS = {
    SUCCESS: "stored",
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0110: "processing failure",
    DUPLICATE_SOP_INSTANCE: "the peer holds this SOP Instance UID already",
    0x0112: "no such SOP instance",
    0x0117: "invalid SOP Instance UID",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0210: "duplicate invocation",
    0x0211: "unrecognised operation",
    0x0212: "mistyped argument",
    0xB000: "stored, but elements were coerced",
    0xB006: "stored, but elements were discarded",
    0xB007: "stored, but the data set does not match the SOP class",
    0xFE00: "cancelled by the peer",
}


def _state(status: int) -> InstanceState:
    if status == SUCCESS:
        return InstanceState.SENT
    # A duplicate is what a re-send after a lost answer meets: our UIDs never carry two contents.
    if status in (0x0001, DUPLICATE_SOP_INSTANCE) or status & 0xF000 == 0xB000:
        return InstanceState.WARNING
    if status & 0xFF00 == 0xA700 or status == 0xFE00:
        return InstanceState.PENDING
    return InstanceState.REFUSED


def _meaning(status: int) -> str:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status & 0xFF00 == 0xA700:
        return "the peer is out of resources; it may take it later"
    if status & 0xFF00 == 0xA900:
        return "the data set does not match the SOP class"
    if status & 0xF000 == 0xC000:
        return "the peer cannot understand it"
    if status & 0xF000 == 0xB000:
        return "stored with a warning"
    return "refused for a reason that the standard does not name"


def store_outcome(sop_instance_uid: str, status: int) -> InstanceOutcome:
    """Map the status of one stored instance; the peer's error comment is never quoted, it may be PHI."""
    return InstanceOutcome(sop_instance_uid, _state(status), f"0x{status:04X}", _meaning(status))
