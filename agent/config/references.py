"""Names in a site file that must mean something: peers, routes, profiles, AE titles, ports."""

from collections import defaultdict
from collections.abc import Iterator

from agent.config.models import Deidentify, Match, Route, as_tuple
from agent.config.problems import did_you_mean
from agent.config.remarks import Remark, Subject
from agent.config.source import Path
from exchange.domain.exchange import Direction

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def check_references(subject: Subject) -> Iterator[Remark]:
    """Unknown and repeated names, clashes, and routes that can never be reached."""
    yield from _empty(subject)
    yield from _route_names(subject)
    for number, route in zip(subject.route_numbers, subject.site.routes, strict=True):
        yield from _targets(subject, ("routes", number), route)
        yield from _identity(subject, ("routes", number), route)
    yield from _unreachable(subject)
    yield from _ports(subject)
    yield from _peer_titles(subject)
    yield from _own_titles(subject)


def _empty(subject: Subject) -> Iterator[Remark]:
    # Not a rule of the models: a part with mistakes is taken out before the rest is checked.
    for key in subject.empty:
        yield Remark((key,), f"{key} is empty", "name at least one", on_key=True)


def _route_names(subject: Subject) -> Iterator[Remark]:
    seen: set[str] = set()
    for number, route in zip(subject.route_numbers, subject.site.routes, strict=True):
        if route.name in seen:
            yield Remark(
                ("routes", number, "name"), f"route {route.name} is there twice", "give it another name"
            )
        seen.add(route.name)


def _targets(subject: Subject, path: Path, route: Route) -> Iterator[Remark]:
    listed = (
        ("deliver", route.deliver, subject.peer_names, "peer"),
        ("also", route.also, subject.route_names, "route"),
    )
    for key, names, known, noun in listed:
        if noun == "peer" and not known:
            continue  # said of `peers` itself
        for index, name in enumerate(names):
            if name not in known:
                yield Remark((*path, key, index), f"unknown {noun} {name}", did_you_mean(name, known, noun))
            elif name in names[:index]:
                yield Remark((*path, key, index), f"{noun} {name} is named twice", "leave one")
            elif noun == "route" and name == route.name:
                yield Remark((*path, key, index), "a route cannot open itself again", "leave it out")
    yield from _query(subject, path, route.settle.query)
    for name in as_tuple(route.match.peer):
        if name not in subject.peer_names:
            yield Remark(
                (*path, "match", "peer"),
                f"unknown peer {name}",
                did_you_mean(name, subject.peer_names, "peer"),
            )


def _query(subject: Subject, path: Path, name: str | None) -> Iterator[Remark]:
    """Only a DICOM peer can be asked by C-FIND."""
    if name is None:
        return
    dicom = [known for known, peer in subject.site.peers.items() if peer.dicom is not None]
    if name not in subject.peer_names:
        yield Remark((*path, "settle", "query"), f"unknown peer {name}", did_you_mean(name, dicom, "peer"))
    elif name in subject.site.peers and name not in dicom:
        yield Remark(
            (*path, "settle", "query"),
            f"{name} cannot be asked how many instances a study has: it is no dicom peer",
            f"name a peer with dicom:, such as {dicom[0]}" if dicom else "add the PACS as a peer with dicom:",
        )


def _identity(subject: Subject, path: Path, route: Route) -> Iterator[Remark]:
    if not isinstance(route.deidentify, Deidentify):
        if not (route.reason or "").strip():
            yield Remark(
                (*path, "deidentify"),
                "deidentify: none has no reason",
                "add reason: why identity may be kept",
            )
        elif route.direction is Direction.OUTBOUND:
            yield Remark(
                (*path, "deidentify"),
                f"route {route.name} removes no identity; its receipts say identity: retained",
                "name a profile if this is not meant",
                "warning",
            )
        return
    if route.reason is not None:
        yield Remark((*path, "reason"), "a reason is for deidentify: none only", "leave it out", on_key=True)
    profile = route.deidentify.profile
    if profile not in subject.profile_names:
        yield Remark(
            (*path, "deidentify", "profile"),
            f"unknown profile {profile}",
            did_you_mean(profile, subject.profile_names, "profile"),
        )
    if profile in subject.retaining:
        yield from _retained(path, route.deidentify, route)
    elif len(set(route.deliver)) > 1 and route.deidentify.pseudonym_domain is None:
        yield Remark(
            (*path, "deliver"),
            "several recipients would share pseudonyms without this being said",
            "name deidentify.pseudonym_domain, or give each recipient a route of its own",
        )


def _retained(path: Path, how: Deidentify, route: Route) -> Iterator[Remark]:
    if how.pseudonym_domain is not None:
        yield Remark(
            (*path, "deidentify", "pseudonym_domain"),
            f"profile {how.profile} retains identity: there are no pseudonyms, and no domain of them",
            "leave it out",
            on_key=True,
        )
    if route.direction is Direction.OUTBOUND:
        yield Remark(
            (*path, "deidentify", "profile"),
            f"route {route.name} keeps the patient's identity; its receipts say identity: retained",
            "name another profile if this is not meant",
            "warning",
        )


def _unreachable(subject: Subject) -> Iterator[Remark]:
    routes = subject.site.routes
    named = {name for route in routes for name in route.also}
    for later, route in enumerate(routes):
        if route.name in named:
            continue
        for earlier in routes[:later]:
            if _covers(earlier.match, route.match):
                yield Remark(
                    ("routes", subject.route_numbers[later], "match"),
                    f"route {route.name} is never reached: {earlier.name} comes first and takes all of it",
                    f"move it before {earlier.name}, narrow {earlier.name}, or list it in also:",
                    "warning",
                )
                break


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether every study that `narrow` takes is taken by `wide` for certain."""
    for key in ("called_ae", "calling_ae", "peer"):
        condition = as_tuple(getattr(wide, key))
        asked = as_tuple(getattr(narrow, key))
        if condition and not (asked and set(asked) <= set(condition)):
            return False
    for key in ("modality", "body_part", "study_description", "referring", "http_header"):
        condition = getattr(wide, key)
        if condition is not None and condition != getattr(narrow, key):
            return False
    return True


def _ports(subject: Subject) -> Iterator[Remark]:
    taken: dict[int, list[tuple[str, str]]] = defaultdict(list)
    listen = subject.site.listen
    if listen.dicom is None and listen.dicom_tls is None and listen.dicomweb is None:
        yield Remark(("listen",), "the appliance listens nowhere", "write dicom: {port: 11112}", on_key=True)
    for name in ("dicom", "dicom_tls", "web", "dicomweb", "metrics"):
        listener = getattr(listen, name)
        if listener is None:
            continue
        for other, host in taken[listener.port]:
            if host == listener.host or {host, listener.host} & _EVERYWHERE:
                yield Remark(
                    ("listen", name, "port"),
                    f"port {listener.port} is used by {other} too",
                    "give each its own port",
                )
        taken[listener.port].append((name, listener.host))


def _peer_titles(subject: Subject) -> Iterator[Remark]:
    # A caller is known by AE title and address: where both are the same, nobody can tell two peers apart.
    seen: dict[tuple[str, str], tuple[str, int]] = {}
    for name, peer in subject.site.peers.items():
        if peer.dicom is None:
            continue
        known = (peer.dicom.ae_title, peer.dicom.host)
        other, port = seen.setdefault(known, (name, peer.dicom.port))
        if other == name:
            continue
        same = port == peer.dicom.port
        yield Remark(
            ("peers", name, "dicom", "ae_title"),
            f"{name} has the AE title and address of {other}",
            "leave one of them" if same else "as callers they cannot be told apart; rename one",
            "error" if same else "warning",
        )


def _own_titles(subject: Subject) -> Iterator[Remark]:
    listeners = (subject.site.listen.dicom, subject.site.listen.dicom_tls)
    own = {title for listener in listeners if listener for title in listener.ae_titles}
    for name, peer in subject.site.peers.items():
        if peer.dicom is not None and peer.dicom.ae_title in own:
            yield Remark(
                ("peers", name, "dicom", "ae_title"),
                f"AE title {peer.dicom.ae_title} is the appliance's own",
                "two systems must not share an AE title; rename one",
            )
    for listener in ("dicom", "dicom_tls"):
        titles = getattr(getattr(subject.site.listen, listener), "ae_titles", ())
        for index, title in enumerate(titles):
            if title in titles[:index]:
                yield Remark(
                    ("listen", listener, "ae_titles", index), f"AE title {title} is listed twice", "leave one"
                )
