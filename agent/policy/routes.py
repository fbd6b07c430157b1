"""Which routes a study takes: ordered, the first match wins, `also:` opens further ones, none is `unrouted`.

Conditions on the connection are decided at arrival, those on the content after settling. All conditions of a
`match` must hold. Text conditions ignore case; `modality` and `body_part` must match the whole value of at
least one series, `study_description` and `referring` any part of it. A route named by `also:` is opened when
its own conditions on the content hold; naming it replaces its conditions on the connection.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from agent.config.models import Match, Route, Settle, as_tuple
from agent.policy.facts import ConnectionFacts, ContentFacts
from agent.policy.settling import Terms
from exchange.domain.exchange import Direction
from redact.headers.profile import Profile
from redact.pixels.spot_check import SpotRule


@dataclass(frozen=True, slots=True)
class EffectiveRoute:
    """A route with everything it names looked up.

    Attributes:
        route: As written in the site file.
        profile: None when nothing is cleaned.
        profile_sha256: Digest of the profile's canonical form; "" when nothing is cleaned.
        pseudonym_domain: That pseudonyms are made in, or on a return route resolved in; "" on others.
    """

    route: Route
    profile: Profile | None
    profile_sha256: str
    pseudonym_domain: str

    @property
    def name(self) -> str:
        """The route's name."""
        return self.route.name

    @property
    def direction(self) -> Direction:
        """Which way it looks."""
        return self.route.direction

    @property
    def destinations(self) -> tuple[str, ...]:
        """Names of the peers that the study goes to."""
        return self.route.deliver

    @property
    def identity(self) -> str:
        """`removed` or `retained`, as the receipt states it."""
        return "retained" if self.profile is None else self.profile.identity

    @property
    def reason(self) -> str:
        """Why identity is retained, of the profile or the route; "" where it is removed."""
        return (self.profile.reason if self.profile else self.route.reason) or ""

    @property
    def spot_checks(self) -> tuple[SpotRule, ...]:
        """Which clean instances a person looks at before they leave."""
        return tuple(one.rule(number) for number, one in enumerate(self.route.spot_check, start=1))


class RouteTable:
    """The routes of a site, ready to be asked."""

    def __init__(self, routes: Sequence[EffectiveRoute]) -> None:
        self.routes = tuple(routes)
        self._by_name = {route.name: route for route in self.routes}

    def named(self, name: str) -> EffectiveRoute:
        """The route of this name.

        Raises:
            KeyError: There is none.
        """
        return self._by_name[name]

    def candidates(self, connection: ConnectionFacts) -> tuple[EffectiveRoute, ...]:
        """Routes that an arrival may still take, whatever its content; empty means `unrouted` for certain."""
        return tuple(route for route in self.routes if connection_matches(route.route.match, connection))

    def settle_terms(self, connection: ConnectionFacts) -> Terms:
        """How long to wait for more, and whom to ask: the longest of all routes that are still possible.

        These are the candidates and what they would open by `also:`; what is `unrouted` for certain waits as
        long as a route does that says nothing of it.
        """
        first = self.candidates(connection)
        named = dict.fromkeys(name for route in first for name in route.route.also)
        routes = (*first, *(self._by_name[name] for name in named))
        settle = [route.route.settle for route in routes] or [Settle()]
        return Terms(
            timedelta(seconds=max(one.quiet_seconds for one in settle)),
            timedelta(seconds=max(one.longest_seconds for one in settle)),
            tuple(dict.fromkeys(one.query for one in settle if one.query is not None)),
        )

    def match(self, connection: ConnectionFacts, content: ContentFacts) -> tuple[EffectiveRoute, ...]:
        """The routes that open an exchange, the first match first; empty means `unrouted`."""
        for route in self.candidates(connection):
            if content_matches(route.route.match, content):
                return (route, *self._also(route, content))
        return ()

    def _also(self, first: EffectiveRoute, content: ContentFacts) -> Iterable[EffectiveRoute]:
        opened = {first.name}
        for name in first.route.also:
            route = self._by_name[name]
            if name not in opened and content_matches(route.route.match, content):
                opened.add(name)
                yield route


def route_table(routes: Sequence[Route], profiles: Mapping[str, Profile]) -> RouteTable:
    """Join routes with the profiles that they name.

    Args:
        routes: In the order of the site file.
        profiles: By name; every profile that a route names is there (`check` has seen to it).

    Raises:
        KeyError: A route names a profile that is missing.
    """
    return RouteTable([_effective(route, profiles) for route in routes])


def _effective(route: Route, profiles: Mapping[str, Profile]) -> EffectiveRoute:
    if route.profile is None:
        return EffectiveRoute(route, None, "", route.pseudonym_domain or "")
    profile = profiles[route.profile]
    if profile.retains_identity:
        return EffectiveRoute(route, profile, profile.sha256, "")
    return EffectiveRoute(route, profile, profile.sha256, route.pseudonym_domain or route.name)


def connection_matches(match: Match, facts: ConnectionFacts) -> bool:
    """Whether the conditions on the connection hold."""
    asked = (
        (match.called_ae, facts.called_ae),
        (match.calling_ae, facts.calling_ae),
        (match.peer, facts.peer),
    )
    if match.http_header:
        return False  # no listener of this version has HTTP headers; `check` refuses such a route
    return all(condition is None or value in as_tuple(condition) for condition, value in asked)


def content_matches(match: Match, facts: ContentFacts) -> bool:
    """Whether the conditions on the content hold."""
    return (
        _any(match.modality, facts.modalities, whole=True)
        and _any(match.body_part, facts.body_parts, whole=True)
        and _any(match.study_description, facts.study_descriptions, whole=False)
        and _any(match.referring, facts.referring, whole=False)
    )


def _any(pattern: str | None, values: Iterable[str], *, whole: bool) -> bool:
    if pattern is None:
        return True
    compiled = re.compile(pattern, re.IGNORECASE)
    test = compiled.fullmatch if whole else compiled.search
    return any(test(value) for value in values)
