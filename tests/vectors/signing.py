"""DSSE envelopes and detached CMS signatures, written out by hand from their texts."""

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.vectors import der
from tests.vectors.keys import P256

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_DATA = der.oid("1.2.840.113549.1.7.1")
_SHA256 = der.oid("2.16.840.1.101.3.4.2.1")
_SIGNING_TIME = b"260504123015Z"


def pae(payload: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    """DSSE v1: length-prefixed type and body."""
    return f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload


def signed(payload: bytes, key: P256, kind: str = PAYLOAD_TYPE) -> dict[str, str]:
    """One signature of an envelope."""
    return {"keyid": key.keyid, "sig": b64encode(key.sign(pae(payload, kind))).decode()}


def envelope(payload: bytes, signatures: Sequence[dict[str, str]], kind: str = PAYLOAD_TYPE) -> bytes:
    """The envelope's JSON."""
    fields = {"payload": b64encode(payload).decode(), "payloadType": kind, "signatures": list(signatures)}
    return json.dumps(fields, separators=(",", ":")).encode()


def detached(payload: bytes, key: P256, certificates: Sequence[x509.Certificate]) -> bytes:
    """RFC 5652 SignedData with absent content: one signer, whose certificate comes first."""
    encoded = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
    issuer = certificates[0].issuer.public_bytes()
    algorithm = der.element(der.SEQUENCE, _SHA256)
    attributes = der.set_of(
        _attribute("1.2.840.113549.1.9.3", _DATA),
        _attribute("1.2.840.113549.1.9.5", der.element(der.TIME, _SIGNING_TIME)),
        _attribute("1.2.840.113549.1.9.4", der.element(der.OCTETS, sha256(payload).digest())),
    )
    signer = der.element(
        der.SEQUENCE,
        der.integer(1),
        der.element(der.SEQUENCE, issuer, der.integer(certificates[0].serial_number)),
        algorithm,
        b"\xa0" + attributes[1:],
        der.element(der.SEQUENCE, der.oid("1.2.840.10045.4.3.2")),
        der.element(der.OCTETS, key.sign(attributes)),
    )
    data = der.element(
        der.SEQUENCE,
        der.integer(1),
        der.set_of(algorithm),
        der.element(der.SEQUENCE, _DATA),
        der.element(0xA0, *sorted(encoded)),
        der.set_of(signer),
    )
    return der.element(der.SEQUENCE, der.oid("1.2.840.113549.1.7.2"), der.element(0xA0, data))


def _attribute(kind: str, value: bytes) -> bytes:
    return der.element(der.SEQUENCE, der.oid(kind), der.set_of(value))
