"""A clock that is set while the appliance runs must neither hold up a study nor go unrecorded."""

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from agent.custody.clock import bring_forward
from exchange.log.events import Event, EventKind

if TYPE_CHECKING:
    from agent.pipeline.appliance import Appliance

log = structlog.get_logger()

_TOLERANCE = timedelta(seconds=2)  # of a clock that is slewed, and of a thread that had to wait
_SPREAD = 1.25  # pauses are spread by a fifth


class ClockWatch:
    """Compares the wall clock with the monotonic one, from look to look; the schedule's own."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def step(self, now: datetime, monotonic: float) -> timedelta | None:
        """How far the clock was set since the last look; None when it was not, or at the first look."""
        last, self._last = self._last, (now, monotonic)
        if last is None:
            return None
        stepped = (now - last[0]) - timedelta(seconds=monotonic - last[1])
        return stepped if abs(stepped) > _TOLERANCE else None

    @property
    def looked(self) -> bool:
        """Whether there was a look before."""
        return self._last is not None


def watch_clock(appliance: "Appliance") -> None:
    """Record a step of the clock; after one back (or at the start), make due what would wait for ever."""
    first, now = not appliance.clockwatch.looked, appliance.clock()
    stepped = appliance.clockwatch.step(now, time.monotonic())
    if stepped is not None:
        seconds = round(stepped.total_seconds())
        appliance.log.append(Event(EventKind.CLOCK_STEP, {"seconds": seconds}))
        log.warning("the clock was set", seconds=seconds)
    if first or (stepped is not None and stepped < timedelta()):
        moved = bring_forward(appliance.custody, now, _longest_pause(appliance))
        if moved:
            log.warning("moments in the future were brought forward", count=moved)


def _longest_pause(appliance: "Appliance") -> timedelta:
    site = appliance.configuration.site
    retries = [route.retry.most_seconds for route in site.routes]
    minutes = [peer.dicom.commitment_minutes for peer in site.peers.values() if peer.dicom is not None]
    return timedelta(seconds=max([600.0, *retries]) * _SPREAD) + timedelta(minutes=max(minutes, default=0))
