"""The DSSE envelope: what was signed, and by which keys."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.strictjson import list_of, parse_object, text_of

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_MAX_SIGNATURES: Final = 16
_MAX_CERTIFICATES: Final = 16


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature of an envelope."""

    keyid: str
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope, its payload type already checked."""

    payload: bytes = field(repr=False)
    signatures: tuple[Signed, ...]


def pae(payload: bytes) -> bytes:
    """DSSE v1 pre-authentication encoding of an in-toto payload."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b" ".join((b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(payload), payload))


def parse_envelope(data: bytes) -> Envelope:
    """Read an envelope.

    Raises:
        VerificationError: `json`, `payload-type`, `envelope`.
    """
    fields = parse_object(data, "the envelope")
    kind = fields.get("payloadType")
    if kind != PAYLOAD_TYPE:
        raise VerificationError("payload-type", f"the envelope's payload type is not {PAYLOAD_TYPE}")
    try:
        payload = _base64(text_of(fields, "payload", "envelope"))
        listed = list_of(fields, "signatures", "envelope")
        signatures = tuple(_signed(item) for item in listed[: _MAX_SIGNATURES + 1])
    except VerificationError as error:
        raise VerificationError("envelope", error.message) from error
    keyids = {signed.keyid for signed in signatures}
    if not 1 <= len(signatures) <= _MAX_SIGNATURES or len(keyids) != len(signatures):
        raise VerificationError("envelope", "the envelope has no signature, too many, or two by one key")
    return Envelope(payload, signatures)


def parse_chain(data: bytes) -> dict[str, list[x509.Certificate]]:
    """The certificates of `chain.pem` by key id: candidates, never anchors.

    Raises:
        VerificationError: `chain-certificates`.
    """
    try:
        certificates = x509.load_pem_x509_certificates(data)
        if len(certificates) > _MAX_CERTIFICATES:
            raise VerificationError("chain-certificates", "chain.pem has too many certificates")
        found: dict[str, list[x509.Certificate]] = {}
        for certificate in certificates:
            # The library reads names only when they are asked for: a damaged one is to be told here.
            _ = certificate.issuer, certificate.subject
            found.setdefault(keyid_of(certificate), []).append(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise VerificationError("chain-certificates", "chain.pem is not a list of certificates") from error
    return found


def keyid_of(certificate: x509.Certificate) -> str:
    """Lower-case hex SHA-256 of the certified key's DER SubjectPublicKeyInfo.

    Raises:
        ValueError, TypeError, UnsupportedAlgorithm: The key cannot be read.
    """
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def check_signature(certificate: x509.Certificate, signature: bytes, message: bytes) -> None:
    """ECDSA P-256 with SHA-256.

    Raises:
        VerificationError: `signature`: the key is of another kind, or did not sign this message.
    """
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise VerificationError("signature", "the signing key is not ECDSA P-256")
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise VerificationError(
            "signature",
            "the signature is not of these bytes: the receipt was changed",
            "ask for the original",
        ) from error


def _signed(item: object) -> Signed:
    if not isinstance(item, dict):
        raise VerificationError("envelope", "a signature is no object")
    return Signed(text_of(item, "keyid", "signature"), _base64(text_of(item, "sig", "signature")))


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError("envelope", "a field is not base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise VerificationError("envelope", "a field's base64 has stray bits")
    return data
