"""Digests over what a file carries, independent of its file meta."""

from hashlib import sha256

from exchange.dicomio.filemeta import read_file_meta
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.stream import open_binary, open_offsets, pieces
from exchange.dicomio.window import Window
from exchange.domain.instance import identity_hash
from exchange.domain.source import Source

_ITEM_HEADER = 8  # tag and length


def dataset_sha256(path: Source) -> str:
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
    with open_binary(layout.source) as file:
        for piece in pieces(file, layout.dataset_offset, layout.dataset_length):
            state.update(piece)
    return state.hexdigest()


class PixelDigest:
    """SHA-256 of a pixel value while it streams by.

    Native: over the value. Encapsulated (PS3.5 A.4): over the fragments after the basic offset table, joined
    without their item headers, so that a new offset table around the same frames changes nothing.
    """

    def __init__(self, *, encapsulated: bool) -> None:
        self._state = sha256()
        self._encapsulated = encapsulated
        self._header = b""
        self._left = 0
        self._items = 0

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the value field, cut anywhere."""
        if not self._encapsulated:
            self._state.update(chunk)
            return
        view = memoryview(chunk)
        while view:
            if not self._left:
                taken = min(_ITEM_HEADER - len(self._header), len(view))
                self._header, view = self._header + bytes(view[:taken]), view[taken:]
                if len(self._header) == _ITEM_HEADER:
                    self._left = int.from_bytes(self._header[4:], "little")
                    self._header = b""
                    self._items += 1
                continue
            part, view = view[: self._left], view[self._left :]
            self._left -= len(part)
            if self._items > 1:  # the first item is the offset table
                self._state.update(part)

    def hexdigest(self) -> str:
        """The digest so far, lower-case hex."""
        return self._state.hexdigest()


def content_digests(layout: FileLayout) -> tuple[str, str]:
    """`dataset_sha256` and `pixel_sha256` of a file in one reading.

    Raises:
        InputError: The file changed since it was examined.
        OSError: The file cannot be read.
    """
    state = sha256()
    # In a deflated data set the pixels lie elsewhere than the bytes of the file.
    pixels = None if layout.deflated else layout.pixels
    begin, end = (pixels.value_offset, pixels.value_offset + pixels.value_length) if pixels else (0, 0)
    digest = PixelDigest(encapsulated=pixels is not None and pixels.encapsulated)
    offset = layout.dataset_offset
    with open_binary(layout.source) as file:
        for piece in pieces(file, offset, layout.dataset_length):
            state.update(piece)
            digest.update(piece[max(0, begin - offset) : max(0, end - offset)])
            offset += len(piece)
    return state.hexdigest(), digest.hexdigest() if pixels else pixel_sha256(layout)


def pixel_sha256(layout: FileLayout) -> str:
    """SHA-256 over the pixel value as `PixelDigest` defines it, "" without pixels.

    Raises:
        InputError: The file changed since it was examined.
        OSError: The file cannot be read.
    """
    if layout.pixels is None:
        return ""
    digest = PixelDigest(encapsulated=layout.pixels.encapsulated)
    with open_offsets(layout) as stream:
        for piece in pieces(stream, layout.pixels.value_offset, layout.pixels.value_length):
            digest.update(piece)
    return digest.hexdigest()
