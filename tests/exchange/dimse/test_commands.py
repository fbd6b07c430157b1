"""Our requests as pynetdicom reads them, and what each status means for a delivery."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dsutils import decode

from exchange.dimse.commands import c_echo_rq, c_store_rq
from exchange.dimse.status import store_outcome
from exchange.domain.delivery import InstanceState


def test_c_store_request_reads_as_the_standard_wants() -> None:
    ds = decode(BytesIO(c_store_rq(7, "1.2.840.10008.5.1.4.1.1.2", "2.25.12")), True, True)
    assert ds.CommandGroupLength == len(c_store_rq(7, "1.2.840.10008.5.1.4.1.1.2", "2.25.12")) - 12
    assert (ds.CommandField, ds.MessageID, ds.AffectedSOPInstanceUID) == (1, 7, "2.25.12")
    assert ds.CommandDataSetType != 0x0101


def test_c_echo_request_has_no_data_set() -> None:
    ds = decode(BytesIO(c_echo_rq(1)), True, True)
    assert (ds.CommandField, ds.CommandDataSetType) == (0x30, 0x0101)


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
