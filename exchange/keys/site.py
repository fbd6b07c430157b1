"""Making a site's keys: its CA, the appliance's receipt key, the secrets of domains, crosswalk and stores.

The CA's certificate is what a partner puts into its trust folder. Its private key is needed only to certify
another appliance or to rotate; a site should move `ca.key` off the box.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.domain.errors import KeysError
from exchange.durable import make_folder, write_file
from exchange.keys.certifying import certify_appliance, certify_authority, pem
from exchange.keys.domains import KEY_BYTES, ROOT, DomainKeys, epoch_file
from exchange.keys.log import LOG_KEY, make_log_keys, write_vkeys
from exchange.keys.signing import SIGNING_CERTIFICATE, SIGNING_KEY, keyid_of, spki_of
from exchange.keys.storage import STORAGE_KEY, make_storage_key

CA_KEY = "ca.key"
CA_CERTIFICATE = "ca.crt"
CROSSWALK_KEY = "crosswalk.key"

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
    write_file(folder / CA_KEY, private_pem(ca_key))
    write_file(folder / CA_CERTIFICATE, pem(ca), 0o644)
    write_file(folder / SIGNING_KEY, private_pem(key))
    write_file(folder / SIGNING_CERTIFICATE, pem(certificate), 0o644)
    write_file(folder / ROOT, secrets.token_bytes(KEY_BYTES))
    write_file(folder / CROSSWALK_KEY, secrets.token_bytes(KEY_BYTES))
    make_storage_key(folder)
    log_keys = make_log_keys(folder)
    write_file(anchor, pem(ca), 0o644)
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


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PEM PKCS#8: only for a file of mode 0600."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
