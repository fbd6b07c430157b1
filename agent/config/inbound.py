"""What an inbound route must say, and must not: its study goes into the hospital's own PACS."""

from collections.abc import Iterator

from agent.config.models import Deidentify, Quarantine, Route, as_tuple
from agent.config.remarks import Remark, Subject
from agent.config.source import Path
from agent.config.types import LONGEST_PREFIX
from exchange.domain.exchange import Direction


def check_inbound(subject: Subject) -> Iterator[Remark]:
    """Inbound routes: identity is kept and quarantined, a partner is named, nothing goes back to it."""
    for number, route in zip(subject.route_numbers, subject.site.routes, strict=True):
        if route.direction is Direction.INBOUND:
            yield from _identity(("routes", number), route)
            yield from _partner(("routes", number), route)
        elif route.quarantine != Quarantine():
            yield Remark(
                ("routes", number, "quarantine"),
                "a quarantine identity is for inbound routes only",
                "leave it out, or write direction: inbound",
                on_key=True,
            )


def _identity(path: Path, route: Route) -> Iterator[Remark]:
    if isinstance(route.deidentify, Deidentify):
        yield Remark(
            (*path, "deidentify"),
            f"inbound route {route.name} would remove the identity that a person must reconcile",
            "write deidentify: none and a reason; de-identify on an outbound route",
        )
    if len(route.quarantine_prefix) > LONGEST_PREFIX:
        yield Remark(
            (*path, "name"),
            f"the route's name is too long to stand before a PatientID ({LONGEST_PREFIX} characters)",
            "give quarantine: {prefix: …} a shorter one",
        )


def _partner(path: Path, route: Route) -> Iterator[Remark]:
    match = route.match
    if match.peer is None and match.calling_ae is None:
        yield Remark(
            (*path, "match"),
            f"inbound route {route.name} takes studies of whoever calls: no partner is named",
            "name the peer (or its calling_ae); its name becomes IssuerOfPatientID",
            "warning",
        )
    named = "peer" if match.peer is not None else "calling_ae"
    if len(as_tuple(getattr(match, named))) > 1:
        yield Remark(
            (*path, "match", named),
            "several partners would share one prefix: ids of different people could become one",
            "give each partner a route of its own",
        )
    for index, name in enumerate(route.deliver):
        if name in as_tuple(match.peer):
            yield Remark(
                (*path, "deliver", index),
                f"peer {name} would get its own studies back",
                "deliver to the PACS; name the partner in match",
            )
