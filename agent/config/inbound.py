"""What an inbound route must say, and must not: its study goes into the hospital's own PACS."""

from collections.abc import Iterator

from agent.config.models import Deidentify, Quarantine, Reidentify, Route, as_tuple
from agent.config.problems import did_you_mean
from agent.config.remarks import Remark, Subject
from agent.config.source import Path
from agent.config.types import LONGEST_PREFIX
from exchange.domain.exchange import Direction


def check_inbound(subject: Subject) -> Iterator[Remark]:
    """Inbound routes: a partner is named, nothing goes back to it, and what it brings back went to it."""
    for number, route in zip(subject.route_numbers, subject.site.routes, strict=True):
        if route.direction is Direction.INBOUND:
            yield from _identity(("routes", number), route)
            yield from _partner(("routes", number), route)
            if route.reidentify is not None:
                yield from _return(subject, ("routes", number), route, route.reidentify)
            continue
        if route.reidentify is not None:
            yield Remark(
                ("routes", number, "reidentify"),
                "what leaves is not re-identified",
                "leave it out, or write direction: inbound",
                on_key=True,
            )
        if route.quarantine != Quarantine():
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


def _return(subject: Subject, path: Path, route: Route, how: Reidentify) -> Iterator[Remark]:
    """A partner may bring back what was sent to him, and resolve no other pseudonyms than his own."""
    place = (*path, "reidentify", "pseudonym_domain")
    peers = set(as_tuple(route.match.peer))
    if not peers:
        yield Remark(
            (*path, "match"),
            f"return route {route.name} does not say whose studies come back",
            "name the peer: match: {peer: …}; whoever calls could learn whose pseudonyms they are",
        )
    senders = [
        one
        for one in subject.site.routes
        if isinstance(one.deidentify, Deidentify) and one.profile not in subject.retaining
    ]
    domains = sorted({one.pseudonym_domain for one in senders if one.pseudonym_domain})
    if how.no_longer_routed:
        if how.pseudonym_domain in domains:
            yield Remark(
                (*path, "reidentify", "no_longer_routed"),
                f"a route sends under the pseudonyms of {how.pseudonym_domain}",
                "leave it out",
            )
        return
    if how.pseudonym_domain not in domains:
        yield Remark(
            place,
            f"no route sends under the pseudonyms of {how.pseudonym_domain}",
            did_you_mean(how.pseudonym_domain, domains, "domain")
            + "; write no_longer_routed: true where none does any more",
        )
        return
    reached = {
        name for one in senders if one.pseudonym_domain == how.pseudonym_domain for name in one.deliver
    }
    if peers and not peers & reached:
        yield Remark(
            place,
            f"no route of the domain {how.pseudonym_domain} delivers to {', '.join(sorted(peers))}",
            f"it goes to {', '.join(sorted(reached))}; name the domain whose pseudonyms this peer got",
        )
