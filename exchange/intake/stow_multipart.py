"""A multipart/related body as it comes (RFC 2046 5.1.1): pushed in chunks of any size, memory bounded.

The caller's delimiter decides where a part ends, nothing else: a part whose head cannot be read is handed on
as unreadable and its neighbours are found all the same. Only what makes the framing itself doubtful ends the
body: no first delimiter, a delimiter line with something behind the boundary, an end before the closing
delimiter.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol

HEAD_MAX = 16 * 1024  # bytes of one part's header fields
PREAMBLE_MAX = 64 * 1024  # bytes before the first delimiter, which nobody needs
_FIELDS_MAX = 64
_PADDING_MAX = 256  # blanks behind a boundary
# RFC 2046 allows 70 characters; Orthanc's boundaries have 73.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD = re.compile(rf"({_TOKEN}):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_PARAMETER = re.compile(rf';[ \t]*(?:({_TOKEN})=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?[ \t]*')


class MultipartError(Exception):
    """The framing of a body is broken; the text is free of its content."""


class PartSink(Protocol):
    """Takes the parts of a body, one after the other."""

    def begin(self, headers: Mapping[str, str] | None) -> None:
        """A part begins; its header fields by lower-case name, None when they cannot be read."""

    def data(self, piece: memoryview) -> None:
        """The next bytes of the part; valid during this call only."""

    def end(self) -> None:
        """The part is whole: its closing delimiter was seen."""


class _State(Enum):
    PREAMBLE = "before the first delimiter"
    DELIMITER = "behind a boundary"
    HEAD = "in header fields"
    BODY = "in a part"
    EPILOGUE = "behind the closing delimiter"


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """A Content-Type or Accept element as lower-case type and its parameters (RFC 9110 8.3.1).

    Names of parameters are lower-case; of a repeated one the first counts. What cannot be read ends the list.
    """
    kind, separator, rest = value.partition(";")
    parameters: dict[str, str] = {}
    text = separator + rest
    at = 0
    while at < len(text) and (found := _PARAMETER.match(text, at)):
        name, quoted, plain = found.groups()
        if name is not None:
            given = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(name.lower(), given)
        at = found.end()
    return kind.strip().lower(), parameters


def is_boundary(text: str) -> bool:
    """Whether a parameter may be a boundary: 1 to 200 characters of the set of RFC 2046 5.1.1."""
    return _BOUNDARY.fullmatch(text) is not None


class MultipartReader:
    """Finds the parts. Holds at most one header block or one delimiter's length besides the chunk in hand."""

    def __init__(self, boundary: str, sink: PartSink) -> None:
        """Prepare for one body.

        Args:
            boundary: As `is_boundary` accepts it.
            sink: Told of what is found, within `feed`.
        """
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._sink = sink
        self._state = _State.PREAMBLE
        # A delimiter begins with the line break before it; the body's first line has none of its own.
        self._buffer = b"\r\n"
        self._at = 0
        self._skip = 0
        self._passed = 0
        # Each gives False when it needs more bytes, or nothing more.
        self._steps: dict[_State, Callable[[], bool]] = {
            _State.PREAMBLE: self._preamble,
            _State.DELIMITER: self._behind_boundary,
            _State.HEAD: self._head,
            _State.BODY: self._body,
            _State.EPILOGUE: lambda: False,
        }

    @property
    def finished(self) -> bool:
        """Whether the closing delimiter was seen."""
        return self._state is _State.EPILOGUE

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            MultipartError: The framing is broken.
        """
        if self.finished:
            return  # whatever follows means nothing (RFC 2046 5.1.1)
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
        while self._steps[self._state]():
            pass

    def finish(self) -> None:
        """The body has ended.

        Raises:
            MultipartError: Without its closing delimiter.
        """
        if self._state is not _State.EPILOGUE:
            raise MultipartError(f"the body ends {self._state.value}")

    def _preamble(self) -> bool:
        found = self._buffer.find(self._delimiter, self._at)
        if found < 0:
            kept = max(self._at, len(self._buffer) - len(self._delimiter) + 1)
            self._passed += kept - self._at
            self._at = kept
            if self._passed > PREAMBLE_MAX:
                raise MultipartError("its boundary does not occur in the body")
            return False
        self._at = found + len(self._delimiter)
        self._state = _State.DELIMITER
        return True

    def _behind_boundary(self) -> bool:
        if self._buffer.startswith(b"--", self._at):
            self._state = _State.EPILOGUE
            self._buffer, self._at = b"", 0
            return False
        end = self._buffer.find(b"\r\n", self._at, self._at + _PADDING_MAX + 2)
        line = self._buffer[self._at : end if end >= 0 else self._at + _PADDING_MAX]
        # A line break may be cut in two, and so may the two hyphens.
        bare = line.removesuffix(b"\r") if end < 0 else line
        if bare.strip(b" \t") and not (end < 0 and line == b"-"):
            raise MultipartError("a boundary is followed by something else than a line break")
        if end < 0:
            if len(line) >= _PADDING_MAX:
                raise MultipartError("a boundary is followed by too many blanks")
            return False
        self._at = end + 2
        self._state = _State.HEAD
        return True

    def _head(self) -> bool:
        if self._buffer.startswith(b"\r\n", self._at):
            return self._begin({}, self._at)
        end = self._buffer.find(b"\r\n\r\n", self._at, self._at + HEAD_MAX + 4)
        if end >= 0:
            return self._begin(_fields(self._buffer[self._at : end]), end + 2)
        if len(self._buffer) - self._at > HEAD_MAX:
            return self._begin(None, self._at)
        return False

    def _begin(self, headers: Mapping[str, str] | None, at: int) -> bool:
        """Go on with the content, from the blank line's own break: an empty part ends right there."""
        self._at = at
        self._skip = 2 if headers is not None else 0
        self._state = _State.BODY
        self._sink.begin(headers)
        return True

    def _body(self) -> bool:
        found = self._buffer.find(self._delimiter, self._at)
        end = found if found >= 0 else len(self._buffer) - len(self._delimiter) + 1
        if end > self._at:
            start = min(self._at + self._skip, end)
            self._skip -= start - self._at
            if end > start:
                self._sink.data(memoryview(self._buffer)[start:end])
            self._at = end
        if found < 0:
            return False
        self._at = found + len(self._delimiter)
        self._state = _State.DELIMITER
        self._sink.end()
        return True


def _fields(block: bytes) -> dict[str, str] | None:
    """Header fields by lower-case name; None when one cannot be read, is folded, or there are too many."""
    fields: dict[str, str] = {}
    lines = block.decode("latin-1").split("\r\n")
    if len(lines) > _FIELDS_MAX:
        return None
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            return None
        fields.setdefault(found[1].lower(), found[2])
    return fields
