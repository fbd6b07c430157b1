"""How many associations pay: one more is tried, and kept only while the peer takes more bytes for it.

Measured over windows of a fraction of a second. Pure but for its clock; one caller at a time.
"""

import time
from collections.abc import Callable

_WINDOW_SECONDS = 0.25
_PER_ASSOCIATION = 4  # instances of a window, at least
_GAIN = 1.10  # what a further association must bring
_LOSS = 0.60  # of its usual rate: the peer has become slower
_PATIENCE = 20  # windows before a number that did not pay is tried again
_INSTANCE_COST = 64 * 1024  # bytes that an instance costs beside its own


class Pace:
    """The wanted number of associations.

    Attributes:
        wanted: From 1 to `most`.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.wanted = 1
        self._most = most
        self._clock = clock
        self._rates: dict[int, float] = {}
        self._probing = False
        self._patience = 0
        self._open_window(skip=0)

    def stored(self, byte_count: int, remaining: int) -> int:
        """Count an instance that the peer answered.

        Args:
            byte_count: Its length.
            remaining: Instances still to be sent; a further association must be worth its setting up.

        Returns:
            `wanted`, perhaps changed.
        """
        if self._skip:
            self._skip -= 1
            if not self._skip:
                self._open_window(skip=0)
            return self.wanted
        self._instances += 1
        self._bytes += byte_count + _INSTANCE_COST
        seconds = self._clock() - self._began
        if seconds >= _WINDOW_SECONDS and self._instances >= _PER_ASSOCIATION * self.wanted:
            self._judge(self._bytes / seconds, worthwhile=remaining >= self._instances)
        return self.wanted

    def refused(self, accepted: int) -> None:
        """The peer takes no more than so many at once; it is not asked again."""
        self._most = max(1, accepted)
        self._change(min(self.wanted, self._most))

    def postponed(self, held: int) -> None:
        """Other deliveries to the peer have taken what is left; perhaps later."""
        self._patience = _PATIENCE
        self._change(max(1, held))

    def _judge(self, rate: float, *, worthwhile: bool) -> None:
        usual = self._rates.get(self.wanted)
        self._patience = max(0, self._patience - 1)
        if self._probing and rate < _GAIN * self._rates[self.wanted - 1]:
            self._patience = _PATIENCE
            self._change(self.wanted - 1)
            return
        if usual is not None and rate < _LOSS * usual and self.wanted > 1:
            del self._rates[self.wanted]
            self._patience = _PATIENCE
            self._change(self.wanted - 1)
            return
        self._rates[self.wanted] = rate if usual is None else (usual + rate) / 2
        self._probing = False
        if worthwhile and not self._patience and self.wanted < self._most:
            self._change(self.wanted + 1)
            self._probing = True
            return
        self._open_window(skip=0)

    def _change(self, wanted: int) -> None:
        self.wanted = wanted
        self._probing = False
        # What was under way while the number changed says nothing of the new number.
        self._open_window(skip=wanted)

    def _open_window(self, skip: int) -> None:
        self._began = self._clock()
        self._bytes = self._instances = 0
        self._skip = skip
