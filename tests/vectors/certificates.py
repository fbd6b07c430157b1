"""Certificates of sites and appliances, true ones and odd ones, each the same at every making."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.vectors.keys import P256, seed

RECEIPT_EKU = x509.ObjectIdentifier("2.25.214921789135005249558003775022496054785")
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Odd:
    """How a leaf certificate differs from a right one."""

    start: datetime = START
    end: datetime = END
    ca: bool = False
    signs: bool = True
    usage: bool = True
    purpose: x509.ObjectIdentifier = RECEIPT_EKU
    critical_unknown: bool = False


RIGHT = Odd()
WEB_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


def authority(
    key: P256, site: str, *, above: tuple[P256, x509.Certificate] | None = None
) -> x509.Certificate:
    """A CA's certificate; self-signed, or by the one above it."""
    name = _name(site, "Lockgate site CA" if above is None else "Lockgate issuing CA")
    signer, issuer = (key, name) if above is None else (above[0], above[1].subject)
    builder = _builder(key, name, issuer, RIGHT)
    constraints = x509.BasicConstraints(ca=True, path_length=1 if above is None else 0)
    builder = builder.add_extension(constraints, critical=True)
    builder = builder.add_extension(_usage(ca=True), critical=True)
    builder = builder.add_extension(_issuer_key(signer), critical=False)
    return builder.sign(signer.private, hashes.SHA256(), ecdsa_deterministic=True)


def appliance(
    ca_key: P256, ca: x509.Certificate, key: P256, site: str, name: str, odd: Odd = RIGHT
) -> x509.Certificate:
    """An appliance's certificate."""
    builder = _builder(key, _name(site, name), ca.subject, odd)
    builder = builder.add_extension(x509.BasicConstraints(ca=odd.ca, path_length=None), critical=True)
    if odd.usage:
        builder = builder.add_extension(_usage(ca=odd.ca, signs=odd.signs), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([odd.purpose]), critical=False)
    builder = builder.add_extension(_issuer_key(ca_key), critical=False)
    if odd.critical_unknown:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(ca_key.private, hashes.SHA256(), ecdsa_deterministic=True)


def pem(*certificates: x509.Certificate) -> bytes:
    """One after the other."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _builder(key: P256, subject: x509.Name, issuer: x509.Name, odd: Odd) -> x509.CertificateBuilder:
    public = key.private.public_key()
    serial = int.from_bytes(seed("serial", subject.rfc4514_string(), key.keyid, repr(odd))[:16], "big")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial | 1)
        .not_valid_before(odd.start)
        .not_valid_after(odd.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _issuer_key(key: P256) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.private.public_key())


def _usage(*, ca: bool, signs: bool = True) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs and not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(site: str, common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, site), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )
