"""sd_notify by our own datagram: READY, STOPPING, RELOADING, STATUS, WATCHDOG.

With the extra `systemd` installed, systemd-python would do the same; the protocol is one datagram, so no
dependency is needed (sd_notify(3)).
"""

import os
import socket
import time


class Notifier:
    """Tells systemd what the daemon does; silent where nobody listens."""

    def __init__(self, address: str | None = None) -> None:
        named = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + named[1:] if named.startswith("@") else named

    def ready(self, status: str) -> None:
        """The daemon serves."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """A reload began; `ready` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """An orderly stop began."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
            # This runs on the event loop: a listener that does not read must not hold it up.
            datagram.setblocking(False)
            try:
                datagram.connect(self._address)
                datagram.send(message.encode())
            except OSError:
                return  # a notification that cannot be delivered must never stop the daemon


def watchdog_seconds() -> float | None:
    """Half the interval that systemd asks for (sd_watchdog_enabled(3)); None when it asks for none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdigit() or pid != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000 / 2
