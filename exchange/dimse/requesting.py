"""A remedy for pynetdicom where it sends requests: no response is lost to its own reactor."""

from typing import Any


def keep_responses(event: Any) -> None:
    """Handler of pynetdicom's EVT_CONN_OPEN: only who sent a request may take its response.

    pynetdicom 3.0.4 pauses its reactor while a request is under way, but looks at a flag that the reactor
    sets a moment before it really waits. A reactor that was just passing takes a quick response for an
    unexpected message and drops it; the caller waits in vain, although the peer has done what was asked.
    """
    association = event.assoc
    take = association.dimse.get_msg

    def get_msg(block: bool = False) -> Any:  # noqa: FBT001, FBT002 - as pynetdicom calls it
        """The next message; for the reactor (it never blocks) none while a request is under way."""
        if not block and not association._reactor_checkpoint.is_set():  # noqa: SLF001 - there is no public one
            return None, None
        return take(block=block)

    association.dimse.get_msg = get_msg
