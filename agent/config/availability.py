"""What the design has and this version has not: refused or told, never silently ignored."""

from collections.abc import Iterator

from agent.config.models import Route
from agent.config.remarks import Remark, Subject

_VERSION = "not available in this version"


def check_availability(subject: Subject) -> Iterator[Remark]:
    """Errors for what would change what leaves the hospital; a warning for what would merely be missing."""
    listen = subject.site.listen
    if listen.web is not None:
        yield Remark(
            ("listen", "web"),
            f"the web page is {_VERSION}: nothing will listen there",
            "use lockgate status, exchanges and holds",
            "warning",
            on_key=True,
        )
    for number, route in zip(subject.route_numbers, subject.site.routes, strict=True):
        yield from _route(("routes", number), route)


def _route(path: tuple[str | int, ...], route: Route) -> Iterator[Remark]:
    if route.seal is not None:
        yield Remark(
            (*path, "seal"),
            f"payload encryption is {_VERSION}",
            "leave seal out, or wait with this route",
            on_key=True,
        )
    if route.triage is not None and (route.triage.models or route.triage.mode == "active"):
        yield Remark((*path, "triage"), f"triage models are {_VERSION}", "leave triage out", on_key=True)
    if route.protocol is not None and route.protocol.templates:
        yield Remark(
            (*path, "protocol"), f"protocol templates are {_VERSION}", "leave templates out", on_key=True
        )
    if route.match.http_header is not None:
        yield Remark(
            (*path, "match", "http_header"),
            f"matching HTTP headers is {_VERSION}",
            "leave it out",
            on_key=True,
        )
