"""Requests that come to us and our answers to them, against pynetdicom's own reading and writing."""

import contextlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dsutils import decode

from exchange.dimse import commands
from exchange.dimse.commandset import (
    C_STORE,
    N_EVENT_REPORT,
    Request,
    Response,
    encode,
    parse_answer,
    parse_request,
    response,
    ui,
    us,
)
from exchange.domain.errors import InputError

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_what_our_sender_writes() -> None:
    assert parse_request(commands.c_store_rq(7, CT, "1.2.3")) == Request(C_STORE, 7, True, CT, "1.2.3", 0)
    assert parse_request(commands.c_echo_rq(8)).has_data_set is False
    request = parse_request(commands.n_action_rq(9, CT, "1.2.3", 1))
    assert (request.message_id, request.sop_class_uid, request.sop_instance_uid) == (9, CT, "1.2.3")


@given(
    message_id=st.integers(0, 0xFFFF),
    status=st.integers(0, 0xFFFF),
    comment=st.text(max_size=90),
    instance=st.from_regex(r"[0-9.]{0,64}", fullmatch=True),
    event=st.integers(0, 9),
)
def test_pynetdicom_reads_our_answers(
    message_id: int, status: int, comment: str, instance: str, event: int
) -> None:
    request = Request(N_EVENT_REPORT, message_id, True, CT, instance, event)
    encoded = response(request, status, comment)
    ds = decode(BytesIO(encoded), True, True)
    assert (ds.CommandField, ds.MessageIDBeingRespondedTo, ds.Status) == (0x8100, message_id, status)
    assert (ds.AffectedSOPClassUID, ds.CommandDataSetType) == (CT, 0x0101)
    assert ds.CommandGroupLength == len(encoded) - 12
    assert str(ds.get("AffectedSOPInstanceUID", "")) == instance
    assert len(encoded) % 2 == 0
    assert parse_answer(encoded) == Response(N_EVENT_REPORT, message_id, False, status)


@given(data=st.binary(max_size=300))
def test_any_bytes_give_a_request_or_the_one_error(data: bytes) -> None:
    with contextlib.suppress(InputError):  # and nothing else
        parse_request(data)
    with contextlib.suppress(InputError):
        answer = parse_answer(data)
        assert isinstance(answer, Request) or 0 <= answer.status <= 0xFFFF


def test_a_report_of_the_peers_own_comes_instead_of_an_answer() -> None:
    report = encode(ui(0x0002, CT), us(0x0100, N_EVENT_REPORT), us(0x0110, 4), us(0x0800, 0), us(0x1002, 2))
    assert parse_answer(report) == Request(N_EVENT_REPORT, 4, True, CT, "", 2)


@pytest.mark.parametrize("tail", range(1, 8))
def test_a_padded_answer_is_still_an_answer_and_a_padded_request_is_none(tail: int) -> None:
    answer = response(Request(C_STORE, 5, True, CT, "1.2.3", 0), 0xB000)
    assert parse_answer(answer + bytes(tail)) == Response(C_STORE, 5, False, 0xB000)
    with pytest.raises(InputError):
        parse_request(commands.c_store_rq(7, CT, "1.2.3") + bytes(tail))


@pytest.mark.parametrize("cut", [1, 9, 10, 14])
def test_an_answer_without_its_status_is_none(cut: int) -> None:
    answer = encode(us(0x0100, 0x8001), us(0x0120, 5), us(0x0800, 0x0101), us(0x0900, 0))
    with pytest.raises(InputError):
        parse_answer(answer[:-cut])


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_cut_command_is_the_one_error(cut: int) -> None:
    with pytest.raises(InputError):
        parse_request(commands.c_store_rq(7, CT, "1.2.3")[:-cut])


def test_a_response_is_no_request() -> None:
    request = Request(C_STORE, 1, True, CT, "1.2.3", 0)
    with pytest.raises(InputError, match="response"):
        parse_request(response(request, 0))
