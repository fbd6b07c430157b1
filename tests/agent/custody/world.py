"""A study's way through custody in short words; the clock moves one second at each look."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from agent.custody import attempts, closing, deliveries, holds, listings, queueing, receipts, settling
from agent.custody.arrivals import members, record_arrivals
from agent.custody.attempts import Cleaned
from agent.custody.database import Database
from agent.custody.queueing import QueuedDelivery
from agent.custody.receipts import Edition
from agent.custody.records import (
    Attempt,
    Decision,
    DeliveryClaim,
    DeliveryRecord,
    ExchangeRecord,
    FrozenInstance,
    HoldReason,
    IndexedArrival,
    RouteDecision,
    Settlement,
)
from exchange.domain.delivery import InstanceOutcome, InstanceState
from exchange.domain.exchange import DecisionKind, DecisionReason, DeliveryState, Direction, Role
from exchange.domain.instance import Arrival, SpooledInstance

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
STUDY = "1.2.3"
CT = "1.2.840.10008.5.1.4.1.1.2"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def arrival(
    name: str = "a",
    *,
    study: str = STUDY,
    called_ae: str = "TELERAD",
    peer: str = "pacs",
    uid: str = "",
    unreadable: str = "",
) -> IndexedArrival:
    """An arrival of the instance called `name`; each call is another coming of it."""
    came = Arrival(uuid.uuid4().hex, "dimse", called_ae, "PACS", peer, "10.1.2.3", START)
    spooled = SpooledInstance(digest(name), CT, uid or f"{study}.1.{name}", "1.2.840.10008.1.2.1", 1000, came)
    if unreadable:
        return IndexedArrival(spooled, "", unreadable_code=unreadable)
    return IndexedArrival(spooled, study, f"{study}.1", "CT", digest("patient"))


def route(name: str = "second-opinion", direction: Direction = Direction.OUTBOUND) -> RouteDecision:
    return RouteDecision(name, direction, "default", name, digest("config"))


def decision(kind: DecisionKind = DecisionKind.RELEASE) -> Decision:
    return Decision(kind, "Dr. Who", "operator", Role.PRIVACY, DecisionReason.FALSE_ALARM, "looked at it")


@dataclass
class World:
    """Everything that a test needs to bring an exchange into a state."""

    database: Database
    seconds: "itertools.count[int]" = field(default_factory=itertools.count)

    def now(self) -> datetime:
        return START + timedelta(seconds=next(self.seconds))

    def arrive(self, *names: str, **how: str) -> str:
        (one,) = record_arrivals(self.database, [arrival(name, **how) for name in names], self.now())
        return one

    def settled(
        self, *names: str, routes: tuple[RouteDecision, ...] = (route(),), **how: str
    ) -> ExchangeRecord:
        return self.settle(self.arrive(*(names or ("a",)), **how), routes)[0]

    def settle(
        self, exchange_id: str, routes: tuple[RouteDecision, ...] = (route(),)
    ) -> tuple[ExchangeRecord, ...]:
        count = listings.exchange(self.database, exchange_id).instance_count
        wanted = Settlement(exchange_id, count, routes, {"rule": "quiet-timer", "expected": "unknown"})
        return settling.settle(self.database, wanted, self.now())

    def begin(self, exchange_id: str) -> Attempt:
        number = listings.exchange(self.database, exchange_id).attempt_count + 1
        return attempts.begin_attempt(self.database, exchange_id, number, self.now())

    def cleaned(self, exchange_id: str, *, proved: bool = True) -> Cleaned:
        rows = tuple(
            FrozenInstance(
                identity=one.identity,
                sop_class_uid=one.sop_class_uid,
                sop_instance_uid=f"2.25.{int(one.identity[:12], 16)}",
                study_instance_uid="2.25.9",
                series_instance_uid="2.25.8",
                transfer_syntax_uid=one.transfer_syntax_uid,
                sha256=digest("clean" + one.identity),
                pixel_sha256="",
                byte_count=900,
                path=f"{one.identity}.dcm",
                proved=proved,
                boxes=[{"frame": 0}],
                actions={"removed": 3},
                proof={"passed": proved},
            )
            for one in members(self.database, exchange_id)
        )
        return Cleaned(rows, "2.25.9", {"removed": 3})

    def freeze(self, attempt: Attempt, *, proved: bool = True) -> tuple[FrozenInstance, ...]:
        cleaned = self.cleaned(attempt.exchange_id, proved=proved)
        attempts.accept_frozen(self.database, attempt.exchange_id, attempt.token, cleaned)
        return attempts.frozen_of(self.database, attempt.exchange_id)

    def receipt(self, exchange_id: str, stage: str, delivery_id: str = "") -> str:
        event = receipts.reserve_receipt(self.database, exchange_id, stage, self.now(), delivery_id)
        for name in ("partner", "site"):
            edition = Edition(name, digest(name + event.receipt_id), "", f"{event.receipt_id}.{name}.zip")
            receipts.record_receipt(self.database, event.receipt_id, edition)
        return event.receipt_id

    def delivering(self, *names: str, to: tuple[str, ...] = ("telerad",)) -> tuple[DeliveryRecord, ...]:
        attempt = self.begin(self.settled(*names).exchange_id)
        self.freeze(attempt)
        self.receipt(attempt.exchange_id, "deidentified")
        return deliveries.open_deliveries(self.database, attempt.exchange_id, attempt.token, to, self.now())

    def due(self, now: datetime) -> tuple[QueuedDelivery, ...]:
        """What may be tried now, lane by lane."""
        lanes = queueing.waiting_lanes(self.database)
        return tuple(
            one for lane in lanes for one in queueing.queued_deliveries(self.database, lane, now, 100)
        )

    def claim(self, delivery: DeliveryRecord) -> DeliveryClaim:
        current = deliveries.delivery(self.database, delivery.delivery_id)
        return deliveries.claim_delivery(self.database, delivery.delivery_id, current.attempts + 1)

    def said(self, claim: DeliveryClaim, state: InstanceState, *uids: str) -> None:
        outcomes = [InstanceOutcome(uid, state, "0x0000") for uid in uids or self.waiting(claim)]
        deliveries.record_outcomes(self.database, claim, outcomes, self.now())

    def waiting(self, claim: DeliveryClaim) -> tuple[str, ...]:
        rows = deliveries.unconfirmed(self.database, claim.delivery_id)
        return tuple(one.sop_instance_uid for one in rows)

    def deliver(self, delivery: DeliveryRecord) -> None:
        claim = self.claim(delivery)
        self.said(claim, InstanceState.SENT)
        deliveries.finish_delivery(self.database, claim, DeliveryState.FORWARDED, self.now())
        self.receipt(delivery.exchange_id, "forwarded", delivery.delivery_id)

    def closed(self, *names: str) -> str:
        (delivery,) = self.delivering(*names)
        self.deliver(delivery)
        self.receipt(delivery.exchange_id, "closed")
        return closing.close(self.database, delivery.exchange_id, self.now()).exchange_id

    def hold(self, exchange_id: str, code: str = "video", token: str = "", path: str = "") -> str:
        reason = HoldReason(code, "clean", path)
        return holds.hold(self.database, exchange_id, [reason], self.now(), token)[0].hold_id
