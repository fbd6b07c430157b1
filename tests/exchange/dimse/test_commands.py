"""Command sets: what we write pynetdicom reads, what we read never surprises us."""

import contextlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dsutils import decode

from exchange.dimse.commands import c_echo_rq, c_store_rq, parse_response
from exchange.dimse.status import store_outcome
from exchange.domain.delivery import InstanceState
from exchange.domain.errors import InputError


def test_c_store_request_reads_as_the_standard_wants() -> None:
    ds = decode(BytesIO(c_store_rq(7, "1.2.840.10008.5.1.4.1.1.2", "2.25.12")), True, True)
    assert ds.CommandGroupLength == len(c_store_rq(7, "1.2.840.10008.5.1.4.1.1.2", "2.25.12")) - 12
    assert (ds.CommandField, ds.MessageID, ds.AffectedSOPInstanceUID) == (1, 7, "2.25.12")
    assert ds.CommandDataSetType != 0x0101


def test_c_echo_request_has_no_data_set() -> None:
    ds = decode(BytesIO(c_echo_rq(1)), True, True)
    assert (ds.CommandField, ds.CommandDataSetType) == (0x30, 0x0101)


@given(st.binary(max_size=200))
def test_a_response_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InputError):  # and nothing else
        assert 0 <= parse_response(data).status <= 0xFFFF


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0x0000, InstanceState.SENT),
        (0xB000, InstanceState.WARNING),
        (0xB006, InstanceState.WARNING),
        (0xB007, InstanceState.WARNING),
        (0x0111, InstanceState.WARNING),
        (0xA700, InstanceState.PENDING),
        (0xA7FF, InstanceState.PENDING),
        (0xA900, InstanceState.REFUSED),
        (0xC000, InstanceState.REFUSED),
        (0xCFFF, InstanceState.REFUSED),
        (0x0110, InstanceState.REFUSED),
        (0x0122, InstanceState.REFUSED),
        (0x0124, InstanceState.REFUSED),
        (0xFFFF, InstanceState.REFUSED),
    ],
)
def test_status_to_state(status: int, state: InstanceState) -> None:
    assert store_outcome("2.25.1", status).state is state


@given(st.integers(0, 0xFFFF))
def test_every_status_has_a_meaning(status: int) -> None:
    outcome = store_outcome("2.25.1", status)
    assert outcome.detail
    assert outcome.status == f"0x{status:04X}"
