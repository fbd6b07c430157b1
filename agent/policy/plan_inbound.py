"""What an inbound route would do to the elements of a study; the crosswalk is not asked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from agent.config.answers import Planned, PlannedElement
from agent.config.models import as_tuple
from agent.policy.routes import EffectiveRoute
from redact.reconcile.attributes import ORIGINAL_ATTRIBUTES, Action
from redact.reconcile.coerce import planned_changes
from redact.reconcile.quarantine import Quarantine
from redact.reconcile.restore import restored_tags

_PLANNED: Mapping[Action, Planned] = {
    Action.REPLACE: "replaced",
    Action.EMPTY: "emptied",
    Action.REMOVE: "removed",
}


def quarantined_elements(headers: Sequence[Dataset], route: EffectiveRoute) -> tuple[PlannedElement, ...]:
    """What an inbound route changes: the identity elements, whose originals are kept in the object."""
    settings = route.route.quarantine
    issuer = settings.issuer or next(iter(as_tuple(route.route.match.peer)), "partner")
    quarantine = Quarantine(issuer, route.route.quarantine_prefix, "plan", datetime.now(UTC))
    changes = [planned_changes(ds, quarantine) for ds in headers]
    return _elements(headers, changes, "quarantine of what a partner sent")


def restored_elements(headers: Sequence[Dataset]) -> tuple[PlannedElement, ...]:
    """What a return route changes at the top of objects whose patient is known.

    Pseudonyms of UIDs are exchanged wherever they stand; which of them are known, only the crosswalk knows.
    """
    return _elements(
        headers, [restored_tags(ds) for ds in headers], "the original patient's, by the crosswalk"
    )


def _elements(
    headers: Sequence[Dataset], changes: Sequence[Mapping[int, Action]], reason: str
) -> tuple[PlannedElement, ...]:
    """Counted over a study; what changes is recorded in OriginalAttributesSequence."""
    tally: Counter[tuple[int, Planned]] = Counter()
    for ds, planned in zip(headers, changes, strict=True):
        for tag, action in planned.items():
            tally[tag, _PLANNED[action] if tag in ds else "added"] += 1
        if planned:
            tally[ORIGINAL_ATTRIBUTES, "replaced" if ORIGINAL_ATTRIBUTES in ds else "added"] += 1
    return tuple(
        PlannedElement(
            path=f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
            keyword=keyword_for_tag(tag),
            action=action,
            reason=reason,
            count=count,
        )
        for (tag, action), count in sorted(tally.items())
    )
