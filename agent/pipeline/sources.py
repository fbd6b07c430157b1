"""Where the bytes of an instance come from: the one way to what was accepted and to what was frozen."""

from collections.abc import Mapping

from agent.custody.arrivals import instance_keys
from agent.custody.records import FrozenInstance, InstanceKey, Location, Member
from agent.pipeline.appliance import Appliance
from exchange.domain.errors import KeysError, SpoolError
from exchange.domain.source import Source
from exchange.spool.sealed import SealedSource


def member_source(appliance: Appliance, member: Member) -> Source:
    """The Part 10 file of an instance as it came; it can be sent to a worker process.

    Raises:
        SpoolError: Its key is destroyed or is not this file's.
    """
    return appliance.spool.source(member.identity, member.wrapped_key or b"")


def frozen_source(
    appliance: Appliance, row: FrozenInstance, keys: Mapping[str, InstanceKey] | None = None
) -> Source:
    """The Part 10 file of a frozen instance, wherever it lies.

    Args:
        appliance: The running appliance.
        row: The frozen instance.
        keys: By identity, of all that lie in the spool, where many are opened; else custody is asked.

    Raises:
        SpoolError: It lies in the spool or is sealed, and its key is destroyed or is not this file's.
    """
    if row.location == Location.SPOOL:
        if keys is None:
            keys = instance_keys(appliance.custody, (row.identity,))
        known = keys.get(row.identity)
        return appliance.spool.source(row.identity, (known.wrapped_key if known else None) or b"")
    path = appliance.folders.frozen / row.path
    if row.wrapped_key is None:
        return path
    try:
        key = appliance.spool.kek.unwrap(row.wrapped_key, _binding(row.sha256))
    except KeysError as error:
        raise SpoolError("cannot open a frozen file: its key is another's") from error
    return SealedSource(path, key, row.sha256)


def is_frozen_there(appliance: Appliance, row: FrozenInstance) -> bool:
    """Whether the file of a frozen instance is still there."""
    if row.location == Location.SPOOL:
        return appliance.spool.holds(row.identity)
    return (appliance.folders.frozen / row.path).is_file()


def wrap_frozen(appliance: Appliance, key: bytes, sha256: str) -> bytes:
    """What opens a sealed frozen file, for its row; `sha256` is of its data set, and its inner name."""
    return appliance.spool.kek.wrap(key, _binding(sha256))


def _binding(sha256: str) -> bytes:
    return b"lockgate/frozen/v1\0" + sha256.encode("ascii")
