"""The proof's own reader of a cleaned PDF: it takes exactly what a page of words needs, and nothing else.

Not a reader of PDFs, but of the few forms that a rebuilt one has. So metadata, scripts, attachments,
pictures, forms, older revisions and whatever else a PDF can hold need no list: what is not known here is not
let pass.
"""

import re
import zlib
from collections.abc import Iterator

MAX_INFLATED = 64 << 20
_NAMES = frozenset(
    b"/Type /Catalog /Pages /Page /Kids /Count /Parent /MediaBox /Rotate /Resources /Font /F1 /Subtype"
    b" /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding /Contents /Length /Filter /FlateDecode /Size"
    b" /Root".split()
)
_OPERATORS = frozenset(b"BT ET Tf Tm Tj re S".split())
_HEADER = b"%PDF-1.4\n"
_HEAD = re.compile(rb"(\d{1,7}) 0 obj\n")
_DICTIONARY = re.compile(rb"<<(?:[^<>()%\n]|<<|>>)*>>(?=\n)")
_LENGTH = re.compile(rb"/Length (\d{1,9})(?=[ >])")
_STREAM_END = re.compile(rb"\n?endstream\nendobj\n")
_END = re.compile(
    rb"xref\n0 \d+\n(?:\d{10} \d{5} [fn] \n)+trailer\n(<<[^<>()%]*>>)\nstartxref\n\d+\n%%EOF\n\0?\Z"
)
_TOKEN = re.compile(
    rb"\s+|(?P<name>/[A-Za-z0-9]*)|(?P<literal>\((?:[^\\()]|\\.)*\))|(?P<hex><[0-9A-Fa-f\s]*>)"
    rb"|(?P<number>[+-]?\d+(?:\.\d+)?)(?![\w.])|(?P<word>[A-Za-z*']+)|(?P<mark><<|>>|\[|\])",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(\r\n|.))", re.DOTALL)
_ESCAPED = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"b": b"\b",
    b"f": b"\f",
    b"\n": b"",
    b"\r\n": b"",
    b"\r": b"",
}


class UnreadableDocumentError(Exception):
    """The document is not what a rebuilt one is; the text says how, without a value."""


def pdf_streams(data: bytes) -> Iterator[bytes]:
    """The content of each page, inflated.

    Args:
        data: The whole file.

    Raises:
        UnreadableDocumentError: The file holds something that a page of words does not need.
    """
    if not data.startswith(_HEADER):
        raise UnreadableDocumentError("it does not begin as a PDF of our own")
    at = len(_HEADER)
    while head := _HEAD.match(data, at):
        at, stream = _object(data, head.end())
        if stream is not None:
            yield stream
    end = _END.match(data, at)
    if end is None:
        raise UnreadableDocumentError("something stands between or behind its objects")
    _check_dictionary(end[1])


def _object(data: bytes, at: int) -> tuple[int, bytes | None]:
    """Where the next object begins, and this one's stream, if it has one."""
    dictionary = _DICTIONARY.match(data, at)
    if dictionary is None:
        raise UnreadableDocumentError("an object is no dictionary")
    _check_dictionary(dictionary[0])
    at = dictionary.end() + 1
    if data.startswith(b"endobj\n", at):
        return at + 7, None
    length = _LENGTH.search(dictionary[0])
    if length is None or not data.startswith(b"stream\n", at):
        raise UnreadableDocumentError("an object does not end")
    begin, end = at + 7, at + 7 + int(length[1])
    closing = _STREAM_END.match(data, end)
    if closing is None:
        raise UnreadableDocumentError("a stream is not as long as it says")
    stream = data[begin:end]
    if b"/Filter" in dictionary[0]:
        stream = _inflated(stream)
    return closing.end(), stream


def _inflated(stream: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(stream, MAX_INFLATED)
    except zlib.error:
        raise UnreadableDocumentError("a stream cannot be unpacked") from None
    if not inflater.eof or inflater.unused_data:
        raise UnreadableDocumentError("a stream is longer than it says, or than the limit")
    return inflated


def _check_dictionary(dictionary: bytes) -> None:
    for kind, token in _tokens(dictionary):
        allowed = (
            token in _NAMES
            if kind == "name"
            else kind in {"number", "mark"} or (kind, token) == ("word", b"R")
        )
        if not allowed:
            raise UnreadableDocumentError("a dictionary holds what no page of words needs")


def pdf_strings(stream: bytes) -> Iterator[str]:
    """The strings that a page's content shows, in order.

    Raises:
        UnreadableDocumentError: The content does something besides showing words and drawing boxes.
    """
    for kind, token in _tokens(stream):
        if kind == "literal":
            yield _text(_ESCAPE.sub(_unescaped, token[1:-1]))
        elif kind == "hex":
            digits = b"".join(token[1:-1].split()).decode("ascii")
            yield _text(bytes.fromhex(digits + "0" * (len(digits) % 2)))
        elif (kind == "name" and token != b"/F1") or (kind == "word" and token not in _OPERATORS):
            raise UnreadableDocumentError("a page does something besides showing words and boxes")


def _tokens(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(data):
        token = _TOKEN.match(data, at)
        if token is None:
            raise UnreadableDocumentError("its syntax is not that of a rebuilt one")
        at = token.end()
        if token.lastgroup is not None:
            yield token.lastgroup, token[0]


def _unescaped(match: "re.Match[bytes]") -> bytes:
    if match[1]:
        return bytes([int(match[1], 8) & 0xFF])
    return _ESCAPED.get(match[2], match[2])


def _text(shown: bytes) -> str:
    if shown.startswith(b"\xfe\xff"):
        return shown[2:].decode("utf-16-be", "replace")
    return shown.decode("cp1252", "replace")
