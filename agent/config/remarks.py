"""What the checks of meaning are given, and what they say."""

from dataclasses import dataclass, field
from pathlib import Path

from agent.config import source as yaml_source
from agent.config.models import Site
from agent.config.problems import Severity


@dataclass(frozen=True, slots=True)
class Remark:
    """Something wrong with the meaning of a site file.

    Attributes:
        path: What it is about, from the root of the file.
        message: What is wrong.
        instead: What to write or do instead.
        severity: Warnings do not stop a start.
        on_key: Whether the key, not its value, is what is wrong.
    """

    path: yaml_source.Path
    message: str
    instead: str
    severity: Severity = "error"
    on_key: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked.

    Attributes:
        site: What could be read; parts with mistakes of their own are left out.
        folder: Folder of the site file, absolute.
        peer_names: Of every peer in the file, of those with mistakes too.
        route_names: Of every route in the file, of those with mistakes too.
        profile_names: De-identification profiles that there are.
        retaining: Those of them that retain the patient's identity.
        empty: Which of `peers` and `routes` stand in the file without content.
        route_numbers: Position in the file's list of each route of `site`.
    """

    site: Site
    folder: Path
    peer_names: tuple[str, ...]
    route_names: tuple[str, ...]
    profile_names: tuple[str, ...]
    route_numbers: tuple[int, ...] = field(default=())
    retaining: frozenset[str] = frozenset()
    empty: tuple[str, ...] = field(default=())
