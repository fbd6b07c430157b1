"""Files one of which ends its worker: the others are worked on all the same.

A C library that meets bytes it never met may end the whole process. Which file it was, nobody can say then:
the part is worked on again in halves, until that file is alone.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from agent.workers.errors import WorkerCrashed, WorkerTimeout

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_halves(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Result], lost: Callable[[Item], Result]
) -> Iterator[Result]:
    """The results of `work` over all items, in order: in one part, unless its worker dies or hangs over it.

    Args:
        items: At least one.
        work: Submits a part to a worker; done again over smaller parts after a death.
        lost: The result of the one item that a worker dies or hangs over by itself.

    Raises:
        LockgateError: What else `work` raises.
    """
    try:
        result = work(items)
    except (WorkerCrashed, WorkerTimeout):
        if len(items) == 1:
            yield lost(items[0])
            return
    else:
        yield result
        return
    middle = len(items) // 2
    yield from in_halves(items[:middle], work, lost)
    yield from in_halves(items[middle:], work, lost)
