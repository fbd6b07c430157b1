"""What an adversary tries with a receipt or a delivered file: each is named, none is accepted."""

import json
import zipfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from exchange.keys.certifying import APPLIANCE_RECEIPT_EKU
from exchange.keys.signing import FileSigningKey, keyid_of, spki_of
from exchange.receipts.bundle import bundle_files, zipped
from exchange.receipts.cms import detached_signature
from exchange.receipts.dsse import envelope, pae
from exchange.receipts.facts import AgentFacts, Edition, Links, Stage
from exchange.receipts.issuer import IssuedReceipt, ReceiptIssuer
from exchange.receipts.verify.container import MAX_BUNDLE, open_bundle, parse_bundle
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.trust import Trust, parse_trust, read_trust
from exchange.receipts.verify.verifier import LayerState, Request, verify_bundles, verify_bytes
from tests.exchange.receipts.making import NOW, Site, Study, body, pack, save, unpack

Files = dict[str, bytes]


def refused(data: bytes, trust: Trust, now: datetime = NOW) -> str:
    """The code with which this bundle is refused."""
    with pytest.raises(VerificationError) as caught:
        verify_bytes(data, trust, now)
    assert caught.value.message
    assert str(caught.value).startswith(caught.value.code)
    return caught.value.code


def edit_payload(files: Files, old: bytes, new: bytes) -> Files:
    """Change the payload in both places, as a careful forger would."""
    payload = files["receipt.json"].replace(old, new)
    assert payload != files["receipt.json"]
    document = json.loads(files["receipt.dsse.json"])
    document["payload"] = b64encode(payload).decode()
    return {**files, "receipt.json": payload, "receipt.dsse.json": json.dumps(document).encode()}


def edit_envelope(files: Files, change: Callable[[dict[str, Any]], None]) -> Files:
    document = json.loads(files["receipt.dsse.json"])
    change(document)
    return {**files, "receipt.dsse.json": json.dumps(document).encode()}


def without(files: Files, name: str) -> Files:
    return {key: value for key, value in files.items() if key != name}


def flip(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


@dataclass(frozen=True)
class Attack:
    """One way to tamper with a bundle, and the code that must name it."""

    name: str
    change: Callable[[Files], Files]
    code: str


ATTACKS = [
    Attack(
        "edit a field in receipt.json only",
        lambda f: {
            **f,
            "receipt.json": f["receipt.json"]
            .replace(b"telerad", b"telerax")
            .replace(b'"removed":31', b'"removed":32'),
        },
        "payload-differs",
    ),
    Attack(
        "edit a field in both places",
        lambda f: edit_payload(f, b'"removed":31', b'"removed":32'),
        "signature",
    ),
    Attack("append a newline", lambda f: {**f, "receipt.json": f["receipt.json"] + b"\n"}, "payload-differs"),
    Attack("append a newline in both places", lambda f: edit_payload(f, b"}]}", b"}]}\n"), "signature"),
    Attack(
        "swap the payload type",
        lambda f: edit_envelope(f, lambda e: e.update(payloadType="text/plain")),
        "payload-type",
    ),
    Attack(
        "remove the signatures", lambda f: edit_envelope(f, lambda e: e.update(signatures=[])), "envelope"
    ),
    Attack(
        "signatures that are none",
        lambda f: edit_envelope(f, lambda e: e.update(signatures=["x"])),
        "envelope",
    ),
    Attack(
        "seventeen signatures",
        lambda f: edit_envelope(
            f, lambda e: e.update(signatures=[{"keyid": str(i), "sig": ""} for i in range(17)])
        ),
        "envelope",
    ),
    Attack(
        "one key signs twice",
        lambda f: edit_envelope(f, lambda e: e.update(signatures=e["signatures"] * 2)),
        "envelope",
    ),
    Attack("payload not base64", lambda f: edit_envelope(f, lambda e: e.update(payload="*")), "envelope"),
    Attack(
        "base64 with stray bits", lambda f: edit_envelope(f, lambda e: e.update(payload="QR==")), "envelope"
    ),
    Attack(
        "another key id",
        lambda f: edit_envelope(
            f, lambda e: e.update(signatures=[{**e["signatures"][0], "keyid": "0" * 64}])
        ),
        "no-known-signature",
    ),
    Attack(
        "a duplicate key in the envelope",
        lambda f: {
            **f,
            "receipt.dsse.json": f["receipt.dsse.json"].replace(
                b'{"payload"', b'{"payloadType":"x","payload"'
            ),
        },
        "json",
    ),
    Attack(
        "flip a bit of the CMS signature",
        lambda f: {**f, "receipt.p7s": flip(f["receipt.p7s"], -1)},
        "signature-cms",
    ),
    Attack("cut the CMS signature", lambda f: {**f, "receipt.p7s": f["receipt.p7s"][:-5]}, "signature-cms"),
    Attack("an empty CMS signature", lambda f: {**f, "receipt.p7s": b""}, "signature-cms"),
    Attack("no certificates", lambda f: {**f, "chain.pem": b"nothing"}, "chain-certificates"),
    Attack("too many certificates", lambda f: {**f, "chain.pem": f["chain.pem"] * 17}, "chain-certificates"),
    Attack("no envelope", lambda f: without(f, "receipt.dsse.json"), "bundle-incomplete"),
    Attack("no CMS signature", lambda f: without(f, "receipt.p7s"), "bundle-incomplete"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_tampered_bundle_is_named(attack: Attack, chain: list[IssuedReceipt], trust: Trust) -> None:
    files = attack.change(unpack(chain[1].bundle_bytes))
    assert refused(pack(files), trust) == attack.code


def test_untouched_bundle_is_valid(chain: list[IssuedReceipt], trust: Trust) -> None:
    for receipt in chain:
        claims = verify_bytes(receipt.bundle_bytes, trust, NOW)
        assert (claims.receipt_id, claims.pae_sha256) == (receipt.receipt_id, receipt.pae_sha256)


def test_zip_games(chain: list[IssuedReceipt], trust: Trust) -> None:
    files = unpack(chain[0].bundle_bytes)
    assert refused(pack(files, zipfile.ZIP_DEFLATED), trust) == "bundle-damaged"
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled = _doubled(files)
    assert refused(doubled, trust) == "bundle-damaged"
    assert refused(chain[0].bundle_bytes[:-30], trust) == "bundle-damaged"
    assert refused(b"PK\x03\x04", trust) == "bundle-damaged"
    assert refused(b"no zip", trust) == "bundle-unreadable"
    assert refused(pack({**files, "chain.pem": bytes(1 << 19)}), trust) == "too-large"
    assert refused(pack({**files, **{f"x{i}": b"" for i in range(70)}}), trust) == "too-large"
    # What is not signed is not read: other names in the zip change nothing.
    assert verify_bytes(pack({**files, "invoice.txt": b"?"}), trust, NOW).stage == "deidentified"


def _doubled(files: Files) -> bytes:
    import io

    buffer = io.BytesIO(pack(files))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("receipt.json", b"{}")
    return buffer.getvalue()


def test_bundle_as_folder(chain: list[IssuedReceipt], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name, data in unpack(chain[0].bundle_bytes).items():
        (folder / name).write_bytes(data)
    assert open_bundle(folder) == parse_bundle(chain[0].bundle_bytes)
    (folder / "receipt.p7s").unlink()
    with pytest.raises(VerificationError, match=r"lacks receipt\.p7s"):
        open_bundle(folder)
    (folder / "receipt.p7s").mkdir()
    with pytest.raises(VerificationError):
        open_bundle(folder)


@pytest.mark.parametrize("path", ["absent.zip", "nul\0byte", "receipt.json"])
def test_bundle_that_is_not_there(tmp_path: Path, path: str) -> None:
    with pytest.raises(VerificationError) as caught:
        open_bundle(tmp_path / path)
    assert caught.value.code == "bundle-unreadable"


def test_bundle_too_large(tmp_path: Path) -> None:
    path = tmp_path / "huge.zip"
    with path.open("wb") as file:
        file.truncate(MAX_BUNDLE + 1)
    with pytest.raises(VerificationError) as caught:
        open_bundle(path)
    assert caught.value.code == "too-large"


def test_forged_bundle_under_a_fresh_ca(site: Site, study: Study, tmp_path: Path) -> None:
    """The whole bundle made anew, same names, own CA, the CA inside the bundle: still nobody's."""
    forger = Site(tmp_path / "forger", site.name, site.appliance)
    forged = forger.issuer.issue(Stage.DEIDENTIFIED, Edition.PARTNER, body(study))
    files = unpack(forged.bundle_bytes)
    files["chain.pem"] += forger.anchor.read_bytes()
    assert refused(pack(files), read_trust(site.trust)) == "signer-unknown"
    # With the forger's CA as an anchor it would pass: the refusal above is about trust alone.
    verify_bytes(pack(files), read_trust(forger.trust), NOW)


def test_without_anchors_consistent_but_unknown(chain: list[IssuedReceipt]) -> None:
    with pytest.raises(VerificationError, match="signature consistent, signer unknown") as caught:
        verify_bytes(chain[0].bundle_bytes, Trust(), NOW)
    assert caught.value.code == "signer-unknown"


def test_cms_by_another_key(site: Site, study: Study, chain: list[IssuedReceipt], tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    files = unpack(chain[0].bundle_bytes)
    files["receipt.p7s"] = detached_signature(chain[0].payload, other.key)
    assert refused(pack(files), read_trust(site.trust)) == "signature-cms"
    files["receipt.p7s"] = detached_signature(chain[1].payload, site.key)
    assert refused(pack(files), read_trust(site.trust)) == "signature-cms"


def test_known_key_that_fails_rejects_the_bundle(
    site: Site, chain: list[IssuedReceipt], tmp_path: Path
) -> None:
    """A second signature that is wrong is not outvoted by a right one; an unknown one counts for nothing."""
    other = Site(tmp_path / "other")
    files = unpack(chain[0].bundle_bytes)
    document = json.loads(files["receipt.dsse.json"])
    wrong = b64encode(other.key.sign(b"something else")).decode()
    document["signatures"].append({"keyid": other.key.keyid, "sig": wrong})
    files["receipt.dsse.json"] = json.dumps(document).encode()
    verify_bytes(pack(files), read_trust(site.trust), NOW)
    files["chain.pem"] += other.key.chain_pem
    assert refused(pack(files), read_trust(site.trust)) == "signature"
    right = b64encode(other.key.sign(pae(chain[0].payload))).decode()
    document["signatures"][1]["sig"] = right
    files["receipt.dsse.json"] = json.dumps(document).encode()
    assert refused(pack(files), read_trust(site.trust)) == "signer-role"  # two appliances


def certified(site: Site, **options: object) -> FileSigningKey:
    """A key certified by the site's CA in some odd way."""
    ca_key = serialization.load_pem_private_key((site.root / "keys/ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    ca = x509.load_pem_x509_certificate(site.anchor.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _odd_certificate(key, ca, ca_key, options)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    spki = spki_of(key.public_key())
    return FileSigningKey(key, pem, spki, keyid_of(spki))


def _odd_certificate(
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    options: dict[str, object],
) -> x509.Certificate:
    start = options.get("start", NOW - timedelta(days=1))
    end = options.get("end", NOW + timedelta(days=1))
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    subject = [
        (NameOID.ORGANIZATION_NAME, "general-hospital"),
        (NameOID.COMMON_NAME, options.get("name", "edge-01")),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, str(value)) for oid, value in subject]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=bool(options.get("ca")), path_length=None), critical=True)
    )
    signs = bool(options.get("signs", True))
    usage = x509.KeyUsage(signs, False, False, False, True, bool(options.get("ca")), False, False, False)
    if options.get("usage", True):
        builder = builder.add_extension(usage, critical=True)
    purposes = [APPLIANCE_RECEIPT_EKU if options.get("eku", True) else ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if options.get("odd_extension"):
        odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
        builder = builder.add_extension(odd, critical=True)
    return builder.sign(ca_key, hashes.SHA256())


def signed_by(site: Site, study: Study, key: FileSigningKey, at: datetime = NOW) -> bytes:
    issuer = ReceiptIssuer(key, AgentFacts("edge-01", "general-hospital", "0.1.0"), lambda: at)
    return issuer.issue(Stage.DEIDENTIFIED, Edition.PARTNER, body(study)).bundle_bytes


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, ""),
        ({"eku": False}, "signer-role"),
        ({"signs": False}, "signer-role"),
        ({"usage": False}, "signer-role"),
        ({"name": "edge-02"}, "signer-name"),
        ({"odd_extension": True}, "certificate"),
        ({"start": NOW - timedelta(days=9), "end": NOW - timedelta(days=1)}, "certificate"),
        ({"start": NOW + timedelta(hours=1)}, "certificate"),
    ],
    ids=str,
)
def test_certificate_rules(
    site: Site, study: Study, trust: Trust, options: dict[str, object], code: str
) -> None:
    data = signed_by(site, study, certified(site, **options))
    if code:
        assert refused(data, trust) == code
    else:
        verify_bytes(data, trust, NOW)


def test_a_ca_certificate_does_not_sign_receipts(site: Site, study: Study, trust: Trust) -> None:
    assert refused(signed_by(site, study, certified(site, ca=True)), trust) in ("signer-role", "certificate")


def test_validity_now(site: Site, study: Study, trust: Trust) -> None:
    data = signed_by(site, study, certified(site))
    verify_bytes(data, trust, NOW + timedelta(hours=23))
    assert refused(data, trust, NOW + timedelta(days=2)) == "certificate-expired"
    assert refused(data, trust, NOW - timedelta(hours=2)) == "issued-in-future"
    verify_bytes(data, trust, NOW - timedelta(minutes=3))


def test_expired_ca(site: Site, study: Study, trust: Trust) -> None:
    late = NOW + timedelta(days=365 * 21)
    key = certified(site, start=late - timedelta(days=1), end=late + timedelta(days=1))
    assert refused(signed_by(site, study, key, late), trust, late) == "certificate"


def test_revoked_key_fails_at_l0_whatever_the_date(site: Site, chain: list[IssuedReceipt]) -> None:
    entry = {"keyid": site.key.keyid, "invalidFrom": "2099-01-01T00:00:00.000Z", "reason": "stolen"}
    (site.trust / "revoked.json").write_text(json.dumps({"keys": [entry]}))
    assert refused(chain[0].bundle_bytes, read_trust(site.trust)) == "key-revoked"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("revoked.json", b"{"),
        ("revoked.json", b'{"keys":["x"]}'),
        ("revoked.json", b'{"keys":[{"keyid":"XY","invalidFrom":""}]}'),
        ("revoked.json", b'{"keys":[{"keyid":"' + b"0" * 64 + b'"}]}'),
        ("policy", b'{"minimumLevel":9}'),
        ("policy", b'{"minimumLevel":"0"}'),
        ("policy", b"minimumLevel: 0"),
        ("ca.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("ca.pem", b""),
        ("ca.pem", bytes((4 << 20) + 1)),
    ],
)
def test_damaged_trust_folder_is_no_trust(site: Site, name: str, content: bytes) -> None:
    (site.trust / name).write_bytes(content)
    with pytest.raises(VerificationError) as caught:
        read_trust(site.trust)
    assert caught.value.code == "trust-unreadable"


def test_leaf_or_missing_folder_is_no_anchor(site: Site) -> None:
    with pytest.raises(VerificationError, match="no CA certificate"):
        parse_trust({"leaf.pem": site.key.chain_pem}, None, None, "")
    with pytest.raises(VerificationError, match="cannot be read"):
        read_trust(site.root / "absent")


def test_level_asked_for(site: Site, chain: list[IssuedReceipt], tmp_path: Path, trust: Trust) -> None:
    path = save(chain[0], tmp_path / "r")
    (report,) = verify_bundles([path], Request(trust, NOW, level=1))
    assert (report.ok, report.level, report.layers["L"]) == (False, 0, LayerState.FAILED)  # type: ignore[index]
    assert report.first_error is not None
    assert report.first_error.code == "level"
    (site.trust / "policy").write_text('{"minimumLevel":2}')
    (report,) = verify_bundles([path], Request(read_trust(site.trust), NOW))
    assert not report.ok


def resigned(site: Site, payload: bytes) -> bytes:
    """A payload of any kind, properly signed by a trusted appliance."""
    return zipped(bundle_files("x", payload, site.key))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"removed":31', b'"removed":31.0', "json"),
        (b'"removed":31', b'"removed":NaN', "json"),
        (b'"removed":31', b'"removed":true', "json"),
        (b'"removed":31', b'"removed":null', "json"),
        (b'"removed":31', b'"removed":-0', "json"),
        (b'"removed":31', b'"removed":9007199254740992', "json"),
        (b'"removed":31', b'"removed":' + b"9" * 5000, "json"),
        (b'"removed":31', b'"removed":31,"removed":31', "json"),
        (b'"removed":31', b'"removed": 31', "not-canonical"),
        (b'"removed":31', b'"removed":"\\ud800"', "json"),
        (b"urn:lockgate:exchange-receipt:v1", b"urn:lockgate:exchange-receipt:v2", "statement"),
        (b"dicom-dataset-after-file-meta", b"dicom-whole-file-with-preamble", "statement"),
        (b'"stage":"deidentified"', b'"stage":"anonymous"', "statement"),
        (b'"stage":"deidentified"', b'"stage":"forwarded"', "statement"),
        (b'"edition":"partner"', b'"edition":1', "statement"),
        (b"2026-05-04T12:30:15.250Z", b"2026-13-04T12:30:15.250Z", "statement"),
        (b"2026-05-04T12:30:15.250Z", b"2026-05-04 12:30:15.250Z", "statement"),
        (b'"previous":""', b'"previous":"abc"', "statement"),
        (b'"name":"2.25.12"', b'"name":"2.25.11"', "statement"),
        (b'"name":"2.25.12"', b'"name":"../../x"', "statement"),
        (b'"agent":{', b'"agenx":{', "statement"),
    ],
)
def test_signed_but_not_a_receipt(
    site: Site, chain: list[IssuedReceipt], trust: Trust, old: bytes, new: bytes, code: str
) -> None:
    payload = chain[0].payload.replace(old, new, 1)
    assert payload != chain[0].payload
    assert refused(resigned(site, payload), trust) == code


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b"\xef\xbb\xbf{}", b"{}", b"[" * 100_000])
def test_signed_nonsense(site: Site, trust: Trust, payload: bytes) -> None:
    assert refused(resigned(site, payload), trust) in ("json", "statement")


@pytest.mark.parametrize(
    "change",
    [
        {"subject": [1]},
        {"subject": "x"},
        {"predicate": 1},
        {"subject": []},
    ],
    ids=str,
)
def test_signed_with_wrong_shapes(
    site: Site, chain: list[IssuedReceipt], trust: Trust, change: dict[str, object]
) -> None:
    import rfc8785

    document = {**json.loads(chain[0].payload), **change}
    assert refused(resigned(site, rfc8785.dumps(document)), trust) == "statement"


@pytest.mark.parametrize(
    "deliveries",
    [
        [1],
        [{"stage": "closed", "paeSha256": "0" * 64}],
        [{"stage": "forwarded", "paeSha256": "0"}],
        "x",
        "twice",
        "other",
    ],
    ids=str,
)
def test_signed_with_wrong_deliveries(
    site: Site, chain: list[IssuedReceipt], trust: Trust, deliveries: object
) -> None:
    import rfc8785

    document = json.loads(chain[3].payload)
    group = document["predicate"]["id"]
    if deliveries == "twice":
        deliveries = [group["deliveries"][0]] * 2
    elif deliveries == "other":
        deliveries = group["deliveries"][:1]
    group["deliveries"] = deliveries
    assert refused(resigned(site, rfc8785.dumps(document)), trust, site.now) == "statement"


def test_unknown_fields_survive(site: Site, chain: list[IssuedReceipt], trust: Trust) -> None:
    import rfc8785

    document = json.loads(chain[0].payload)
    document["predicate"]["zukunft"] = {"a": ["b", 1]}
    claims = verify_bytes(resigned(site, rfc8785.dumps(document)), trust, NOW)
    assert claims.predicate["zukunft"] == {"a": ["b", 1]}


def test_every_flipped_bit_is_refused(chain: list[IssuedReceipt], trust: Trust) -> None:
    """One bit anywhere in a signed part (the zip's own bytes and the README are not signed)."""
    files = unpack(chain[0].bundle_bytes)
    for name in ("receipt.json", "receipt.dsse.json"):
        for offset in range(0, len(files[name]), 97):
            assert refused(pack({**files, name: flip(files[name], offset)}), trust)
    digest_region = range(len(files["receipt.p7s"]) - 60, len(files["receipt.p7s"]))
    for offset in digest_region:
        assert refused(pack({**files, "receipt.p7s": flip(files["receipt.p7s"], offset)}), trust)


def test_receipt_with_a_changed_envelope_order_is_the_same(chain: list[IssuedReceipt], trust: Trust) -> None:
    files = unpack(chain[0].bundle_bytes)
    document = json.loads(files["receipt.dsse.json"])
    reordered = dict(reversed(document.items()))
    files["receipt.dsse.json"] = json.dumps(reordered, indent=1).encode()
    verify_bytes(pack(files), trust, NOW)


def test_key_of_another_curve_is_refused(site: Site, chain: list[IssuedReceipt], trust: Trust) -> None:
    """Only ECDSA P-256 signs receipts, whatever the site's CA certified."""
    key = ec.generate_private_key(ec.SECP384R1())
    ca_key = serialization.load_pem_private_key((site.root / "keys/ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    ca = x509.load_pem_x509_certificate(site.anchor.read_bytes())
    pem = _odd_certificate(key, ca, ca_key, {}).public_bytes(serialization.Encoding.PEM)
    spki = spki_of(key.public_key())
    odd = FileSigningKey(key, pem, spki, keyid_of(spki))
    files = unpack(chain[0].bundle_bytes)
    files["receipt.dsse.json"] = envelope(chain[0].payload, odd)
    files["chain.pem"] = pem
    assert refused(pack(files), trust) == "signature"


def test_links_type_is_immutable_default() -> None:
    assert replace(Links()) == Links()
    assert NOW.tzinfo is UTC
