"""A C-STORE SCP that misbehaves as told: a real pynetdicom endpoint with a script per instance."""

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from tests.support.ports import HOST

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"

# What to do with an instance after its bytes were stored: a status to answer, or one of these.
Action = int | Callable[[Any, threading.Event], int]


def store_then_abort(event: Any, _: threading.Event) -> int:
    """Failed but landed: the peer stored it and aborts instead of answering."""
    event.assoc.abort()
    return 0x0000


def store_then_reset(event: Any, _: threading.Event) -> int:
    """Failed but landed: the peer's machine dies after storing."""
    sock = event.assoc.dul.socket.socket
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.shutdown(socket.SHUT_RDWR)
    return 0x0000


def store_then_silence(_: Any, ended: threading.Event) -> int:
    """Failed but landed: no answer until the test ends."""
    ended.wait(30)
    return 0x0000


class ScriptedScp:
    """Stores digests of data sets by SOP Instance UID, and answers by script; a context manager.

    Attributes:
        port: Where it listens.
        received: SOP Instance UID to the SHA-256 of the data set bytes of each coming.
        associations: How many were requested.
    """

    def __init__(
        self,
        script: Mapping[str, Action] | None = None,
        *,
        contexts: Iterable[tuple[str, list[str]]] = ((CT, [EXPLICIT]),),
        ae_title: str = "SCRIPTED",
        require_called_aet: bool = False,
        maximum_pdu_size: int = 16382,
        ssl_context: Any = None,
    ) -> None:
        self.script = dict(script or {})
        self.received: dict[str, list[str]] = {}
        self.associations = 0
        self.port = 0
        self._ended = threading.Event()
        self._ae = AE(ae_title)
        self._ae.require_called_aet = require_called_aet
        self._ae.maximum_pdu_size = maximum_pdu_size
        self._ae.add_supported_context("1.2.840.10008.1.1")
        for sop_class, syntaxes in contexts:
            self._ae.add_supported_context(sop_class, syntaxes)
        self._ssl_context = ssl_context
        self._server: Any = None

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        digest = sha256(event.encoded_dataset(include_meta=False)).hexdigest()
        self.received.setdefault(uid, []).append(digest)
        action = self.script.get(uid, 0x0000)
        return action if isinstance(action, int) else action(event, self._ended)

    def _count(self, _: Any) -> None:
        self.associations += 1

    def __enter__(self) -> Self:
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_REQUESTED, self._count)]
        # As AE.start_server does, with a shorter poll: its half second would be most of a test's time.
        self._server = self._ae.make_server(
            (HOST, 0),
            evt_handlers=handlers,
            ssl_context=self._ssl_context,
            server_class=ThreadedAssociationServer,
        )
        self._ae._servers.append(self._server)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.port = self._server.socket.getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
