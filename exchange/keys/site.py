"""Making a site's keys: its CA, the appliance's receipt key, the secrets of domains, crosswalk and stores.

The CA's certificate is what a partner puts into its trust folder. Its private key is needed only to certify
another appliance or to rotate; a site should move `ca.key` off the box.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.domain.errors import KeysError
from exchange.durable import make_folder, write_file
from exchange.keys.domains import KEY_BYTES, ROOT, DomainKeys, epoch_file
from exchange.keys.log import LOG_KEY, make_log_keys, write_vkeys
from exchange.keys.signing import SIGNING_CERTIFICATE, SIGNING_KEY, keyid_of, spki_of
from exchange.keys.storage import STORAGE_KEY, make_storage_key

CA_KEY = "ca.key"
CA_CERTIFICATE = "ca.crt"
CROSSWALK_KEY = "crosswalk.key"
MAX_NAME = 64

# Extended key usages of our own, under 2.25 (ITU-T X.667: a UUID as an arc, nobody's registration needed).
# UUID a1b06e52-0f66-4a4f-9a3c-0c7d0d7d7e01: the holder is an appliance that signs exchange receipts.
APPLIANCE_RECEIPT_EKU = x509.ObjectIdentifier("2.25.214921789135005249558003775022496054785")

_CA_LIFE = timedelta(days=20 * 365)
_APPLIANCE_LIFE = timedelta(days=10 * 365)
_BACKDATE = timedelta(minutes=5)  # verifiers' clocks are a little behind


@dataclass(frozen=True, slots=True)
class SiteKeys:
    """What `init_site_keys` made.

    Attributes:
        keyid: Of the appliance's receipt key.
        anchor: The CA certificate in the trust folder; give this file to partners.
        anchor_sha256: Fingerprint of that certificate (DER), to be compared by telephone.
    """

    keyid: str
    anchor: Path
    anchor_sha256: str


def init_site_keys(
    folder: Path, site: str, appliance: str, now: datetime, trust: Path | None = None
) -> SiteKeys:
    """Generate all keys of a new site and put its CA certificate into the trust folder.

    Args:
        folder: Receives the keys, each with mode 0600.
        site: Name of the site: the certificates' organisation, at most 64 characters.
        appliance: Name of the appliance: the receipt certificate's common name, at most 64 characters.
        now: Start of validity; timezone-aware.
        trust: The trust folder; default `trust` beside `folder`.

    Raises:
        KeysError: A key is there already (keys are never overwritten), or a name cannot be certified.
        OSError: A file cannot be written.
    """
    trust = folder.parent / "trust" if trust is None else trust
    for name in (SIGNING_KEY, CA_KEY, ROOT, CROSSWALK_KEY, STORAGE_KEY, LOG_KEY):
        path = folder / name
        if path.exists():
            raise KeysError(
                f"cannot make new keys: {path} is there already", "keys are never overwritten; move it away"
            )
    start = now.astimezone(UTC).replace(microsecond=0) - _BACKDATE
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = certify_authority(ca_key, site, start)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certify_appliance(ca_key, ca, key.public_key(), (site, appliance), start)
    # Named by its key as well: a site that starts anew adds an anchor and keeps the old one.
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", site)[:48]
    anchor = trust / f"{slug}-{keyid_of(spki_of(ca_key.public_key()))[:12]}.pem"
    make_folder(folder)
    make_folder(trust, 0o755)
    write_file(folder / CA_KEY, _private_pem(ca_key))
    write_file(folder / CA_CERTIFICATE, _pem(ca), 0o644)
    write_file(folder / SIGNING_KEY, _private_pem(key))
    write_file(folder / SIGNING_CERTIFICATE, _pem(certificate), 0o644)
    write_file(folder / ROOT, secrets.token_bytes(KEY_BYTES))
    write_file(folder / CROSSWALK_KEY, secrets.token_bytes(KEY_BYTES))
    make_storage_key(folder)
    log_keys = make_log_keys(folder)
    write_file(anchor, _pem(ca), 0o644)
    write_vkeys(trust, log_keys, 1)
    fingerprint = ca.fingerprint(hashes.SHA256()).hex()
    return SiteKeys(keyid_of(spki_of(key.public_key())), anchor, fingerprint)


def rotate_domain_keys(folder: Path) -> DomainKeys:
    """Begin a new epoch of the pseudonym domains: new patients get pseudonyms that nobody can link to older.

    Who was pseudonymised before keeps the older secret, which is therefore never deleted.

    Returns:
        All keys, the new epoch's included.

    Raises:
        KeysError: The present secrets cannot be used; nothing was changed.
        OSError: The secret cannot be written.
    """
    epoch = DomainKeys.from_folder(folder).epoch + 1
    write_file(epoch_file(folder, epoch), secrets.token_bytes(KEY_BYTES))
    return DomainKeys.from_folder(folder)


def certify_authority(key: ec.EllipticCurvePrivateKey, site: str, start: datetime) -> x509.Certificate:
    """A self-signed CA certificate that may certify appliances, and nothing below them (RFC 5280, 4.2.1.9).

    Raises:
        KeysError: The site's name cannot stand in a certificate.
    """
    name = _name(site, "Lockgate site CA")
    builder = _builder(key.public_key(), name, name, start, _CA_LIFE)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
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
    builder = _builder(public, _name(site, appliance), ca.subject, start, _APPLIANCE_LIFE)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([APPLIANCE_RECEIPT_EKU]), critical=False)
    builder = builder.add_extension(authority, critical=False)
    return builder.sign(ca_key, hashes.SHA256())


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


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
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


def _name(organisation: str, common: str) -> x509.Name:
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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
