"""DSSE envelopes (protocol v1): the bytes that are signed, and their JSON wrapping."""

import json
from base64 import b64encode
from hashlib import sha256

from exchange.keys.signing import SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """The pre-authentication encoding: `"DSSEv1" SP len(type) SP type SP len(payload) SP payload`."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def pae_sha256(payload: bytes) -> str:
    """What the next receipt's `previous` repeats: lower-case hex SHA-256 of the PAE."""
    return sha256(pae(payload)).hexdigest()


def envelope(payload: bytes, key: SigningKey) -> bytes:
    """Sign a payload and wrap it."""
    signature = {"keyid": key.keyid, "sig": b64encode(key.sign(pae(payload))).decode("ascii")}
    document = {
        "payload": b64encode(payload).decode("ascii"),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [signature],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")
