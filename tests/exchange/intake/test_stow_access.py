"""Who may come in through a STOW-RS door, and other people's clients."""

import ssl
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread  # noqa: TID251 - tests build their input
from structlog.testing import capture_logs

from exchange.destinations.dicomweb import DicomwebDestination, StowSettings
from exchange.dimse.tls import client_context, peer_spki_sha256, server_context
from exchange.domain.delivery import InstanceState, OutgoingInstance
from exchange.intake.stow_doors import BearerToken, Door
from exchange.intake.stow_server import StowListener
from tests.support.certificates import Certificates
from tests.support.orthanc import Orthanc, needs_dicomweb
from tests.support.outgoing import STUDY, UIDS, plain_file
from tests.support.ports import HOST
from tests.support.stow_house import StowHouse, content_type, multipart


def test_tokens(tmp_path: Path, files: list[bytes]) -> None:
    token = tmp_path / "token"
    token.write_text("first-token\n")
    token.chmod(0o600)
    doors = {"TELERAD": Door("TELERAD", "partner", BearerToken(token))}
    with StowHouse(tmp_path, doors) as stow:

        def status(authorization: str | None) -> int:
            shown = {"Authorization": authorization.encode("latin-1")} if authorization else {}
            return stow.post(multipart(files[:1]), headers=shown).status

        bare = stow.post(multipart(files[:1]))
        assert (bare.status, bare.response.headers["www-authenticate"]) == (401, "Bearer")
        for wrong in (
            "Bearer wrong",
            "Bearer first-toke",
            "Bearer",
            "first-token",
            "Basic first-token",
            "Bearer é",
        ):
            assert status(wrong) == 401
        assert stow.held() == {}
        assert status("Bearer first-token") == 200
        assert status("bearer  first-token") == 200
        token.write_text("second-token-is-longer")
        assert status("Bearer first-token") == 401
        assert status("Bearer second-token-is-longer") == 200
        with capture_logs() as logs:
            token.chmod(0o644)
            assert status("Bearer second-token-is-longer") == 503
            token.write_text("")
            token.chmod(0o600)
            assert status("Bearer") == 503
            token.unlink()
            assert status("Bearer second-token-is-longer") == 503
        assert "second" not in repr(logs)


def der(cert: Path) -> bytes:
    """The leaf of a PEM chain."""
    return load_pem_x509_certificates(cert.read_bytes())[0].public_bytes(Encoding.DER)


def tls_listener(certificates: Certificates, *, clients: bool) -> StowListener:
    files = certificates.server
    context = server_context(files.cert, files.key, certificates.ca if clients else None)
    return StowListener(HOST, 0, context)


def test_client_certificates_and_pins(tmp_path: Path, certificates: Certificates, files: list[bytes]) -> None:
    own, stranger = certificates.client, certificates.stranger
    doors = {
        "TELERAD": Door("TELERAD", "partner", pin=peer_spki_sha256(der(own.cert))),
        "OTHER": Door("OTHER", "other", pin=peer_spki_sha256(der(certificates.server.cert))),
    }
    with StowHouse(tmp_path, doors, listener=tls_listener(certificates, clients=True)) as stow:

        def post(context: ssl.SSLContext, door: str = "TELERAD") -> int:
            url = stow.url.replace("TELERAD", door) + "/studies"
            headers = {"Content-Type": content_type()}
            with httpx.Client(verify=context, trust_env=False) as client:
                return client.post(url, content=multipart(files[:1]), headers=headers).status_code

        known = client_context(certificates.ca, own.cert, own.key)
        assert post(known) == 200
        assert post(known, "OTHER") == 403
        for context in (
            client_context(certificates.ca),
            client_context(certificates.ca, stranger.cert, stranger.key),
        ):
            with pytest.raises(httpx.HTTPError):
                post(context)
        (kept,) = stow.arrivals
        assert kept.arrival.protocol == "stow-tls"
        assert kept.arrival.peer_certificate_sha256 == sha256(der(own.cert)).hexdigest()


def test_token_over_tls_without_client_certificates(
    tmp_path: Path, certificates: Certificates, study: Sequence[OutgoingInstance]
) -> None:
    token = tmp_path / "token"
    token.write_text("abc")
    token.chmod(0o600)
    doors = {"TELERAD": Door("TELERAD", "", BearerToken(token), pin="")}
    with StowHouse(tmp_path, doors, listener=tls_listener(certificates, clients=False)) as stow:
        settings = StowSettings(
            stow.url, client_context(certificates.ca), token, requests=4, batch_instances=1
        )
        report = DicomwebDestination(settings).send(study, lambda _: None)
        assert {each.state for each in report.outcomes} == {InstanceState.SENT}
        assert report.transport["tls"] == "TLSv1.3"
        assert stow.arrivals[0].arrival.peer == ""


def test_a_pin_without_tls_lets_nobody_in(tmp_path: Path, files: list[bytes]) -> None:
    with StowHouse(tmp_path, {"TELERAD": Door("TELERAD", pin="0" * 64)}) as stow:
        assert stow.post(multipart(files)).status == 403


def test_dicomweb_client(stow: StowHouse, study: Sequence[OutgoingInstance]) -> None:
    client = DICOMwebClient(stow.url)
    answer = client.store_instances([dcmread(plain_file(each)) for each in study])
    assert [str(item.ReferencedSOPInstanceUID) for item in answer.ReferencedSOPSequence] == UIDS
    assert "FailedSOPSequence" not in answer
    again = client.store_instances([dcmread(plain_file(study[0]))], study_instance_uid=STUDY)
    assert len(again.ReferencedSOPSequence) == 1
    assert set(stow.held()) == set(UIDS)


@pytest.mark.interop
@needs_dicomweb
def test_orthanc_stores_through_its_dicomweb_plugin(
    tmp_path: Path, study: Sequence[OutgoingInstance]
) -> None:
    token = tmp_path / "token"
    token.write_text("partner-token")
    token.chmod(0o600)
    with StowHouse(tmp_path, {"TELERAD": Door("TELERAD", "orthanc", BearerToken(token))}) as stow:
        server: dict[str, Any] = {
            "Url": stow.url + "/",
            "HttpHeaders": {"Authorization": "Bearer partner-token"},
        }
        settings = {
            "DicomWeb": {
                "Enable": True,
                "Servers": {"lockgate": server, "stranger": {"Url": stow.url + "/"}},
            }
        }
        with Orthanc(tmp_path / "orthanc", settings=settings) as peer:
            for each in study:
                peer.upload(plain_file(each))
            body = {"Resources": peer.studies(), "Synchronous": True}
            refused = peer.client.post("/dicom-web/servers/stranger/stow", json=body)
            assert not refused.is_success
            assert stow.held() == {}
            sent = peer.client.post("/dicom-web/servers/lockgate/stow", json=body).raise_for_status().json()
        assert set(stow.held()) == set(UIDS)
        assert stow.arrivals[0].arrival.peer == "orthanc"
        assert sent["InstancesCount"] == "4" or int(sent["InstancesCount"]) == 4
