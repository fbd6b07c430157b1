"""The PDU reader: any bytes in any pieces give PDUs or its one error, and never cost more than a buffer."""

import struct
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.dimse.pdu import (
    A_RELEASE_RQ,
    COMMAND,
    LAST,
    AbortReason,
    ControlPdu,
    Fragment,
    PduError,
    PduReader,
    StreamEnded,
    a_abort,
    a_associate_rj,
    command_pdus,
    p_data,
)


def stream(data: bytes, sizes: Sequence[int] = ()) -> Callable[[memoryview, int], int]:
    """A peer that sends these bytes, in pieces of these sizes over and over."""
    position, turn = 0, 0

    def receive(view: memoryview, certain: int) -> int:
        nonlocal position, turn
        assert len(view) > 0
        assert 0 <= certain <= len(view)
        size = sizes[turn % len(sizes)] if sizes else len(data)
        turn += 1
        piece = data[position : position + min(size, len(view))]
        view[: len(piece)] = piece
        position += len(piece)
        return len(piece)

    return receive


# A piece of a fragment as (context id, is command, last, bytes), or another PDU.
Item = tuple[int, bool, bool, bytes] | ControlPdu


@dataclass
class Seen:
    """What was read before the reader raised."""

    items: list[Item]
    error: PduError


def read_all(receive: Callable[[memoryview, int], int]) -> Seen:
    reader, items = PduReader(receive), list[Item]()
    while True:
        try:
            found = reader.read()
        except PduError as error:
            return Seen(items, error)
        if isinstance(found, Fragment):
            items.append((found.context_id, found.is_command, found.is_last, bytes(found.data)))
        else:
            items.append(found)


def joined(items: Sequence[object]) -> list[tuple[int, bool, bytes]]:
    """Messages' halves: context, kind, all bytes up to a last fragment."""
    found, data = [], b""
    for item in items:
        assert isinstance(item, tuple)
        data += item[3]
        if item[2]:
            found.append((item[0], item[1], data))
            data = b""
    return found


SIZES = st.lists(st.integers(1, 70_000), min_size=1, max_size=6)
SETS = st.lists(
    st.tuples(st.integers(0, 255), st.booleans(), st.lists(st.binary(max_size=300), min_size=1, max_size=5)),
    max_size=6,
)


@given(data=st.binary(max_size=2000), sizes=SIZES)
def test_any_bytes_give_pdus_or_the_one_error(data: bytes, sizes: list[int]) -> None:
    seen = read_all(stream(data, sizes))
    assert seen.error.reason in AbortReason
    assert seen.error.message.startswith("cannot")


@given(
    starts=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 40), st.integers(0, 40), st.binary(max_size=40)),
        max_size=5,
    ),
    sizes=SIZES,
)
def test_almost_right_bytes_too(starts: list[tuple[int, int, int, bytes]], sizes: list[int]) -> None:
    data = b"".join(struct.pack(">BxLL", kind, length, inner) + rest for kind, length, inner, rest in starts)
    assert read_all(stream(data, sizes)).error.reason in AbortReason


@given(sets=SETS, sizes=SIZES)
def test_what_was_written_is_read_however_it_is_cut(
    sets: list[tuple[int, bool, list[bytes]]], sizes: list[int]
) -> None:
    data, expected = b"", []
    for context_id, is_command, pieces in sets:
        kind = COMMAND if is_command else 0
        for index, piece in enumerate(pieces):
            data += p_data(context_id, kind | (LAST if index == len(pieces) - 1 else 0), piece)
        expected.append((context_id, is_command, b"".join(pieces)))
    seen = read_all(stream(data, sizes))
    assert isinstance(seen.error, StreamEnded)
    assert joined(seen.items) == expected


@given(sets=SETS, sizes=SIZES)
def test_several_fragments_in_one_pdu(sets: list[tuple[int, bool, list[bytes]]], sizes: list[int]) -> None:
    body, expected = b"", []
    for context_id, is_command, pieces in sets:
        for index, piece in enumerate(pieces):
            control = (COMMAND if is_command else 0) | (LAST if index == len(pieces) - 1 else 0)
            body += p_data(context_id, control, piece)[6:]
        expected.append((context_id, is_command, b"".join(pieces)))
    seen = read_all(stream(struct.pack(">BxL", 4, len(body)) + body if body else b"", sizes))
    assert isinstance(seen.error, StreamEnded)
    assert joined(seen.items) == expected


@given(command=st.binary(min_size=1, max_size=3000), max_pdu=st.integers(0, 400), sizes=SIZES)
def test_answers_fit_what_the_peer_takes(command: bytes, max_pdu: int, sizes: list[int]) -> None:
    data = command_pdus(7, command, max_pdu)
    seen = read_all(stream(data, sizes))
    assert joined(seen.items) == [(7, True, command)]
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from(">xxL", data, position)
        assert not max_pdu or length <= max(max_pdu, 7)
        position += 6 + length


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack(">BxL", 0, 0), AbortReason.UNRECOGNIZED_PDU),
        (struct.pack(">BxL", 8, 4), AbortReason.UNRECOGNIZED_PDU),
        (struct.pack(">BxL", 4, 0), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxL", 4, 5) + bytes(5), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxL", 4, 17 * 1024 * 1024), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxL", 1, 2 * 1024 * 1024), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxL", 5, 65), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxLLBB", 4, 6, 1, 1, 0), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxLLBB", 4, 6, 3, 1, 0), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxLLBB", 4, 9, 2, 1, 0) + bytes(3), AbortReason.INVALID_PARAMETER),
        (b"", AbortReason.NOT_SPECIFIED),
        (struct.pack(">BxLLBB", 4, 20, 16, 1, 0) + bytes(3), AbortReason.NOT_SPECIFIED),
    ],
)
def test_errors_name_the_reason_of_the_abort(data: bytes, reason: AbortReason) -> None:
    assert read_all(stream(data)).error.reason is reason


def test_short_pdus() -> None:
    data = a_abort(2, 6) + a_associate_rj(2, 3, 2) + struct.pack(">BxL4x", A_RELEASE_RQ, 4)
    seen = read_all(stream(data, [3]))
    assert seen.items == [
        ControlPdu(7, bytes.fromhex("07000000000400000206")),
        ControlPdu(3, bytes.fromhex("03000000000400020302")),
        ControlPdu(5, bytes.fromhex("05000000000400000000")),
    ]


def test_the_largest_pdu_costs_one_buffer() -> None:
    """16 MiB in one PDU pass through, and an announced A-ASSOCIATE that never comes costs nothing."""
    size, sent, biggest = 16 * 1024 * 1024 - 6, 0, 0
    head = struct.pack(">BxLLBB", 4, size + 6, size + 2, 1, LAST)

    def receive(view: memoryview, certain: int) -> int:
        nonlocal sent
        if not sent:
            view[: len(head)] = head
            sent = len(head)
            return sent
        count = min(len(view), certain or len(view))
        sent += count
        return count

    tracemalloc.start()
    reader, total = PduReader(receive), 0
    while total < size:
        piece = reader.read()
        assert isinstance(piece, Fragment)
        total += len(piece.data)
        biggest = max(biggest, len(piece.data))
        assert piece.is_last is (total == size)
    announced = read_all(stream(struct.pack(">BxL", 1, 1024 * 1024) + bytes(50)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(announced.error, StreamEnded)
    assert biggest > 100_000
    assert peak < 2 * 1024 * 1024
