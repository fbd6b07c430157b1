"""DIMSE command sets as bytes: what we send, and the little we read of an answer (PS3.7 6.3, E.1).

Command sets are always implicit VR little endian and a few dozen bytes, so they are written and read here
without a data set library in between.
"""

import struct
from dataclasses import dataclass

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from exchange.domain.exchange import Priority
from exchange.domain.uid import is_uid

VERIFICATION_SOP_CLASS = "1.2.840.10008.1.1"
C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
N_EVENT_REPORT_RQ, N_EVENT_REPORT_RSP = 0x0100, 0x8100
N_ACTION_RQ, N_ACTION_RSP = 0x0130, 0x8130
_NO_DATA_SET, _DATA_SET = 0x0101, 0x0000
_PRIORITIES = {Priority.ROUTINE: 0x0000, Priority.HIGH: 0x0001, Priority.STAT: 0x0001}  # medium, high


@dataclass(frozen=True, slots=True)
class Response:
    """What matters of a response's command set."""

    command_field: int
    message_id_responded_to: int
    status: int
    has_data_set: bool


@dataclass(frozen=True, slots=True)
class EventReport:
    """What matters of an N-EVENT-REPORT request's command set."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    event_type: int
    has_data_set: bool


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0x0000, number, len(value)) + value


def _us(number: int, value: int) -> bytes:
    return _element(number, struct.pack("<H", value))


def _ui(number: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    return _element(number, value + b"\0" * (len(value) % 2))


def _with_group_length(elements: bytes) -> bytes:
    return _element(0x0000, struct.pack("<L", len(elements))) + elements


def c_store_rq(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, priority: Priority = Priority.ROUTINE
) -> bytes:
    """Command set of a C-STORE request (PS3.7 9.3.1.1)."""
    return _with_group_length(
        _ui(0x0002, sop_class_uid)
        + _us(0x0100, C_STORE_RQ)
        + _us(0x0110, message_id)
        + _us(0x0700, _PRIORITIES[priority])
        + _us(0x0800, _DATA_SET)
        + _ui(0x1000, sop_instance_uid)
    )


def c_echo_rq(message_id: int) -> bytes:
    """Command set of a C-ECHO request (PS3.7 9.3.5.1)."""
    return _with_group_length(
        _ui(0x0002, VERIFICATION_SOP_CLASS)
        + _us(0x0100, C_ECHO_RQ)
        + _us(0x0110, message_id)
        + _us(0x0800, _NO_DATA_SET)
    )


def n_action_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type: int) -> bytes:
    """Command set of an N-ACTION request that carries action information (PS3.7 10.3.4.1)."""
    return _with_group_length(
        _ui(0x0003, sop_class_uid)
        + _us(0x0100, N_ACTION_RQ)
        + _us(0x0110, message_id)
        + _us(0x0800, _DATA_SET)
        + _ui(0x1001, sop_instance_uid)
        + _us(0x1008, action_type)
    )


def n_event_report_rsp(request: EventReport, status: int) -> bytes:
    """Command set of an N-EVENT-REPORT response without event reply (PS3.7 10.3.1.2)."""
    return _with_group_length(
        _ui(0x0002, request.sop_class_uid)
        + _us(0x0100, N_EVENT_REPORT_RSP)
        + _us(0x0120, request.message_id)
        + _us(0x0800, _NO_DATA_SET)
        + _us(0x0900, status)
        + _ui(0x1000, request.sop_instance_uid)
        + _us(0x1002, request.event_type)
    )


def parse_response(command_set: bytes) -> Response:
    """Read a response's command set.

    Raises:
        InputError: It is no command set, or lacks a mandatory element.
    """
    values = _elements(command_set)
    return Response(
        _number(values, 0x0100),
        _number(values, 0x0120),
        _number(values, 0x0900),
        _number(values, 0x0800) != _NO_DATA_SET,
    )


def command_field(command_set: bytes) -> int:
    """Which command this is (0000,0100).

    Raises:
        InputError: It is no command set, or does not say.
    """
    return _number(_elements(command_set), 0x0100)


def parse_event_report(command_set: bytes) -> EventReport:
    """Read the command set of an N-EVENT-REPORT request (PS3.7 10.3.1.1).

    Raises:
        InputError: It is no command set, or lacks a mandatory element.
    """
    values = _elements(command_set)
    return EventReport(
        _number(values, 0x0110),
        _uid(values, 0x0002),
        _uid(values, 0x1000),
        _number(values, 0x1002),
        _number(values, 0x0800) != _NO_DATA_SET,
    )


def _elements(command_set: bytes) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    position = 0
    while position + 8 <= len(command_set):
        group, element, length = struct.unpack_from("<HHL", command_set, position)
        position += 8
        if group != 0x0000 or position + length > len(command_set):
            raise _unreadable("it is no command set")
        values[element] = command_set[position : position + length]
        position += length
    return values


def _number(values: dict[int, bytes], element: int) -> int:
    value = values.get(element, b"")
    if len(value) != 2:
        raise _unreadable("a mandatory element is missing")
    return int.from_bytes(value, "little")


def _uid(values: dict[int, bytes], element: int) -> str:
    uid = values.get(element, b"").rstrip(b"\0 ").decode("latin-1")
    if not is_uid(uid):
        raise _unreadable("a mandatory element is missing")
    return uid


def _unreadable(why: str) -> InputError:
    return InputError(ReasonCode.TRUNCATED, f"cannot read the peer's response: {why}")
