"""What has been frozen before: an instance that may have left leaves again as the same bytes, or not at all.

Cleaning the same bytes again could give others (a late instance brings further identifiers), and other bytes
under a UID that has left would be one instance with two contents. So a follow-up takes over the frozen rows
of the exchanges before it on its route, and cleans only what is new.
"""

from dataclasses import dataclass, field

from agent.custody.arrivals import members
from agent.custody.attempts import frozen_of
from agent.custody.listings import exchange
from agent.custody.records import ExchangeRecord, FrozenInstance
from agent.pipeline.appliance import Appliance
from agent.pipeline.sources import is_frozen_there

_LONGEST_CHAIN = 1000


@dataclass(frozen=True, slots=True)
class Earlier:
    """The frozen rows of the exchanges that one follows, on its own route.

    Attributes:
        rows: By identity of the original.
        originals: By identity, the SOP Instance UID that it came with.
        counts: Totals of the latest exchange that was frozen; empty when there is none.
    """

    rows: dict[str, FrozenInstance] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict, repr=False)
    counts: dict[str, object] = field(default_factory=dict)

    def usable(self, appliance: Appliance, identities: frozenset[str]) -> dict[str, FrozenInstance]:
        """Of these instances, those that need not be cleaned again: proved, and their files are there."""
        return {
            identity: row
            for identity, row in self.rows.items()
            if identity in identities and row.proved and is_frozen_there(appliance, row)
        }


def frozen_before(appliance: Appliance, one: ExchangeRecord) -> Earlier:
    """Walk back over `follows`; the latest row of an identity counts."""
    earlier = Earlier()
    follows, steps = one.follows, 0
    while follows is not None and steps < _LONGEST_CHAIN:
        before = exchange(appliance.custody, follows)
        same = (before.direction, before.route, before.profile_id, before.pseudonym_domain)
        if same == (one.direction, one.route, one.profile_id, one.pseudonym_domain):
            for row in frozen_of(appliance.custody, before.exchange_id):
                earlier.rows.setdefault(row.identity, row)
            earlier.originals.update(
                (member.identity, member.sop_instance_uid)
                for member in members(appliance.custody, before.exchange_id)
                if member.identity in earlier.rows
            )
            if not earlier.counts:
                earlier.counts.update(before.counts)
        follows, steps = before.follows, steps + 1
    return earlier
