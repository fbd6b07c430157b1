"""What would happen to a study, without doing it: the same routing and header cleaning, on a copy in memory.

Nothing is written and no value is told: element paths, keywords, actions and counts only. Pseudonyms are made
with a random key, so the plan never needs the site's secrets. The text burned into pixels is not looked for
here; the plan says how hard the profile would look for it, and by which rule.
"""

import copy
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from agent.config.answers import Planned, PlannedElement, PlannedReading, PlannedRoute, PlannedStudy
from agent.policy.facts import ConnectionFacts, ContentFacts, HeaderFacts
from agent.policy.plan_inbound import quarantined_elements, restored_elements
from agent.policy.routes import EffectiveRoute, RouteTable, content_matches
from exchange.dicomio.getters import text, texts, uid
from exchange.dicomio.header import read_header
from exchange.dicomio.quiet import quiet
from exchange.domain.errors import HeldError, InputError
from exchange.domain.exchange import Direction
from exchange.keys.domains import DomainKeys
from redact.headers.account import Account, Treatment
from redact.headers.cleaner import clean_header
from redact.headers.outcome import HeaderContext
from redact.headers.place import Result
from redact.headers.profile import Documents, NameRecognition, Option, Profile
from redact.identifiers.harvest import harvest
from redact.identifiers.names import NameRecogniser
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.pixels.policy import PixelPolicy

_ITEM = re.compile(r"\[\d+\]")
_ACTIONS: Mapping[Result, Planned] = {
    Result.REMOVED: "removed",
    Result.EMPTIED: "emptied",
    Result.REPLACED: "replaced",
    Result.SHIFTED: "shifted",
    Result.UIDS: "uid",
    Result.KEPT: "kept",
    Result.DESCEND: "kept",  # the sequence; its elements are told each
}
OpenNames = Callable[[NameRecognition], NameRecogniser]
_UNKNOWN: Mapping[str, Literal["held", "quarantined"]] = {"hold": "held", "quarantine": "quarantined"}


@dataclass(slots=True)
class _Study:
    headers: list[Dataset] = field(default_factory=list)


def plan_studies(
    folder: Path,
    routes: RouteTable,
    connection: ConnectionFacts | None,
    open_names: OpenNames | None = None,
) -> tuple[tuple[PlannedStudy, ...], dict[str, int]]:
    """Plan every study of a folder, in the order in which their first files sort.

    Args:
        folder: A folder, or one file. Symbolic links are not followed.
        routes: The site's routes.
        connection: How the study would come; None asks the routes' conditions on the content only.
        open_names: Opens the recogniser of names that a profile asks for; None where none does.

    Returns:
        The studies, and the number of files that cannot be used by reason code.

    Raises:
        ModelError: A recogniser of names cannot be opened.
    """
    studies: defaultdict[str, _Study] = defaultdict(_Study)
    refused: Counter[str] = Counter()
    for path in _files(folder):
        try:
            header = read_header(path)
        except InputError as error:
            refused[error.code.value] += 1
            continue
        studies[uid(header, "StudyInstanceUID")].headers.append(header)
    with quiet():
        planned = tuple(_plan(study.headers, routes, connection, open_names) for study in studies.values())
    return planned, dict(sorted(refused.items()))


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def _plan(
    headers: Sequence[Dataset],
    routes: RouteTable,
    connection: ConnectionFacts | None,
    open_names: OpenNames | None,
) -> PlannedStudy:
    content = ContentFacts.of(
        HeaderFacts(
            modality=text(ds, "Modality"),
            body_part=text(ds, "BodyPartExamined"),
            study_description=text(ds, "StudyDescription"),
            referring=" ".join(texts(ds, "ReferringPhysicianName")),
        )
        for ds in headers
    )
    if connection is None:
        matched = tuple(route for route in routes.routes if content_matches(route.route.match, content))
    else:
        matched = routes.match(connection, content)
    return PlannedStudy(
        files=len(headers),
        modalities=tuple(sorted(content.modalities)),
        routes=tuple(_planned_route(route, headers, open_names) for route in matched),
    )


def _planned_route(
    route: EffectiveRoute, headers: Sequence[Dataset], open_names: OpenNames | None
) -> PlannedRoute:
    elements: tuple[PlannedElement, ...] = ()
    held: dict[str, int] = {}
    if route.profile is not None:
        elements, held = _clean_all(headers, route.profile, open_names)
    elif route.route.reidentify is not None:
        elements = restored_elements(headers)
    elif route.direction is Direction.INBOUND:
        elements = quarantined_elements(headers, route)
    return PlannedRoute(
        route=route.name,
        identity=_identity(route),
        reason=route.reason or None,
        profile=route.profile.profile_id if route.profile else None,
        pseudonymDomain=route.pseudonym_domain or None,
        conditions=_conditions(route),
        deliver=route.destinations,
        pixels=_pixels(route.profile),
        readings=_readings(headers, route.profile),
        spotChecks=tuple(map(str, route.spot_checks)),
        unknown=_UNKNOWN[route.route.reidentify.on_unknown] if route.route.reidentify else None,
        documents=_documents(route.profile),
        names=_names(route.profile),
        elements=elements,
        held=held,
    )


def _documents(profile: Profile | None) -> str:
    if profile is None:
        return "not examined"
    return "rebuilt from their cleaned words" if profile.documents is Documents.REBUILD else "held"


def _names(profile: Profile | None) -> str:
    if profile is None or profile.names is None:
        return "not looked for"
    return f"removed where {profile.names.recogniser} is confident from {profile.names.threshold:g}"


def _pixels(profile: Profile | None) -> str:
    if profile is None or Option.CLEAN_PIXEL_DATA not in profile.options:
        return "not examined"
    if profile.retains_identity:
        return (
            "text is looked for and removed but the patient's own and known words; another's identity holds"
        )
    return "text is looked for and removed"


def _readings(headers: Sequence[Dataset], profile: Profile | None) -> tuple[PlannedReading, ...]:
    """How hard the images would be read, most frequent first; nothing where pixels are not examined."""
    if profile is None or Option.CLEAN_PIXEL_DATA not in profile.options:
        return ()
    policy = PixelPolicy(rules=profile.pixels)
    found = Counter(policy.choice(ds) for ds in headers if "Rows" in ds)
    return tuple(
        PlannedReading(mode=one.mode, reason=one.reason, line=one.line or None, count=count)
        for one, count in found.most_common()
    )


def _identity(route: EffectiveRoute) -> Literal["removed", "retained", "quarantined", "reidentified"]:
    if route.profile is not None:
        return route.profile.identity
    if route.route.reidentify is not None:
        return "reidentified"
    return "quarantined" if route.direction is Direction.INBOUND else "retained"


def _conditions(route: EffectiveRoute) -> dict[str, str]:
    given = route.route.match.model_dump(mode="json", exclude_none=True)
    return {key: "|".join(value) if isinstance(value, list) else str(value) for key, value in given.items()}


def _clean_all(
    headers: Sequence[Dataset], profile: Profile, open_names: OpenNames | None
) -> tuple[tuple[PlannedElement, ...], dict[str, int]]:
    pseudonymiser = Pseudonymiser(DomainKeys.ephemeral().key("plan"), "plan")
    names = open_names(profile.names) if profile.names is not None and open_names is not None else None
    context = HeaderContext.of(profile, pseudonymiser, [harvest(ds) for ds in headers], names)
    tally: Counter[Treatment] = Counter()
    held: Counter[str] = Counter()
    for ds in headers:
        account = Account()
        try:
            clean_header(copy.deepcopy(ds), context, account)
        except HeldError as error:
            held[error.code.value] += 1
            continue
        tally.update(replace(one, path=_ITEM.sub("[]", one.path)) for one in account.treatments)
    elements = [_planned_element(treatment, count) for treatment, count in tally.items()]
    elements.sort(key=lambda one: (one.path, one.action, one.reason))
    return tuple(elements), dict(sorted(held.items()))


def _planned_element(treatment: Treatment, count: int) -> PlannedElement:
    rule = treatment.rule
    return PlannedElement(
        path=treatment.path,
        keyword=keyword_for_tag(treatment.tag),
        action="added" if treatment.result is None else _ACTIONS[treatment.result],
        reason=treatment.reason,
        line=rule.line if rule is not None and rule.line else None,
        count=count,
    )


def totals(elements: Sequence[PlannedElement]) -> Mapping[str, int]:
    """How many elements meet each action."""
    counts: Counter[str] = Counter()
    for element in elements:
        counts[element.action] += element.count
    return dict(sorted(counts.items()))
