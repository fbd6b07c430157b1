"""STOW-RS to a DICOMweb peer (PS3.18 10.5): bounded batches, streamed, an outcome for every instance."""

import ipaddress
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog

from exchange.destinations.stow import StowBody, parse_store_answer
from exchange.dimse.frozen import FrozenBytesError, frozen_outcome
from exchange.dimse.status import store_outcome
from exchange.dimse.tls import client_context, transport_facts
from exchange.domain.delivery import DeliveryReport, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable
from exchange.domain.uid import is_uid

FAILURES_IN_A_ROW = 3
_ANSWER_MAX = 16 * 1024 * 1024  # bytes of a store response
# No study has this UID: a probe asks for it, so that no patient's data comes back.
_NO_STUDY = "2.25.329800735698586629295641978511506172918"
# Of the whole request, not of an instance: our credentials, the address, or the peer's load.
_NOT_NOW = {401, 403, 404, 405, 407, 408, 425, 429, 502, 503, 504, 507}
_MAY_HAVE_LANDED = {408, 502, 504}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StowSettings:
    """How a DICOMweb peer is reached.

    Attributes:
        url: Base; instances are posted to `<url>/studies`.
        tls: `exchange.dimse.tls.client_context(…)`; None uses the system's authorities.
        token_file: File with a bearer token, read anew for every delivery; None for none.
        batch_instances, batch_bytes: Bounds of one request; an instance larger than that goes alone.
        connect_seconds, idle_seconds: For the connection, and for every single read or write. There is no
            bound on a whole request: a large study over a slow line is no failure.
    """

    url: str
    tls: ssl.SSLContext | None = None
    token_file: Path | None = None
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
        if url.scheme == "http" and settings.token_file is not None and not _is_loopback(url.host):
            raise ConfigurationError("cannot send a token over plain HTTP", "use https")
        self._settings = settings
        self._base = settings.url.rstrip("/")
        self._tls = settings.tls
        if url.scheme == "https" and self._tls is None:
            self._tls = client_context()

    def send(
        self, instances: Sequence[OutgoingInstance], on_outcome: Callable[[InstanceOutcome], None]
    ) -> DeliveryReport:
        """Send these instances; see `Destination.send`.

        An instance that is missing from the report's outcomes was not tried and stays as it was.
        """
        run = _Delivery(self._base, on_outcome)
        try:
            with self._client(self._settings.idle_seconds) as client:
                run.send(client, _batches(run.sendable(instances), self._settings))
        except ConfigurationError as error:
            return DeliveryReport((), reachable=False, error=str(error))
        return run.report()

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
            raise _unreachable(self._base, error) from error
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
        connect = min(self._settings.connect_seconds, idle_seconds)
        headers = {"User-Agent": "lockgate", "Accept-Encoding": "identity"}
        token_file = self._settings.token_file
        if token_file is not None:
            try:
                token = token_file.read_text("ascii").strip()
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"cannot read the token file {token_file}", "check path and permissions"
                ) from error
            headers["Authorization"] = f"Bearer {token}"
        # The environment's proxies and .netrc are not the site file: nothing is taken from there.
        return httpx.Client(
            verify=self._tls if self._tls is not None else True,
            timeout=httpx.Timeout(idle_seconds, connect=connect),
            headers=headers,
            trust_env=False,
            follow_redirects=False,
        )


@dataclass
class _Delivery:
    """One attempt: its outcomes so far, and whether it goes on."""

    base: str
    on_outcome: Callable[[InstanceOutcome], None]
    outcomes: list[InstanceOutcome] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    reachable: bool = True
    error: str = ""
    failures: int = 0

    def sendable(self, instances: Sequence[OutgoingInstance]) -> list[OutgoingInstance]:
        """Those that carry real UIDs; the others are refused here."""
        sendable = []
        for instance in instances:
            if is_uid(instance.transfer_syntax_uid) and is_uid(instance.sop_instance_uid):
                sendable.append(instance)
            else:
                self._tell(
                    instance, InstanceState.REFUSED, "", "its SOP instance or transfer syntax is no UID"
                )
        return sendable

    def send(self, client: httpx.Client, batches: Iterator[list[OutgoingInstance]]) -> None:
        """Post batch after batch; one that is refused as a whole is posted again one by one."""
        for batch in batches:
            waiting = deque([batch])
            while waiting and not self.error:
                known = len(self.outcomes)
                waiting.extend(self._post(client, waiting.popleft()))
                self._weigh(self.outcomes[known:])
            if self.error:
                return

    def report(self) -> DeliveryReport:
        """What was achieved."""
        return DeliveryReport(tuple(self.outcomes), self.reachable, self.error, dict(self.facts))

    def _post(self, client: httpx.Client, batch: list[OutgoingInstance]) -> list[list[OutgoingInstance]]:
        """Post one batch; returns what should be posted again, split."""
        sent = 0
        try:
            body = StowBody(batch)
            headers = {
                "Content-Type": body.content_type,
                "Content-Length": str(body.content_length),
                "Accept": "application/dicom+json, application/dicom+xml;q=0.5",
            }
            try:
                request = client.build_request("POST", f"{self.base}/studies", content=body, headers=headers)
                response = client.send(request, stream=True)
                try:
                    self._remember(response)
                    answer = _read_bounded(response)
                finally:
                    response.close()
            finally:
                sent = body.finished
        except FrozenBytesError as error:
            return self._frozen(batch, sent, error)
        except httpx.HTTPError as error:
            self._broken(batch, sent, error)
            return []
        return self._judge(batch, response, answer)

    def _remember(self, response: httpx.Response) -> None:
        stream = response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        self.facts = transport_facts(connection if isinstance(connection, ssl.SSLSocket) else None)

    def _judge(
        self, batch: list[OutgoingInstance], response: httpx.Response, answer: bytes
    ) -> list[list[OutgoingInstance]]:
        status = response.status_code
        if status in (200, 202, 409):
            self._tell_answer(batch, status, response.headers.get("Content-Type", ""), answer)
            return []
        if status in _NOT_NOW or status < 400:
            self.error = f"cannot deliver: the peer answered HTTP {status}"
            self.reachable = status not in (502, 503, 504)
            state = InstanceState.UNKNOWN if status in _MAY_HAVE_LANDED else InstanceState.PENDING
            for instance in batch:
                self._tell(instance, state, str(status), "the peer did not take the request")
            return []
        if len(batch) > 1:  # one bad instance shall not spoil the others
            return [[instance] for instance in batch]
        state = InstanceState.UNKNOWN if status >= 500 else InstanceState.REFUSED
        self._tell(batch[0], state, str(status), f"the peer answered HTTP {status}")
        return []

    def _tell_answer(
        self, batch: list[OutgoingInstance], status: int, content_type: str, body: bytes
    ) -> None:
        answer = parse_store_answer(content_type, body)
        for instance in batch:
            uid = instance.sop_instance_uid
            if uid in answer.failed:
                # FailureReason 0 would read as success: an absent one is a processing failure.
                self._add(store_outcome(uid, answer.failed[uid] or 0x0110))
            elif uid in answer.stored:
                self._add(store_outcome(uid, answer.stored[uid]))
            elif status == 409:  # "unable to store any instances" (PS3.18 table 10.5.3-1)
                self._tell(instance, InstanceState.REFUSED, "409", "the peer stored nothing of the request")
            else:
                self._tell(instance, InstanceState.UNKNOWN, str(status), "the peer's answer does not name it")

    def _frozen(
        self, batch: list[OutgoingInstance], sent: int, error: FrozenBytesError
    ) -> list[list[OutgoingInstance]]:
        """The request was cut at an instance whose file failed; the others go again without it."""
        if len(batch) == 1:
            self._add(frozen_outcome(batch[0], error))
            return []
        _log.error("frozen.unusable", altered=error.altered, position=sent)
        return [[instance] for instance in batch]

    def _broken(self, batch: list[OutgoingInstance], sent: int, error: httpx.HTTPError) -> None:
        """The connection failed: parts that were whole may have landed, the others cannot have."""
        problem = _unreachable(self.base, error)
        self.error = str(problem)
        self.reachable = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        if not self.reachable:
            return
        for instance in batch[:sent]:
            self._tell(instance, InstanceState.UNKNOWN, "", "no answer came; it may have landed")
        for instance in batch[sent:]:
            self._tell(instance, InstanceState.PENDING, "", "the connection broke before all of it was sent")

    def _tell(self, instance: OutgoingInstance, state: InstanceState, status: str, detail: str) -> None:
        self._add(InstanceOutcome(instance.sop_instance_uid, state, status, detail))

    def _add(self, outcome: InstanceOutcome) -> None:
        self.outcomes.append(outcome)
        self.on_outcome(outcome)

    def _weigh(self, outcomes: Sequence[InstanceOutcome]) -> None:
        """A peer that achieves nothing with request after request is itself unwell: stop."""
        if not outcomes:
            return
        unwell = all(each.state in (InstanceState.PENDING, InstanceState.UNKNOWN) for each in outcomes)
        self.failures = self.failures + 1 if unwell else 0
        if self.failures >= FAILURES_IN_A_ROW and not self.error:
            detail = outcomes[-1].detail
            self.error = f"cannot go on: {self.failures} requests in a row failed, last: {detail}"


def _batches(
    instances: Sequence[OutgoingInstance], settings: StowSettings
) -> Iterator[list[OutgoingInstance]]:
    batch: list[OutgoingInstance] = []
    size = 0
    for instance in instances:
        full = len(batch) >= settings.batch_instances or size + instance.byte_count > settings.batch_bytes
        if batch and full:
            yield batch
            batch, size = [], 0
        batch.append(instance)
        size += instance.byte_count
    if batch:
        yield batch


def _read_bounded(response: httpx.Response) -> bytes:
    """The response's body; what is beyond 16 MiB makes it unreadable, so that nothing is taken from it."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _ANSWER_MAX:
            return b""
    return bytes(body)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unreachable(base: str, error: httpx.HTTPError) -> PeerUnavailable | PeerRefused:
    """Words for a failed connection; httpx's own may quote a header or an address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return PeerRefused(
                f"cannot trust {base}: its certificate is not the expected one",
                "check the CA file and the pin",
            )
        if isinstance(cause, ssl.SSLError):
            return PeerUnavailable(
                f"cannot agree on TLS with {base}", "it needs TLS 1.2 or later and must trust our certificate"
            )
        cause = cause.__cause__ or cause.__context__
    words = "the peer fell silent" if isinstance(error, httpx.TimeoutException) else "the connection failed"
    return PeerUnavailable(f"cannot reach {base}: {words}", "check the address, the network and the peer")
