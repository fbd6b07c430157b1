"""Spot checks of routes: keywords that may be asked, and a route that can carry them out."""

from collections.abc import Iterator

from agent.config.models import Route
from agent.config.problems import MistakesError
from agent.config.profiles import find_profile
from agent.config.remarks import Remark, Subject
from agent.config.source import Path
from exchange.domain.exchange import Direction


def check_spot_checks(subject: Subject) -> Iterator[Remark]:
    """What is wrong with the routes' `spot_check:`."""
    for number, route in zip(subject.route_numbers, subject.site.routes, strict=True):
        if route.spot_check:
            yield from _of_route(subject, ("routes", number, "spot_check"), route)


def _of_route(subject: Subject, path: Path, route: Route) -> Iterator[Remark]:
    if route.direction is Direction.INBOUND or route.profile is None:
        yield Remark(
            path,
            "a spot check is of what was cleaned, and this route cleans nothing",
            "leave it out",
            on_key=True,
        )
        return
    reads = _reads_pixels(subject, route.profile)
    for index, one in enumerate(route.spot_check):
        where = (*path, index)
        for at, (message, instead) in one.when.unknown((*where, "when")) if one.when else ():
            yield Remark(at, message, instead, on_key=True)
        for key, value in (("boxes", one.boxes), ("area", one.area)):
            if value is not None and not reads:
                yield Remark(
                    (*where, key),
                    f"{key} counts what is removed from pixels, and the profile {route.profile} reads none",
                    "add 113101 (Clean Pixel Data) to its options, or leave it out",
                    on_key=True,
                )


def _reads_pixels(subject: Subject, profile: str) -> bool:
    from redact.headers.profile import Option

    if profile not in subject.profile_names:
        return True  # said elsewhere
    try:
        return Option.CLEAN_PIXEL_DATA in find_profile(profile, subject.folder).profile.options
    except MistakesError:
        return True  # its mistakes are told by themselves
