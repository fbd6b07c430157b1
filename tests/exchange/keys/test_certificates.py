"""A hospital's own CA, run by openssl, certifies the receipt key; what does not fit is refused, with why."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.domain.errors import KeysError
from exchange.keys.certifying import certificate_request
from exchange.keys.installing import Certified, check_certificates, install_certificates, read_certificates
from exchange.keys.inventory import keys_in
from exchange.keys.renewing import make_receipt_key
from exchange.keys.revoking import REVOKED, Revocation, read_revoked, revoke_key
from exchange.keys.signing import FileKeyStore, FileSigningKey, keyid_of, spki_of
from exchange.keys.site import init_site_keys
from exchange.receipts.facts import AgentFacts, Edition, Stage
from exchange.receipts.issuer import ReceiptIssuer
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import verify_bytes
from tests.exchange.keys.hospital import EKU, GOOD, HospitalCa, openssl
from tests.exchange.receipts.making import body, write_study

NAMES = ("general-hospital", "edge-01")


class World:
    """A site's keys and a hospital CA; openssl takes the time from the clock, and so does everything here."""

    def __init__(self, root: Path) -> None:
        self.now = datetime.now(UTC)
        self.root, self.keys, self.trust = root, root / "keys", root / "trust"
        init_site_keys(self.keys, *NAMES, self.now, self.trust)
        self.hospital = HospitalCa(root / "hospital")
        self.request = root / "edge-01.csr"
        self.request.write_bytes(certificate_request(self.key, NAMES))

    @property
    def key(self) -> FileSigningKey:
        return FileKeyStore(self.keys).uncertified()

    def check(self, chain: Path, *anchors: Path, now: datetime | None = None) -> Certified:
        known = [one for path in anchors for one in read_certificates(path.read_bytes())]
        return check_certificates(
            read_certificates(chain.read_bytes()),
            known,
            self.key,
            NAMES,
            now or self.now + timedelta(minutes=1),
        )

    def install(self) -> None:
        certified = self.check(self.hospital.certify(self.request), self.hospital.root)
        install_certificates(self.keys, self.trust, certified)

    def receipt(self) -> bytes:
        issuer = ReceiptIssuer(
            FileKeyStore(self.keys).signing(), AgentFacts(NAMES[1], NAMES[0], "1"), lambda: datetime.now(UTC)
        )
        study = write_study(self.root / f"study-{len(list(self.root.iterdir()))}")
        return issuer.issue(Stage.DEIDENTIFIED, Edition.PARTNER, body(study)).bundle_bytes


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_openssl_reads_the_request(world: World) -> None:
    said = openssl("req", "-in", world.request, "-noout", "-verify", "-text")
    assert "verify OK" in said.stderr + said.stdout
    for words in ("general-hospital", "edge-01", EKU, "CA:FALSE", "Digital Signature", "prime256v1"):
        assert words in said.stdout


def test_a_hospitals_certificate_is_installed_and_receipts_verify_by_it(world: World) -> None:
    before = (world.keys / "signing.crt").read_bytes()
    world.install()
    key = FileKeyStore(world.keys).signing()
    assert key.chain_pem.count(b"BEGIN CERTIFICATE") == 2  # the site CA never travels
    (kept,) = (world.keys / "former").iterdir()
    assert kept.read_bytes() == before
    only = world.root / "partner-trust"
    only.mkdir()
    (only / "hospital.pem").write_bytes(world.hospital.root.read_bytes())
    verify_bytes(world.receipt(), read_trust(only), datetime.now(UTC))
    # The CA lies in the site's own trust folder, too, once however often it is installed.
    verify_bytes(world.receipt(), read_trust(world.trust), datetime.now(UTC))
    world.install()
    assert len(list(world.trust.glob("*.pem"))) == 2


def test_openssl_accepts_the_installed_chain(world: World) -> None:
    world.install()
    said = openssl(
        "verify", "-CAfile", world.hospital.root, "-untrusted", world.keys / "signing.crt", "-purpose", "any",
        world.keys / "signing.crt",
    )  # fmt: skip
    assert said.stdout.strip().endswith("OK")


@pytest.mark.parametrize(
    ("extensions", "words"),
    [
        ("", "does not state its use"),
        (
            "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n",
            "not one for",
        ),
        (GOOD.replace("CA:FALSE", "CA:TRUE"), "may not sign, or it is a CA"),
        (GOOD.replace("digitalSignature", "keyEncipherment"), "may not sign"),
    ],
)
def test_a_certificate_for_another_use_is_refused(world: World, extensions: str, words: str) -> None:
    with pytest.raises(KeysError, match=words):
        world.check(world.hospital.certify(world.request, extensions), world.hospital.root)


@pytest.mark.parametrize("subject", ["/O=general-hospital/CN=edge-02", "/O=other/CN=edge-01", "/CN=edge-01"])
def test_another_name_is_refused(world: World, subject: str) -> None:
    chain = world.hospital.certify(world.request, subject=subject)
    with pytest.raises(KeysError, match="O=general-hospital and CN=edge-01"):
        world.check(chain, world.hospital.root)


def test_further_names_are_the_cas_affair(world: World) -> None:
    chain = world.hospital.certify(world.request, subject="/C=CH/O=general-hospital/OU=IT/CN=edge-01")
    assert world.check(chain, world.hospital.root).leaf.subject.rfc4514_string().endswith("C=CH")


def test_another_key_is_refused(world: World) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    spki = spki_of(private.public_key())
    request = world.root / "other.csr"
    request.write_bytes(certificate_request(FileSigningKey(private, b"", spki, keyid_of(spki)), NAMES))
    with pytest.raises(KeysError, match="certifies another key"):
        world.check(world.hospital.certify(request), world.hospital.root)


def test_expired_and_not_yet_valid_are_refused(world: World) -> None:
    chain = world.hospital.certify(world.request, days="30")
    with pytest.raises(KeysError, match="it expired on"):
        world.check(chain, world.hospital.root, now=world.now + timedelta(days=31))
    with pytest.raises(KeysError, match=r"valid from .* only"):
        world.check(chain, world.hospital.root, now=world.now - timedelta(days=1))


def test_a_chain_without_its_ca_or_its_middle_is_refused(world: World, tmp_path: Path) -> None:
    chain = world.hospital.certify(world.request)
    with pytest.raises(KeysError, match="no CA is known"):
        world.check(chain)
    with pytest.raises(KeysError, match="does not hold under the known CAs"):
        world.check(world.hospital.folder / "leaf.pem", world.hospital.root)
    with pytest.raises(KeysError, match="does not hold under the known CAs"):
        world.check(chain, HospitalCa(tmp_path / "other").root)


def test_a_root_in_the_file_is_the_anchor(world: World) -> None:
    chain = world.hospital.certify(world.request)
    chain.write_text(chain.read_text() + world.hospital.root.read_text())
    certified = world.check(chain)
    assert certified.anchor == x509.load_pem_x509_certificate(world.hospital.root.read_bytes())
    assert len(certified.chain) == 2


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(KeysError, match="no PEM file of certificates"):
        read_certificates(data)


def revoked(keyid: str, at: str = "2026-05-01T00:00:00.000Z") -> Revocation:
    return Revocation(keyid, at, "key-compromise")


def test_a_revoked_key_signs_nothing_and_its_receipts_fail(world: World) -> None:
    bundle, keyid = world.receipt(), world.key.keyid
    verify_bytes(bundle, read_trust(world.trust), datetime.now(UTC))
    # From next year on: at L0 nothing shows that the receipt is older, so it fails all the same.
    revoke_key(world.keys, world.trust, revoked(keyid, "2999-01-01T00:00:00.000Z"))
    for use in (FileKeyStore(world.keys).signing, FileKeyStore(world.keys).uncertified):
        with pytest.raises(KeysError, match=f"key {keyid[:16]}: it is revoked"):
            use()
    with pytest.raises(VerificationError, match="is revoked in the trust folder") as refused:
        verify_bytes(bundle, read_trust(world.trust), datetime.now(UTC))
    assert refused.value.code == "key-revoked"
    assert [one.state for one in keys_in(world.keys)][:2] == ["revoked", "current"]


def test_revocations_are_added_and_the_earlier_time_stays(world: World) -> None:
    (world.trust / REVOKED).write_text(
        '{"keys":[{"invalidFrom":"2026-01-01T00:00:00.000Z","keyid":"'
        + "ab" * 32
        + '","reason":"superseded"}]}'
    )
    keyid = world.key.keyid
    for at in ("2026-05-02", "2026-05-01", "2026-05-03"):
        revoke_key(world.keys, world.trust, revoked(keyid, f"{at}T00:00:00.000Z"))
    assert read_revoked(world.keys) == {keyid: revoked(keyid)}
    assert set(read_revoked(world.trust)) == {
        keyid,
        "ab" * 32,
    }  # a partner's entry stays, and is not ours to send
    assert read_trust(world.trust).revoked[keyid] == "2026-05-01T00:00:00.000Z"


@pytest.mark.parametrize("text", ["{", "{}", '{"keys":[{"keyid":"x","invalidFrom":"","reason":""}]}', "[]"])
def test_a_broken_list_stops_everything(world: World, text: str) -> None:
    (world.keys / REVOKED).write_text(text)
    with pytest.raises(KeysError, match="no list of revoked keys"):
        FileKeyStore(world.keys).signing()
    (world.keys / REVOKED).unlink()
    (world.trust / REVOKED).write_text(text)
    with pytest.raises(KeysError, match="no list of revoked keys"):
        revoke_key(world.keys, world.trust, revoked(world.key.keyid))
    assert not (world.keys / REVOKED).exists()


def test_a_new_key_takes_the_place_of_a_revoked_one_only(world: World) -> None:
    with pytest.raises(KeysError, match="is there already and in use"):
        make_receipt_key(world.keys, NAMES, world.now)
    old = world.key.keyid
    revoke_key(world.keys, world.trust, revoked(old))
    made = make_receipt_key(world.keys, NAMES, world.now)
    assert (made.certified, made.replaced) == (True, old)
    assert made.keyid == FileKeyStore(world.keys).signing().keyid != old
    assert (world.keys / "signing.key").stat().st_mode & 0o777 == 0o600
    verify_bytes(world.receipt(), read_trust(world.trust), datetime.now(UTC))
    states = {one.keyid: one.state for one in keys_in(world.keys) if one.purpose == "receipts"}
    assert states == {made.keyid: "current", old: "revoked"}


def test_without_the_cas_key_a_new_key_waits_for_its_certificate(world: World) -> None:
    (world.keys / "ca.key").unlink()
    revoke_key(world.keys, world.trust, revoked(world.key.keyid))
    made = make_receipt_key(world.keys, NAMES, world.now)
    assert not made.certified
    with pytest.raises(KeysError, match=r"certifies another key.*lockgate keys csr"):
        FileKeyStore(world.keys).signing()
    first = keys_in(world.keys)[0]
    assert (first.state, first.keyid, first.protection) == ("uncertified", made.keyid, "file")
    # Asked again it is the same key: nothing that was sent to a CA becomes worthless.
    assert make_receipt_key(world.keys, NAMES, world.now).keyid == made.keyid
    world.request.write_bytes(certificate_request(world.key, NAMES))
    world.install()
    verify_bytes(world.receipt(), read_trust(world.trust), datetime.now(UTC))


def test_a_revoked_ca_certifies_nothing(world: World) -> None:
    ca = next(one for one in keys_in(world.keys) if one.purpose == "site-ca")
    for keyid in (world.key.keyid, ca.keyid):
        revoke_key(world.keys, world.trust, revoked(keyid))
    with pytest.raises(KeysError, match="site CA: its key is revoked"):
        make_receipt_key(world.keys, NAMES, world.now)


def test_the_inventory_tells_truly_and_no_secret(world: World) -> None:
    world.install()
    found = {one.purpose: one for one in reversed(keys_in(world.keys))}
    secrets = {"pseudonyms, epoch 0", "crosswalk", "storage"}
    log = {"log, Ed25519", "log, ML-DSA-44", "log, private rows"}
    assert set(found) == {"receipts", "site-ca"} | secrets | log
    assert found["receipts"].days_left(world.now) in (364, 365)
    assert found["site-ca"].protection == "file"
    assert [one.state for one in keys_in(world.keys) if one.purpose == "receipts"] == ["current", "former"]
    (world.keys / "ca.key").unlink()
    (world.keys / "storage.key").chmod(0o644)
    found = {one.purpose: one for one in keys_in(world.keys)}
    assert found["site-ca"].protection == "elsewhere"
    assert found["storage"].state.startswith("unusable: ")
    assert found["storage"].keyid == ""


def test_nothing_is_installed_under_a_revoked_ca(world: World) -> None:
    certified = world.check(world.hospital.certify(world.request), world.hospital.root)
    public = certified.anchor.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    before = (world.keys / "signing.crt").read_bytes()
    revoke_key(world.keys, world.trust, revoked(keyid_of(spki_of(public))))
    with pytest.raises(KeysError, match="its key, or one above it, is revoked"):
        install_certificates(world.keys, world.trust, certified)
    assert (world.keys / "signing.crt").read_bytes() == before
    assert not (world.keys / "former").exists()
