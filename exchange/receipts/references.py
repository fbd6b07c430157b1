"""Keyed references: how a receipt points to something that it must not name."""

import hmac
from enum import StrEnum


class Reference(StrEnum):
    """What is referred to; the kind is hashed too, so that equal texts of two kinds do not match."""

    STUDY = "study"
    USER = "user"
    PATIENT = "patient"


def keyed_reference(key: bytes, kind: Reference, value: str) -> str:
    """`hmac-sha256:` and 64 hex digits.

    A bare hash of an identifier can be guessed; this one only by who holds the domain's key.

    Args:
        key: 32 bytes; for a study the pseudonym domain's key, so that domains cannot be linked.
        kind: What `value` is.
        value: Original Study Instance UID, a person's name in the site file, or a patient's pseudonym.
    """
    message = b"lockgate/reference/v1\0" + kind.value.encode("ascii") + b"\0" + value.encode("utf-8")
    return "hmac-sha256:" + hmac.digest(key, message, "sha256").hex()
