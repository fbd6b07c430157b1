"""STOW-RS messages (PS3.18 10.5): a multipart/related body streamed from files, and the store response."""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from exchange.dimse.frozen import fresh_file_meta, frozen_pieces
from exchange.domain.delivery import OutgoingInstance

FAILED_SOP_SEQUENCE = "00081198"
REFERENCED_SOP_SEQUENCE = "00081199"
REFERENCED_SOP_INSTANCE_UID = "00081155"
WARNING_REASON = "00081196"
FAILURE_REASON = "00081197"
_XML_DEPTH_MAX = 32


class StowBody:
    """One request's body; iterate it once.

    Attributes:
        content_type: With boundary.
        content_length: Bytes of the whole body, known beforehand (chunked encoding is not every server's).
        finished: How many instances' parts were given up to their last byte: only these can have landed.
    """

    def __init__(self, instances: Sequence[OutgoingInstance]) -> None:
        boundary = secrets.token_hex(16)
        self._instances = instances
        # Without the optional transfer-syntax parameter: Orthanc silently skips parts that carry it, and the
        # file meta names the syntax anyway.
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        self._tail = f"--{boundary}--\r\n".encode("ascii")
        self.content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
        self.finished = 0
        sizes = [len(fresh_file_meta(one)) + one.byte_count for one in instances]
        self.content_length = sum(sizes) + len(sizes) * (len(self._head) + 2) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """Give the bytes.

        Raises:
            FrozenBytesError: An instance cannot be read or was altered; its part was not closed.
        """
        # What stands between two files goes out with the small piece that follows it.
        between = self._head
        for instance in self._instances:
            # One piece is held back until the digest was checked, so that no altered part is ever whole.
            held = b""
            for piece in frozen_pieces(instance, with_file_meta=True):
                if held:
                    yield held
                held = piece if held else between + piece
            self.finished += 1
            yield held
            between = b"\r\n" + self._head
        yield b"\r\n" + self._tail


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What a store response's data set says, by SOP Instance UID.

    Attributes:
        stored: UID to WarningReason, 0 when there is none.
        failed: UID to FailureReason, 0 when it is absent.
    """

    stored: dict[str, int]
    failed: dict[str, int]


def parse_store_answer(content_type: str, body: bytes) -> StoreAnswer:
    """Read a store response, DICOM JSON or native DICOM XML; what is not understood is left out."""
    media_type = content_type.split(";")[0].strip().lower()
    if media_type in ("application/dicom+json", "application/json"):
        sequences = _from_json(body)
    elif media_type in ("application/dicom+xml", "application/xml", "text/xml"):
        sequences = _from_xml(body)
    else:
        sequences = {}
    return StoreAnswer(
        _reasons(sequences.get(REFERENCED_SOP_SEQUENCE, []), WARNING_REASON),
        _reasons(sequences.get(FAILED_SOP_SEQUENCE, []), FAILURE_REASON),
    )


# One item of a sequence: tag to its first value as text.
_Item = dict[str, str]


def _reasons(items: list[_Item], reason_tag: str) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for item in items:
        uid = item.get(REFERENCED_SOP_INSTANCE_UID, "").strip()
        reason = item.get(reason_tag, "0").strip()
        if uid:
            reasons[uid] = int(reason) if reason.isascii() and reason.isdigit() else 0
    return reasons


def _from_json(body: bytes) -> dict[str, list[_Item]]:
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(answer, list):  # some servers wrap the data set in an array
        answer = answer[0] if answer else {}
    if not isinstance(answer, dict):
        return {}
    return {
        tag: [_json_item(item) for item in _json_values(answer.get(tag))]
        for tag in (FAILED_SOP_SEQUENCE, REFERENCED_SOP_SEQUENCE)
    }


def _json_values(element: object) -> list[Any]:
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _json_item(item: object) -> _Item:
    if not isinstance(item, dict):
        return {}
    first = {str(tag).upper(): _json_values(element)[:1] for tag, element in item.items()}
    return {tag: str(values[0]) for tag, values in first.items() if values}


class _XmlReader:
    """Collects the two sequences of a native DICOM model document (PS3.19 A.1); no DTD, bounded depth."""

    def __init__(self) -> None:
        self.sequences: dict[str, list[_Item]] = {}
        self._tags: list[str] = []
        self._path: list[str] = []
        self._text = ""
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, body: bytes) -> None:
        self._parser.Parse(body, True)

    @staticmethod
    def _refuse_doctype(*_: object) -> None:
        raise ValueError("cannot read the response: it has a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._path.append(name)
        if len(self._path) > _XML_DEPTH_MAX:
            raise ValueError("cannot read the response: it is nested too deeply")
        self._text = ""
        if name == "DicomAttribute":
            self._tags.append(attributes.get("tag", "").upper())
        elif name == "Item" and len(self._tags) == 1:
            self.sequences.setdefault(self._tags[0], []).append({})

    def _characters(self, text: str) -> None:
        self._text += text

    def _end(self, name: str) -> None:
        self._path.pop()
        name = name.rpartition(":")[2]
        if name == "DicomAttribute":
            self._tags.pop()
        elif name == "Value" and len(self._tags) == 2:
            items = self.sequences.get(self._tags[0])
            if items:
                items[-1].setdefault(self._tags[1], self._text)


def _from_xml(body: bytes) -> dict[str, list[_Item]]:
    reader = _XmlReader()
    try:
        reader.read(body)
    except (expat.ExpatError, ValueError):
        return {}
    return reader.sequences
