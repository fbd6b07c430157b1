"""System calls of a daemon that fail on demand, and a wall clock that jumps (`shim.c`, compiled here)."""

import errno
import mmap
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_PAGE = 4096
_HEAD = struct.Struct("9q128s")
_SEEN, _FAILED, _CLOCK = 6 * 8, 7 * 8, 8 * 8
HANG = 0
"""As an error: the call never returns."""


class Calls(IntFlag):
    """Kinds of calls, as `shim.c` numbers them."""

    WRITE = 1
    FSYNC = 2
    RENAME = 4
    LINK = 8
    CREATE = 16
    READ = 32
    UNLINK = 64
    IN_WORKERS = 1 << 16  # only there
    CHANGES = WRITE | FSYNC | RENAME | LINK | CREATE


def compile_shim(folder: Path) -> Path:
    """The shared object; skips the test, loudly, where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the faults of system calls are NOT tested here (apt install gcc)")
    target = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(target), str(source), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return target


class Shim:
    """The control page of one daemon and its workers; a context manager."""

    def __init__(self, folder: Path, below: Path) -> None:
        """Compile, and prepare a page.

        Args:
            folder: Where the shared object and the page are put.
            below: Only calls on paths below this folder ever fail.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._object = compile_shim(folder)
        self._below = below
        self._file = folder / "shim.page"
        self._file.write_bytes(bytes(_PAGE))
        with self._file.open("r+b") as opened:
            self._page = mmap.mmap(opened.fileno(), _PAGE)

    @property
    def environment(self) -> Mapping[str, str]:
        """For the daemon's process."""
        return {
            "LD_PRELOAD": str(self._object),
            "LOCKGATE_SHIM": str(self._file),
            "LOCKGATE_SHIM_BELOW": str(self._below),
        }

    @contextmanager
    def failing(
        self,
        calls: Calls,
        error: int = errno.ENOSPC,
        *,
        contains: str = "",
        skip: int = 0,
        every: int = 1,
        most: int = 0,
    ) -> Iterator[None]:
        """While inside, such calls fail: after the first `skip` each `every`-th, `most` times (0: always).

        With `error` 0 they do not fail but never return.
        """
        clock = self._number(_CLOCK)
        self._page[: _HEAD.size] = _HEAD.pack(
            0, calls, error, skip, every, most, 0, 0, clock, contains.encode()
        )
        self._put(0, 1)
        try:
            yield
        finally:
            self._put(0, 0)

    @contextmanager
    def clock_moved(self, seconds: int) -> Iterator[None]:
        """While inside, the wall clock is so many seconds off; the monotonic one is not."""
        before = self._number(_CLOCK)
        self._put(_CLOCK, before + seconds)
        try:
            yield
        finally:
            self._put(_CLOCK, before)

    @property
    def seen(self) -> int:
        """Calls that could have failed since `failing` began."""
        return self._number(_SEEN)

    @property
    def failed(self) -> int:
        """Calls that were made to fail since `failing` began."""
        return self._number(_FAILED)

    def _number(self, offset: int) -> int:
        return int(struct.unpack_from("q", self._page, offset)[0])

    def _put(self, offset: int, value: int) -> None:
        struct.pack_into("q", self._page, offset, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._page.close()
