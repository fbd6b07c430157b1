"""A DICOM peer as the site file names it."""

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds; all are idle times, none bounds a whole transfer.

    Attributes:
        connect: For TCP and TLS to come up.
        association: For the answer to A-ASSOCIATE and A-RELEASE (ARTIM, PS3.8 9.1.5).
        response: For a DIMSE response after the last byte of the request.
        send: For the peer to take the next 256 KiB.
    """

    connect: float = 10.0
    association: float = 30.0
    response: float = 60.0
    send: float = 60.0


@dataclass(frozen=True, slots=True)
class DicomPeer:
    """Where to call, as whom, and how.

    Attributes:
        ae_title: The called AE title.
        host: Name or address.
        port: TCP port.
        calling_ae: Our AE title.
        tls: `exchange.dimse.tls.client_context(…)`, None for plain TCP.
        timeouts: All in seconds.
    """

    ae_title: str
    host: str
    port: int
    calling_ae: str = "LOCKGATE"
    tls: ssl.SSLContext | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
