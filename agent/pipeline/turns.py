"""Whose turn it is: the more urgent first, and routes of one urgency by their weight (stride scheduling).

A route pays for what it was given, by bytes and the fewer the greater its share; whoever has paid least is
next. A route that had nothing to do joins at the present price, so that it neither waits for what others had
before nor catches up at their cost. Kept in memory only: after a start all begin equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

LEAST_COST = 1 << 20
"""A small study costs as much as this many bytes: the work around the bytes is what it takes."""


class Waiting(Protocol):
    """What may wait for a turn."""

    @property
    def route(self) -> str:
        """The route that pays for it."""

    @property
    def priority(self) -> int:
        """Higher is more urgent."""

    @property
    def byte_count(self) -> int:
        """How much it is."""


WaitingT = TypeVar("WaitingT", bound=Waiting)


@dataclass(slots=True)
class Turns:
    """What each route has paid at one resource. Not thread-safe: the schedule is one thread."""

    _paid: dict[str, float] = field(default_factory=dict)
    _price: float = 0.0

    def take(
        self, queues: Mapping[str, Sequence[WaitingT]], shares: Mapping[str, int], wanted: int
    ) -> list[WaitingT]:
        """The next ones, in the order in which they should start.

        Args:
            queues: By route, each in the route's own order: the most urgent first.
            shares: Weight of each route; 1 where it is not named.
            wanted: How many at most.
        """
        left = {route: list(queue) for route, queue in sorted(queues.items()) if queue}
        for route in left:
            self._paid[route] = max(self._paid.get(route, 0.0), self._price)
        taken: list[WaitingT] = []
        while left and len(taken) < wanted:
            urgent = max(queue[0].priority for queue in left.values())
            route = min(
                (one for one, queue in left.items() if queue[0].priority == urgent),
                key=lambda one: (self._paid[one], one),
            )
            self._price = max(self._price, self._paid[route])
            chosen = left[route].pop(0)
            self._paid[route] += max(chosen.byte_count, LEAST_COST) / max(shares.get(route, 1), 1)
            taken.append(chosen)
            if not left[route]:
                del left[route]
        self._forget(left)
        return taken

    def _forget(self, left: Mapping[str, Sequence[WaitingT]]) -> None:
        """Drop routes that owe nothing beyond the present price: old names do not pile up."""
        for route in [one for one, paid in self._paid.items() if one not in left and paid <= self._price]:
            del self._paid[route]
