"""Storage commitment: who was asked for what in which transaction, and what the peer answered.

A transaction's row is durable before the request leaves. Who was killed in between asks again in another
transaction; an answer to any of them counts, and the same answer twice changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.deliveries import (
    delivery_row,
    effect_rows,
    end_delivery,
    require_active,
    update_delivery,
)
from agent.custody.records import DeliveryClaim, DeliveryRecord, Effect
from exchange.domain.delivery import CONFIRMED, InstanceState
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, DeliveryState
from exchange.domain.notices import CommitmentReport

FAILED = "commitment-failed"
"""Error code of a delivery whose peer does not answer for an instance that it had taken."""

# FailureReason (PS3.4 J.4): what the peer lost or could not keep just now may be sent once more.
_AGAIN = frozenset({0x0110, 0x0112, 0x0131, 0x0213})
_CHUNK = 500


def begin_request(database: Database, claim: DeliveryClaim, transaction_uid: str, now: datetime) -> None:
    """Note a transaction before its request leaves.

    Raises:
        CustodyError: The claim is over.
    """

    def work(connection: Connection) -> None:
        require_active(connection, claim)
        connection.execute(
            sa.insert(schema.commitment_requests).values(
                transaction_uid=transaction_uid, delivery_id=claim.delivery_id, asked_at=now
            )
        )
        update_delivery(connection, claim.delivery_id, commitment_uid=transaction_uid)

    database.write(work)


def requests_taken(database: Database, delivery_id: str, *, unanswered: bool = False) -> int:
    """How many requests reached the peer of a delivery so far; if so wanted, only those left unanswered."""
    table = schema.commitment_requests
    query = sa.select(sa.func.count()).where(table.c.delivery_id == delivery_id, table.c.taken == 1)
    if unanswered:
        query = query.where(table.c.answered_at.is_(None))
    return database.read(lambda connection: connection.execute(query).scalar_one())


def request_taken(database: Database, transaction_uid: str) -> None:
    """Note that a request reached the peer, whatever it said."""
    table = schema.commitment_requests
    statement = sa.update(table).where(table.c.transaction_uid == transaction_uid).values(taken=1)
    database.write(lambda connection: connection.execute(statement))


def await_answer(database: Database, claim: DeliveryClaim, due_at: datetime, now: datetime) -> DeliveryRecord:
    """Give a claim back until the peer answers, or `due_at`: COMMITTING.

    An answer may have come in the meantime: then the delivery has ended, or is WAITING for what failed.

    Raises:
        CustodyError: Another attempt has taken over.
    """

    def work(connection: Connection) -> DeliveryRecord:
        delivery = delivery_row(connection, claim.delivery_id)
        if delivery.state in ENDED_DELIVERIES and delivery.attempts == claim.number:
            return delivery
        require_active(connection, claim)
        if {one.state for one in effect_rows(connection, delivery)} <= CONFIRMED:
            update_delivery(
                connection,
                claim.delivery_id,
                state=DeliveryState.COMMITTING,
                commitment_due_at=due_at,
                last_error_code="",
                token="",
            )
        else:
            _send_again(connection, claim.delivery_id, now)
        return delivery_row(connection, claim.delivery_id)

    return database.write(work)


def record_commitment(
    database: Database, report: CommitmentReport, now: datetime, most_requests: int
) -> DeliveryRecord:
    """Make a peer's answer durable and draw the conclusion from it. Idempotent.

    All committed: COMMITTED. What failed is sent again, after so many requests or for a reason that will not
    change it is refused. What a report does not name is asked for again when its time is over.

    Args:
        database: Custody's database.
        report: What the peer said.
        now: The time of it.
        most_requests: After so many requests a failure is final.

    Returns:
        The delivery as it stands then.

    Raises:
        CustodyError: We never asked in this transaction.
    """

    def work(connection: Connection) -> DeliveryRecord:
        table = schema.commitment_requests
        mine = table.c.transaction_uid == report.transaction_uid
        asked = connection.execute(sa.select(table.c.delivery_id, table.c.answered_at).where(mine)).first()
        if asked is None:
            raise CustodyError(
                "cannot take a storage commitment report: its transaction is not one of ours",
                "see which system sent it; nothing was changed",
            )
        delivery = delivery_row(connection, asked[0])
        if delivery.state in ENDED_DELIVERIES:
            return delivery
        connection.execute(sa.update(table).where(mine).values(taken=1, answered_at=now))
        _commit(connection, delivery, report.committed, now)
        latest = delivery.commitment_uid == report.transaction_uid and asked[1] is None
        if report.failed and latest:
            final = _taken(connection, delivery.delivery_id) >= most_requests
            _fail(connection, delivery, report.failed, now, final=final)
        return _conclude(connection, delivery, now)

    return database.write(work)


def wake_committing(database: Database, now: datetime) -> int:
    """Let deliveries whose peers did not answer in time be tried again: they ask anew; how many."""
    table = schema.deliveries
    statement = (
        sa.update(table)
        .where(table.c.state == DeliveryState.COMMITTING, table.c.commitment_due_at <= now)
        .values(
            state=DeliveryState.WAITING,
            next_attempt_at=now,
            commitment_due_at=None,
            last_error_code="commitment-not-answered",
        )
    )
    if next_commitment_at(database) is None:
        return 0  # the usual case costs no write transaction
    return database.write(lambda connection: connection.execute(statement).rowcount)


def next_commitment_at(database: Database) -> datetime | None:
    """When the next answer is overdue; None when none is awaited."""
    table = schema.deliveries
    moment = sa.func.min(table.c.commitment_due_at, type_=table.c.commitment_due_at.type)
    query = sa.select(moment).where(table.c.state == DeliveryState.COMMITTING)
    return database.read(lambda connection: connection.execute(query).scalar())


def _taken(connection: Connection, delivery_id: str) -> int:
    table = schema.commitment_requests
    query = sa.select(sa.func.count()).where(table.c.delivery_id == delivery_id, table.c.taken == 1)
    return connection.execute(query).scalar_one()


def _commit(
    connection: Connection, delivery: DeliveryRecord, sop_instance_uids: Sequence[str], now: datetime
) -> None:
    """What the peer answers for; status and detail of its C-STORE stay, for the receipt."""
    table = schema.effects
    for start in range(0, len(sop_instance_uids), _CHUNK):
        connection.execute(
            sa.update(table)
            .where(
                table.c.exchange_id == delivery.exchange_id,
                table.c.destination == delivery.destination,
                table.c.sop_instance_uid.in_(sop_instance_uids[start : start + _CHUNK]),
                table.c.state != InstanceState.REFUSED,
            )
            .values(state=InstanceState.COMMITTED, updated_at=now)
        )


def _fail(
    connection: Connection, delivery: DeliveryRecord, failed: Mapping[str, int], now: datetime, *, final: bool
) -> None:
    table = schema.effects
    for one in effect_rows(connection, delivery):
        reason = failed.get(one.sop_instance_uid)
        if reason is None or not _may_fail(one):
            continue
        again = reason in _AGAIN and not final
        connection.execute(
            sa.update(table)
            .where(
                table.c.exchange_id == delivery.exchange_id,
                table.c.destination == delivery.destination,
                table.c.sop_instance_uid == one.sop_instance_uid,
            )
            .values(
                state=InstanceState.PENDING if again else InstanceState.REFUSED,
                status=f"0x{reason & 0xFFFF:04X}",
                detail="the peer does not commit to its storage",
                updated_at=now,
            )
        )


def _may_fail(effect: Effect) -> bool:
    """What was committed stays so; what is to be sent anyway needs no failure."""
    return effect.state in CONFIRMED and effect.state is not InstanceState.COMMITTED


def _conclude(connection: Connection, delivery: DeliveryRecord, now: datetime) -> DeliveryRecord:
    states = {one.state for one in effect_rows(connection, delivery)}
    if states <= {InstanceState.COMMITTED, InstanceState.REFUSED}:
        refused = InstanceState.REFUSED in states
        said = {"storageCommitment": "refused" if refused else "committed"}
        update_delivery(connection, delivery.delivery_id, transport={**delivery.transport, **said})
        end = DeliveryState.REJECTED if refused else DeliveryState.COMMITTED
        end_delivery(connection, delivery.delivery_id, end, now, FAILED if refused else "")
    elif InstanceState.PENDING in states and delivery.state is DeliveryState.COMMITTING:
        _send_again(connection, delivery.delivery_id, now)
    return delivery_row(connection, delivery.delivery_id)


def _send_again(connection: Connection, delivery_id: str, now: datetime) -> None:
    update_delivery(
        connection,
        delivery_id,
        state=DeliveryState.WAITING,
        next_attempt_at=now,
        commitment_due_at=None,
        last_error_code=FAILED,
        token="",
    )
