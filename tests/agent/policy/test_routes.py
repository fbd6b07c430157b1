"""Which routes a study takes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.models import Route, Settle
from agent.config.profiles import load_profile
from agent.policy.facts import ConnectionFacts, ContentFacts, HeaderFacts
from agent.policy.routes import RouteTable, route_table
from agent.policy.settling import Terms

CT = ContentFacts(frozenset({"CT"}), frozenset({"HEAD"}), frozenset({"CT Head w/o"}), frozenset({"Doe^Jo"}))


def table(*routes: Mapping[str, Any]) -> RouteTable:
    default = {"direction": "outbound", "deidentify": {"profile": "default"}, "deliver": ["p"], "match": {}}
    made = [Route.model_validate({**default, "name": f"r{n}", **route}) for n, route in enumerate(routes)]
    return route_table(made, {"default": load_profile("default")})


def names(routes: RouteTable, content: ContentFacts = CT, called: str = "A", peer: str = "") -> list[str]:
    return [one.name for one in routes.match(ConnectionFacts(called, "X", peer), content)]


def test_the_first_match_wins() -> None:
    assert names(table({"match": {"called_ae": "B"}}, {"match": {"called_ae": "A"}}, {"match": {}})) == ["r1"]


def test_no_match_is_unrouted() -> None:
    assert names(table({"match": {"called_ae": "B"}})) == []


CONDITIONS = [
    ({"called_ae": ["B", "A"]}, True),
    ({"calling_ae": "X"}, True),
    ({"calling_ae": "x"}, False),
    ({"peer": "pacs"}, False),
    ({"modality": "ct|mr"}, True),
    ({"modality": "C"}, False),
    ({"body_part": "HEAD"}, True),
    ({"study_description": "head"}, True),
    ({"study_description": "^head"}, False),
    ({"referring": "doe"}, True),
    ({"called_ae": "A", "modality": "MR"}, False),
    ({"http_header": {"x": "y"}}, False),
]


@pytest.mark.parametrize(("match", "taken"), CONDITIONS, ids=[str(row[0]) for row in CONDITIONS])
def test_a_condition(match: Mapping[str, Any], taken: bool) -> None:
    assert bool(names(table({"match": match}))) is taken


def test_a_study_without_the_attribute_does_not_match() -> None:
    assert names(table({"match": {"body_part": ".*"}}), ContentFacts(frozenset({"CT"}))) == []


def test_one_series_of_the_modality_is_enough() -> None:
    facts = ContentFacts.of([HeaderFacts("SR"), HeaderFacts("CT", "CHEST"), HeaderFacts("")])
    assert facts.modalities == {"SR", "CT"}
    assert names(table({"match": {"modality": "CT"}}), facts) == ["r0"]


def test_also_opens_further_routes_whose_content_fits() -> None:
    routes = table(
        {"match": {"called_ae": "A"}, "also": ["r1", "r2", "r1"]},
        {"match": {"called_ae": "B", "modality": "CT"}},
        {"match": {"called_ae": "B", "modality": "US"}},
    )
    assert names(routes) == ["r0", "r1"]


def test_also_of_a_route_that_did_not_match_first_opens_nothing() -> None:
    routes = table({"match": {"called_ae": "A"}}, {"match": {}, "also": ["r0"]})
    assert names(routes) == ["r0"]


def test_candidates_do_not_ask_for_content() -> None:
    routes = table(
        {"match": {"modality": "US"}, "settle": {"quiet_seconds": 60}}, {"match": {"called_ae": "B"}}
    )
    connection = ConnectionFacts("A", "X")
    assert [one.name for one in routes.candidates(connection)] == ["r0"]
    assert routes.settle_terms(connection).quiet == timedelta(seconds=60)


def test_the_longest_terms_of_all_routes_that_are_possible_count() -> None:
    routes = table(
        {"match": {"modality": "US"}, "settle": {"quiet_seconds": 5, "query": "pacs"}, "also": ["r2"]},
        {
            "match": {"called_ae": "A"},
            "settle": {"quiet_seconds": 7, "query": "pacs"},
        },
        {"match": {"called_ae": "C"}, "settle": {"quiet_seconds": 9, "query": "archive"}},
    )
    terms = routes.settle_terms(ConnectionFacts("A", "X"))
    assert terms == Terms(timedelta(seconds=9), timedelta(seconds=900), ("pacs", "archive"))
    assert routes.settle_terms(ConnectionFacts("C", "X")).queries == ("pacs", "archive")


def test_what_no_route_takes_waits_as_long_as_a_route_that_says_nothing_of_it() -> None:
    routes = table({"match": {"called_ae": "B"}, "settle": {"quiet_seconds": 1}})
    assert routes.settle_terms(ConnectionFacts("A", "X")).quiet == timedelta(seconds=Settle().quiet_seconds)


def test_an_effective_route_carries_its_profile() -> None:
    routes = table({}, {"deidentify": "none", "reason": "test"}, {"deidentify": {"pseudonym_domain": "d"}})
    first, second, third = routes.routes
    assert (first.identity, first.pseudonym_domain, len(first.profile_sha256)) == ("removed", "r0", 64)
    assert (second.identity, second.profile, second.profile_sha256, second.pseudonym_domain) == (
        "retained",
        None,
        "",
        "",
    )
    assert third.pseudonym_domain == "d"
    assert routes.named("r1") is second


def test_facts_show_no_values() -> None:
    assert "Doe" not in repr(CT)
    assert "Spine" not in repr(HeaderFacts("CT", "", "Spine", "Doe"))


@given(st.permutations(["CT", "MR", "US", ""]), st.text(max_size=5))
def test_the_order_of_instances_does_not_matter(order: list[str], body: str) -> None:
    headers = [HeaderFacts(modality, body) for modality in order]
    assert ContentFacts.of(headers) == ContentFacts.of(reversed(headers))
