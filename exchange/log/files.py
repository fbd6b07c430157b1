"""The files of one generation at which a log grows: the last bundle, and the last tile of each level."""

import os
from collections.abc import Mapping
from pathlib import Path

from exchange.log.growing import GrowingFile
from exchange.log.merkle import HASH_BYTES
from exchange.log.tiles import HEIGHT, WIDTH, bundle_name, tile_name


class LogFiles:
    """Opened for writing; what a crash left beyond the size that counts is cut off.

    Attributes:
        folder: Of the generation.
        doubtful: What a failed commit has touched, to be restored before anything else is written.
    """

    def __init__(self, folder: Path) -> None:
        """Use `LogFiles.cut`, too, before anything is written."""
        self.folder = folder
        self.doubtful: list[GrowingFile] = []
        self._files: dict[str, GrowingFile] = {}

    def cut(self, size: int, tail: int) -> None:
        """Let the files end with the leaves that count.

        Args:
            size: How many do.
            tail: Bytes of the last bundle that do.

        Raises:
            OSError: A file cannot be opened or cut.
        """
        bundles = size // WIDTH
        if size % WIDTH or (self.folder / bundle_name(bundles)).exists():
            self._file(bundle_name(bundles), tail)
        # A batch that was never signed may have begun further bundles.
        index = bundles + 1
        while (path := self.folder / bundle_name(index)).exists():
            os.truncate(path, 0)
            index += 1
        for level in range(HEIGHT):
            count = size >> (HEIGHT * level)
            name = tile_name(level, count // WIDTH)
            if count % WIDTH or (self.folder / name).exists():
                self._file(name, count % WIDTH * HASH_BYTES)

    def grow(self, added: Mapping[str, bytes | bytearray], touched: list[GrowingFile]) -> None:
        """Write at the end of each file, then make all of them durable.

        Args:
            added: Bytes by name.
            touched: Gets each file before it is written.

        Raises:
            OSError: One could not be written.
        """
        files = []
        for name, data in added.items():
            file = self._file(name, 0)
            files.append(file)
            touched.append(file)
            file.append(bytes(data))
        for file in files:
            file.sync()

    def forget_full(self, size: int) -> None:
        """Close the files that nothing is added to any more."""
        counts = ((level, size >> (HEIGHT * level)) for level in range(HEIGHT))
        growing = {bundle_name(size // WIDTH), *(tile_name(level, n // WIDTH) for level, n in counts)}
        for name in [name for name in self._files if name not in growing]:
            self._files.pop(name).close()

    def restore(self) -> None:
        """Take back what a failed commit has written.

        Raises:
            OSError: The disk still fails; it is tried again.
        """
        while self.doubtful:
            self.doubtful[-1].restore()
            self.doubtful.pop()

    def close(self) -> None:
        """Close all of them."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _file(self, name: str, kept: int) -> GrowingFile:
        if name not in self._files:
            self._files[name] = GrowingFile(self.folder / name, kept)
        return self._files[name]
