"""STOW-RS to a DICOMweb peer (PS3.18 10.5): bounded batches, streamed, several at once; outcomes each."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from exchange.destinations.http_client import default_tls, is_loopback, open_client
from exchange.destinations.stow_batches import BatchBounds
from exchange.destinations.stow_delivery import StowDelivery
from exchange.destinations.stow_errors import unreachable
from exchange.domain.delivery import DeliveryReport, InstanceOutcome, OutgoingInstance
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable

# No study has this UID: a probe asks for it, so that no patient's data comes back.
_NO_STUDY = "2.25.329800735698586629295641978511506172918"


@dataclass(frozen=True, slots=True)
class StowSettings:
    """How a DICOMweb peer is reached.

    Attributes:
        url: Base; instances are posted to `<url>/studies`.
        tls: `exchange.dimse.tls.client_context(…)`; None uses the system's authorities.
        token_file: File with a bearer token, read anew for every delivery; None for none.
        requests: In flight at once, at most.
        batch_instances, batch_bytes: Bounds of one request; an instance larger than that goes alone. With
            several in flight requests are smaller where a study would not fill them all otherwise.
        connect_seconds, idle_seconds: For the connection, and for every single read or write. There is no
            bound on a whole request: a large study over a slow line is no failure.
    """

    url: str
    tls: ssl.SSLContext | None = None
    token_file: Path | None = None
    requests: int = 1
    batch_instances: int = 50
    batch_bytes: int = 64 * 1024 * 1024
    connect_seconds: float = 10.0
    idle_seconds: float = 120.0


class DicomwebDestination:
    """A STOW-RS origin server.

    Attributes:
        protocol: `stow`.

    Raises:
        ConfigurationError: The URL is none, or a token would travel in the clear.
    """

    protocol = "stow"

    def __init__(self, settings: StowSettings) -> None:
        try:
            url = httpx.URL(settings.url)
        except httpx.InvalidURL as error:
            raise ConfigurationError("cannot use the DICOMweb URL", "write https://host/path") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigurationError("cannot use the DICOMweb URL", "write https://host/path")
        if url.scheme == "http" and settings.token_file is not None and not is_loopback(url.host):
            raise ConfigurationError("cannot send a token over plain HTTP", "use https")
        self._settings = settings
        self._base = settings.url.rstrip("/")
        self._tls = settings.tls or default_tls(url.scheme)

    def send(
        self, instances: Sequence[OutgoingInstance], on_outcome: Callable[[InstanceOutcome], None]
    ) -> DeliveryReport:
        """Send these instances; see `Destination.send`.

        An instance that is missing from the report's outcomes was not tried and stays as it was.
        """
        settings = self._settings
        bounds = BatchBounds(settings.batch_instances, settings.batch_bytes, settings.requests)
        try:
            with self._client(settings.idle_seconds) as client:
                delivery = StowDelivery(self._base, client, bounds, on_outcome)
                delivery.send(instances)
        except ConfigurationError as error:
            return DeliveryReport((), reachable=False, error=str(error))
        return delivery.report()

    def probe(self, timeout_seconds: float) -> str:
        """QIDO-RS for a study that does not exist; any answer but a refusal of us will do.

        Raises:
            PeerUnavailable: No answer, or a server error.
            PeerRefused: Our certificate or credentials are not accepted, or its certificate is not.
            ConfigurationError: The token file cannot be read.
        """
        url = f"{self._base}/studies?StudyInstanceUID={_NO_STUDY}&limit=1"
        try:
            with (
                self._client(timeout_seconds) as client,
                client.stream("GET", url, headers={"Accept": "application/dicom+json"}) as response,
            ):
                status = response.status_code
        except httpx.HTTPError as error:
            raise unreachable(self._base, error) from error
        if status in (401, 403, 407):
            raise PeerRefused(
                f"cannot use {self._base}: HTTP {status}", "renew the token or the client certificate"
            )
        if status >= 500:
            raise PeerUnavailable(f"cannot use {self._base}: HTTP {status}", "see the peer's own log")
        # 404 and 405 are answers too: a server may offer STOW-RS and no QIDO-RS.
        return f"{self._base} answered HTTP {status}"

    def put_receipt(self, study_instance_uid: str, name: str, bundle: bytes) -> bool:  # noqa: ARG002
        """False: STOW-RS carries no receipts."""
        return False

    def _client(self, idle_seconds: float) -> httpx.Client:
        settings = self._settings
        timeout = httpx.Timeout(idle_seconds, connect=min(settings.connect_seconds, idle_seconds))
        return open_client(self._tls, settings.token_file, timeout, settings.requests)
