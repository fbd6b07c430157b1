"""One STOW-RS request on its way into the spool: part by part, each for itself.

Runs in a thread of its own. A part that cannot be taken is remembered with its reason and its bytes are
passed over; the parts before and behind it are stored all the same.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from exchange.dicomio.refusals import not_dicom
from exchange.domain.errors import InputError, LockgateError
from exchange.intake.acceptance import Acceptance, Incoming, Refused
from exchange.intake.stow_head import FileHead, HeadReader
from exchange.intake.stow_multipart import MultipartError, MultipartReader, media_type
from exchange.intake.stow_pipe import BodyCutError
from exchange.spool.records import ArrivalContext

STORED = 0x0000
PART_TYPE = "application/dicom"
PARTS_MAX = 50_000  # parts of one request
_PLAIN_ENCODINGS = ("", "binary", "8bit", "7bit")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one part.

    Attributes:
        sop_class_uid, sop_instance_uid: Of its file meta; "" when that could not be read.
        reason: 0 when it is stored, else the FailureReason (PS3.18 I.2.2).
    """

    sop_class_uid: str
    sop_instance_uid: str
    reason: int


@dataclass(slots=True)
class Taken:
    """What became of a request.

    Attributes:
        outcomes: One a part, in their order.
        problem: Why the body could not be read to its end, "" when it could.
        cut: Whether it ended because its bytes stopped coming.
        crowded: Whether it was left because it has too many parts.
    """

    outcomes: list[PartOutcome] = field(default_factory=list)
    problem: str = ""
    cut: bool = False
    crowded: bool = False


class StowReception:
    """Takes the parts of one request."""

    def __init__(
        self,
        acceptance: Acceptance,
        describe: Callable[[], ArrivalContext],
        study_instance_uid: str = "",
        parts_max: int = PARTS_MAX,
    ) -> None:
        """Prepare for one request.

        Args:
            acceptance: The way into the spool.
            describe: How its instances come; a new arrival id at every call.
            study_instance_uid: Of the resource `/studies/{study}`: what belongs to another is refused.
            parts_max: More make the request too large.
        """
        self.taken = Taken()
        self._acceptance = acceptance
        self._describe = describe
        self._study = study_instance_uid
        self._parts_max = parts_max
        self._reader: HeadReader | None = None
        self._head: FileHead | None = None
        self._incoming: Incoming | None = None
        self._refused: Refused | None = None

    def run(self, boundary: str, chunks: Iterable[bytes]) -> Taken:
        """Read the body to its end; what was not complete by then is removed, what was stored stays."""
        parts = MultipartReader(boundary, self)
        try:
            for chunk in chunks:
                parts.feed(chunk)
            parts.finish()
        except MultipartError as error:
            self.taken.problem = str(error)
        except BodyCutError:
            self.taken.cut = True
        finally:
            self._drop()
        return self.taken

    def begin(self, headers: Mapping[str, str] | None) -> None:
        """See `PartSink`."""
        if len(self.taken.outcomes) >= self._parts_max:
            self.taken.crowded = True
            raise MultipartError(f"it has more than {self._parts_max} parts")
        self._reader, self._head, self._refused = HeadReader(), None, None
        if not _is_dicom_part(headers):
            self._refuse(not_dicom("its part is not application/dicom in binary"))

    def data(self, piece: memoryview) -> None:
        """See `PartSink`."""
        if self._refused is not None:
            return
        try:
            if self._incoming is not None:
                self._incoming.write(piece)
            elif self._reader is not None and (head := self._reader.feed(piece)) is not None:
                self._open(head)
        except LockgateError as error:
            self._refuse(error)

    def end(self) -> None:
        """See `PartSink`."""
        try:
            if self._refused is None and self._incoming is None and self._reader is not None:
                self._open(self._reader.finish())
            if self._refused is None and self._incoming is not None:
                self._accept(self._incoming)
        except LockgateError as error:
            self._refuse(error)
        reason = STORED if self._refused is None else self._refused.status
        uids = (self._head.sop_class_uid, self._head.sop_instance_uid) if self._head else ("", "")
        self.taken.outcomes.append(PartOutcome(*uids, reason))
        self._drop()

    def _open(self, head: FileHead) -> None:
        self._head, self._reader = head, None
        self._incoming = self._acceptance.begin(
            head.sop_class_uid, head.sop_instance_uid, head.transfer_syntax_uid, self._describe()
        )
        self._incoming.write(head.rest)

    def _accept(self, incoming: Incoming) -> None:
        answer = self._acceptance.accept(incoming, self._study)
        if isinstance(answer, Refused):
            self._refused = answer

    def _refuse(self, error: LockgateError) -> None:
        if isinstance(error, InputError):
            _log.warning("stow.part_refused", reason=error.code.value, at=len(self.taken.outcomes))
        self._refused = self._acceptance.refuse(error)
        self._drop()

    def _drop(self) -> None:
        """End what is not stored."""
        if self._incoming is not None:
            self._incoming.abort()
        self._incoming = self._reader = None


def _is_dicom_part(headers: Mapping[str, str] | None) -> bool:
    """Whether a part is a Part 10 file as it is; one without a type has that of the whole (RFC 2387)."""
    if headers is None:
        return False
    kind, _ = media_type(headers.get("content-type", PART_TYPE))
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    return kind == PART_TYPE and encoding in _PLAIN_ENCODINGS
