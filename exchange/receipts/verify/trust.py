"""Whom the verifier trusts: the trust folder, and nothing that came with a receipt.

`*.pem` holds CA certificates. `revoked.json` is `{"keys": [{"keyid", "invalidFrom", "reason"}]}`; at the
levels L0 and L1 a revoked key fails whatever the date, because a thief with the key can backdate. `policy` is
`{"minimumLevel": N}`. `*.vkey` holds keys that sign a log's checkpoints, one a line.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from exchange.receipts.verify.claims import Receipt
from exchange.receipts.verify.envelope import keyid_of
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.log import LogKey, parse_vkey
from exchange.receipts.verify.strictjson import list_of, parse_object, text_of

# Extended key usage: the holder is an appliance that signs exchange receipts (an arc of our own under 2.25).
APPLIANCE_RECEIPT_EKU: Final = x509.ObjectIdentifier("2.25.214921789135005249558003775022496054785")

_MAX_FILE: Final = 4 << 20  # bytes of one trust file
_MAX_DEPTH: Final = 4  # intermediates between an appliance and its anchor
_CLOCK_SKEW: Final = timedelta(hours=1)  # how far the appliance's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Trust:
    """The verifier's own anchors and rules.

    Attributes:
        authorities: CA certificates.
        revoked: Key id to `invalidFrom` as written.
        log_keys: Keys of logs.
        minimum_level: What the folder's policy asks for.
        source: Where it came from, for messages.
    """

    authorities: tuple[x509.Certificate, ...] = ()
    revoked: Mapping[str, str] = field(default_factory=dict)
    minimum_level: int = 0
    source: str = ""
    log_keys: tuple[LogKey, ...] = ()


def read_trust(folder: Path) -> Trust:
    """Read a trust folder.

    Raises:
        VerificationError: `trust-unreadable`: it is missing, or a file in it cannot be understood. Nothing is
            skipped: a damaged `revoked.json` must not make a stolen key valid.
    """
    try:
        paths = sorted(folder.iterdir())
        pems = {path.name: _read(path) for path in paths if path.suffix == ".pem"}
        vkeys = {path.name: _read(path) for path in paths if path.suffix == ".vkey"}
        revoked = _optional(folder / "revoked.json")
        policy = _optional(folder / "policy")
    except OSError as error:
        raise VerificationError(
            "trust-unreadable", f"the trust folder cannot be read: {error.strerror}", "correct --trust"
        ) from error
    return parse_trust(pems, revoked, policy, str(folder), vkeys)


def parse_trust(
    pems: Mapping[str, bytes],
    revoked: bytes | None,
    policy: bytes | None,
    source: str,
    vkeys: Mapping[str, bytes] = MappingProxyType({}),
) -> Trust:
    """Make a trust from the bytes of its files.

    Raises:
        VerificationError: `trust-unreadable`.
    """
    authorities = [cert for name, data in pems.items() for cert in _authorities(name, data)]
    try:
        keys = _revoked(revoked) if revoked is not None else {}
        level = parse_object(policy, "policy").get("minimumLevel", 0) if policy is not None else 0
    except VerificationError as error:
        raise VerificationError("trust-unreadable", f"in the trust folder: {error.message}") from error
    if type(level) is not int or not 0 <= level <= 3:
        raise VerificationError("trust-unreadable", "in the trust folder: minimumLevel is none of 0, 1, 2, 3")
    log_keys = tuple(key for data in vkeys.values() for key in _log_keys(data))
    return Trust(tuple(authorities), keys, level, source, log_keys)


def check_signer(
    receipt: Receipt, leaf: x509.Certificate, others: Iterable[x509.Certificate], trust: Trust, now: datetime
) -> None:
    """Check that a trusted CA certified this key to sign this appliance's receipts, then and now.

    Args:
        receipt: Its claims.
        leaf: The signer's certificate.
        others: Untrusted intermediates from the bundle.
        trust: The anchors.
        now: Of the verifier, timezone-aware.

    Raises:
        VerificationError: `signer-unknown`, `certificate`, `certificate-expired`, `key-revoked`,
            `signer-role`, `signer-name`, `issued-in-future`.
    """
    if not trust.authorities:
        raise VerificationError(
            "signer-unknown",
            "signature consistent, signer unknown: no trust anchors were given",
            "put the sending site's CA certificate into the trust folder (--trust), compared by telephone",
        )
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    intermediates = list(others)
    # Whose certificate is it? Asked at a moment when it was valid, so that the answer is not just "expired".
    chain = _path(leaf, intermediates, trust, min(max(receipt.issued_at, begin), end))
    _check_revoked(chain, trust)
    _check_role(leaf)
    _check_names(leaf, receipt)
    if not begin <= receipt.issued_at <= end:
        raise VerificationError("certificate", "the signer's certificate was not valid when it signed")
    if receipt.issued_at > now + _CLOCK_SKEW:
        raise VerificationError("issued-in-future", "the receipt is dated in the future", "check both clocks")
    try:
        _path(leaf, intermediates, trust, max(now, receipt.issued_at))
    except VerificationError as error:
        raise VerificationError(
            "certificate-expired",
            "the signer's certificate, or one above it, has expired",
            "without a trusted time (level L3) a receipt is not accepted after that",
        ) from error


def _path(
    leaf: x509.Certificate, intermediates: list[x509.Certificate], trust: Trust, moment: datetime
) -> list[x509.Certificate]:
    policy = verification.PolicyBuilder().store(verification.Store(list(trust.authorities))).time(moment)
    policy = policy.max_chain_depth(_MAX_DEPTH).extension_policies(
        # Role and use of the leaf are checked by `_check_role`: they are ours, not those of TLS clients.
        # A critical extension that the library does not know is refused by it all the same.
        ee_policy=verification.ExtensionPolicy.permit_all(),
        ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(),
    )
    try:
        return policy.build_client_verifier().verify(leaf, intermediates).chain
    except (verification.VerificationError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        if any(_issued(leaf, authority) for authority in trust.authorities):
            raise VerificationError(
                "certificate", "the signer's certificate does not hold under the trusted CA"
            ) from error
        raise VerificationError(
            "signer-unknown",
            "signature consistent, signer unknown: no CA in the trust folder certified this key",
            "ask the sending site for its CA certificate and compare the fingerprint by telephone",
        ) from error


def _issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _check_revoked(chain: list[x509.Certificate], trust: Trust) -> None:
    for certificate in chain:
        if keyid_of(certificate) in trust.revoked:
            raise VerificationError(
                "key-revoked",
                "the key that signed, or one above it, is revoked in the trust folder",
                "ask the sending site for a receipt under its new key",
            )


def _check_role(leaf: x509.Certificate) -> None:
    try:
        extensions = leaf.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise VerificationError("signer-role", "the signer's certificate does not state its use") from error
    if constraints.ca or not usage.digital_signature or APPLIANCE_RECEIPT_EKU not in purposes:
        raise VerificationError(
            "signer-role", "the signer's certificate is not one for signing exchange receipts"
        )


def _check_names(leaf: x509.Certificate, receipt: Receipt) -> None:
    """An appliance speaks for itself only: site and name are those that the CA certified."""
    names = [
        [attribute.value for attribute in leaf.subject.get_attributes_for_oid(oid)]
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    ]
    if names != [[receipt.site], [receipt.agent_id]]:
        raise VerificationError(
            "signer-name", "the receipt names another site or appliance than its signer's certificate"
        )


def _authorities(name: str, data: bytes) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(data)
        for certificate in certificates:
            keyid_of(certificate)
            if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
                raise VerificationError(
                    "trust-unreadable", f"{name} in the trust folder is no CA certificate"
                )
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
    ) as error:
        raise VerificationError(
            "trust-unreadable",
            f"{name} in the trust folder is no CA certificate",
            "take it out of the folder",
        ) from error
    return certificates


def _revoked(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in list_of(parse_object(data, "revoked.json"), "keys", "revoked"):
        if not isinstance(item, dict):
            raise VerificationError("trust-unreadable", "an entry of revoked.json is no object")
        keyid = text_of(item, "keyid", "revoked.json")
        if not re.fullmatch(r"[0-9a-f]{64}", keyid):
            raise VerificationError("trust-unreadable", "a keyid in revoked.json is not 64 hex digits")
        found[keyid] = text_of(item, "invalidFrom", "revoked.json")
    return found


def _log_keys(data: bytes) -> list[LogKey]:
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise VerificationError("trust-unreadable", "a *.vkey file holds no verifier key") from error
    return [parse_vkey(line) for line in lines if line]


def _optional(path: Path) -> bytes | None:
    try:
        return _read(path)
    except FileNotFoundError:
        return None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise VerificationError("trust-unreadable", f"{path.name} in the trust folder is too large")
    return data
