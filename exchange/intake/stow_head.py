"""The head of a Part 10 file that arrives in pieces: preamble and file meta, then the data set's bytes."""

from dataclasses import dataclass
from io import BytesIO

from exchange.dicomio.filemeta import (
    MEDIA_STORAGE_SOP_CLASS_UID,
    MEDIA_STORAGE_SOP_INSTANCE_UID,
    PREAMBLE,
    TRANSFER_SYNTAX_UID,
    read_file_meta,
)
from exchange.dicomio.refusals import exceeded, not_dicom, truncated
from exchange.dicomio.window import Window
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from exchange.domain.uid import is_uid

HEAD_MAX = 2 * 1024 * 1024  # twice what a file meta may have
_FIRST_LOOK = 1024  # bytes; an ordinary file meta has 300
_NEXT_ELEMENT = 8  # bytes of a data set that show that the file meta is over


@dataclass(frozen=True, slots=True)
class FileHead:
    """What a file says of itself before its data set.

    Attributes:
        rest: The data set's first bytes, as far as they had come.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    rest: bytes


class HeadReader:
    """Collects bytes until the file meta is complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._look_at = _FIRST_LOOK

    def feed(self, piece: bytes | memoryview) -> FileHead | None:
        """Take the next bytes; the head, once all of it is there. Not to be fed again after that.

        Raises:
            InputError: `not-dicom`, `missing-uid` or `limit-exceeded`.
        """
        self._buffer += piece
        size = len(self._buffer)
        if size >= PREAMBLE + 4 and self._buffer[PREAMBLE : PREAMBLE + 4] != b"DICM":
            raise not_dicom("it has no preamble with DICM behind it")
        if size < self._look_at:
            return None
        try:
            head = self._read()
        except InputError as error:
            if error.code is not ReasonCode.TRUNCATED:
                raise
            head = None
        if head is None or len(head.rest) < _NEXT_ELEMENT:
            if size >= HEAD_MAX:
                raise exceeded("the file meta information, in bytes,", HEAD_MAX)
            # Looked at again when it has doubled, so that many small pieces cost no more than few large ones.
            self._look_at = min(2 * size, HEAD_MAX)
            return None
        return head

    def finish(self) -> FileHead:
        """The file has ended before `feed` gave its head.

        Raises:
            InputError: `truncated` too.
        """
        if self._buffer[PREAMBLE : PREAMBLE + 4] != b"DICM":
            raise truncated("it ends before its file meta") if self._buffer else truncated("it is empty")
        return self._read()

    def _read(self) -> FileHead:
        meta = read_file_meta(Window(BytesIO(self._buffer), len(self._buffer)))
        if not meta.values:
            raise not_dicom("it has no file meta information (PS3.10 7.1)")
        uids = [
            meta.uid(number)
            for number in (MEDIA_STORAGE_SOP_CLASS_UID, MEDIA_STORAGE_SOP_INSTANCE_UID, TRANSFER_SYNTAX_UID)
        ]
        if not all(uids):
            raise InputError(
                ReasonCode.MISSING_UID,
                "cannot take the file: its file meta lacks SOP class, SOP instance or transfer syntax",
                "have the sender repair the object",
            )
        if not all(map(is_uid, uids)):
            raise InputError(
                ReasonCode.MISSING_UID,
                "cannot take the file: a UID of its file meta is none",
                "have the sender repair the object",
            )
        sop_class, sop_instance, syntax = uids
        return FileHead(sop_class, sop_instance, syntax, bytes(self._buffer[meta.dataset_offset :]))
