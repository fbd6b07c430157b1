"""Digests over what a file carries, independent of its file meta."""

from hashlib import sha256
from pathlib import Path

from exchange.dicomio.filemeta import read_file_meta
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.stream import open_binary, open_offsets, pieces
from exchange.dicomio.window import Window
from exchange.domain.instance import identity_hash


def dataset_sha256(path: Path) -> str:
    """SHA-256 over the data set bytes after the file meta information, lower-case hex.

    Raises:
        InputError: The file meta information is truncated.
        OSError: The file cannot be read.
    """
    state = sha256()
    with open_binary(path) as file:
        size = file.seek(0, 2)
        offset = read_file_meta(Window(file, size)).dataset_offset
        for piece in pieces(file, offset, size - offset):
            state.update(piece)
    return state.hexdigest()


def file_identity(layout: FileLayout) -> str:
    """The identity of the instance in a file, as the spool would name it (`exchange.domain.instance`).

    Raises:
        OSError: The file cannot be read.
    """
    state = identity_hash(layout.sop_class_uid, layout.sop_instance_uid, layout.transfer_syntax_uid)
    with open_binary(layout.path) as file:
        for piece in pieces(file, layout.dataset_offset, layout.dataset_length):
            state.update(piece)
    return state.hexdigest()


def pixel_sha256(layout: FileLayout) -> str:
    """SHA-256 over the pixel value field as it stands (`PixelElement.value_length`), "" without pixels.

    Raises:
        InputError: The file changed since it was examined.
        OSError: The file cannot be read.
    """
    if layout.pixels is None:
        return ""
    state = sha256()
    with open_offsets(layout) as stream:
        for piece in pieces(stream, layout.pixels.value_offset, layout.pixels.value_length):
            state.update(piece)
    return state.hexdigest()
