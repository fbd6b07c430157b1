"""Whose pseudonym is it: one entry of the crosswalk for one named person, logged before it is answered."""

import re
from dataclasses import dataclass, field

from agent.pipeline.appliance import Appliance
from agent.pipeline.people import actor_reference, roles_of
from exchange.crosswalk.reader import Opening, Reader
from exchange.crosswalk.rows import PatientEntry, UidEntry
from exchange.domain.errors import CustodyError, DeniedError
from exchange.domain.exchange import OpeningReason, Role
from exchange.keys.signing import read_private_file
from exchange.keys.site import CROSSWALK_KEY
from exchange.log.events import Event, EventKind, Outcome

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what, and why.

    Attributes:
        pseudonym: A PatientID, or a UID, as the partner has it.
        domain: The pseudonym domain; "" where the site has one only.
        by: Name as given with `--by`; must stand under `people:` in the site file.
        local_user: Who the kernel says is asking.
        role: The role in which this person asks.
    """

    pseudonym: str = field(repr=False)
    domain: str
    by: str
    local_user: str
    role: Role
    reason: OpeningReason

    @property
    def is_uid(self) -> bool:
        """Whether a UID is asked for, not a patient."""
        return _UID.fullmatch(self.pseudonym) is not None


@dataclass(frozen=True, slots=True)
class Resolved:
    """An entry, and the domain in which it was found."""

    domain: str
    entry: PatientEntry | UidEntry = field(repr=False)


def reidentify(appliance: Appliance, question: Question) -> Resolved:
    """Open one entry.

    Raises:
        CustodyError: The person is not known or has not this role, the role may not, or nothing in the domain
            has that pseudonym. Each refusal is logged.
        LogError: The opening cannot be recorded, so nothing is answered.
        KeysError: The crosswalk's key cannot be used.
    """
    opening = Opening(
        domain=_domain(appliance, question.domain),
        actor=actor_reference(appliance, question.by),
        role=question.role,
        reason=question.reason.value,
        pseudonym=question.pseudonym,
        account=actor_reference(appliance, question.local_user),
        people={"by": question.by, "localUser": question.local_user},
    )
    _require_role(appliance, question, opening)
    site = appliance.configuration.site
    key = read_private_file(site.keys / CROSSWALK_KEY)
    with Reader.open(site.crosswalk_file, key, appliance.log) as reader:
        entry = reader.uid(opening) if question.is_uid else reader.patient(opening)
    return Resolved(opening.domain, entry)


def _require_role(appliance: Appliance, question: Question, opening: Opening) -> None:
    try:
        roles = roles_of(appliance, question.by)
    except CustodyError:
        _log_refusal(appliance, question, opening, "unknown-person")
        raise
    if question.role not in roles:
        _log_refusal(appliance, question, opening, "role")
        raise DeniedError(
            f"cannot open the crosswalk: this person has not the role {question.role}",
            "give the role under `people:` in the site file and reload, or ask somebody who has it",
        )


def _domain(appliance: Appliance, named: str) -> str:
    known = sorted({one.pseudonym_domain for one in appliance.configuration.routes.routes} - {""})
    if named:
        # A domain of a route that is gone from the site file still has its entries.
        return named
    if len(known) == 1:
        return known[0]
    raise CustodyError(
        "cannot open the crosswalk: which pseudonym domain is not said",
        f"name one with --domain; the routes have {', '.join(known) or 'none'}",
    )


def _log_refusal(appliance: Appliance, question: Question, opening: Opening, code: str) -> None:
    obj = {**opening.obj, "kind": "uid" if question.is_uid else "patient", "code": code}
    appliance.log.append(
        Event(EventKind.CROSSWALK_DENIED, obj, Outcome.DENIED, opening.actor, opening.people)
    )
