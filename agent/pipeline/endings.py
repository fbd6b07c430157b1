"""How an attempt at a delivery ends: for good, or to be tried again; each with an event and metrics."""

from datetime import timedelta
from hashlib import sha256

import structlog

from agent.custody.attempts import frozen_of
from agent.custody.deliveries import effects_of, finish_delivery, note_transport, reschedule
from agent.custody.listings import exchange
from agent.custody.records import DeliveryClaim
from agent.pipeline.appliance import Appliance
from agent.pipeline.forecast import remember_refusals
from exchange.domain.codes import ReasonCode
from exchange.domain.delivery import CONFIRMED
from exchange.domain.exchange import DeliveryState
from exchange.log.events import Event, EventKind, Outcome, list_sha256

log = structlog.get_logger()

_LONGEST_ASKED = 3600.0


def forwarded(appliance: Appliance, claim: DeliveryClaim, commitment: str) -> str:
    """All is confirmed and no storage commitment is awaited.

    Args:
        appliance: The running appliance.
        claim: The attempt.
        commitment: Why not, for the receipt: `not requested`, `not offered`, `not answered`.
    """
    note_transport(appliance.custody, claim, {"storageCommitment": commitment})
    finish_delivery(appliance.custody, claim, DeliveryState.FORWARDED, appliance.clock())
    return ended(appliance, claim, DeliveryState.FORWARDED)


def refused(appliance: Appliance, claim: DeliveryClaim, code: str = ReasonCode.DELIVERY) -> str:
    """What is not confirmed was refused for good, by the peer or by a person."""
    finish_delivery(appliance.custody, claim, DeliveryState.REJECTED, appliance.clock(), code)
    return ended(appliance, claim, DeliveryState.REJECTED)


def ended(appliance: Appliance, claim: DeliveryClaim, state: DeliveryState) -> str:
    """Say that a delivery has ended; its end is in custody already."""
    effects = effects_of(appliance.custody, claim.delivery_id)
    sent = sum(one.state in CONFIRMED for one in effects)
    rejected = state is DeliveryState.REJECTED
    fields = {"exchange": claim.exchange_id, "delivery": claim.delivery_id, "destination": claim.destination}
    appliance.log.append(
        Event(
            EventKind.INSTANCE_SENT,
            {**fields, "instances": len(effects), "sent": sent, "listSha256": _sent_list(appliance, claim)},
            Outcome.FAILED if rejected else Outcome.OK,
        )
    )
    remember_refusals(appliance, claim.delivery_id)
    appliance.metrics.delivery_ended(claim.destination, route_of(appliance, claim), state)
    if rejected:
        log.error(
            "delivery refused",
            exchange_id=claim.exchange_id,
            destination=claim.destination,
            sent=sent,
            refused=len(effects) - sent,
        )
    return state


def _sent_list(appliance: Appliance, claim: DeliveryClaim) -> str:
    """Of the bytes that are confirmed, in whichever transfer syntax they went."""
    frozen = {one.sop_instance_uid: one.sha256 for one in frozen_of(appliance.custody, claim.exchange_id)}
    confirmed = [one for one in effects_of(appliance.custody, claim.delivery_id) if one.state in CONFIRMED]
    return list_sha256(one.rendition_sha256 or frozen.get(one.sop_instance_uid, "") for one in confirmed)


def postponed(
    appliance: Appliance, claim: DeliveryClaim, code: str, asked_seconds: float | None = None
) -> str:
    """Try again after a pause, not sooner than the peer asked for (an hour at most is granted)."""
    effects = effects_of(appliance.custody, claim.delivery_id)
    sent = sum(one.state in CONFIRMED for one in effects)
    pause = max(backoff(appliance, claim), timedelta(seconds=min(asked_seconds or 0.0, _LONGEST_ASKED)))
    reschedule(appliance.custody, claim, appliance.clock() + pause, code)
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


def stopped(appliance: Appliance, claim: DeliveryClaim, code: str, instances: int) -> str:
    """Nothing more can be done without a person: no retry before `exchanges retry`."""
    reschedule(appliance.custody, claim, None, code)
    fields = {"exchange": claim.exchange_id, "delivery": claim.delivery_id, "destination": claim.destination}
    appliance.log.append(
        Event(EventKind.ALERT, {**fields, "code": code, "instances": instances}, Outcome.FAILED)
    )
    log.error(
        "delivery needs a person",
        exchange_id=claim.exchange_id,
        destination=claim.destination,
        code=code,
        instances=instances,
    )
    return DeliveryState.WAITING


def backoff(appliance: Appliance, claim: DeliveryClaim) -> timedelta:
    """Doubling pauses between the route's bounds, spread by ±20 % so that deliveries do not march in step.

    The spread is derived from delivery and attempt: no randomness, the same in every run.
    """
    retry = appliance.configuration.retry(route_of(appliance, claim))
    seconds = min(retry.first_seconds * 2 ** min(claim.number - 1, 16), retry.most_seconds)
    spread = sha256(claim.workflow_id.encode()).digest()[0] / 255
    return timedelta(seconds=seconds * (0.8 + 0.4 * spread))


def route_of(appliance: Appliance, claim: DeliveryClaim) -> str:
    """The route that the delivery is of."""
    return exchange(appliance.custody, claim.exchange_id).route or ""
