"""DIMSE command sets as bytes: what we send, and the little we read of an answer (PS3.7 6.3, E.1).

Command sets are always implicit VR little endian and a few dozen bytes, so they are written and read here
without a data set library in between.
"""

import struct
from dataclasses import dataclass

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError

VERIFICATION_SOP_CLASS = "1.2.840.10008.1.1"
C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
_NO_DATA_SET, _DATA_SET = 0x0101, 0x0000
_MEDIUM_PRIORITY = 0x0000


@dataclass(frozen=True, slots=True)
class Response:
    """What matters of a response's command set."""

    command_field: int
    message_id_responded_to: int
    status: int
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


def c_store_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Command set of a C-STORE request (PS3.7 9.3.1.1)."""
    return _with_group_length(
        _ui(0x0002, sop_class_uid)
        + _us(0x0100, C_STORE_RQ)
        + _us(0x0110, message_id)
        + _us(0x0700, _MEDIUM_PRIORITY)
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


def parse_response(command_set: bytes) -> Response:
    """Read a response's command set.

    Raises:
        InputError: It is no command set, or lacks a mandatory element.
    """
    numbers: dict[int, int] = {}
    position = 0
    while position + 8 <= len(command_set):
        group, element, length = struct.unpack_from("<HHL", command_set, position)
        position += 8
        if group != 0x0000 or position + length > len(command_set):
            raise InputError(ReasonCode.TRUNCATED, "cannot read the peer's response: it is no command set")
        if length == 2:
            (numbers[element],) = struct.unpack_from("<H", command_set, position)
        position += length
    try:
        return Response(numbers[0x0100], numbers[0x0120], numbers[0x0900], numbers[0x0800] != _NO_DATA_SET)
    except KeyError as error:
        raise InputError(
            ReasonCode.TRUNCATED, "cannot read the peer's response: a mandatory element is missing"
        ) from error
