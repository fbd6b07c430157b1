"""Certificates: the site CA's own, an appliance's, and the request (PKCS#10) for one by another CA."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.domain.errors import KeysError
from exchange.keys.delegate import DelegatedKey
from exchange.keys.signing import SigningKey

MAX_NAME = 64

# Extended key usages of our own, under 2.25 (ITU-T X.667: a UUID as an arc, nobody's registration needed).
# UUID a1b06e52-0f66-4a4f-9a3c-0c7d0d7d7e01: the holder is an appliance that signs exchange receipts.
APPLIANCE_RECEIPT_EKU = x509.ObjectIdentifier("2.25.214921789135005249558003775022496054785")

_CA_LIFE = timedelta(days=20 * 365)
_APPLIANCE_LIFE = timedelta(days=10 * 365)


def certify_authority(key: ec.EllipticCurvePrivateKey, site: str, start: datetime) -> x509.Certificate:
    """A self-signed CA certificate that may certify appliances, and nothing below them (RFC 5280, 4.2.1.9).

    Raises:
        KeysError: The site's name cannot stand in a certificate.
    """
    name = subject_name(site, "Lockgate site CA")
    builder = _builder(key.public_key(), name, name, start, _CA_LIFE)
    allowed = usage(key_cert_sign=True, crl_sign=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(allowed, critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    return builder.sign(key, hashes.SHA256())


def certify_appliance(
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    public: ec.EllipticCurvePublicKey,
    names: tuple[str, str],
    start: datetime,
) -> x509.Certificate:
    """The certificate of an appliance's receipt key: digitalSignature and our receipt EKU.

    Args:
        ca_key: The CA's private key.
        ca: The CA's certificate.
        public: The appliance's public key.
        names: Site and appliance; the verifier compares them with the receipt's `agent`.
        start: First moment of validity.

    Raises:
        KeysError: A name cannot stand in a certificate.
    """
    site, appliance = names
    builder = _builder(public, subject_name(site, appliance), ca.subject, start, _APPLIANCE_LIFE)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([APPLIANCE_RECEIPT_EKU]), critical=False)
    builder = builder.add_extension(authority, critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def certificate_request(key: SigningKey, names: tuple[str, str]) -> bytes:
    """A PKCS#10 request (RFC 2986), PEM: the names, the key, and the uses that the certificate must state.

    Args:
        key: Signs the request; wherever its private half lives.
        names: Site (organisation) and appliance (common name), as receipts say them.

    Raises:
        KeysError: A name cannot stand in a certificate, or the key cannot sign.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject_name(*names))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([APPLIANCE_RECEIPT_EKU]), critical=False)
    return builder.sign(DelegatedKey(key), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    public: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, start: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    """Key usages (RFC 5280, 4.2.1.3); what is not named is not allowed."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def subject_name(organisation: str, common: str) -> x509.Name:
    """A certificate's subject.

    Raises:
        KeysError: A name is empty or too long.
    """
    # RFC 5280, A.1: ub-organization-name and ub-common-name.
    if not all(1 <= len(text) <= MAX_NAME for text in (organisation, common)):
        raise KeysError(
            f"cannot certify this site and appliance: a name is empty or longer than {MAX_NAME} characters",
            "change `site:` or `appliance:`",
        )
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)
