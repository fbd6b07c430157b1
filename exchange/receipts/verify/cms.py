"""The detached CMS signature `receipt.p7s` (RFC 5652, 5.3 and 5.4): just enough DER to check it.

Accepted is what the writer makes and openssl verifies: one SignedData with absent content, exactly one signer
named by issuer and serial number, signed attributes with content type and message digest, SHA-256 and ECDSA.
Certificates inside are ignored: the key must be the one that the envelope was verified with.
"""

import hmac
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from cryptography import x509

from exchange.receipts.verify.envelope import check_signature
from exchange.receipts.verify.errors import VerificationError

_SEQUENCE, _SET, _INTEGER, _OCTETS, _OID = 0x30, 0x31, 0x02, 0x04, 0x06
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_DATA: Final = bytes.fromhex("2a864886f70d010701")
_CONTENT_TYPE: Final = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST: Final = bytes.fromhex("2a864886f70d010904")
_SHA256: Final = bytes.fromhex("0609608648016503040201")  # with tag and length
_ECDSA_SHA256: Final = bytes.fromhex("06082a8648ce3d040302")


def check_detached(signature: bytes, payload: bytes, certificates: list[x509.Certificate]) -> None:
    """Check a detached signature over `payload` by the key of `certificates`.

    Args:
        signature: DER ContentInfo.
        payload: The bytes of receipt.json.
        certificates: Those of the key that signed the envelope.

    Raises:
        VerificationError: `signature-cms`.
    """
    try:
        signer = _signer_info(signature)
        issuer, serial, attributes, value = _fields(signer)
        matching = [cert for cert in certificates if _names(cert, issuer, serial)]
        if not matching:
            raise VerificationError("signature-cms", "receipt.p7s is by another signer than the envelope")
        _check_attributes(attributes, payload)
        # 5.4: signed is the SET OF itself, so its implicit tag [0] becomes SET again.
        check_signature(matching[0], value, bytes([_SET]) + attributes[1:])
    except VerificationError as error:
        raise VerificationError("signature-cms", f"receipt.p7s: {error.message}", error.hint) from error


def _signer_info(data: bytes) -> bytes:
    (info,) = _exactly(_children(data), 1)
    kind, wrapped = _exactly(_children(_body(info, _SEQUENCE)), 2)
    if _body(kind, _OID) != _SIGNED_DATA:
        raise VerificationError("signature-cms", "it is no SignedData")
    (signed_data,) = _exactly(_children(_body(wrapped, 0xA0)), 1)
    parts = list(_children(_body(signed_data, _SEQUENCE)))
    if len(parts) < 4:
        raise VerificationError("signature-cms", "it is cut short")
    content = list(_children(_body(parts[2], _SEQUENCE)))
    if len(content) != 1 or _body(content[0], _OID) != _DATA:
        raise VerificationError("signature-cms", "it carries content of its own")
    (signer,) = _exactly(_children(_body(parts[-1], _SET)), 1)
    return signer


def _fields(signer: bytes) -> tuple[bytes, int, bytes, bytes]:
    """Issuer name (DER), serial number, signed attributes (with tag), signature value."""
    parts = list(_children(_body(signer, _SEQUENCE)))
    if len(parts) != 6 or parts[3][0] != 0xA0:
        raise VerificationError("signature-cms", "its signer has no signed attributes")
    issuer, serial = _exactly(_children(_body(parts[1], _SEQUENCE)), 2)
    digest = next(_children(_body(parts[2], _SEQUENCE)), b"")
    algorithm = next(_children(_body(parts[4], _SEQUENCE)), b"")
    if digest != _SHA256 or algorithm != _ECDSA_SHA256:
        raise VerificationError("signature-cms", "its algorithms are not SHA-256 and ECDSA")
    return (
        issuer,
        int.from_bytes(_body(serial, _INTEGER), "big", signed=True),
        parts[3],
        _body(parts[5], _OCTETS),
    )


def _names(certificate: x509.Certificate, issuer: bytes, serial: int) -> bool:
    return certificate.serial_number == serial and certificate.issuer.public_bytes() == issuer


def _check_attributes(attributes: bytes, payload: bytes) -> None:
    found: dict[bytes, bytes] = {}
    for attribute in _children(_body(attributes, 0xA0)):
        kind, values = _exactly(_children(_body(attribute, _SEQUENCE)), 2)
        if kind in found:
            raise VerificationError("signature-cms", "an attribute stands twice")
        found[kind] = _body(values, _SET)
    oid = bytes([_OID, 9])
    if found.get(oid + _CONTENT_TYPE) != oid + _DATA:
        raise VerificationError("signature-cms", "its content type is not data")
    expected = bytes([_OCTETS, 32]) + sha256(payload).digest()
    if not hmac.compare_digest(found.get(oid + _MESSAGE_DIGEST, b""), expected):
        raise VerificationError("signature-cms", "it signs other bytes than receipt.json")


def _exactly(items: Iterator[bytes], count: int) -> list[bytes]:
    found = list(items)
    if len(found) != count:
        raise VerificationError("signature-cms", "its structure is not as expected")
    return found


def _body(element: bytes, tag: int) -> bytes:
    if not element or element[0] != tag:
        raise VerificationError("signature-cms", "its structure is not as expected")
    start, _ = _extent(element, 0)
    return element[start:]


def _children(data: bytes) -> Iterator[bytes]:
    """The elements that stand one after another in `data`, each with its tag and length."""
    offset = 0
    while offset < len(data):
        _, end = _extent(data, offset)
        yield data[offset:end]
        offset = end


def _extent(data: bytes, offset: int) -> tuple[int, int]:
    """Where the value starts and the element ends; DER: definite, shortest lengths (X.690, 10.1)."""
    if len(data) < offset + 2:
        raise VerificationError("signature-cms", "it is cut short")
    length = data[offset + 1]
    start = offset + 2
    if length >= 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[start : start + count], "big")
        start += count
        if not 1 <= count <= 4 or length < 0x80 or length >> (8 * (count - 1)) == 0:
            raise VerificationError("signature-cms", "a length in it is not DER")
    if start + length > len(data):
        raise VerificationError("signature-cms", "it is cut short")
    return start, start + length
