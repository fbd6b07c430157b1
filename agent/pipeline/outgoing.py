"""What leaves: a frozen instance, or the rendition of it that this destination is sent."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from agent.custody.arrivals import instance_keys
from agent.custody.deliveries import delivery, unconfirmed
from agent.custody.records import DeliveryClaim, FrozenInstance, InstanceKey, Location, Rendition
from agent.custody.renditions import renditions_of
from agent.pipeline.appliance import Appliance
from agent.pipeline.sources import frozen_source
from exchange.domain.delivery import OutgoingInstance
from exchange.domain.errors import KeysError, SpoolError
from exchange.domain.exchange import Priority
from exchange.domain.source import Source
from exchange.spool.sealed import SealedSource


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one attempt has to send.

    Attributes:
        frozen: By SOP Instance UID, what is not confirmed.
        renditions: By SOP Instance UID, what goes in another transfer syntax.
        priority: Of the exchange.
    """

    frozen: dict[str, FrozenInstance]
    renditions: dict[str, Rendition] = field(default_factory=dict)
    priority: Priority = Priority.ROUTINE


def outgoing(appliance: Appliance, claim: DeliveryClaim) -> Outgoing:
    """What of a delivery is still to be sent."""
    waiting = unconfirmed(appliance.custody, claim.delivery_id)
    return Outgoing(
        {one.sop_instance_uid: one for one in waiting},
        renditions_of(appliance.custody, claim.delivery_id),
        Priority(delivery(appliance.custody, claim.delivery_id).priority),
    )


def instances(appliance: Appliance, what: Outgoing) -> tuple[OutgoingInstance, ...]:
    """Everything of it; the bytes are checked against their digest while they are sent."""
    in_spool = [one.identity for one in what.frozen.values() if one.location == Location.SPOOL]
    keys = instance_keys(appliance.custody, in_spool)
    return tuple(
        instance(appliance, one, what.renditions.get(uid), what.priority, keys)
        for uid, one in what.frozen.items()
    )


def instance(
    appliance: Appliance,
    frozen: FrozenInstance,
    rendition: Rendition | None,
    priority: Priority,
    keys: Mapping[str, InstanceKey] | None = None,
) -> OutgoingInstance:
    """One instance as it leaves; `keys` as `frozen_source` takes them."""
    sent = rendition or frozen
    return OutgoingInstance(
        source=rendition_source(appliance, rendition) if rendition else frozen_file(appliance, frozen, keys),
        sop_class_uid=frozen.sop_class_uid,
        sop_instance_uid=frozen.sop_instance_uid,
        study_instance_uid=frozen.study_instance_uid,
        series_instance_uid=frozen.series_instance_uid,
        transfer_syntax_uid=sent.transfer_syntax_uid,
        sha256=sent.sha256,
        byte_count=sent.byte_count,
        priority=priority,
    )


@dataclass(frozen=True, slots=True)
class Unopenable:
    """A file whose key is destroyed or another's: as good as gone, and this instance's trouble only."""

    def open_plain(self) -> BinaryIO:
        """Never.

        Raises:
            OSError: Always.
        """
        raise FileNotFoundError(errno.ENOENT, "cannot open a sealed file: its key does not fit")


def frozen_file(
    appliance: Appliance, frozen: FrozenInstance, keys: Mapping[str, InstanceKey] | None = None
) -> Source:
    """Where the frozen bytes lie; `keys` as `frozen_source` takes them."""
    try:
        return frozen_source(appliance, frozen, keys)
    except SpoolError:
        return Unopenable()


def is_sealed(frozen: FrozenInstance) -> bool:
    """Whether the frozen bytes carry an identity and lie encrypted; renditions of them do, too."""
    return frozen.location == Location.SPOOL or frozen.wrapped_key is not None


def rendition_folder(appliance: Appliance) -> Path:
    """Renditions, named by the digest of their data set."""
    return appliance.folders.state / "renditions"


def rendition_source(appliance: Appliance, rendition: Rendition) -> Source:
    """Where a rendition lies."""
    path = rendition_folder(appliance) / rendition.path
    if rendition.wrapped_key is None:
        return path
    try:
        key = appliance.spool.kek.unwrap(rendition.wrapped_key, _binding(rendition.sha256))
    except KeysError:
        return Unopenable()
    return SealedSource(path, key, rendition.sha256)


def wrap_rendition(appliance: Appliance, key: bytes, sha256: str) -> bytes:
    """What opens a sealed rendition, for its row; `sha256` of its data set is also the file's inner name."""
    return appliance.spool.kek.wrap(key, _binding(sha256))


def _binding(sha256: str) -> bytes:
    return b"lockgate/rendition/v1\0" + sha256.encode("ascii")
