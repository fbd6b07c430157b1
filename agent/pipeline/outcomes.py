"""What peers say of instances, written by one thread: many answers in one transaction, none waiting long.

While one transaction is made durable, the next answers gather. An answer that is not yet durable when the
process dies costs a re-send of the same frozen bytes, and nothing else.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from exchange.domain.delivery import InstanceOutcome

_MOST_WAITING = 1024  # beyond it the senders wait for the disk


class OutcomeWriter:
    """Takes outcomes from several threads; a context manager that writes the last of them at its end.

    Attributes:
        written: How many transactions were made.
    """

    def __init__(self, write: Callable[[list[InstanceOutcome]], None]) -> None:
        """Prepare.

        Args:
            write: Makes outcomes durable, in their order; what it raises ends the writer.
        """
        self.written = 0
        self._write = write
        self._change = threading.Condition()
        self._waiting: list[InstanceOutcome] = []
        self._closed = False
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)

    def tell(self, outcome: InstanceOutcome) -> None:
        """Take one; returns before it is durable.

        Raises:
            BaseException: What writing an earlier one raised: the attempt may be over.
        """
        with self._change:
            self._change.wait_for(lambda: len(self._waiting) < _MOST_WAITING or self._broken is not None)
            if self._broken is not None:
                raise self._broken
            self._waiting.append(outcome)
            self._change.notify_all()

    def close(self) -> None:
        """Write what is left.

        Raises:
            BaseException: What writing raised.
        """
        with self._change:
            self._closed = True
            self._change.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        if self._broken is not None:
            raise self._broken

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._closed)
                taken, self._waiting = self._waiting, []
                self._change.notify_all()
            if not taken:
                return
            try:
                self._write(taken)
            except BaseException as error:  # noqa: BLE001 - raised again by `tell` and `close`
                with self._change:
                    self._broken = error
                    self._change.notify_all()
                return
            self.written += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except BaseException:
            if error is None:
                raise
