"""How many associations to one peer are open at once, all deliveries of this process together.

The first association of a delivery waits its turn, the more urgent before the less; a further one is opened
only while nobody waits. Whoever holds an association asks between two instances whether to give way, so that
an urgent study overtakes a long one that is under way.
"""

import heapq
import threading
from itertools import count

from exchange.dimse.peer import DicomPeer
from exchange.domain.exchange import Priority


class AssociationSlots:
    """The associations that one peer may have with us.

    Attributes:
        most: How many; a reload may change it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._change = threading.Condition()
        self._in_use = 0
        self._numbers = count()
        self._waiting: list[tuple[int, int]] = []

    def acquire(self, priority: Priority) -> None:
        """Take one for a delivery that has none; waits until one is free and nobody more urgent waits."""
        with self._change:
            ticket = (-int(priority), next(self._numbers))
            heapq.heappush(self._waiting, ticket)
            self._change.wait_for(lambda: self._waiting[0] == ticket and self._in_use < self.most)
            heapq.heappop(self._waiting)
            self._in_use += 1
            self._change.notify_all()

    def acquire_further(self) -> bool:
        """Take one more for a delivery that has one; False when there is none or somebody waits."""
        with self._change:
            if self._waiting or self._in_use >= self.most:
                return False
            self._in_use += 1
            return True

    def release(self) -> None:
        """Give one back."""
        with self._change:
            self._in_use -= 1
            self._change.notify_all()

    def is_wanted(self, priority: Priority, *, further: bool) -> bool:
        """Whether its holder should give it back now: a further one to anybody, the last to the urgent."""
        with self._change:
            if not self._waiting or self._in_use < self.most:
                return False
            return further or -self._waiting[0][0] > int(priority)


_lock = threading.Lock()
_slots: dict[tuple[str, int, str], AssociationSlots] = {}


def slots_of(peer: DicomPeer, most: int) -> AssociationSlots:
    """The slots of a peer, the same for every delivery to it."""
    with _lock:
        found = _slots.setdefault((peer.host, peer.port, peer.ae_title), AssociationSlots(most))
        found.most = most
        return found
