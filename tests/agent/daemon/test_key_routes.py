"""Keys over the control socket: the running appliance signs with what is new; administrators change it."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from agent.config.key_answers import InstalledAnswer, MadeKeyAnswer, RevokedAnswer
from agent.daemon.build import read_configuration
from exchange.keys.certifying import certificate_request
from exchange.keys.signing import FileKeyStore
from tests.agent.daemon.test_visible import ask
from tests.agent.pipeline.house import House
from tests.exchange.keys.hospital import HospitalCa
from tests.support.appliance import short_folder


@pytest.fixture
def house() -> Iterator[House]:
    with ExitStack() as stack:
        made = House(stack.enter_context(short_folder()) / "site", stack)
        file = made.folder / "site.yaml"
        file.write_text(file.read_text().replace("people:\n", "people:\n  berg: {roles: [administrator]}\n"))
        made.appliance.configuration = read_configuration(file)
        yield made


def test_revoked_and_made_anew(house: House) -> None:
    old = house.appliance.issuer.key.keyid
    body = {"keyid": old[:12], "invalidFrom": "2026-11-01T00:00:00+00:00", "reason": "key-compromise"}
    refused = ask(house, "POST", "/keys/receipts/revoke", {**body, "by": "jo"})
    assert (refused.status_code, house.appliance.can_sign) == (400, True)
    assert (
        ask(house, "POST", "/keys/receipts/revoke", {**body, "by": "berg", "reason": "x"}).status_code == 400
    )
    answer = ask(house, "POST", "/keys/receipts/revoke", {**body, "by": "berg"})
    assert RevokedAnswer.model_validate_json(answer.content).keyid == old
    assert not house.appliance.can_sign
    made = MadeKeyAnswer.model_validate_json(
        ask(house, "POST", "/keys/receipts/init", {"by": "berg"}).content
    )
    assert house.appliance.issuer.key.keyid == made.keyid != old
    assert house.appliance.can_sign


def test_installed(house: House) -> None:
    house.now = datetime.now(UTC) + timedelta(minutes=1)  # after the certificates that openssl makes now
    hospital, request = HospitalCa(house.folder / "hospital"), house.folder / "edge.csr"
    key = FileKeyStore(house.folder / "keys").uncertified()
    request.write_bytes(certificate_request(key, ("general-hospital", "edge-01")))
    body = {
        "by": "berg",
        "chain": hospital.certify(request).read_text(),
        "anchors": hospital.root.read_text(),
    }
    before = house.appliance.issuer.key.chain_pem
    refused = ask(house, "POST", "/keys/receipts/install", {**body, "chain": "nothing"})
    assert (refused.status_code, house.appliance.issuer.key.chain_pem) == (400, before)
    answer = InstalledAnswer.model_validate_json(ask(house, "POST", "/keys/receipts/install", body).content)
    assert answer.keyid == key.keyid
    assert house.appliance.issuer.key.chain_pem.count(b"BEGIN CERTIFICATE") == 2
