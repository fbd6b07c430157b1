"""A receipt endpoint over real HTTPS: what counts as taken, what is tried again, what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.destinations.receipt_endpoint import EndpointSettings, ReceiptEndpoint
from exchange.dimse.tls import client_context, server_context
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable
from tests.support.certificates import Certificates, make_certificates
from tests.support.ports import HOST, free_port
from tests.support.receipt_server import ReceiptServer

NAME = "0190f7a0-0000-7000-8000-000000000001.receipt.zip"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates: Certificates) -> Iterator[ReceiptServer]:
    both = server_context(certificates.server.cert, certificates.server.key, certificates.ca)
    with ReceiptServer(both) as running:
        yield running


def endpoint(server: ReceiptServer, certificates: Certificates, **more: object) -> ReceiptEndpoint:
    client = certificates.client
    tls = client_context(certificates.ca, client.cert, client.key)
    return ReceiptEndpoint(EndpointSettings(server.url, tls, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 409])
def test_taken(server: ReceiptServer, certificates: Certificates, status: int, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret-word\n")
    server.status = status
    endpoint(server, certificates, token_file=token).post(NAME, b"PK zip")
    assert server.asked == [NAME]
    assert server.taken == ({} if status == 409 else {NAME: b"PK zip"})
    (headers,) = server.headers
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer secret-word", "application/zip")


@pytest.mark.parametrize("status", [None, 408, 425, 429, 500, 503, 507])
def test_tried_again(server: ReceiptServer, certificates: Certificates, status: int | None) -> None:
    server.status = status
    with pytest.raises(PeerUnavailable):
        endpoint(server, certificates).post(NAME, b"zip")


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 415])
def test_refused(server: ReceiptServer, certificates: Certificates, status: int) -> None:
    server.status = status
    with pytest.raises(PeerRefused, match=f"HTTP {status}"):
        endpoint(server, certificates).post(NAME, b"zip")


def test_nobody_there(certificates: Certificates) -> None:
    tls = client_context(certificates.ca)
    with pytest.raises(PeerUnavailable):
        ReceiptEndpoint(EndpointSettings(f"https://{HOST}:{free_port()}/", tls)).post(NAME, b"zip")


def test_another_server_than_expected(server: ReceiptServer, certificates: Certificates) -> None:
    tls = client_context(certificates.stranger_ca, certificates.client.cert, certificates.client.key)
    with pytest.raises(PeerRefused, match="cannot trust"):
        ReceiptEndpoint(EndpointSettings(server.url, tls)).post(NAME, b"zip")
    assert server.asked == []


@pytest.mark.parametrize("url", ["http://partner.example/r", "ftp://x/", "nonsense", "http://[::1"])
def test_receipts_never_travel_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigurationError):
        ReceiptEndpoint(EndpointSettings(url))


def test_to_this_machine_they_may() -> None:
    with ReceiptServer() as server:
        ReceiptEndpoint(EndpointSettings(server.url)).post(NAME, b"zip")
    assert server.taken == {NAME: b"zip"}


@pytest.mark.parametrize("name", ["", 'a"b', "a\r\nX: y", "../a", "a" * 129])
def test_a_name_is_no_header(server: ReceiptServer, certificates: Certificates, name: str) -> None:
    with pytest.raises(PeerRefused, match="its name"):
        endpoint(server, certificates).post(name, b"zip")
    assert server.asked == []
