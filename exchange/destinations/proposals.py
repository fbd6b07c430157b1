"""What is proposed to a DICOM peer: each SOP class as it was frozen, and as it could be sent otherwise."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from exchange.dicomio.transcode import possible_targets
from exchange.dimse.commitment import PROPOSAL as COMMITMENT
from exchange.dimse.negotiation import CONTEXTS_MAX, Proposal
from exchange.domain.delivery import OutgoingInstance


class Wishes(Protocol):
    """What is asked beside the instances themselves."""

    @property
    def commitment(self) -> bool:
        """Whether the peer offers storage commitment."""

    @property
    def transcode(self) -> bool:
        """Which other transfer syntaxes it takes."""


def own_pair(instance: OutgoingInstance) -> Proposal:
    """SOP class and transfer syntax as frozen."""
    return (instance.sop_class_uid, instance.transfer_syntax_uid)


def proposals(instances: Iterable[OutgoingInstance], wishes: Wishes) -> list[Proposal]:
    """At most 128 presentation contexts: the instances' own pairs, in order of first use, before all else."""
    pairs = dict.fromkeys(map(own_pair, instances))
    wanted = list(pairs)
    if wishes.commitment:
        wanted.append(COMMITMENT)
    if wishes.transcode:
        others = ((pair[0], syntax) for pair in pairs for syntax in possible_targets(pair[1]))
        wanted += [pair for pair in dict.fromkeys(others) if pair not in pairs]
    return wanted[:CONTEXTS_MAX]


def commits(accepted: Iterable[Proposal]) -> bool:
    """Whether the peer offers storage commitment."""
    return COMMITMENT in accepted


def wanted_syntaxes(instance: OutgoingInstance, accepted: Iterable[Proposal]) -> tuple[str, ...]:
    """Transfer syntaxes in which the peer would take this instance, and that can be made without loss."""
    pairs = set(accepted)
    targets = possible_targets(instance.transfer_syntax_uid)
    return tuple(syntax for syntax in targets if (instance.sop_class_uid, syntax) in pairs)


def refusal(instance: OutgoingInstance, wanted: Sequence[str], wishes: Wishes) -> str:
    """Why the peer does not take an instance as it was frozen, and what would help."""
    said = (
        f"the peer accepts no presentation context for SOP class {instance.sop_class_uid} "
        f"with transfer syntax {instance.transfer_syntax_uid}"
    )
    if wanted:
        return said
    if not possible_targets(instance.transfer_syntax_uid):
        return f"{said}; it is compressed with loss and is not transcoded: let the peer accept that syntax"
    if not wishes.transcode:
        return f"{said}; transcoding is off for this peer"
    return f"{said}, nor with an uncompressed one: let the peer accept that SOP class"


def batches(instances: Sequence[OutgoingInstance], wishes: Wishes) -> Iterator[list[OutgoingInstance]]:
    """Consecutive runs whose own pairs fit into one association."""
    most = CONTEXTS_MAX - int(wishes.commitment)
    batch: list[OutgoingInstance] = []
    pairs: set[Proposal] = set()
    for instance in instances:
        pair = own_pair(instance)
        if pair not in pairs and len(pairs) == most:
            yield batch
            batch, pairs = [], set()
        batch.append(instance)
        pairs.add(pair)
    if batch:
        yield batch
