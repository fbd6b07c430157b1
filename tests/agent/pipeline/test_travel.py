"""Receipts of a DICOM delivery go to the peer's endpoint; what goes wrong there undoes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.custody.receipts import receipts_of
from agent.pipeline.travel import leave_lacking
from exchange.dimse.tls import server_context
from exchange.domain.exchange import ExchangeState
from tests.agent.pipeline.house import House
from tests.agent.pipeline.partner import partner_house
from tests.support.certificates import Certificates, make_certificates
from tests.support.ports import free_port
from tests.support.receipt_server import ReceiptServer
from tests.support.scripted_scp import ScriptedScp
from tests.support.small_studies import make_study

MakeHouse = Callable[..., House]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def scp() -> Iterator[ScriptedScp]:
    with ScriptedScp(ae_title="PARTNER") as running:
        yield running


def server_at(certificates: Certificates, port: int = 0) -> ReceiptServer:
    return ReceiptServer(
        server_context(certificates.server.cert, certificates.server.key, certificates.ca), port
    )


def house_for(make_house: MakeHouse, scp: ScriptedScp, certificates: Certificates, port: int) -> House:
    client = certificates.client
    receipts = (
        f", receipts: {{url: 'https://127.0.0.1:{port}/receipts', ca: '{certificates.ca}',"
        f" client_cert: '{client.cert}', client_key: '{client.key}'}}"
    )
    return partner_house(make_house, scp.port, ", commitment: 'off'", receipts=receipts)


def send(house: House, study: int) -> str:
    house.arrive(make_study(study), "PARTNER")
    house.settle()
    house.process()
    house.deliver()
    one = house.exchanges()[0]
    assert one.state is ExchangeState.CLOSED
    return one.exchange_id


def partner_bundles(house: House, exchange_id: str) -> dict[str, bytes]:
    return {
        Path(one.path).name: (house.appliance.folders.state / one.path).read_bytes()
        for one in receipts_of(house.appliance.custody, exchange_id)
        if one.edition == "partner"
    }


def test_each_receipt_is_posted_once(
    make_house: MakeHouse, scp: ScriptedScp, certificates: Certificates
) -> None:
    with server_at(certificates) as server:
        house = house_for(make_house, scp, certificates, server.port)
        expected = partner_bundles(house, send(house, 1))
        assert server.taken == expected
        assert len(server.asked) == len(expected) == 3
        leave_lacking(house.appliance)
        assert len(server.asked) == 3


def test_an_endpoint_that_is_away_gets_them_later(
    make_house: MakeHouse, scp: ScriptedScp, certificates: Certificates
) -> None:
    port = free_port()
    house = house_for(make_house, scp, certificates, port)
    first = partner_bundles(house, send(house, 1))  # nobody listens: the exchange is closed all the same
    assert len(scp.received) == 2
    leave_lacking(house.appliance)
    with server_at(certificates, port) as server:
        server.status = 503
        second = partner_bundles(house, send(house, 2))
        assert len(server.asked) == 2, "one attempt with each receipt, not one for each that is lacking"
        server.status = 201
        server.asked.clear()
        leave_lacking(house.appliance)
        assert server.taken == {**first, **second}
        assert server.asked[:3] == list(first)  # in the order of their issue
        leave_lacking(house.appliance)
        assert len(server.asked) == 6


def test_one_that_is_refused_keeps_no_other_back(
    make_house: MakeHouse, scp: ScriptedScp, certificates: Certificates
) -> None:
    with server_at(certificates) as server:
        house = house_for(make_house, scp, certificates, server.port)
        server.status = 413
        expected = partner_bundles(house, send(house, 1))
        assert set(server.asked) == set(expected)
        assert server.taken == {}
        server.status = 200
        house.wait(days=31)  # it had its time
        leave_lacking(house.appliance)
        assert server.taken == {}
        house.wait(days=-2)
        leave_lacking(house.appliance)
        assert server.taken == expected
