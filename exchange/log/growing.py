"""A file that only grows, and what to do when the disk fails under it."""

import errno
import mmap
import os
from pathlib import Path

from exchange.durable import fsync_folder, make_folder


class GrowingFile:
    """A file of which the first `kept` bytes are acknowledged; whatever follows may be taken back.

    After a failed fsync the kernel calls the pages clean, and the next fsync says yes without them: nobody
    can say what is on the disk. `restore` makes the page in which the acknowledged bytes end dirty again.
    """

    def __init__(self, path: Path, kept: int) -> None:
        """Open or create (mode 0600); what lies beyond `kept` bytes is cut off.

        Args:
            path: Its folder is made when missing.
            kept: How many bytes count; at most as many as there are.

        Raises:
            OSError: It cannot be opened, or cut.
        """
        make_folder(path.parent)
        self.path = path
        self.kept = kept
        fresh = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(self._descriptor).st_size
            if found < kept:
                raise OSError(errno.EIO, "a file is shorter than it was")
            if found > kept:
                os.ftruncate(self._descriptor, kept)
            if fresh or found > kept:
                os.fsync(self._descriptor)
                fsync_folder(path.parent)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.size = kept

    def append(self, data: bytes) -> None:
        """Write at the end; nothing is durable yet.

        Raises:
            OSError: Not all could be written.
        """
        view = memoryview(data)
        while view:
            done = os.pwrite(self._descriptor, view, self.size)
            self.size += done
            view = view[done:]

    def sync(self) -> None:
        """Make it durable.

        Raises:
            OSError: Nobody knows what is: `restore` before anything else is written.
        """
        os.fsync(self._descriptor)

    def keep(self) -> None:
        """What was written counts from now on."""
        self.kept = self.size

    def restore(self) -> None:
        """Take back what does not count, and write the last page that does anew.

        Raises:
            OSError: The disk still fails.
        """
        start = self.kept - self.kept % mmap.PAGESIZE
        os.ftruncate(self._descriptor, self.kept)
        page = os.pread(self._descriptor, self.kept - start, start)
        if len(page) != self.kept - start or os.pwrite(self._descriptor, page, start) != len(page):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(self._descriptor)
        self.size = self.kept

    def close(self) -> None:
        """Close it; harmless when it is closed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
