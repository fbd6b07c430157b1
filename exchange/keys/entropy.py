"""Random bytes of the kernel's generator, drawn some at a time for each thread.

A spool file needs six small pieces of randomness. Each draw lets go of the interpreter's lock, and taking it
back among busy threads costs more than the draw.
"""

import os
from threading import local

_DRAWN = 1024


class _Reserve(local):
    """What this thread has drawn and not yet given out."""

    drawn = b""
    at = 0


_reserve = _Reserve()


def random_bytes(count: int) -> bytes:
    """Fresh random bytes, fit for keys and nonces; none is ever given out twice."""
    if count > _DRAWN:
        return os.urandom(count)
    reserve = _reserve
    if reserve.at + count > len(reserve.drawn):
        reserve.drawn, reserve.at = os.urandom(_DRAWN), 0
    piece = reserve.drawn[reserve.at : reserve.at + count]
    reserve.at += count
    return piece


def _forget() -> None:
    """A forked child would give out what its parent does."""
    _reserve.drawn, _reserve.at = b"", 0


os.register_at_fork(after_in_child=_forget)
