"""The stream in which the offsets of a layout hold: the file itself, or the inflated data set."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from exchange.dicomio.layout import FileLayout
from exchange.dicomio.limits import MIB, Limits
from exchange.dicomio.refusals import exceeded, not_dicom, truncated
from exchange.domain.source import Source

_PIECE = 256 * 1024


def open_binary(source: Source) -> BinaryIO:
    """Open a file for reading by offset; the reader buffers for itself."""
    return source.open("rb", buffering=0) if isinstance(source, Path) else source.open_plain()


def inflate(source: BinaryIO, start: int, limits: Limits) -> BinaryIO:
    """Inflate from here to the end into an anonymous temporary file (memory while it is small).

    Raises:
        InputError: `limit-exceeded`, `truncated`, or `not-dicom` for what is no deflate stream.
    """
    target = cast("BinaryIO", SpooledTemporaryFile(max_size=16 * MIB))  # noqa: SIM115 - the caller closes it
    try:
        _inflate_into(target, source, start, limits.inflated_bytes)
    except BaseException:
        target.close()
        raise
    return target


def _inflate_into(target: BinaryIO, source: BinaryIO, start: int, limit: int) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    source.seek(start)
    written = 0
    while not inflater.eof:
        piece = inflater.unconsumed_tail or source.read(_PIECE)
        try:
            inflated = inflater.decompress(piece, _PIECE)
        except zlib.error:
            raise not_dicom("its data set is no deflate stream") from None
        if not piece and not inflated:
            raise truncated("its deflate stream does not end")
        written += len(inflated)
        if written > limit:
            raise exceeded("the inflated data set, in bytes,", limit)
        target.write(inflated)


@contextmanager
def open_offsets(layout: FileLayout, limits: Limits | None = None) -> Iterator[BinaryIO]:
    """Open the stream in which `layout`'s pixel offsets hold.

    Raises:
        InputError: The file changed since it was examined.
        OSError: The file cannot be read.
    """
    with open_binary(layout.source) as file:
        if not layout.deflated:
            yield file
            return
        with inflate(file, layout.dataset_offset, limits or Limits()) as inflated:
            yield inflated


def pieces(stream: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    """The bytes `[offset, offset + length)` in pieces.

    Raises:
        InputError: `truncated`, the stream is shorter than that.
    """
    while length:
        stream.seek(offset)
        piece = stream.read(min(_PIECE, length))
        if not piece:
            raise truncated("it became shorter while it was read")
        yield piece
        offset += len(piece)
        length -= len(piece)
