"""What is left of a site file when its mistakes are taken out, so that the rest can be checked as well.

The result is for finding further mistakes only; no daemon ever runs on it.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agent.config.models import Site
from agent.config.source import Path
from agent.config.translate import real_path

_ROUNDS = 20
_STANDING = {  # so that one missing name at the top does not hide everything else
    "site": "unnamed",
    "appliance": "unnamed",
    "listen": {"dicom": {}},
    "peers": {},
    "routes": [],
}
_ROUTE: Mapping[str, Callable[[int, str], Any]] = {
    "name": lambda number, _peer: f"unnamed-{number}",
    "direction": lambda _number, _peer: "outbound",
    "match": lambda number, _peer: {"called_ae": f"UNNAMED-{number}"},
    "deidentify": lambda number, _peer: {"profile": "default", "pseudonym_domain": f"unnamed-{number}"},
    "deliver": lambda _number, peer: [peer],
}


def salvage(value: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[Site | None, tuple[int, ...]]:
    """A site of the parts without mistakes (None when hopeless), and its routes' numbers in the file."""
    rest = copy.deepcopy(dict(value))
    routes = rest.get("routes")
    numbers = list(range(len(routes))) if isinstance(routes, list) else []
    for _ in range(_ROUNDS):
        try:
            return Site.model_validate(rest, context=dict(context)), tuple(numbers)
        except ValidationError as error:
            paths = {_owner_or_self(one, rest) for one in error.errors(include_url=False)}
        # From the back, so that the numbers of list items before stay what they are.
        for path in sorted(paths, key=lambda path: [str(step).zfill(6) for step in path], reverse=True):
            _take_out(rest, path, numbers)
        for key, standing in _STANDING.items():
            rest.setdefault(key, copy.deepcopy(standing))
    return None, ()


def _owner_or_self(error: ErrorDetails, rest: dict[str, Any]) -> Path:
    path = real_path(error["loc"], rest)
    if len(path) == 3 and path[0] == "routes" and path[2] in _ROUTE:
        return path  # a stand-in takes its place, so that the rest of the route is checked as well
    return path[:-1] if error["type"] == "missing" and len(path) > 1 else path


def _take_out(rest: dict[str, Any], path: Path, numbers: list[int]) -> None:
    owner: Any = rest
    for step in path[:-1]:
        try:
            owner = owner[step]
        except (KeyError, IndexError, TypeError):
            return  # taken out with what holds it
    last = path[-1]
    if path[0] == "routes" and len(path) == 3 and last in _ROUTE and isinstance(owner, dict):
        owner[last] = _ROUTE[str(last)](int(path[1]), next(iter(rest.get("peers") or {}), "unnamed"))
    elif isinstance(owner, dict):
        owner.pop(last, None)
    elif isinstance(owner, list) and isinstance(last, int) and last < len(owner):
        del owner[last]
        if path[:-1] == ("routes",):
            del numbers[last]
