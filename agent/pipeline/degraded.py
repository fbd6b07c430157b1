"""What is out of order for now: logged once when it begins, once when it is over.

A peer whose circuit is open is told by `circuit`; here are the disk and the archives that are asked.
"""

import shutil
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from exchange.domain.errors import LogError
from exchange.log.events import Event, EventKind, Outcome

if TYPE_CHECKING:
    from agent.pipeline.appliance import Appliance

DISK, ARCHIVE = "disk", "archive"
_MIB = 1024 * 1024


class Degraded:
    """What is known to be out of order. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: set[tuple[str, str]] = set()

    def note(self, appliance: "Appliance", what: str, peer: str = "", *, sound: bool) -> None:
        """Log a change; the same again is no event."""
        with self._lock:
            if sound is ((what, peer) not in self._known):
                return
            kind = EventKind.DEGRADED_LEAVE if sound else EventKind.DEGRADED_ENTER
            fields: dict[str, str | int] = {"what": what, "peer": peer} if peer else {"what": what}
            # A log that cannot be written is the reason more often than not: told when it can be.
            with suppress(LogError):
                appliance.log.append(Event(kind, fields, Outcome.OK if sound else Outcome.FAILED))
                (self._known.discard if sound else self._known.add)((what, peer))


def watch_disk(appliance: "Appliance") -> None:
    """Notice that the state folder's disk has run full, and that it has room again."""
    appliance.degraded.note(appliance, DISK, sound=not disk_is_full(appliance))


def disk_is_full(appliance: "Appliance") -> bool:
    """Whether the state folder's disk has less left than intake leaves on the spool's."""
    reserve = appliance.configuration.site.limits.spool_reserve_mib * _MIB
    return shutil.disk_usage(appliance.folders.state).free < reserve
