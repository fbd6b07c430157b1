"""Storage commitment of a delivery: asked when all is sent, awaited, asked again, and concluded.

`auto` asks where the peer offers it and, if it never answers, forwards in the end, which the receipt says.
`require` does not count a study as delivered before the peer has committed to all of it.
"""

from datetime import datetime, timedelta

import structlog

from agent.custody.attempts import frozen_of
from agent.custody.commitments import (
    await_answer,
    begin_request,
    next_commitment_at,
    record_commitment,
    request_taken,
    requests_taken,
    wake_committing,
)
from agent.custody.deliveries import effects_of
from agent.custody.records import DeliveryClaim
from agent.pipeline.appliance import Appliance
from agent.pipeline.endings import backoff, ended, forwarded, postponed
from exchange.dimse.commitment import new_transaction_uid
from exchange.domain.delivery import CommitmentAnswer, CommittingDestination, InstanceState
from exchange.domain.errors import ConfigurationError
from exchange.domain.exchange import ENDED_DELIVERIES
from exchange.domain.notices import CommitmentReport

log = structlog.get_logger()

MOST_REQUESTS = 5
"""After as many requests what a peer still fails to commit to is refused for good."""

MOST_UNANSWERED = 2
"""Requests that a peer may take and leave unanswered before `auto` gives up."""

NOT_OFFERED = "commitment-not-offered"
_LONGEST_DOUBLING = timedelta(days=1)


def conclude_sent(appliance: Appliance, claim: DeliveryClaim, offered: bool | None) -> str:  # noqa: FBT001 - the one fact
    """All instances of a delivery are confirmed: end it, or ask the peer to commit to them.

    Args:
        appliance: The running appliance.
        claim: The attempt.
        offered: Whether the peer offers storage commitment; None when this attempt did not learn it.

    Returns:
        The delivery's state.
    """
    mode = commitment_mode(appliance, claim.destination)
    if mode == "off":
        return forwarded(appliance, claim, "not requested")
    if offered is False:
        return _not_offered(appliance, claim, mode)
    asked = requests_taken(appliance.custody, claim.delivery_id, unanswered=True)
    if mode == "auto" and asked >= MOST_UNANSWERED:
        return forwarded(appliance, claim, "not answered")
    answer = _ask(appliance, claim)
    if answer is CommitmentAnswer.NOT_OFFERED:
        return _not_offered(appliance, claim, mode)
    pause = backoff(appliance, claim)
    if answer is CommitmentAnswer.REQUESTED:
        pause = _patience(appliance, claim.destination, asked)
    now = appliance.clock()
    state = await_answer(appliance.custody, claim, now + pause, now).state
    if state in ENDED_DELIVERIES:
        return state
    appliance.wake()
    log.info(
        "commitment awaited",
        exchange_id=claim.exchange_id,
        destination=claim.destination,
        status=answer.value,
        attempt=asked + 1,
        retry_seconds=round(pause.total_seconds(), 1),
    )
    return state


def take_commitment(appliance: Appliance, report: CommitmentReport) -> None:
    """Make a peer's answer durable, whichever way it came; the answer to the peer may follow.

    Raises:
        CustodyError: We never asked in this transaction.
    """
    found = record_commitment(appliance.custody, report, appliance.clock(), MOST_REQUESTS)
    log.info(
        "commitment reported",
        exchange_id=found.exchange_id,
        destination=found.destination,
        state=found.state,
        sent=len(report.committed),
        refused=len(report.failed),
    )
    if found.state in ENDED_DELIVERIES and found.commitment_uid == report.transaction_uid:
        claim = DeliveryClaim(found.delivery_id, found.exchange_id, found.destination, found.attempts, "")
        ended(appliance, claim, found.state)
    appliance.wake()  # its R2 is owed, or what failed is due


def ask_overdue(appliance: Appliance) -> int:
    """Let deliveries whose peers did not answer in time ask again; how many. For the schedule's tick."""
    return wake_committing(appliance.custody, appliance.clock())


def next_overdue(appliance: Appliance) -> datetime | None:
    """When the next answer is overdue, for the schedule."""
    return next_commitment_at(appliance.custody)


def commitment_mode(appliance: Appliance, destination: str) -> str:
    """`auto`, `require` or `off`, as the site file says of this peer; `off` for what cannot commit."""
    peer = appliance.configuration.site.peers.get(destination)
    return peer.dicom.commitment if peer is not None and peer.dicom is not None else "off"


def _ask(appliance: Appliance, claim: DeliveryClaim) -> CommitmentAnswer:
    """One request for what is not committed yet; its transaction is durable before it leaves."""
    try:
        destination = appliance.configuration.destination(claim.destination)
    except ConfigurationError:
        return CommitmentAnswer.UNREACHABLE
    if not isinstance(destination, CommittingDestination):
        return CommitmentAnswer.NOT_OFFERED
    classes = {
        one.sop_instance_uid: one.sop_class_uid for one in frozen_of(appliance.custody, claim.exchange_id)
    }
    wanted = [
        (classes[one.sop_instance_uid], one.sop_instance_uid)
        for one in effects_of(appliance.custody, claim.delivery_id)
        if one.state is not InstanceState.COMMITTED
    ]
    transaction_uid = new_transaction_uid()
    begin_request(appliance.custody, claim, transaction_uid, appliance.clock())
    answer = destination.request_commitment(
        transaction_uid, wanted, lambda report: take_commitment(appliance, report)
    )
    if answer in (CommitmentAnswer.REQUESTED, CommitmentAnswer.REFUSED):
        request_taken(appliance.custody, transaction_uid)
    return answer


def _not_offered(appliance: Appliance, claim: DeliveryClaim, mode: str) -> str:
    if mode == "auto":
        return forwarded(appliance, claim, "not offered")
    return postponed(appliance, claim, NOT_OFFERED)


def _patience(appliance: Appliance, destination: str, asked: int) -> timedelta:
    """How long an answer is awaited: longer after each request, a day at most unless configured longer."""
    peer = appliance.configuration.site.peers.get(destination)
    minutes = peer.dicom.commitment_minutes if peer is not None and peer.dicom is not None else 60
    first = timedelta(minutes=minutes)
    longer: timedelta = first * (1 << min(asked, 10))
    return max(first, min(longer, _LONGEST_DOUBLING))
