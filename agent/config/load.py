"""Reading a site file: all its mistakes at once, each at its place, or a site to work with."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.config.availability import check_availability
from agent.config.doors import check_doors
from agent.config.files import check_files
from agent.config.firmware import load_firmware_profiles
from agent.config.inbound import check_inbound
from agent.config.models import Site
from agent.config.problems import MistakesError, Problem, did_you_mean
from agent.config.profiles import OWN_FOLDER, find_profile, profile_files
from agent.config.references import check_references
from agent.config.remarks import Remark, Subject
from agent.config.salvage import salvage
from agent.config.source import Position, Source, read_source
from agent.config.spot_checks import check_spot_checks
from agent.config.translate import place, words

DEFAULT_FILE = "site.yaml"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadedSite:
    """A valid site file.

    Attributes:
        site: Its content, paths absolute.
        file: The site file, absolute.
        warnings: What does not stop a start.
        sha256: Digest of the file's bytes, lower-case hex.
    """

    site: Site
    file: Path
    warnings: tuple[Problem, ...]
    sha256: str

    @property
    def folder(self) -> Path:
        """The folder that relative paths start at."""
        return self.file.parent


def load_site(path: Path, now: datetime | None = None) -> LoadedSite:
    """Read and check a site file; nothing is written, no peer is asked.

    Args:
        path: The site file.
        now: What certificates are compared with; timezone-aware, default the clock.

    Raises:
        MistakesError: A `ConfigurationError` with every mistake in `.problems`.
    """
    file = str(path)
    data = _read(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MistakesError(
            file, [Problem(file, line, 1, "this is not UTF-8 text", "save the file as UTF-8")]
        ) from error
    folder = path.resolve().parent
    source = read_source(text)
    site, problems = _problems(file, source, folder, now or datetime.now(UTC))
    if site is None or any(problem.severity == "error" for problem in problems):
        raise MistakesError(file, problems)
    return LoadedSite(site, path.resolve(), tuple(sorted(problems)), hashlib.sha256(data).hexdigest())


def _read(path: Path) -> bytes:
    file = str(path)
    try:
        with path.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        instead = (
            "lockgate init DIR writes one; -c names another" if isinstance(error, FileNotFoundError) else ""
        )
        raise MistakesError(
            file, [Problem(file, 0, 0, f"cannot be read: {error.strerror}", instead)]
        ) from error
    if len(data) > _MOST_BYTES:
        raise MistakesError(file, [Problem(file, 0, 0, "is larger than 1 MiB", "name a site file")])
    return data


def _problems(file: str, source: Source, folder: Path, now: datetime) -> tuple[Site | None, list[Problem]]:
    problems = [
        Problem(file, one.position.line, one.position.column, one.message, one.instead)
        for one in source.mistakes
    ]
    if not isinstance(source.value, dict):
        if not problems:
            problems.append(Problem(file, 1, 1, "a site file is keys and values", "write site: NAME first"))
        return None, problems
    context = {"folder": folder}
    site: Site | None
    try:
        site = Site.model_validate(source.value, context=context)
        numbers = tuple(range(len(site.routes)))
    except ValidationError as error:
        problems += _shape_problems(file, error, source)
        site, numbers = salvage(source.value, context)
    if site is not None:
        subject = _subject(site, source.value, folder, numbers)
        problems += [_at(file, source, remark) for remark in _remarks(subject, now)]
        problems += _profiles(subject)
    return site, list(dict.fromkeys(problems))


def _shape_problems(file: str, error: ValidationError, source: Source) -> Iterator[Problem]:
    for one in error.errors(include_url=False):
        path, position = place(one, source)
        message, instead = words(one, path, source)
        yield Problem(file, position.line, position.column, message, instead)


def _subject(site: Site, value: dict[str, Any], folder: Path, numbers: tuple[int, ...]) -> Subject:
    peers, routes = value.get("peers"), value.get("routes")
    names = [
        route["name"]
        for route in (routes if isinstance(routes, list) else [])
        if isinstance(route, dict) and isinstance(route.get("name"), str)
    ]
    known = tuple(profile_files(folder))
    return Subject(
        site=site,
        folder=folder,
        peer_names=tuple(peers) if isinstance(peers, dict) else (),
        route_names=tuple(names),
        profile_names=known,
        retaining=frozenset(
            name
            for name in {route.profile for route in site.routes}
            if name in known and _retains(name, folder)
        ),
        route_numbers=numbers,
        empty=tuple(key for key in ("peers", "routes") if value.get(key) in ([], {})),
    )


def _retains(name: str, folder: Path) -> bool:
    try:
        return find_profile(name, folder).profile.retains_identity
    except MistakesError:
        return False  # its mistakes are told by themselves


def _remarks(subject: Subject, now: datetime) -> Iterator[Remark]:
    yield from check_references(subject)
    yield from check_availability(subject)
    yield from check_inbound(subject)
    yield from check_doors(subject)
    yield from check_spot_checks(subject)
    yield from check_files(subject, now)
    if subject.site.firmware_profile is not None:
        names = [profile.profile for profile in load_firmware_profiles()]
        if subject.site.firmware_profile not in names:
            name = subject.site.firmware_profile
            yield Remark(("firmware_profile",), f"unknown firmware profile {name}", did_you_mean(name, names))


def _profiles(subject: Subject) -> Iterator[Problem]:
    """Mistakes in the profiles that routes name; in the site's own that none names, warnings."""
    used = {route.profile for route in subject.site.routes if route.profile is not None}
    own = {path.stem for path in (subject.folder / OWN_FOLDER).glob("*.yaml")}
    for name in sorted((used | own) & set(subject.profile_names)):
        try:
            find_profile(name, subject.folder)
        except MistakesError as error:
            for one in error.problems:
                yield one if name in used else replace(one, severity="warning")


def _at(file: str, source: Source, remark: Remark) -> Problem:
    position: Position = source.key_at(remark.path) if remark.on_key else source.at(remark.path)
    return Problem(file, position.line, position.column, remark.message, remark.instead, remark.severity)
