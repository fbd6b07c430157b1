"""Which recognisers of names in free text are installed: plug-ins and our own. Nothing is loaded here."""

from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

GROUP = "lockgate.names"
_OWN = (EntryPoint("token-classification", "agent.inference.token_names:open_recogniser", GROUP),)


def installed_recognisers() -> Mapping[str, tuple[EntryPoint, ...]]:
    """By name, sorted, whatever offers it: entry points of the group `lockgate.names`, and our own.

    A name with several offers is ambiguous: what would be loaded is then a matter of the search path.
    """
    found: defaultdict[str, list[EntryPoint]] = defaultdict(list)
    for entry in (*_OWN, *entry_points(group=GROUP)):
        found[entry.name].append(entry)
    return {name: tuple(offers) for name, offers in sorted(found.items())}


def distribution_of(entry: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that offers it; of ours without a version."""
    return (entry.dist.name, entry.dist.version) if entry.dist is not None else ("lockgate", "")
