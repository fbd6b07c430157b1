"""A DICOM receiver that can be down, and that records every data set it was ever sent."""

import threading
from collections.abc import Callable
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from pynetdicom import AE, evt

from tests.support.ports import HOST, free_port
from tests.support.small_studies import BASIC_TEXT_SR, CT, EXPLICIT, JPEG_BASELINE

Answer = Callable[[Any, int], int]
"""`answer(event, coming) -> status`; `coming` counts from 1 how often this SOP Instance UID has come."""


class Receiver:
    """A storage SCP on one port; `up` and `down` as often as wanted.

    Attributes:
        port: Where it listens while it is up.
        received: SOP Instance UID to the SHA-256 of each data set that came under it, in order.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        self.port = free_port()
        self.received: dict[str, list[str]] = {}
        self._answer = answer
        self._lock = threading.Lock()
        self._server: Any = None

    def up(self) -> None:
        """Listen."""
        ae = AE("RECEIVER")
        for sop_class in (CT, BASIC_TEXT_SR):
            ae.add_supported_context(sop_class, [EXPLICIT, JPEG_BASELINE])
        handlers = [(evt.EVT_C_STORE, self._store)]
        self._server = ae.start_server((HOST, self.port), block=False, evt_handlers=handlers)

    def down(self) -> None:
        """Stop listening; open associations are aborted."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def contents(self) -> dict[str, set[str]]:
        """The different contents that came under each SOP Instance UID."""
        with self._lock:
            return {uid: set(digests) for uid, digests in self.received.items()}

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        digest = sha256(event.encoded_dataset(include_meta=False)).hexdigest()
        with self._lock:
            comings = self.received.setdefault(uid, [])
            comings.append(digest)
            count = len(comings)
        return self._answer(event, count) if self._answer else 0x0000

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
