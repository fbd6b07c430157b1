"""Instances and arrivals: what came, and each coming of it."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from exchange.domain.glance import Glance


class Hash(Protocol):
    """A running hash as `hashlib` makes them."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Feed more bytes."""

    def hexdigest(self) -> str:
        """The digest so far, lower-case hex."""


def identity_hash(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> Hash:
    """Start an instance's identity: feed it the data set bytes (not the file meta), then `hexdigest()`.

    The three UIDs are framed by their lengths, so that no two triples give the same prefix. The file meta is
    left out because it carries the caller's AE title and is rewritten on every hop.
    """
    state = sha256(b"lockgate-instance-v1")
    for uid in (sop_class_uid, sop_instance_uid, transfer_syntax_uid):
        encoded = uid.encode("utf-8", "surrogateescape")
        state.update(len(encoded).to_bytes(4, "big") + encoded)
    return state


@dataclass(frozen=True, slots=True)
class Arrival:
    """One coming of an instance: to which AE, from whom, when.

    Attributes:
        arrival_id: UUIDv4 hex given at acceptance; names the record, never comes from the wire.
        protocol: `dimse`, `dimse-tls`, `stow` or `stow-tls`.
        called_ae: The virtual AE title that was called; with STOW-RS that of the door.
        calling_ae: The caller's AE title as it said it ("" for STOW).
        peer: Name of the configured peer that this caller is, or "" when none matched.
        peer_address: IP address of the caller.
        received_at: When the last byte was durable; timezone-aware UTC.
        peer_certificate_sha256: Fingerprint of the client certificate, or "".
    """

    arrival_id: str
    protocol: str
    called_ae: str
    calling_ae: str
    peer: str
    peer_address: str
    received_at: datetime
    peer_certificate_sha256: str = ""


@dataclass(frozen=True, slots=True)
class SpooledInstance:
    """One durable arrival of one instance, as the spool and its start-up index give it.

    Attributes:
        identity: Lower-case hex SHA-256 (`identity_hash`); also the spool file's name.
        byte_count: Length of the data set in bytes, without the file meta.
        duplicate: True when these bytes were in the spool before this arrival.
        wrapped_key: The file's data key under the storage key, for custody's row; b"" when a row has it.
        glance: What its header says, when someone looked before.
    """

    identity: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    byte_count: int
    arrival: Arrival
    duplicate: bool = False
    # Each wrapping is another text for the same key: it says nothing of which arrival this is.
    wrapped_key: bytes = field(default=b"", repr=False, compare=False)
    glance: Glance | None = field(default=None, repr=False, compare=False)
