"""deliver: frozen bytes to one destination; resumed per SOP Instance UID, ended by exactly one R2."""

from datetime import timedelta
from hashlib import sha256

import structlog

from agent.custody.deliveries import (
    check_claim,
    claim_delivery,
    delivery,
    effects_of,
    finish_delivery,
    note_transport,
    record_outcomes,
    reschedule,
    unconfirmed,
)
from agent.custody.listings import exchange
from agent.custody.records import DeliveryClaim, DeliveryRecord, FrozenInstance
from agent.engine.steps import StepRunner
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_delivery, attest_exchange
from exchange.dicomio.digest import dataset_sha256
from exchange.domain.codes import ReasonCode
from exchange.domain.delivery import (
    CONFIRMED,
    DeliveryReport,
    InstanceOutcome,
    InstanceState,
    OutgoingInstance,
)
from exchange.domain.errors import ConfigurationError, CustodyError, HeldError, InputError
from exchange.domain.exchange import ENDED_DELIVERIES, DeliveryState
from exchange.journal.events import Event, EventKind, Outcome

log = structlog.get_logger()


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
    outgoing = tuple(_outgoing(appliance, claim, one) for one in unconfirmed(appliance.custody, delivery_id))
    report = _send_all(appliance, claim, outgoing)
    if report.transport:
        note_transport(appliance.custody, claim, report.transport)
    return _conclude(appliance, claim, report)


def _send_all(
    appliance: Appliance, claim: DeliveryClaim, outgoing: tuple[OutgoingInstance, ...]
) -> DeliveryReport:
    check_claim(appliance.custody, claim)
    if not outgoing:
        return DeliveryReport((), reachable=True)
    try:
        destination = appliance.configuration.destination(claim.destination)
    except ConfigurationError as error:
        return DeliveryReport((), reachable=False, error=error.message)

    def on_outcome(outcome: InstanceOutcome) -> None:
        record_outcomes(appliance.custody, claim, (outcome,), appliance.clock())

    return destination.send(outgoing, on_outcome)


def _outgoing(appliance: Appliance, claim: DeliveryClaim, frozen: FrozenInstance) -> OutgoingInstance:
    """The file as it was frozen; its bytes are hashed again, because the folder is not trusted.

    Raises:
        HeldError: The file is gone or its bytes are others.
    """
    path = appliance.folders.frozen / frozen.path
    try:
        found = dataset_sha256(path)
    except (OSError, InputError):
        found = ""
    if found != frozen.sha256:
        log.error(
            "frozen file damaged",
            exchange_id=claim.exchange_id,
            destination=claim.destination,
            digest=frozen.sha256,
            state="changed" if found else "missing",
        )
        raise HeldError(
            ReasonCode.INTERNAL,
            "cannot send a frozen file: its bytes are not those that were proved",
            hint="check the disk; bring the file back from a backup, or cancel the exchange and send anew",
        )
    return OutgoingInstance(
        source=path,
        sop_class_uid=frozen.sop_class_uid,
        sop_instance_uid=frozen.sop_instance_uid,
        study_instance_uid=frozen.study_instance_uid,
        series_instance_uid=frozen.series_instance_uid,
        transfer_syntax_uid=frozen.transfer_syntax_uid,
        sha256=frozen.sha256,
        byte_count=frozen.byte_count,
    )


def _conclude(appliance: Appliance, claim: DeliveryClaim, report: DeliveryReport) -> str:
    """FORWARDED when all is confirmed, REJECTED when what is left was refused for good, else try again."""
    effects = effects_of(appliance.custody, claim.delivery_id)
    states = {one.state for one in effects}
    now = appliance.clock()
    if states <= CONFIRMED:
        finish_delivery(appliance.custody, claim, DeliveryState.FORWARDED, now)
        _journal(appliance, claim, Outcome.OK, len(effects), len(effects))
        return DeliveryState.FORWARDED
    sent = sum(one.state in CONFIRMED for one in effects)
    if states <= CONFIRMED | {InstanceState.REFUSED}:
        finish_delivery(appliance.custody, claim, DeliveryState.REJECTED, now, ReasonCode.DELIVERY)
        _journal(appliance, claim, Outcome.FAILED, len(effects), sent)
        log.error(
            "delivery refused",
            exchange_id=claim.exchange_id,
            destination=claim.destination,
            sent=sent,
            refused=len(effects) - sent,
        )
        return DeliveryState.REJECTED
    pause = backoff(appliance, claim)
    code = "incomplete" if report.reachable else "unreachable"
    reschedule(appliance.custody, claim, now + pause, code)
    appliance.wake()  # the pause may be shorter than the schedule's own
    log.warning(
        "delivery postponed",
        exchange_id=claim.exchange_id,
        destination=claim.destination,
        code=code,
        attempt=claim.number,
        sent=sent,
        pending=len(effects) - sent,
        retry_seconds=round(pause.total_seconds(), 1),
    )
    return DeliveryState.WAITING


def backoff(appliance: Appliance, claim: DeliveryClaim) -> timedelta:
    """Doubling pauses between the route's bounds, spread by ±20 % so that deliveries do not march in step.

    The spread is derived from delivery and attempt: no randomness, the same in every run.
    """
    route = exchange(appliance.custody, claim.exchange_id).route or ""
    retry = appliance.configuration.retry(route)
    seconds = min(retry.first_seconds * 2 ** min(claim.number - 1, 16), retry.most_seconds)
    spread = sha256(claim.workflow_id.encode()).digest()[0] / 255
    return timedelta(seconds=seconds * (0.8 + 0.4 * spread))


def attest(appliance: Appliance, delivery_id: str) -> str:
    """R2 of an ended delivery; R3 when it was the exchange's last."""
    ended = delivery(appliance.custody, delivery_id)
    attest_delivery(appliance, ended)
    return attest_exchange(appliance, ended.exchange_id)


def _journal(appliance: Appliance, claim: DeliveryClaim, outcome: Outcome, total: int, sent: int) -> None:
    fields = {"exchange": claim.exchange_id, "delivery": claim.delivery_id, "destination": claim.destination}
    appliance.journal.append(
        Event(EventKind.INSTANCE_SENT, {**fields, "instances": total, "sent": sent}, outcome)
    )


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
    finish_delivery(appliance.custody, claim, DeliveryState.REJECTED, appliance.clock(), "cancelled")
    attest_delivery(appliance, delivery(appliance.custody, waiting.delivery_id))
