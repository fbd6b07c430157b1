"""What an association sends next, read and checked while its peer is still busy with the one before."""

from collections.abc import Iterable

from exchange.dimse.frozen import WHOLE_MAX, WholeReader, frozen_pieces
from exchange.dimse.wire import Part
from exchange.domain.delivery import OutgoingInstance


def is_short(instance: OutgoingInstance) -> bool:
    """Whether it is read whole; a longer one is read in pieces as it is sent."""
    return instance.byte_count <= WHOLE_MAX


class ReadAhead:
    """The one instance that an association has taken before its turn, if any.

    Attributes:
        taken: That instance. Another association may take it away, so whoever shares them guards it.
    """

    def __init__(self) -> None:
        self.taken: OutgoingInstance | None = None
        self._reader = WholeReader()
        self._read: OutgoingInstance | None = None
        self._data: memoryview | None = None
        self._error: Exception | None = None

    def give_up(self) -> OutgoingInstance | None:
        """The instance that was taken; it is not any more."""
        instance, self.taken = self.taken, None
        return instance

    def read(self, instance: OutgoingInstance) -> None:
        """Read and check it now. What is wrong with it is raised when its turn comes, and not here."""
        self._read, self._data, self._error = instance, None, None
        try:
            self._data = self._reader.read(instance)
        except Exception as error:  # noqa: BLE001 - raised again by `content`
            self._error = error

    def content(self, instance: OutgoingInstance) -> Iterable[Part]:
        """The data set of an instance whose turn it is: a short one checked, a long one checks itself.

        Valid until the next `read` or `content`.

        Raises:
            FrozenBytesError: It cannot be read, or is not what was proved; nothing of it has left.
        """
        if instance is not self._read:
            if not is_short(instance):
                return frozen_pieces(instance, with_file_meta=False)
            self.read(instance)
        if self._error is not None:
            raise self._error
        return frozen_pieces(instance, with_file_meta=False) if self._data is None else [self._data]
