"""Writing DER (X.690), as much as certificates' neighbours need."""

from base64 import b64encode

SEQUENCE, SET, INTEGER, OCTETS, OID, NULL, TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x05, 0x17


def element(tag: int, *parts: bytes) -> bytes:
    """One element around these."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    return element(OID, b"".join(map(_base128, (40 * first + second, *rest))))


def set_of(*parts: bytes) -> bytes:
    """A SET OF, its elements in DER's order."""
    return element(SET, *sorted(parts))


def pem(label: str, data: bytes) -> bytes:
    """RFC 7468 text."""
    text = b64encode(data)
    lines = b"\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label.encode(), lines, label.encode())


def _base128(value: int) -> bytes:
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(0x80 | value & 0x7F)
    return bytes(reversed(found))
