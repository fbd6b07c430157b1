"""The stream in which the offsets of a layout hold: the file itself, or the inflated data set."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from exchange.dicomio.inflated import inflate
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.limits import Limits
from exchange.dicomio.refusals import truncated
from exchange.domain.source import Source

_PIECE = 256 * 1024


def open_binary(source: Source) -> BinaryIO:
    """Open a file for reading by offset; the reader buffers for itself."""
    return source.open("rb", buffering=0) if isinstance(source, Path) else source.open_plain()


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
