"""A person's word on a hold: who may say it, what it does, and that it is logged before it counts."""

from dataclasses import dataclass, field

from agent.custody.deliveries import deliveries_of
from agent.custody.holds import decide, hold, list_holds, show_hold
from agent.custody.listings import exchange, find_holds
from agent.custody.records import Decision, ExchangeRecord, HoldReason, HoldRecord
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_exchange
from agent.pipeline.deliver import cancel_delivery
from agent.pipeline.people import actor_reference, roles_of
from exchange.domain.codes import STANDING_CODES, UNPROVED_CODES, ReasonCode
from exchange.domain.errors import CustodyError, DeniedError
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState, Role
from exchange.log.events import Event, EventKind, Outcome

CANNOT_RELEASE = frozenset(
    {
        ReasonCode.STRUCTURED_CONTENT,
        ReasonCode.ENCAPSULATED_DOCUMENT,
        ReasonCode.COMPLEX_GRAPHICS,
        ReasonCode.POLICY,
        ReasonCode.NOT_DICOM,
        ReasonCode.TRUNCATED,
        ReasonCode.LIMIT_EXCEEDED,
        ReasonCode.TRANSFER_SYNTAX,
        ReasonCode.MISSING_UID,
        ReasonCode.GROUP_0000,
        ReasonCode.DICOMDIR,
        ReasonCode.QUARANTINE,
    }
)
"""Holds of which no cleaned bytes exist: nothing could be released."""

REDACTABLE = frozenset({ReasonCode.UNCERTAIN_TEXT})
"""Holds of which a person may say that what was found is to be removed."""

_PREFERRED = (Role.PRIVACY, Role.ADMINISTRATOR, Role.TECHNOLOGIST)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says of a hold.

    Attributes:
        kind: `release`, `redact` or `reject`.
        by: Name as given with `--by`; must stand under `people:` in the site file.
        local_user: Who the kernel says is asking.
        reason: Code for the partner edition.
        text: Free text, site edition only.
    """

    kind: DecisionKind
    by: str
    local_user: str
    reason: DecisionReason
    text: str = field(default="", repr=False)


def decide_hold(appliance: Appliance, hold_id: str, verdict: Verdict) -> ExchangeRecord:
    """Record a decision and act on it.

    Args:
        appliance: The running appliance.
        hold_id: The hold, or the start of its id.
        verdict: Who says what.

    Raises:
        CustodyError: The person or the role does not allow it, or there is nothing that could be released.
    """
    held = find_hold(appliance, hold_id)
    try:
        role = _role(appliance, verdict, held)
    except CustodyError:
        _log_verdict(appliance, held, verdict, Outcome.DENIED)
        raise
    _log_verdict(appliance, held, verdict, Outcome.OK)
    decision = Decision(verdict.kind, verdict.by, verdict.local_user, role, verdict.reason, verdict.text)
    found = decide(appliance.custody, held.hold_id, decision, appliance.clock())
    if found.state is ExchangeState.REJECTED:
        attest_exchange(appliance, found.exchange_id)
    appliance.wake()
    return exchange(appliance.custody, found.exchange_id)


def cancel_exchange(appliance: Appliance, exchange_id: str, verdict: Verdict) -> ExchangeRecord:
    """End an exchange on a person's word: nothing more of it leaves.

    What waits or is held is rejected; of what is being delivered, the deliveries that have not ended are
    ended as refused, and their R2 says so.

    Raises:
        CustodyError: The person may not, it is still arriving or being cleaned, or it has ended.
    """
    one = exchange(appliance.custody, exchange_id)
    roles_of(appliance, verdict.by)
    if one.state is ExchangeState.DELIVERING:
        for waiting in deliveries_of(appliance.custody, exchange_id):
            cancel_delivery(appliance, waiting)
        attest_exchange(appliance, exchange_id)
        return exchange(appliance.custody, exchange_id)
    if one.state is ExchangeState.SETTLED:
        reason = HoldReason(ReasonCode.POLICY, "cancel", detail="cancelled by a person")
        hold(appliance.custody, exchange_id, [reason], appliance.clock())
    elif one.state is not ExchangeState.HELD:
        raise CustodyError(
            f"cannot cancel exchange {exchange_id}: it is {one.state}",
            "it has ended" if one.closed_at else "wait until it has settled or been cleaned",
        )
    first = list_holds(appliance.custody, exchange_id=exchange_id)[0]
    return decide_hold(appliance, first.hold_id, verdict)


def find_hold(appliance: Appliance, start: str) -> HoldRecord:
    """The hold whose id begins with `start`, as people type it.

    Raises:
        CustodyError: None does, or several do.
    """
    found = find_holds(appliance.custody, start)
    if len(found) == 1:
        return show_hold(appliance.custody, found[0])
    raise CustodyError(
        f"cannot find one hold that begins with {start}: there is {'more than one' if found else 'none'}",
        "see `lockgate holds list`",
    )


def _role(appliance: Appliance, verdict: Verdict, held: HoldRecord) -> Role:
    roles = roles_of(appliance, verdict.by)
    if held.code in STANDING_CODES and verdict.kind is DecisionKind.REJECT:
        raise CustodyError(
            f"cannot reject a hold of {held.code}: it stops nothing, the images are on their way to the PACS",
            "release it when it is done; end the exchange with `lockgate exchanges cancel`",
        )
    if verdict.kind is DecisionKind.REDACT and held.code not in REDACTABLE:
        raise CustodyError(
            f"cannot redact a hold of {held.code}: it names nothing in the pixels that could be removed",
            "release or reject it",
        )
    if verdict.kind is DecisionKind.RELEASE:
        if held.code in CANNOT_RELEASE:
            raise CustodyError(
                f"cannot release a hold of {held.code}: there are no cleaned bytes that could leave",
                "reject it, or send the study again without that instance",
            )
        if held.code in REDACTABLE and Role.PRIVACY not in roles:
            raise DeniedError(
                f"cannot release a hold of {held.code}: what may be text would stay",
                "somebody with the role `privacy` in the site file must do it, or redact it",
            )
        if held.code in UNPROVED_CODES and Role.PRIVACY not in roles:
            raise DeniedError(
                f"cannot release a hold of {held.code}: what leaves would be unproved",
                "somebody with the role `privacy` in the site file must do it",
            )
    return next(role for role in _PREFERRED if role in roles)


def _log_verdict(appliance: Appliance, held: HoldRecord, verdict: Verdict, outcome: Outcome) -> None:
    appliance.log.append(
        Event(
            EventKind.REVIEW_DECISION,
            {
                "hold": held.hold_id,
                "exchange": held.exchange_id,
                "code": held.code,
                "decision": verdict.kind.value,
            },
            outcome,
            actor_reference(appliance, verdict.by),
            private={"by": verdict.by, "localUser": verdict.local_user, "text": verdict.text},
        )
    )
