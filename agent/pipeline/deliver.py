"""deliver: frozen bytes to one destination; resumed per SOP Instance UID, ended by exactly one R2."""

from collections.abc import Callable

import structlog

from agent.custody.deliveries import (
    check_claim,
    claim_delivery,
    delivery,
    effects_of,
    note_transport,
    record_outcomes,
    reschedule,
)
from agent.custody.records import DeliveryClaim, DeliveryRecord, Effect
from agent.engine.steps import StepRunner
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_delivery, attest_exchange
from agent.pipeline.circuit import note_attempt
from agent.pipeline.commitments import commitment_mode, conclude_sent
from agent.pipeline.endings import backoff, forwarded, postponed, refused, route_of, stopped
from agent.pipeline.forecast import too_large
from agent.pipeline.outcomes import OutcomeWriter
from agent.pipeline.outgoing import Outgoing, instances, outgoing
from agent.pipeline.renditions import Aside, send_renditions
from exchange.domain.codes import ReasonCode
from exchange.domain.delivery import (
    CONFIRMED,
    DAMAGED,
    DeliveryReport,
    InstanceOutcome,
    InstanceState,
    OutgoingInstance,
)
from exchange.domain.errors import ConfigurationError, CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, DeliveryState

log = structlog.get_logger()

INCOMPLETE, UNREACHABLE = "incomplete", "unreachable"


def deliver(appliance: Appliance, steps: StepRunner, delivery_id: str, number: str) -> str:
    """The delivery workflow: send, then attest. Ids and codes only cross its steps."""
    state = steps.run("send", lambda one, attempt: send(appliance, one, int(attempt)), delivery_id, number)
    if state in ENDED_DELIVERIES:
        steps.run("attest", lambda one: attest(appliance, one), delivery_id)
    return state


def send(appliance: Appliance, delivery_id: str, number: int) -> str:
    """One attempt: send what is not confirmed yet, make each answer durable, decide what follows."""
    ended = delivery(appliance.custody, delivery_id)
    if ended.state in ENDED_DELIVERIES:
        return ended.state
    claim = claim_delivery(appliance.custody, delivery_id, number)
    waiting = outgoing(appliance, claim)
    if not waiting.frozen:
        return _conclude(appliance, claim, DeliveryReport((), reachable=True))
    with appliance.metrics.timed("deliver", route_of(appliance, claim)):
        report = _send_all(appliance, claim, waiting)
    if report.transport:
        note_transport(appliance.custody, claim, report.transport)
    _count(appliance, claim, waiting, report)
    if report.outcomes or not report.reachable:  # else it was not asked anything
        code = "" if report.reachable else UNREACHABLE
        note_attempt(appliance, claim.destination, report.reachable, code)
    return _conclude(appliance, claim, report)


def _send_all(appliance: Appliance, claim: DeliveryClaim, waiting: Outgoing) -> DeliveryReport:
    """Send, and send once more in another transfer syntax what the peer cannot take as it was frozen."""
    check_claim(appliance.custody, claim)
    try:
        destination = appliance.configuration.destination(claim.destination)
    except ConfigurationError as error:
        return DeliveryReport((), reachable=False, error=error.message)

    def write(batch: list[InstanceOutcome]) -> None:
        record_outcomes(appliance.custody, claim, batch, appliance.clock())

    with OutcomeWriter(write) as writer:
        aside = Aside(waiting, writer.tell)

        def tell(outcome: InstanceOutcome) -> None:
            if outcome.status == DAMAGED:
                _alarm(claim, waiting, outcome)
            aside.tell(outcome)

        fitting = _fitting(appliance, claim, waiting, tell)
        report = destination.send(fitting, tell) if fitting else DeliveryReport((), reachable=True)
        return send_renditions(appliance, claim, destination, aside, report)


def _fitting(
    appliance: Appliance, claim: DeliveryClaim, waiting: Outgoing, tell: Callable[[InstanceOutcome], None]
) -> tuple[OutgoingInstance, ...]:
    """What the peer's declared limit lets through; the others are refused without being sent."""
    everything = instances(appliance, waiting)
    over = too_large(appliance, claim.destination, everything)
    for outcome in over:
        tell(outcome)
    kept_back = {one.sop_instance_uid for one in over}
    return tuple(one for one in everything if one.sop_instance_uid not in kept_back)


def _alarm(claim: DeliveryClaim, waiting: Outgoing, outcome: InstanceOutcome) -> None:
    """A frozen file is gone or changed: the others go on, this one waits for a person."""
    uid = outcome.sop_instance_uid
    rendition = waiting.renditions.get(uid)
    log.error(
        "frozen file damaged",
        exchange_id=claim.exchange_id,
        destination=claim.destination,
        digest=rendition.sha256 if rendition else waiting.frozen[uid].sha256,
        why=outcome.detail,
    )


def _conclude(appliance: Appliance, claim: DeliveryClaim, report: DeliveryReport) -> str:
    """All confirmed: commit or forward. All decided: rejected. Only damage left: a person. Else try again."""
    effects = effects_of(appliance.custody, claim.delivery_id)
    states = {one.state for one in effects}
    if states <= CONFIRMED:
        return conclude_sent(appliance, claim, report.commits)
    if states <= CONFIRMED | {InstanceState.REFUSED}:
        return refused(appliance, claim)
    left = [one for one in effects if one.state not in CONFIRMED | {InstanceState.REFUSED}]
    if not report.error and all(_is_damaged(one) for one in left):
        return stopped(appliance, claim, DAMAGED, len(left))
    code = INCOMPLETE if report.reachable else UNREACHABLE
    return postponed(appliance, claim, code, report.retry_after_seconds)


def _is_damaged(effect: Effect) -> bool:
    return effect.state is InstanceState.PENDING and effect.status == DAMAGED


def _count(appliance: Appliance, claim: DeliveryClaim, waiting: Outgoing, report: DeliveryReport) -> None:
    """The attempt, in metrics."""
    route = route_of(appliance, claim)
    confirmed = [one.sop_instance_uid for one in report.outcomes if one.state in CONFIRMED]
    declined = sum(one.state is InstanceState.REFUSED for one in report.outcomes)
    if confirmed:
        size = sum(waiting.frozen[uid].byte_count for uid in confirmed)
        appliance.metrics.delivered(claim.destination, route, size, len(confirmed))
    if declined:
        appliance.metrics.refused_by_peer(claim.destination, route, declined)
    whole = len(confirmed) == len(waiting.frozen)
    code = UNREACHABLE if not report.reachable else "done" if whole else INCOMPLETE
    appliance.metrics.attempt(claim.destination, code)


def attest(appliance: Appliance, delivery_id: str) -> str:
    """R2 of an ended delivery; R3 when it was the exchange's last."""
    ended = delivery(appliance.custody, delivery_id)
    attest_delivery(appliance, ended)
    return attest_exchange(appliance, ended.exchange_id)


def delivery_failed(appliance: Appliance, workflow_id: str) -> None:
    """A delivery step failed for a reason that is not the peer's: back off and try again."""
    delivery_id, _, number = workflow_id.partition("/")
    found = delivery(appliance.custody, delivery_id)
    if found.state is not DeliveryState.ACTIVE or found.attempts != int(number):
        return
    claim = claim_delivery(appliance.custody, delivery_id, found.attempts)
    pause = backoff(appliance, claim)
    reschedule(appliance.custody, claim, appliance.clock() + pause, ReasonCode.INTERNAL)
    appliance.wake()


def cancel_delivery(appliance: Appliance, waiting: DeliveryRecord) -> None:
    """End a delivery that has not ended: what was not confirmed counts as refused, and R2 says so.

    Where everything was confirmed and only the peer's commitment is missing, it counts as forwarded, unless
    the site file requires commitment.

    Raises:
        CustodyError: It is being sent at this moment.
    """
    if waiting.state in ENDED_DELIVERIES:
        return
    if waiting.state is DeliveryState.ACTIVE:
        raise CustodyError(
            f"cannot cancel delivery {waiting.delivery_id}: it is being sent", "try again in a moment"
        )
    claim = claim_delivery(appliance.custody, waiting.delivery_id, waiting.attempts + 1)
    states = {one.state for one in effects_of(appliance.custody, waiting.delivery_id)}
    if states <= CONFIRMED and commitment_mode(appliance, claim.destination) != "require":
        forwarded(appliance, claim, "not answered")
    else:
        refused(appliance, claim, "cancelled")
    attest_delivery(appliance, delivery(appliance.custody, waiting.delivery_id))
