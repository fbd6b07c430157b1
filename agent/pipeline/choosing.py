"""Which instances of an exchange are processed: of several contents of one SOP Instance UID, which one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.custody.arrivals import instance_keys, members
from agent.custody.conflicts import conflicts
from agent.custody.records import Conflict, ExchangeRecord, FrozenInstance, HoldReason, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.earlier import Earlier
from agent.policy.routes import EffectiveRoute
from exchange.dicomio.difference import difference
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError, LockgateError
from exchange.domain.exchange import Direction
from exchange.domain.findings import Finding, Severity
from exchange.log.events import Event, EventKind

_COMPARED = 50
"""Pairs of files that are compared for one hold: what differs in fifty differs for the same reason."""

_NAMED = 40  # changed elements that are listed


@dataclass(frozen=True, slots=True)
class Choice:
    """What of an exchange is processed.

    Attributes:
        members: The instances.
        reasons: To hold it instead.
        findings: What a receipt should say of the choice.
    """

    members: tuple[Member, ...] = ()
    reasons: tuple[HoldReason, ...] = ()
    findings: tuple[Finding, ...] = ()


def choose(
    appliance: Appliance,
    one: ExchangeRecord,
    route: EffectiveRoute,
    released: frozenset[ReasonCode],
    earlier: Earlier,
) -> Choice:
    """The members to be processed; of several contents of one UID the latest, if policy or person say so.

    Where all contents came in earlier exchanges there is nothing to decide: what has left leaves again.
    """
    found = members(appliance.custody, one.exchange_id)
    most = appliance.configuration.site.limits.instances_per_study
    if len(found) > most:
        detail = f"{len(found)} instances, {most} are allowed (limits.instances_per_study)"
        return Choice(reasons=(HoldReason(ReasonCode.LIMIT_EXCEEDED, "screen", detail=detail),))
    unreadable = tuple(
        HoldReason(member.unreadable_code, "screen", detail="an instance cannot be read")
        for member in found
        if member.unreadable_code
    )
    mine = {member.identity for member in found}
    fresh, superseded = [], set()
    for conflict in conflicts(appliance.custody, one.exchange_id):
        own = [identity for identity in conflict.identities if identity in mine]
        kept = own[-1:]
        if conflict.earlier.issuperset(own):
            kept = [identity for identity in own if identity in earlier.rows] or kept
        else:
            fresh.append(conflict)
        superseded.update(set(own) - set(kept))
    here = tuple(member for member in found if member.identity not in superseded)
    if not fresh:
        return Choice(here, unreadable)
    reasons, findings = _decided(appliance, one, route, released, fresh)
    return Choice(here, (*reasons, *unreadable), findings)


def _decided(
    appliance: Appliance,
    one: ExchangeRecord,
    route: EffectiveRoute,
    released: frozenset[ReasonCode],
    fresh: Sequence[Conflict],
) -> tuple[tuple[HoldReason, ...], tuple[Finding, ...]]:
    """What becomes of conflicts: a reason to hold, or a finding that the latest is used."""
    latest = route.route.on_conflict == "latest" or ReasonCode.UID_CONFLICT in released
    _log_conflict(appliance, one, len(fresh), "latest" if latest else "hold")
    changed = changed_elements(appliance, [conflict.identities[-2:] for conflict in fresh])
    if not latest:
        detail = f"{_uids(len(fresh))} came with different contents; {changed}"
        return (HoldReason(ReasonCode.UID_CONFLICT, "screen", detail=detail),), ()
    by = "a person" if ReasonCode.UID_CONFLICT in released else "on_conflict: latest"
    evidence = f"{_uids(len(fresh))} came with different contents; the latest is used, by {by}; {changed}"
    return (), (Finding("completeness.uid-conflict-latest", Severity.NOTE, evidence),)


def others_have_left(
    appliance: Appliance, chosen: Iterable[Member], earlier: Earlier
) -> tuple[HoldReason, ...]:
    """A reason to hold, where an earlier exchange froze other bytes of one of these SOP instances."""
    mine = {member.sop_instance_uid: member.identity for member in chosen}
    pairs = [
        (identity, mine[uid])
        for identity, uid in earlier.originals.items()
        if mine.get(uid, identity) != identity
    ]
    if not pairs:
        return ()
    detail = (
        f"other bytes have left under {_uids(len(pairs))}; a new revision is not available; "
        f"{changed_elements(appliance, pairs)}"
    )
    return (HoldReason(ReasonCode.POLICY, "screen", detail=detail),)


def made_otherwise(
    rows: Iterable[FrozenInstance], route: EffectiveRoute, earlier: Earlier
) -> tuple[HoldReason, ...]:
    """A reason to hold, where what has left, and was deleted here, does not become the same bytes again.

    A later instance that named further people, or another key, makes others of the same original.
    """
    if route.direction is not Direction.OUTBOUND:
        return ()
    before = earlier.rows
    other = sum(one.identity in before and before[one.identity].sha256 != one.sha256 for one in rows)
    if not other:
        return ()
    detail = f"{other} instances have left as other bytes, deleted since; a new revision is not available"
    return (HoldReason(ReasonCode.POLICY, "clean", detail=detail),)


def changed_elements(appliance: Appliance, pairs: Sequence[Sequence[str]]) -> str:
    """Between the two originals of each pair of identities, what differs: keywords and counts, no values."""
    counted: Counter[str] = Counter()
    compared = pixels = 0
    for earlier, later in pairs[:_COMPARED]:
        try:
            keys = instance_keys(appliance.custody, (earlier, later))
            first, second = (
                appliance.spool.source(one, keys[one].wrapped_key or b"") for one in (earlier, later)
            )
            found = difference(first, second)
        except (InputError, LockgateError, OSError, KeyError):
            continue  # one of them is deleted, or damaged
        compared += 1
        counted.update(found.paths)
        pixels += found.pixels
        if found.transfer_syntax:
            counted["TransferSyntaxUID"] += 1
    if not compared:
        return "they cannot be compared any more"
    names = sorted(counted, key=lambda path: (-counted[path], path))
    listed = ", ".join(names[:_NAMED]) or "no element of the header"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    of_all = f", in {compared} of {len(pairs)} compared" if compared < len(pairs) else ""
    return f"changed: {listed}{more}; pixel data differ in {pixels}{of_all}"


def _uids(count: int) -> str:
    return "one SOP Instance UID" if count == 1 else f"{count} SOP Instance UIDs"


def _log_conflict(appliance: Appliance, one: ExchangeRecord, count: int, rule: str) -> None:
    appliance.log.append(
        Event(
            EventKind.INSTANCE_CONFLICT,
            {"exchange": one.exchange_id, "attempt": one.attempt_count, "uids": count, "rule": rule},
        )
    )
