"""The verifier's small DER reader: every deviation from the one accepted form is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.keys.certifying import certify_appliance
from exchange.keys.signing import FileSigningKey, keyid_of, spki_of
from exchange.receipts.facts import AgentFacts, Edition, Stage
from exchange.receipts.issuer import IssuedReceipt, ReceiptIssuer
from exchange.receipts.verify.cms import check_detached
from exchange.receipts.verify.envelope import parse_chain
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.trust import parse_trust
from exchange.receipts.verify.verifier import verify_bytes
from tests.exchange.receipts.making import NOW, Site, Study, body, unpack

Node = list[Any]  # [tag, bytes] or [tag, [Node, …]]


def parse(data: bytes) -> list[Node]:
    nodes: list[Node] = []
    offset = 0
    while offset < len(data):
        tag, length, start = data[offset], data[offset + 1], offset + 2
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[offset + 2 : start], "big")
        value = data[start : start + length]
        nodes.append([tag, parse(value) if tag & 0x20 else value])
        offset = start + length
    return nodes


def encode(node: Node) -> bytes:
    tag, value = node
    content = b"".join(map(encode, value)) if isinstance(value, list) else value
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    if 0x80 <= size < 0x100:
        length = b"\x81" + bytes([size])
    return bytes([tag]) + length + content


def signed_data(root: Node) -> list[Node]:
    result: list[Node] = root[1][1][1][0][1]
    return result


def signer(root: Node) -> list[Node]:
    result: list[Node] = signed_data(root)[-1][1][0][1]
    return result


def set_at(items: list[Node], index: int, node: Node) -> None:
    items[index] = node


OID_SHA1 = [0x06, bytes.fromhex("2b0e03021a")]
CHANGES: list[tuple[str, Callable[[Node], object], str]] = [
    (
        "enveloped data instead",
        lambda r: set_at(r[1], 0, [6, bytes.fromhex("2a864886f70d010703")]),
        "no SignedData",
    ),
    ("not an OID", lambda r: set_at(r[1], 0, [2, b"\1"]), "structure"),
    ("two of them", lambda r: r[1].append([5, b""]), "structure"),
    ("too few parts", lambda r: r[1][1][1][0].__setitem__(1, signed_data(r)[:3]), "cut short"),
    ("content inside", lambda r: signed_data(r)[2][1].append([0xA0, [[4, b"{}"]]]), "content of its own"),
    (
        "content of another type",
        lambda r: set_at(signed_data(r)[2][1], 0, [6, b"\x2a"]),
        "content of its own",
    ),
    ("no signer", lambda r: signed_data(r)[-1].__setitem__(1, []), "structure"),
    ("two signers", lambda r: signed_data(r)[-1][1].append([0x30, signer(r)]), "structure"),
    ("no signed attributes", lambda r: signer(r).pop(3), "no signed attributes"),
    (
        "attributes under another tag",
        lambda r: set_at(signer(r), 3, [0xA1, signer(r)[3][1]]),
        "no signed attributes",
    ),
    ("unsigned attributes", lambda r: signer(r).append([0xA1, []]), "no signed attributes"),
    ("SHA-1", lambda r: set_at(signer(r)[2][1], 0, OID_SHA1), "algorithms"),
    ("no algorithm", lambda r: signer(r)[4].__setitem__(1, []), "algorithms"),
    ("another serial number", lambda r: set_at(signer(r)[1][1], 1, [2, b"\1"]), "another signer"),
    ("another issuer", lambda r: set_at(signer(r)[1][1], 0, [0x30, []]), "another signer"),
    ("an attribute twice", lambda r: signer(r)[3][1].append(signer(r)[3][1][0]), "stands twice"),
    ("no content type", lambda r: signer(r)[3][1].pop(0), "content type"),
    ("no digest", lambda r: signer(r)[3][1].pop(), "other bytes"),
    (
        "signing time changed",
        lambda r: set_at(signer(r)[3][1], 1, [0x30, [[6, b"\x2a"], [0x31, []]]]),
        "not of these",
    ),
]


@pytest.fixture
def certificates(site: Site) -> list[x509.Certificate]:
    return parse_chain(site.key.chain_pem)[site.key.keyid]


@pytest.mark.parametrize(("name", "change", "why"), CHANGES, ids=[item[0] for item in CHANGES])
def test_deviation_is_refused(
    name: str,
    change: Callable[[Node], object],
    why: str,
    chain: list[IssuedReceipt],
    certificates: list[x509.Certificate],
) -> None:
    data = unpack(chain[0].bundle_bytes)["receipt.p7s"]
    (root,) = parse(data)
    assert encode(root) == data
    check_detached(data, chain[0].payload, certificates)
    change(root)
    with pytest.raises(VerificationError, match=why) as caught:
        check_detached(encode(root), chain[0].payload, certificates)
    assert caught.value.code == "signature-cms"


@pytest.mark.parametrize(
    "length",
    [
        b"\x80",
        b"\x81\x10",
        b"\x82\x00\x90",
        b"\x85\x01\x00\x00\x00\x00",
        b"\x84\xff\xff\xff\xff",
        b"\x82\x01",
    ],
)
def test_lengths_that_are_not_der(
    length: bytes, chain: list[IssuedReceipt], certificates: list[x509.Certificate]
) -> None:
    with pytest.raises(VerificationError):
        check_detached(b"\x30" + length + bytes(200), chain[0].payload, certificates)


def test_trailing_bytes_are_refused(chain: list[IssuedReceipt], certificates: list[x509.Certificate]) -> None:
    data = unpack(chain[0].bundle_bytes)["receipt.p7s"]
    for tail in (b"\0", b"\0\0", data):
        with pytest.raises(VerificationError):
            check_detached(data + tail, chain[0].payload, certificates)


def intermediate(site: Site) -> tuple[FileSigningKey, bytes]:
    """An appliance certified by a CA below a hospital group's root; the root's certificate as PEM."""
    start = NOW - timedelta(days=1)
    root_key, middle_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = _authority(root_key, root_key.public_key(), "group root", "group root", 1)
    middle = _authority(root_key, middle_key.public_key(), "group root", "site", 0)
    leaf = certify_appliance(middle_key, middle, key.public_key(), (site.name, site.appliance), start)
    pem = serialization.Encoding.PEM
    chain_pem = leaf.public_bytes(pem) + middle.public_bytes(pem)
    spki = spki_of(key.public_key())
    return FileSigningKey(key, chain_pem, spki, keyid_of(spki)), root.public_bytes(pem)


def _authority(
    signing: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    issuer: str,
    subject: str,
    depth: int,
) -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=2))
        .not_valid_after(NOW + timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
        .sign(signing, hashes.SHA256())
    )


def test_intermediates_come_from_the_bundle_and_anchors_do_not(site: Site, study: Study) -> None:
    key, root = intermediate(site)
    issuer = ReceiptIssuer(key, AgentFacts(site.appliance, site.name, "0.1.0"), lambda: NOW)
    data = issuer.issue(Stage.DEIDENTIFIED, Edition.PARTNER, body(study)).bundle_bytes
    verify_bytes(data, parse_trust({"root.pem": root}, None, None, ""), NOW)
    with pytest.raises(VerificationError, match="signer unknown"):
        verify_bytes(data, parse_trust({"site.pem": site.anchor.read_bytes()}, None, None, ""), NOW)
    middle = keyid_of(_public(x509.load_pem_x509_certificates(key.chain_pem)[1]))
    revoked = f'{{"keys":[{{"keyid":"{middle}","invalidFrom":""}}]}}'.encode()
    with pytest.raises(VerificationError, match="revoked"):
        verify_bytes(data, parse_trust({"root.pem": root}, revoked, None, ""), NOW)


def _public(certificate: x509.Certificate) -> bytes:
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return spki_of(public)
