"""DIMSE command sets: what comes to us read, and our responses to requests (PS3.7 6.3, 9.3, 10.3, E.1).

Command sets are implicit VR little endian and a few dozen bytes: read and written here by hand, because a
data set library in between was half the cost of a C-STORE. The requests that we make are in `commands`.
"""

import struct
from dataclasses import dataclass

from exchange.dicomio.filemeta import decode_uid, encode_uid
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError

COMMAND_MAX = 64 * 1024
"""Longest command set that is read, in bytes; a C-STORE-RQ needs about 300."""

C_STORE, C_ECHO, C_CANCEL = 0x0001, 0x0030, 0x0FFF
N_EVENT_REPORT, N_SET, N_ACTION, N_CREATE = 0x0100, 0x0120, 0x0130, 0x0140
NO_DATA_SET = 0x0101  # Command Data Set Type; any other value announces a data set
_RESPONSE = 0x8000

# PS3.7 annex C
SUCCESS = 0x0000
INVALID_ATTRIBUTE_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111
NO_SUCH_SOP_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
INVALID_ARGUMENT_VALUE = 0x0115
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213

_ELEMENT = struct.Struct("<HHL")
_US = struct.Struct("<HHLH")
_UL = struct.Struct("<HHLL")


@dataclass(frozen=True, slots=True)
class Request:
    """What matters of a request's command set.

    Attributes:
        operation: Command Field; `C_STORE` and so on.
        message_id: Message ID; of a C-CANCEL, the one that it cancels.
        has_data_set: Whether a data set follows.
        sop_class_uid: Affected or Requested SOP Class UID, "" when absent.
        sop_instance_uid: Affected or Requested SOP Instance UID, "" when absent.
        event_type: Event Type ID of an N-EVENT-REPORT, else 0.
    """

    operation: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str
    sop_instance_uid: str
    event_type: int


@dataclass(frozen=True, slots=True)
class Response:
    """What matters of a response's command set.

    Attributes:
        operation: Command Field of the request that it answers; `C_STORE` and so on.
        message_id: Message ID Being Responded To.
        has_data_set: Whether a data set follows.
        status: PS3.7 annex C or the service's own.
    """

    operation: int
    message_id: int
    has_data_set: bool
    status: int


def parse_request(command_set: bytes | bytearray) -> Request:
    """Read a request's command set.

    Raises:
        InputError: It is no command set, lacks a mandatory element, or is a response.
    """
    values = _values(command_set)
    operation = _number(values, 0x0100)
    if operation & _RESPONSE:
        raise _unreadable("it is a response, and nothing was asked")
    return _request(operation, values)


def parse_answer(command_set: bytes | bytearray) -> Response | Request:
    """Read what comes to a requestor: a response, or a request of the peer's own (N-EVENT-REPORT).

    A few bytes behind the last element do no harm: what a peer answered is not made unknown for them.

    Raises:
        InputError: It is no command set, or lacks a mandatory element.
    """
    values = _values(command_set, padded=True)
    operation = _number(values, 0x0100)
    if not operation & _RESPONSE:
        return _request(operation, values)
    return Response(
        operation=operation & ~_RESPONSE,
        message_id=_number(values, 0x0120),
        has_data_set=_number(values, 0x0800) != NO_DATA_SET,
        status=_number(values, 0x0900),
    )


def _request(operation: int, values: dict[int, bytes]) -> Request:
    message_id = _number(values, 0x0110 if 0x0110 in values else 0x0120)
    return Request(
        operation=operation,
        message_id=message_id,
        has_data_set=_number(values, 0x0800) != NO_DATA_SET,
        sop_class_uid=decode_uid(values.get(0x0002) or values.get(0x0003, b"")),
        sop_instance_uid=decode_uid(values.get(0x1000) or values.get(0x1001, b"")),
        event_type=_number(values, 0x1002) if 0x1002 in values else 0,
    )


def response(request: Request, status: int, comment: str = "", sop_instance_uid: str = "") -> bytes:
    """The command set that answers a request; no data set follows it.

    Args:
        request: What is answered.
        status: PS3.7 annex C or the service's own.
        comment: Error Comment, at most 64 ASCII characters.
        sop_instance_uid: Affected SOP Instance UID where it is not the request's.
    """
    parts = [
        ui(0x0002, request.sop_class_uid),
        us(0x0100, request.operation | _RESPONSE),
        us(0x0120, request.message_id),
        us(0x0800, NO_DATA_SET),
        us(0x0900, status),
    ]
    if comment:
        text = comment.encode("ascii", "replace")[:64]
        parts.append(_element(0x0902, text + b" " * (len(text) % 2)))
    parts.append(ui(0x1000, sop_instance_uid or request.sop_instance_uid))
    if request.event_type:
        parts.append(us(0x1002, request.event_type))
    return encode(*parts)


def encode(*elements: bytes) -> bytes:
    """A command set of these encoded elements, in ascending order, with its group length before them."""
    joined = b"".join(elements)
    return _UL.pack(0, 0, 4, len(joined)) + joined


def us(number: int, value: int) -> bytes:
    """The element (0000,number) with a 16 bit value."""
    return _US.pack(0, number, 2, value)


def ui(number: int, uid: str) -> bytes:
    """The element (0000,number) with a UID; nothing for an empty one."""
    return _element(number, encode_uid(uid)) if uid else b""


def _element(number: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, number, len(value)) + value


def _values(command_set: bytes | bytearray, *, padded: bool = False) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    position = 0
    while position < len(command_set):
        if position + _ELEMENT.size > len(command_set):
            if padded:
                break
            raise _unreadable("it ends inside an element")
        group, element, length = _ELEMENT.unpack_from(command_set, position)
        position += _ELEMENT.size
        if group != 0x0000 or position + length > len(command_set):
            raise _unreadable("it is no command set")
        values[element] = bytes(command_set[position : position + length])
        position += length
    return values


def _number(values: dict[int, bytes], element: int) -> int:
    raw = values.get(element, b"")
    if len(raw) != 2:
        raise _unreadable("a mandatory element is missing or malformed")
    return int.from_bytes(raw, "little")


def _unreadable(why: str) -> InputError:
    return InputError(ReasonCode.TRUNCATED, f"cannot read the peer's message: {why}", "see the peer's log")
