"""Where the bytes of a Part 10 file come from: a plain file, or an encrypted one that is opened in clear."""

from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable


@runtime_checkable
class StoredFile(Protocol):
    """A file whose bytes on the disk are not those of the Part 10 file that it holds: it is encrypted.

    Picklable: it crosses to worker processes; its key never appears in its `repr`.
    """

    def open_plain(self) -> BinaryIO:
        """A seekable, unbuffered, read-only stream of the Part 10 file in clear.

        Raises:
            OSError: It cannot be read, or its bytes were changed.
        """


Source = Path | StoredFile
