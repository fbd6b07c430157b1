"""A running STOW-RS server over a spool of its own, in this process: uvicorn on a loop in a thread."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import httpx

from exchange.domain.instance import SpooledInstance
from exchange.intake.acceptance import Acceptance
from exchange.intake.embedded import EmbeddedServer
from exchange.intake.stow_app import StowLimits, StowService
from exchange.intake.stow_doors import Door
from exchange.intake.stow_server import StowListener, stow_server
from exchange.spool.store import Spool
from tests.support.ports import HOST, wait_until

BOUNDARY = "lockgate-test"
DICOM = "application/dicom"


def multipart(
    parts: Sequence[bytes], *, part_type: str = DICOM, boundary: str = BOUNDARY, end: bool = True
) -> bytes:
    """A multipart/related body."""
    head = f"--{boundary}\r\nContent-Type: {part_type}\r\n\r\n".encode()
    body = b"".join(head + part + b"\r\n" for part in parts)
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


def content_type(root: str = DICOM, boundary: str = BOUNDARY) -> str:
    """The Content-Type of such a body."""
    return f'multipart/related; type="{root}"; boundary={boundary}'


@dataclass(frozen=True)
class Answer:
    """What the server answered, its data set taken apart."""

    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    def _items(self, tag: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.response.json().get(tag, {}).get("Value", [])
        return found

    @property
    def stored(self) -> list[str]:
        """SOP Instance UIDs of ReferencedSOPSequence."""
        return [item["00081155"]["Value"][0] for item in self._items("00081199")]

    @property
    def failed(self) -> dict[str, int]:
        """SOP Instance UID to FailureReason."""
        items = self._items("00081198")
        return {item["00081155"]["Value"][0]: item["00081197"]["Value"][0] for item in items}

    @property
    def others(self) -> list[int]:
        """Failure reasons of OtherFailuresSequence."""
        return [item["00081197"]["Value"][0] for item in self._items("0008119A")]


class StowHouse:
    """The server and its spool; a context manager.

    Attributes:
        spool: Where instances go.
        arrivals: What acceptance told of, in order.
        port: Where it listens on loopback.
        server: The server itself.
    """

    def __init__(
        self,
        folder: Path,
        doors: Mapping[str, Door] | None = None,
        *,
        limits: StowLimits | None = None,
        listener: StowListener | None = None,
        spool: Spool | None = None,
    ) -> None:
        self.spool = spool or Spool(folder / "spool", kek=bytes(32))
        self.arrivals: list[SpooledInstance] = []
        self.acceptance = Acceptance(self.spool, lambda: datetime.now(UTC), self.arrivals.append)
        doors = {"TELERAD": Door("TELERAD", "partner")} if doors is None else doors
        service = StowService(doors, self.acceptance, limits or StowLimits(requests=4, idle_seconds=20))
        self._listener = listener or StowListener(HOST, 0)
        self.server: EmbeddedServer = stow_server(service.app(), self._listener)
        self._bound = self._listener.bind()
        self.port: int = self._bound.getsockname()[1]
        self._thread = threading.Thread(target=anyio.run, args=(self.server.serve, [self._bound]))

    @property
    def url(self) -> str:
        scheme = "https" if self._listener.tls is not None else "http"
        return f"{scheme}://{HOST}:{self.port}/dicom-web/TELERAD"

    def post(
        self,
        body: Any,
        *,
        path: str = "/studies",
        headers: Mapping[str, str] | Mapping[str, bytes] | None = None,
    ) -> Answer:
        """POST a body under the multipart content type of these tests."""
        named: Any = {"Content-Type": content_type(), **(headers or {})}
        return Answer(httpx.post(self.url + path, content=body, headers=named, trust_env=False, timeout=30))

    def held(self) -> dict[str, str]:
        """SOP Instance UID to identity of everything that is durable."""
        return {each.sop_instance_uid: each.identity for each in self.spool.index()}

    def parts_left(self) -> list[Path]:
        """Files of instances that are being written."""
        return list((self.spool.root / "incoming").iterdir())

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self.server.started, "STOW-RS server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
