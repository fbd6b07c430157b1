"""Whoever reads or exports the log is in it: through the running daemon, else by opening the log oneself."""

import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

import httpx

from agent.config.models import Site
from agent.pipeline.opening import open_log
from agent.pipeline.people import people_reference
from exchange.domain.errors import LogError
from exchange.keys.domains import DomainKeys
from exchange.log.events import Event, EventKind

AUDITED = frozenset({EventKind.AUDIT_READ, EventKind.AUDIT_EXPORTED})
_SECONDS = 10.0


def record_audit(site: Site, kind: str, said: Mapping[str, int]) -> None:
    """Log that the log is read or exported, before it is.

    Raises:
        LogError: It could not be logged, so nothing may be shown.
        KeysError: The daemon is down, and the log's keys cannot be used.
    """
    if not served(site.control_socket):
        # Then the log has no writer, and we are it for a moment.
        with open_log(site, lambda: datetime.now(UTC)) as log:
            log.append(audit_event(DomainKeys.from_folder(site.keys), kind, said, getuser()))
        return
    transport = httpx.HTTPTransport(uds=str(site.control_socket))
    try:
        with httpx.Client(transport=transport, base_url="http://lockgate", timeout=_SECONDS) as client:
            answer = client.post("/log/audit", json={"kind": kind, "said": dict(said)})
    except httpx.HTTPError as error:
        raise LogError("cannot show the log: the daemon did not record it", "try again") from error
    if answer.is_error:
        raise LogError(f"cannot show the log: the daemon did not record it ({answer.status_code})")


def served(path: Path) -> bool:
    """Whether a daemon answers at this control socket; a socket that a dead one left behind does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def audit_event(keys: DomainKeys, kind: str, said: Mapping[str, int], user: str) -> Event:
    """The event of a person's look at the log.

    Raises:
        ValueError: It is of another kind.
    """
    found = EventKind(kind)
    if found not in AUDITED:
        raise ValueError("no such audit event")
    values = {name: int(value) for name, value in said.items()}
    return Event(found, values, actor=people_reference(keys, user), private={"localUser": user})
