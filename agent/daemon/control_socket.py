"""The control socket: one HTTP/JSON interface over a UNIX socket, with the caller's local user attached.

Who may connect is a matter of the socket's mode (0600, inside the state folder); who did connect is what the
kernel says (SO_PEERCRED), and decisions record it beside the name that the person gave.
"""

import asyncio
import os
import pwd
import socket
import struct
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from exchange.domain.errors import ConfigurationError
from exchange.intake.embedded import EmbeddedServer

_LONGEST_PATH = 107  # sun_path of unix(7), without its terminating zero


class PeerCredentialProtocol(H11Protocol):
    """HTTP/1.1 over a UNIX socket; puts the caller's user name into the request's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask the kernel who connected (SO_PEERCRED: pid, uid, gid)."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _pid, uid, _gid = struct.unpack("3i", raw)
        self.app_state = {**self.app_state, "local_user": user_name(uid)}


def user_name(uid: int) -> str:
    """The account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def control_server(app: Starlette) -> EmbeddedServer:
    """A server for `app`; give it `bind_control(...)` to serve on."""
    return EmbeddedServer(
        uvicorn.Config(app, http=PeerCredentialProtocol, log_config=None, access_log=False, lifespan="off")
    )


def bind_control(path: Path) -> socket.socket:
    """Bind the control socket with mode 0600; the stale socket of a dead daemon is replaced.

    Raises:
        ConfigurationError: The path is too long for a socket.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ConfigurationError(
            f"cannot open the control socket {path}: a socket's path has at most {_LONGEST_PATH} bytes",
            "choose a shorter `state:` folder",
        )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    return listener
