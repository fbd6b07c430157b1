"""What a unique identifier may look like (PS3.5 9.1)."""

import re

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST = 64


def is_uid(text: str) -> bool:
    """Whether this is digits and dots of at most 64 characters, and so safe as a name.

    Leading zeros in a component are let pass: the standard forbids them, devices write them, and they do no
    harm.
    """
    return len(text) <= _LONGEST and _UID.fullmatch(text) is not None
