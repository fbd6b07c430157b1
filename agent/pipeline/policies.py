"""Whether what routes do has changed since the log last told: one leaf for each route that does."""

import json
from hashlib import sha256

from agent.pipeline.appliance import Appliance
from agent.pipeline.configuration import Configuration
from agent.pipeline.people import actor_reference
from agent.policy.routes import EffectiveRoute
from exchange.domain.errors import LogError
from exchange.log.events import Event, EventKind
from exchange.log.leaves import parse

_LOOKED_BACK = 1 << 20
"""Leaves among which the last word on a route is sought; beyond it the route is told again."""


def log_policies(appliance: Appliance) -> int:
    """Log each route whose rules or profile are not those that the log last told; how many."""
    now = {route.name: route for route in appliance.configuration.routes.routes}
    told = _last_told(appliance, set(now))
    events = [_event(route) for name, route in now.items() if told.get(name) != policy_sha256(route)]
    appliance.log.append_all(events)
    return len(events)


def log_roles(appliance: Appliance, before: Configuration, after: Configuration) -> int:
    """Log each person whose roles a reload has changed, without the name; how many."""
    old = {name: person.roles for name, person in before.site.people.items()}
    new = {name: person.roles for name, person in after.site.people.items()}
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    events = [
        Event(
            EventKind.ROLE_CHANGED,
            {"person": actor_reference(appliance, name), "roles": "+".join(new.get(name, ()))},
            private={"person": name},
        )
        for name in changed
    ]
    appliance.log.append_all(events)
    return len(events)


def policy_sha256(route: EffectiveRoute) -> str:
    """Digest of a route as it takes effect: its rules as written, and its profile's digest."""
    whole = {"route": route.route.model_dump(mode="json"), "profileSha256": route.profile_sha256}
    return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _event(route: EffectiveRoute) -> Event:
    said = {"route": route.name, "policySha256": policy_sha256(route), "profileSha256": route.profile_sha256}
    return Event(EventKind.POLICY_CHANGED, {name: value for name, value in said.items() if value})


def _last_told(appliance: Appliance, wanted: set[str]) -> dict[str, str]:
    """The newest digest of each route; read backwards until each is found."""
    told: dict[str, str] = {}
    needle = f'"kind":"{EventKind.POLICY_CHANGED.value}"'.encode("ascii")
    for _, data in appliance.log.reader().backwards(_LOOKED_BACK):
        if needle in data:
            try:
                said = parse(data).obj
            except LogError:
                continue  # `fsck` names it; the route is told again
            told.setdefault(str(said.get("route")), str(said.get("policySha256")))
            if wanted <= told.keys():
                break
    return told
