"""The DIMSE requests that we make, as command sets (PS3.7 9.3, 10.3); `commandset` reads what comes back."""

from exchange.dimse.commandset import C_ECHO, C_STORE, N_ACTION, NO_DATA_SET, encode, ui, us
from exchange.domain.exchange import Priority

VERIFICATION_SOP_CLASS = "1.2.840.10008.1.1"
_DATA_SET = 0x0000
_PRIORITIES = {Priority.ROUTINE: 0x0000, Priority.HIGH: 0x0001, Priority.STAT: 0x0001}  # medium, high


def c_store_rq(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, priority: Priority = Priority.ROUTINE
) -> bytes:
    """Command set of a C-STORE request (PS3.7 9.3.1.1)."""
    return encode(
        ui(0x0002, sop_class_uid),
        us(0x0100, C_STORE),
        us(0x0110, message_id),
        us(0x0700, _PRIORITIES[priority]),
        us(0x0800, _DATA_SET),
        ui(0x1000, sop_instance_uid),
    )


def c_echo_rq(message_id: int) -> bytes:
    """Command set of a C-ECHO request (PS3.7 9.3.5.1)."""
    return encode(
        ui(0x0002, VERIFICATION_SOP_CLASS),
        us(0x0100, C_ECHO),
        us(0x0110, message_id),
        us(0x0800, NO_DATA_SET),
    )


def n_action_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type: int) -> bytes:
    """Command set of an N-ACTION request that carries action information (PS3.7 10.3.4.1)."""
    return encode(
        ui(0x0003, sop_class_uid),
        us(0x0100, N_ACTION),
        us(0x0110, message_id),
        us(0x0800, _DATA_SET),
        ui(0x1001, sop_instance_uid),
        us(0x1008, action_type),
    )
