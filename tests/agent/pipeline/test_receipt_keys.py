"""Keys of a running appliance: what is installed signs the next receipt; what is revoked signs none."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.custody.receipts import receipts_of
from agent.daemon.build import read_configuration
from agent.engine.steps import StepFailed
from agent.pipeline.forecast import of_appliance
from agent.pipeline.process import failed, process
from agent.pipeline.receipt_keys import install, make_key, revoke, running
from exchange.domain.errors import KeysError
from exchange.keys.certifying import certificate_request
from exchange.keys.revoking import RevocationReason
from exchange.receipts.verify.container import open_bundle
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.trust import Trust, read_trust
from exchange.receipts.verify.verifier import verify_bytes
from tests.agent.pipeline.house import START, DirectSteps, House
from tests.exchange.keys.hospital import HospitalCa
from tests.support.small_studies import make_study


def with_administrator(house: House) -> None:
    file = house.folder / "site.yaml"
    file.write_text(file.read_text().replace("people:\n", "people:\n  berg: {roles: [administrator]}\n"))
    house.appliance.configuration = read_configuration(file)


def bundles(house: House, exchange_id: str) -> dict[str, Path]:
    return {
        one.slot: house.appliance.folders.state / one.path
        for one in receipts_of(house.appliance.custody, exchange_id)
        if one.edition == "partner"
    }


def test_receipts_carry_the_installed_certificate_at_once(house: House, tmp_path: Path) -> None:
    with_administrator(house)
    house.now = datetime.now(UTC)  # openssl's certificates begin now
    house.arrive(make_study(1))
    house.settle()
    house.process()
    request, hospital = tmp_path / "edge.csr", HospitalCa(tmp_path / "hospital")
    request.write_bytes(certificate_request(house.appliance.issuer.key, ("general-hospital", "edge-01")))
    with running(house.appliance) as work:
        install(work, "berg", hospital.certify(request).read_bytes(), hospital.root.read_bytes())
    house.deliver()
    found = bundles(house, house.exchanges()[0].exchange_id)
    assert b"".join(open_bundle(found["R2"]).chain.split()).count(b"BEGINCERTIFICATE") == 2
    assert open_bundle(found["R1"]).chain != open_bundle(found["R2"]).chain
    trust = read_trust(house.folder / "trust")
    for path in found.values():  # the site's CA vouches for the first, the hospital's for the rest
        verify_bytes(path.read_bytes(), trust, house.now)
    only = Trust(tuple(one for one in trust.authorities if "Hospital" in one.subject.rfc4514_string()))
    with pytest.raises(VerificationError, match="signer unknown"):
        verify_bytes(found["R1"].read_bytes(), only, house.now)
    verify_bytes(found["R2"].read_bytes(), only, house.now)


def test_nothing_leaves_under_a_revoked_key_and_all_goes_on_under_a_new_one(house: House) -> None:
    with_administrator(house)
    house.arrive(make_study(1))
    house.settle()
    old = house.appliance.issuer.key.keyid
    with running(house.appliance) as work:
        revoke(work, "berg", old, START, RevocationReason.KEY_COMPROMISE)
    assert not house.appliance.can_sign
    assert [one.code for one in of_appliance(house.appliance)] == ["receipt-key-revoked"]
    with pytest.raises(KeysError, match="it is revoked"):  # begun before, come to its receipt now
        house.process()
    one = house.exchanges()[0]
    failed(house.appliance, f"{one.exchange_id}/1", StepFailed("attest", "internal", "KeysError"))
    house.deliver()
    assert (house.delivered(), bundles(house, one.exchange_id)) == ({}, {})
    with running(house.appliance) as work:
        made = make_key(work, "berg")
    assert house.appliance.issuer.key.keyid == made.keyid != old
    process(house.appliance, DirectSteps(), one.exchange_id, "1")  # the same attempt: none was lost
    house.deliver()
    assert len(house.delivered()) == 2
    trust = read_trust(house.folder / "trust")
    for path in bundles(house, house.exchanges()[0].exchange_id).values():
        verify_bytes(path.read_bytes(), trust, house.now)
