"""What the STOW-RS server's doors must have: an address of their own, a key, and a lock that holds."""

import ipaddress
from collections.abc import Iterator

from agent.config.models import DicomwebListener, StowDoor, as_tuple
from agent.config.problems import did_you_mean
from agent.config.remarks import Remark, Subject
from agent.config.source import Path

_PLACE: Path = ("listen", "dicomweb")
_NOT_IN_ADDRESSES = frozenset("/?#%")


def check_doors(subject: Subject) -> Iterator[Remark]:
    """Clashes and gaps between the listener, its doors and the routes; `check_files` looks at files."""
    listener = subject.site.listen.dicomweb
    if listener is None:
        return
    yield from _listener(listener)
    seen: set[str] = set()
    for number, door in enumerate(listener.doors):
        place = (*_PLACE, "doors", number)
        yield from _address(place, door, seen)
        yield from _lock(place, door, listener)
        yield from _meaning(place, door, subject)
        seen.add(door.called_ae)


def is_loopback(host: str) -> bool:
    """Whether only this box reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listener(listener: DicomwebListener) -> Iterator[Remark]:
    if (listener.cert is None) != (listener.key is None):
        yield Remark(_PLACE, "cert and key belong together", "give both, or none", on_key=True)
    elif listener.cert is None and not is_loopback(listener.host):
        yield Remark(
            _PLACE,
            "studies and tokens would come in unencrypted",
            "add cert: and key:, or listen on 127.0.0.1 behind a server that has them",
            on_key=True,
        )
    if listener.cert is None and listener.client_ca is not None:
        yield Remark(
            (*_PLACE, "client_ca"), "client certificates need TLS", "add cert: and key:", on_key=True
        )


def _address(place: Path, door: StowDoor, seen: set[str]) -> Iterator[Remark]:
    if door.called_ae in seen:
        yield Remark(
            (*place, "called_ae"), f"door {door.called_ae} is there twice", "give each its own called_ae"
        )
    if _NOT_IN_ADDRESSES & set(door.called_ae):
        yield Remark(
            (*place, "called_ae"),
            "the title cannot stand in an address",
            "use letters, digits, - and _",
        )


def _lock(place: Path, door: StowDoor, listener: DicomwebListener) -> Iterator[Remark]:
    if door.pin is not None and listener.client_ca is None:
        yield Remark(
            (*place, "pin"),
            "a pin needs client certificates",
            "add client_ca: to the listener",
            on_key=True,
        )
    if door.token_file is None and door.pin is None and not is_loopback(listener.host):
        yield Remark(
            place,
            f"everybody may use door {door.called_ae}",
            "add token_file: or pin:, or listen on 127.0.0.1",
        )


def _meaning(place: Path, door: StowDoor, subject: Subject) -> Iterator[Remark]:
    if door.peer is not None and door.peer not in subject.peer_names:
        yield Remark(
            (*place, "peer"),
            f"unknown peer {door.peer}",
            did_you_mean(door.peer, subject.peer_names, "peer"),
        )
    if not any(_leads(door, route.match.called_ae, route.match.peer) for route in subject.site.routes):
        yield Remark(
            (*place, "called_ae"),
            f"no route takes what comes through door {door.called_ae}: it is held as unrouted",
            "name it, or its peer, in a route's match",
            "warning",
        )


def _leads(
    door: StowDoor, called_ae: str | tuple[str, ...] | None, peer: str | tuple[str, ...] | None
) -> bool:
    """Whether a route's conditions on the connection let something of this door through."""
    if called_ae is not None and door.called_ae not in as_tuple(called_ae):
        return False
    return peer is None or (door.peer is not None and door.peer in as_tuple(peer))
