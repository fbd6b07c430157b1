"""The originals of a study that comes back: of this domain, outbound, as long as custody knows them."""

from dataclasses import replace

from agent.custody.closing import erase_key, retire
from agent.custody.originals import originals_of
from agent.custody.records import RouteDecision
from exchange.domain.exchange import Direction
from tests.agent.custody.world import STUDY, World, digest, route

DOMAIN = route().pseudonym_domain


def names(world: World, study: str = STUDY, domain: str = DOMAIN) -> list[str]:
    return [one.identity for one in originals_of(world.database, study, domain)]


def test_each_instance_is_found_once_in_the_order_of_identities(world: World) -> None:
    world.closed("a", "b")
    world.closed("b", "c")
    assert names(world) == sorted(digest(name) for name in "abc")
    assert all(one.study_instance_uid == STUDY for one in originals_of(world.database, STUDY, DOMAIN))


def test_another_study_domain_or_direction_is_not(world: World) -> None:
    world.settled("a", study="9.9")
    world.settled("b", routes=(replace(route(), pseudonym_domain="registry"),))
    inbound: RouteDecision = route("back", Direction.INBOUND)
    world.settled("c", routes=(replace(inbound, pseudonym_domain=DOMAIN),), called_ae="BACK")
    assert names(world) == []
    assert names(world, study="9.9") == [digest("a")]
    assert names(world, domain="registry") == [digest("b")]


def test_after_retention_they_are_known_without_a_key(world: World) -> None:
    closed = world.closed("a")
    retire(world.database, closed)
    assert erase_key(world.database, digest("a"), _arrivals(world), world.now())
    (one,) = originals_of(world.database, STUDY, DOMAIN)
    assert one.wrapped_key is None


def _arrivals(world: World) -> list[str]:
    return [one.arrival_id for one in originals_of(world.database, STUDY, DOMAIN)]
