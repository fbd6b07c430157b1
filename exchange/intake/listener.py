"""What an intake listens on, and what a caller may cost."""

import ssl
from collections.abc import Container
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Bounds on callers.

    Attributes:
        max_pdu: Largest P-DATA-TF that we ask peers to send, bytes.
        associations: Open at once over one intake; further ones are rejected as transient (local limit).
        artim_seconds: For the A-ASSOCIATE-RQ to come, and for the peer to close (PS3.8 9.1.5); the TLS
            handshake has the same time.
        network_seconds: Silence after which an association is aborted, also inside a PDU.
        instance_bytes: Largest data set that is taken.
    """

    max_pdu: int = 128 * 1024
    associations: int = 32
    artim_seconds: float = 30.0
    network_seconds: float = 60.0
    instance_bytes: int = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class DicomListener:
    """One TCP port.

    Attributes:
        host: Address to bind.
        port: 0 for any free one (`DicomIntake.ports` tells which).
        ae_titles: Called AE titles that are ours, asked at each association; others are rejected.
        tls: Server context that demands client certificates, or None for plain TCP.
    """

    host: str
    port: int
    ae_titles: Container[str]
    tls: ssl.SSLContext | None = None
    limits: IntakeLimits = field(default_factory=IntakeLimits)

    @property
    def protocol(self) -> str:
        """`dimse` or `dimse-tls`, as arrivals record it."""
        return "dimse" if self.tls is None else "dimse-tls"
