"""Free loopback ports and waiting for what listens on them."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable

HOST = "127.0.0.1"
_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """A loopback TCP port that was free a moment ago; no two callers in this process get the same."""
    with _lock:
        while True:
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                port: int = probe.getsockname()[1]
            if port not in _given:
                _given.add(port)
                return port


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def wait_until(
    condition: Callable[[], bool], what: str, deadline_seconds: float = 30, step_seconds: float = 0.05
) -> None:
    """Poll a real process or its effect until the condition holds.

    Raises:
        TimeoutError: It did not within the deadline.
    """
    end = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {deadline_seconds} s")
        time.sleep(step_seconds)


def stop(process: subprocess.Popen[bytes], grace_seconds: float = 10) -> None:
    """End a process that we started: SIGTERM, then SIGKILL after the grace."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr, process.stdin):
        if stream is not None:
            stream.close()
