"""How a study is cut into requests: within bounds, so that several lanes start soon and end together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exchange.domain.delivery import OutgoingInstance

_SHARES_PER_LANE = 2  # of what is left: larger requests would leave lanes idle at the end
_LEAST_BYTES = 2 * 1024 * 1024

Batch = list[OutgoingInstance]


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """Bounds of one request; an instance that is larger goes alone.

    Attributes:
        instances: At most.
        size: Bytes at most.
        requests: In flight at once.
    """

    instances: int
    size: int
    requests: int

    def share_of(self, count: int, size: int) -> "BatchBounds":
        """Narrowed to one request's share of so many instances and bytes, so that the lanes end together."""
        if self.requests == 1:
            return self
        shares = self.requests * _SHARES_PER_LANE
        return BatchBounds(
            min(self.instances, -(-count // shares)),
            min(self.size, max(size // shares, _LEAST_BYTES)),
            self.requests,
        )


def batches(instances: Sequence[OutgoingInstance], bounds: BatchBounds) -> Iterator[Batch]:
    """Consecutive runs within the bounds.

    Where several are in flight, the first ones hold one instance each: only an answer opens the next lane,
    and until then lanes stand empty. The others hold a share of what is left, less and less of it.
    """
    left = sum(each.byte_count for each in instances)
    start = made = 0
    while start < len(instances):
        share = bounds.share_of(len(instances) - start, left)
        most = 1 if made < bounds.requests - 1 else share.instances
        batch = [instances[start]]
        size = batch[0].byte_count
        for instance in instances[start + 1 : start + most]:
            if size + instance.byte_count > share.size:
                break
            batch.append(instance)
            size += instance.byte_count
        yield batch
        start, left, made = start + len(batch), left - size, made + 1
