"""Senders: each sends shares of a study at once, one association (process) a share."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import dcmtk

CALLED_AE = "BENCH"
_LIMIT_SECONDS = 900.0

Sender = Callable[[int, Sequence[Path], int], float]
"""`sender(port, files, associations) -> seconds`, from the first byte to the last answer."""


def dcmsend(*, nodelay: bool, called_ae: str = CALLED_AE) -> Sender:
    """DCMTK's dcmsend; the start of its processes is part of the time (about 0.02 s)."""
    return _dcmtk(dcmtk.dcmsend, called_ae, nodelay=nodelay)


def storescu(*, nodelay: bool) -> Sender:
    """DCMTK's storescu."""
    return _dcmtk(dcmtk.storescu, CALLED_AE, nodelay=nodelay)


def _dcmtk(
    tool: Callable[..., "subprocess.CompletedProcess[bytes]"], called_ae: str, *, nodelay: bool
) -> Sender:
    def send(port: int, files: Sequence[Path], associations: int) -> float:
        def one(share: Sequence[Path]) -> None:
            done = tool(port, share, called_ae=called_ae, nodelay=nodelay, timeout_seconds=_LIMIT_SECONDS)
            assert done.returncode == 0, done.stderr[-500:]

        shares = split(files, associations)
        with ThreadPoolExecutor(associations) as threads:
            start = time.perf_counter()
            list(threads.map(one, shares))
            return time.perf_counter() - start

    return send


def child(kind: str) -> Sender:
    """A Python sender (see `child_sender`): loaded and ready before the clock starts."""

    def send(port: int, files: Sequence[Path], associations: int) -> float:
        processes = [_start(kind, port, share) for share in split(files, associations)]
        try:
            for process in processes:
                assert _line(process) == "ready", f"{kind} did not start"
            start = time.perf_counter()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            spans = [float(_line(process)) for process in processes]
            # One process alone measured itself; several are measured together.
            return spans[0] if associations == 1 else time.perf_counter() - start
        finally:
            for process in processes:
                process.kill()
                process.communicate()

    return send


def _start(kind: str, port: int, files: Sequence[Path]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.wire.child_sender", kind, str(port), CALLED_AE]
    return subprocess.Popen(
        [*command, *map(str, files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def split(files: Sequence[Path], shares: int) -> list[Sequence[Path]]:
    """Every n-th file to the n-th share."""
    return [files[start::shares] for start in range(shares)]
