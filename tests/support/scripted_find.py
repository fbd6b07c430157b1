"""A C-FIND SCP that answers, or misbehaves, as told: a real pynetdicom endpoint with a script."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from exchange.dimse.peer import DicomPeer, Timeouts
from tests.support.ports import HOST

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
VERIFICATION = "1.2.840.10008.1.1"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # noqa: TID251 - theirs, to be silenced

Answer = tuple[int, Dataset | None]
Script = Callable[[Dataset, threading.Event], Iterable[Answer]]


def match(**values: object) -> Answer:
    """A pending response with these elements."""
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return 0xFF00, ds


def counting(counts: Sequence[object]) -> Script:
    """Answers at STUDY level with these NumberOfStudyRelatedInstances, one question each; the last stays."""
    left = list(counts)

    def script(asked: Dataset, _ended: threading.Event) -> Iterator[Answer]:
        count = left.pop(0) if len(left) > 1 else left[0]
        if count is not None:
            yield match(
                QueryRetrieveLevel="STUDY",
                StudyInstanceUID=asked.StudyInstanceUID,
                NumberOfStudyRelatedInstances=count,
            )

    return script


class FindScp:
    """Runs a script per C-FIND request; a context manager.

    Attributes:
        port: Where it listens.
        asked: The identifiers that came, in order.
    """

    def __init__(self, script: Script, *, sop_class: str = STUDY_ROOT_FIND, ae_title: str = "PACS") -> None:
        self.script = script
        self.asked: list[Dataset] = []
        self.port = 0
        self._ended = threading.Event()
        self._ae = AE(ae_title=ae_title)
        self._ae.add_supported_context(sop_class)
        self._server: Any = None

    def peer(self, *, called: str = "PACS", calling: str = "LOCKGATE", seconds: float = 5.0) -> DicomPeer:
        """It, as a peer of ours."""
        return DicomPeer(called, HOST, self.port, calling, None, Timeouts(seconds, seconds, seconds, seconds))

    def associations(self) -> list[Any]:
        """Those that are open now."""
        return list(self._server.active_associations)

    def require_called_aet(self) -> Self:
        """Reject callers that ask for another title."""
        self._ae.require_called_aet = True
        return self

    def __enter__(self) -> Self:
        handlers = [(evt.EVT_C_FIND, self._find)]
        self._server = self._ae.start_server((HOST, 0), block=False, evt_handlers=handlers)
        self.port = self._server.socket.getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()

    def _find(self, event: Any) -> Iterator[Answer]:
        self.asked.append(event.identifier)
        yield from self.script(event.identifier, self._ended)
