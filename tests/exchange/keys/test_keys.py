"""Keys: made once, never overwritten, never read when others may read them."""

import base64
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.errors import KeysError
from exchange.keys.certifying import APPLIANCE_RECEIPT_EKU
from exchange.keys.domains import KEY_BYTES, DomainKeys, derive
from exchange.keys.log import LogKeys
from exchange.keys.signing import MAX_KEY_FILE, FileKeyStore, keyid_of, read_private_file
from exchange.keys.site import SiteKeys, init_site_keys, rotate_domain_keys
from exchange.receipts.verify.trust import APPLIANCE_RECEIPT_EKU as VERIFIER_EKU

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def made(folder: Path) -> SiteKeys:
    return init_site_keys(folder, "St. Anna / Zürich", "edge-01", NOW)


def test_files_and_modes(folder: Path, made: SiteKeys) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    private = {"signing.key", "ca.key", "domain.root", "crosswalk.key", "storage.key"}
    private |= {"log.key", "log-mldsa.key", "log-private.key"}
    assert modes == dict.fromkeys(private, 0o600) | dict.fromkeys({"signing.crt", "ca.crt"}, 0o644)
    name = LogKeys.from_folder(folder).name
    assert {path.name for path in (folder.parent / "trust").iterdir()} == {
        made.anchor.name,
        f"log-{name}-1.vkey",
        f"log-{name}-1-mldsa.vkey",
    }
    assert b"PRIVATE" not in made.anchor.read_bytes()
    assert made.anchor.name.startswith("St-Anna-Z-rich-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert made.anchor_sha256 == _certificate(made.anchor).fingerprint(hashes.SHA256()).hex()


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_certificates(folder: Path, made: SiteKeys) -> None:
    ca, leaf = _certificate(made.anchor), _certificate(folder / "signing.crt")
    leaf.verify_directly_issued_by(ca)
    ca.verify_directly_issued_by(ca)
    assert APPLIANCE_RECEIPT_EKU == VERIFIER_EKU
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [APPLIANCE_RECEIPT_EKU]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert leaf.subject.rfc4514_string() == "CN=edge-01,O=St. Anna / Zürich"
    assert leaf.not_valid_before_utc <= NOW < leaf.not_valid_after_utc < ca.not_valid_after_utc
    assert leaf.not_valid_before_utc > NOW - timedelta(hours=1)


def test_signing(folder: Path, made: SiteKeys) -> None:
    key = FileKeyStore(folder).signing()
    assert (key.keyid, key.protection) == (made.keyid, "file")
    assert key.keyid == keyid_of(key.spki)
    public = serialization.load_der_public_key(key.spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(key.sign(b"data"), b"data", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(key.sign(b"data"), b"date", ec.ECDSA(hashes.SHA256()))
    assert b"BEGIN CERTIFICATE" in key.chain_pem
    assert "PRIVATE" not in repr(key)
    assert "private" not in repr(key)


def test_keys_are_never_overwritten(folder: Path, made: SiteKeys) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(KeysError, match="is there already"):
        init_site_keys(folder, "other", "edge-01", NOW)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_trust_folder_elsewhere(folder: Path, tmp_path: Path) -> None:
    made = init_site_keys(folder, "site", "edge", NOW, tmp_path / "elsewhere")
    assert made.anchor.parent == tmp_path / "elsewhere"


@pytest.mark.parametrize("names", [("x" * 65, "edge"), ("site", ""), ("site", "e" * 65)])
def test_names_that_cannot_be_certified(folder: Path, names: tuple[str, str]) -> None:
    with pytest.raises(KeysError, match="64 characters"):
        init_site_keys(folder, *names, NOW)
    assert not folder.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
@pytest.mark.parametrize("name", ["signing.key", "domain.root"])
def test_files_that_others_may_read_are_refused(folder: Path, made: SiteKeys, name: str, mode: int) -> None:
    (folder / name).chmod(mode)
    with pytest.raises(KeysError, match="lets others read it") as caught:
        FileKeyStore(folder).signing() if name == "signing.key" else DomainKeys.from_folder(folder)
    assert "chmod 600" in caught.value.hint
    assert caught.value.message.startswith("cannot ")


def _pem(key: object) -> bytes:
    assert isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey))
    none = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not an unencrypted PEM key"),
        (b"secret-text", "not an unencrypted PEM key"),
        (_pem(ec.generate_private_key(ec.SECP384R1())), "not ECDSA P-256"),
        (_pem(ed25519.Ed25519PrivateKey.generate()), "not ECDSA P-256"),
        (_pem(ec.generate_private_key(ec.SECP256R1())), "certifies another key"),
    ],
    ids=["empty", "text", "p384", "ed25519", "another"],
)
def test_unusable_signing_keys(folder: Path, made: SiteKeys, content: bytes, why: str) -> None:
    (folder / "signing.key").write_bytes(content)
    with pytest.raises(KeysError, match=why) as caught:
        FileKeyStore(folder).signing()
    assert "secret-text" not in str(caught.value)


def test_unusable_certificates(folder: Path, made: SiteKeys) -> None:
    (folder / "signing.crt").write_bytes(b"none")
    with pytest.raises(KeysError, match="not PEM"):
        FileKeyStore(folder).signing()
    (folder / "signing.crt").unlink()
    with pytest.raises(KeysError, match="cannot read the signing certificate"):
        FileKeyStore(folder).signing()


def test_private_file_must_be_a_plain_small_file(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot read"):
        read_private_file(tmp_path / "absent")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(KeysError, match="not a regular file"):
        read_private_file(pipe)
    huge = tmp_path / "huge"
    huge.write_bytes(bytes(MAX_KEY_FILE + 1))
    huge.chmod(0o600)
    with pytest.raises(KeysError, match="larger"):
        read_private_file(huge)


def test_domain_keys_of_the_site(folder: Path, made: SiteKeys) -> None:
    keys = DomainKeys.from_folder(folder)
    assert (keys.source, keys.protection) == ("site", "file")
    assert keys.key("telerad") == DomainKeys.from_folder(folder).key("telerad")
    assert len({keys.key("telerad"), keys.key("registry"), keys.key("telerad ")}) == 3
    assert len(keys.key("telerad")) == KEY_BYTES
    assert "root" not in repr(keys)
    with pytest.raises(KeysError, match="no name"):
        keys.key("")
    (folder / "domain.root").write_bytes(b"short")
    with pytest.raises(KeysError, match="5 bytes"):
        DomainKeys.from_folder(folder)


def test_a_rotation_adds_an_epoch(folder: Path, made: SiteKeys) -> None:
    before = DomainKeys.from_folder(folder)
    keys = rotate_domain_keys(folder)
    assert (before.epoch, keys.epoch) == (0, 1)
    assert keys == DomainKeys.from_folder(folder)
    assert keys.key("telerad") == before.key("telerad")
    assert len({keys.key("telerad", 0), keys.key("telerad", 1), keys.key("registry", 1)}) == 3
    assert rotate_domain_keys(folder).key("telerad", 1) == keys.key("telerad", 1)
    assert (folder / "domain.root.2").stat().st_mode & 0o777 == 0o600
    assert "root" not in repr(keys)
    assert "later" not in repr(keys)
    with pytest.raises(KeysError, match="no epoch 2"):
        keys.key("telerad", 2)
    (folder / "domain.root.1").unlink()
    with pytest.raises(KeysError, match=r"domain\.root\.1"):
        DomainKeys.from_folder(folder)


@given(st.binary(min_size=33, max_size=48).filter(lambda root: len(set(root)) > 1))
def test_key_file_in_three_spellings(tmp_path_factory: pytest.TempPathFactory, root: bytes) -> None:
    path = tmp_path_factory.mktemp("key") / "k"
    spellings = [root.hex().encode() + b"\n", base64.encodebytes(root), root.hex().upper().encode()]
    keys = []
    for spelling in spellings:
        path.write_bytes(spelling)
        path.chmod(0o600)
        keys.append(DomainKeys.from_file(path))
    assert {key.root for key in keys} == {root}
    assert keys[0].source == "file"


def test_raw_key_file(tmp_path: Path) -> None:
    path = tmp_path / "k"
    raw = bytes(range(200, 232))
    path.write_bytes(raw)
    path.chmod(0o600)
    assert DomainKeys.from_file(path).root == raw
    path.write_bytes(b"A" * 41)  # base64 letters, but no base64
    with pytest.raises(KeysError, match="all its bytes are equal"):
        DomainKeys.from_file(path)
    path.write_bytes(b"ab" * 8)
    with pytest.raises(KeysError, match="holds 8 bytes") as caught:
        DomainKeys.from_file(path)
    assert "openssl rand" in caught.value.hint


def test_ephemeral_keys_are_never_the_same() -> None:
    one, two = DomainKeys.ephemeral(), DomainKeys.ephemeral()
    assert one.key("a") != two.key("a")
    assert (one.source, one.protection) == ("ephemeral", "memory")


def test_derivation_is_rfc5869() -> None:
    """Test case 3 of RFC 5869 (no salt, no info), first 32 bytes."""
    okm = derive(b"\x0b" * 22, b"").hex()
    assert okm == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
