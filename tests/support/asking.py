"""pynetdicom as a requestor that only asks."""

from typing import Any

from pynetdicom.association import Association


def only_asks(assoc: Association) -> Association:
    """Keep an association's own thread from taking the response that a `send_*` waits for.

    It is told to pause before each request, but may have looked just before and take the message all the
    same, when the machine is busy; the `send_*` then waits for its whole timeout, and tells of no status.
    """
    take = assoc.dimse.get_msg

    def get_msg(block: bool = False) -> Any:
        return take(block) if block else (None, None)

    assoc.dimse.get_msg = get_msg
    return assoc
