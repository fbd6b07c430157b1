"""A partner's receipt endpoint: where receipts go whose study travels by a wire that carries none.

One POST a receipt, the bundle as `application/zip`, its name in Content-Disposition. Whoever takes it answers
200, 201, 202 or 204; 409 says that it is there already. A receipt id names one receipt for ever, so that a
repeated POST does no harm.
"""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from exchange.destinations.http_client import default_tls, is_loopback, open_client
from exchange.destinations.stow_errors import unreachable
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_TAKEN = frozenset({200, 201, 202, 204, 409})
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """How a receipt endpoint is reached.

    Attributes:
        url: Receipts are posted to it; https, or http to this machine.
        tls: `exchange.dimse.tls.client_context(…)`; None uses the system's authorities.
        token_file: File with a bearer token; None for none.
        connect_seconds, idle_seconds: For the connection, and for every single read or write.
    """

    url: str
    tls: ssl.SSLContext | None = None
    token_file: Path | None = None
    connect_seconds: float = 5.0
    idle_seconds: float = 20.0


class ReceiptEndpoint:
    """Takes receipts over HTTPS.

    Raises:
        ConfigurationError: The URL is none, or receipts would travel in the clear.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        try:
            url = httpx.URL(settings.url)
        except httpx.InvalidURL as error:
            raise ConfigurationError("cannot use the receipts URL", "write https://host/path") from error
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
            raise ConfigurationError("cannot send receipts unencrypted", "write https://host/path")
        self._settings = settings
        self._tls = settings.tls or default_tls(url.scheme)

    def post(self, name: str, bundle: bytes) -> None:
        """Hand over one receipt; when this returns, the endpoint has said that it has it.

        Args:
            name: `<receiptId>.receipt.zip`.
            bundle: The zip.

        Raises:
            PeerUnavailable: It is away, or asks for another time.
            PeerRefused: It will not take this one, or us.
            ConfigurationError: The token file cannot be read.
        """
        if not _NAME.fullmatch(name):
            raise PeerRefused("cannot send the receipt: its name cannot stand in a header")
        settings = self._settings
        timeout = httpx.Timeout(settings.idle_seconds, connect=settings.connect_seconds)
        headers = {
            "Content-Type": "application/zip",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        try:
            with (
                open_client(self._tls, settings.token_file, timeout, 1) as client,
                client.stream("POST", settings.url, headers=headers, content=bundle) as response,
            ):
                status = response.status_code  # the answer's body is of no interest: it is not read
        except httpx.HTTPError as error:
            raise unreachable(settings.url, error) from error
        if status in _TAKEN:
            return
        words = f"cannot leave a receipt at {settings.url}: HTTP {status}"
        if status in _LATER or status >= 500:
            raise PeerUnavailable(words, "it is tried again with the next receipt, and every hour")
        raise PeerRefused(words, "check the address, the token and the client certificate")
