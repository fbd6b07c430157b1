"""TLS: mutual, pinned, nothing weak; shown on real handshakes."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.dimse.echo import echo
from exchange.dimse.peer import DicomPeer
from exchange.dimse.sockets import tune_association
from exchange.dimse.tls import client_context, parse_pin, peer_spki_sha256, server_context
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable
from tests.support import dcmtk
from tests.support.certificates import Certificates, make_certificates
from tests.support.ports import HOST
from tests.support.scripted_scp import ScriptedScp


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def scp(certificates: Certificates) -> Iterator[ScriptedScp]:
    server = certificates.server
    context = server_context(server.cert, server.key, certificates.ca)
    with ScriptedScp(ssl_context=context) as scp:
        yield scp


def server_pin(certificates: Certificates) -> str:
    first = certificates.server.cert.read_text().partition("-----END CERTIFICATE-----")
    return peer_spki_sha256(ssl.PEM_cert_to_DER_cert(first[0] + first[1]))


def peer(port: int, context: ssl.SSLContext) -> DicomPeer:
    return DicomPeer("SCRIPTED", HOST, port, tls=context)


def test_mutual_tls_echo(scp: ScriptedScp, certificates: Certificates) -> None:
    own = certificates.client
    answer = echo(peer(scp.port, client_context(certificates.ca, own.cert, own.key)), 10)
    assert "C-ECHO over TLSv1.3" in answer


def test_client_without_certificate_is_refused(scp: ScriptedScp, certificates: Certificates) -> None:
    with pytest.raises(PeerUnavailable, match="cannot associate"):
        echo(peer(scp.port, client_context(certificates.ca)), 10)
    assert scp.associations == 0


def test_client_of_a_foreign_authority_is_refused(scp: ScriptedScp, certificates: Certificates) -> None:
    other = certificates.stranger
    with pytest.raises(PeerUnavailable):
        echo(peer(scp.port, client_context(certificates.ca, other.cert, other.key)), 10)
    assert scp.associations == 0


def test_silent_client_does_not_stop_others(scp: ScriptedScp, certificates: Certificates) -> None:
    own = certificates.client
    with socket.create_connection((HOST, scp.port)):  # never says a word
        echo(peer(scp.port, client_context(certificates.ca, own.cert, own.key)), 10)


def test_server_of_a_foreign_authority_is_not_trusted(scp: ScriptedScp, certificates: Certificates) -> None:
    with pytest.raises(PeerRefused, match="cannot trust"):
        echo(peer(scp.port, client_context(certificates.stranger_ca)), 10)


def test_pin_replaces_authority_and_name(scp: ScriptedScp, certificates: Certificates) -> None:
    own = certificates.client
    pinned = client_context(None, own.cert, own.key, pin="sha256:" + server_pin(certificates))
    assert "C-ECHO" in echo(peer(scp.port, pinned), 10)


def test_wrong_pin_stops_before_any_dicom(scp: ScriptedScp, certificates: Certificates) -> None:
    own = certificates.client
    pinned = client_context(certificates.ca, own.cert, own.key, pin="sha256:" + "0" * 64)
    with pytest.raises(PeerRefused, match="pinned"):
        echo(peer(scp.port, pinned), 10)
    assert scp.associations == 0


def test_plain_client_on_a_tls_port_and_the_reverse(scp: ScriptedScp, certificates: Certificates) -> None:
    with pytest.raises(PeerUnavailable):
        echo(DicomPeer("SCRIPTED", HOST, scp.port), 5)


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "eNULL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA256:ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"),  # CBC
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),  # no forward secrecy
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_weak_clients_are_refused(certificates: Certificates, version: ssl.TLSVersion, ciphers: str) -> None:
    server = certificates.server
    context = server_context(server.cert, server.key, certificates.ca)
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    weak.load_verify_locations(certificates.ca)
    weak.load_cert_chain(certificates.client.cert, certificates.client.key)
    weak.set_ciphers(ciphers)
    weak.minimum_version = weak.maximum_version = version
    ours, theirs = socket.socketpair()
    refused = threading.Event()

    def serve() -> None:
        with context.wrap_socket(ours, server_side=True) as secured:
            try:
                secured.do_handshake()
            except ssl.SSLError:
                refused.set()

    thread = threading.Thread(target=serve)
    thread.start()
    with theirs, pytest.raises((ssl.SSLError, OSError)):
        weak.wrap_socket(theirs, server_hostname="localhost")
    thread.join(10)
    assert refused.is_set()


@pytest.mark.parametrize("pin", ["", "sha256:" + "ab" * 32, "AB" * 32])
def test_pins_are_normalised(pin: str) -> None:
    assert parse_pin(pin) in ("", "ab" * 32)


def test_pin_in_base64() -> None:
    assert parse_pin("sha256/" + "A" * 43 + "=") == "00" * 32


@pytest.mark.parametrize("pin", ["sha256:abc", "xyz", "sha256:" + "g" * 64])
def test_malformed_pins_are_configuration_errors(pin: str) -> None:
    with pytest.raises(ConfigurationError, match="pin"):
        parse_pin(pin)


def test_missing_files_are_configuration_errors(certificates: Certificates, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="certificate"):
        server_context(tmp_path / "no.pem", tmp_path / "no.key", certificates.ca)
    with pytest.raises(ConfigurationError, match="do not fit"):
        client_context(certificates.ca, certificates.client.cert, certificates.server.key)
    with pytest.raises(ConfigurationError, match="authorities"):
        client_context(tmp_path / "no.pem")


@pytest.mark.interop
@pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed")
def test_dcmtk_clients_against_our_listener(certificates: Certificates) -> None:
    from pynetdicom import AE, evt

    server = certificates.server
    ae = AE("LOCKGATE")
    ae.add_supported_context("1.2.840.10008.1.1")
    listener = ae.start_server(
        (HOST, 0),
        block=False,
        ssl_context=server_context(server.cert, server.key, certificates.ca),
        evt_handlers=[(evt.EVT_CONN_OPEN, tune_association)],
    )
    port = listener.socket.getsockname()[1]
    try:
        own, ca = certificates.client, certificates.ca
        assert dcmtk.echoscu(port, ca=ca, identity=own).returncode == 0
        assert dcmtk.echoscu(port, ca=ca).returncode != 0
        assert dcmtk.echoscu(port, ca=ca, identity=certificates.stranger).returncode != 0
        assert dcmtk.echoscu(port).returncode != 0
    finally:
        listener.shutdown()
