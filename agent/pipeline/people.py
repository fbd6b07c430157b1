"""The people of the site file: who may act, and what the log calls them."""

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

from agent.config.models import Site
from exchange.domain.errors import DeniedError
from exchange.domain.exchange import Role
from exchange.keys.domains import DomainKeys

if TYPE_CHECKING:
    from agent.pipeline.appliance import Appliance

PEOPLE = "receipts/people"
"""The domain of the key that refers to people."""


def roles_of(appliance: "Appliance", name: str) -> tuple[Role, ...]:
    """The roles of a person.

    Raises:
        DeniedError: The site file does not know this name.
    """
    return roles_in(appliance.configuration.site, name)


def roles_in(site: Site, name: str) -> tuple[Role, ...]:
    """The roles of a person in a site file.

    Raises:
        DeniedError: It does not know this name.
    """
    people = site.people
    if name not in people:
        raise DeniedError(
            "cannot take this decision: the person given with --by is not in the site file",
            f"known are {', '.join(people) or 'none'}; add them under `people:` and reload",
        )
    return people[name].roles


def actor_reference(appliance: "Appliance", name: str) -> str:
    """What stands in the log for a person: keyed, so that nobody can guess names; 32 hex digits."""
    return people_reference(appliance.domain_keys, name)


def people_reference(keys: DomainKeys, name: str) -> str:
    """The same, where no appliance runs."""
    return hmac.digest(keys.key(PEOPLE), name.encode(), sha256).hex()[:32]
