"""Renditions: a frozen instance in another transfer syntax, and which destination was sent which."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.deliveries import delivery_row, require_active
from agent.custody.records import DeliveryClaim, Rendition
from agent.custody.rows import columns, exchange_row, insert_new, record
from exchange.domain.exchange import ExchangeState


def renditions_of(database: Database, delivery_id: str) -> dict[str, Rendition]:
    """What of a delivery goes in another transfer syntax, by SOP Instance UID: every attempt sends these."""
    effects, renditions = schema.effects, schema.renditions

    def work(connection: Connection) -> dict[str, Rendition]:
        delivery = delivery_row(connection, delivery_id)
        exchange = exchange_row(connection, delivery.exchange_id)
        query = (
            sa.select(*columns(Rendition, renditions))
            .join(
                effects,
                sa.and_(
                    effects.c.exchange_id == renditions.c.exchange_id,
                    effects.c.sop_instance_uid == renditions.c.sop_instance_uid,
                    effects.c.rendition_syntax == renditions.c.transfer_syntax_uid,
                ),
            )
            .where(
                effects.c.exchange_id == delivery.exchange_id,
                effects.c.destination == delivery.destination,
                renditions.c.revision == exchange.revision,
            )
        )
        found = (record(Rendition, row) for row in connection.execute(query))
        return {one.sop_instance_uid: one for one in found}

    return database.read(work)


def rendition(
    database: Database, exchange_id: str, sop_instance_uid: str, transfer_syntax_uid: str
) -> Rendition | None:
    """A rendition that was made before, for whichever destination; None when there is none."""

    def work(connection: Connection) -> Rendition | None:
        return _find(connection, exchange_id, sop_instance_uid, transfer_syntax_uid)

    return database.read(work)


def choose_rendition(database: Database, claim: DeliveryClaim, made: Rendition) -> Rendition:
    """Note a durable rendition, and that this destination is sent it from now on.

    Returns:
        The rendition to be sent: the one that was there before, if any.

    Raises:
        CustodyError: The claim is over.
    """

    def work(connection: Connection) -> Rendition:
        require_active(connection, claim)
        revision = exchange_row(connection, claim.exchange_id).revision
        row = {name: getattr(made, name) for name in made.__slots__}
        insert_new(
            connection,
            schema.renditions,
            [{"exchange_id": claim.exchange_id, "revision": revision, **row}],
        )
        kept = _find(connection, claim.exchange_id, made.sop_instance_uid, made.transfer_syntax_uid) or made
        table = schema.effects
        connection.execute(
            sa.update(table)
            .where(
                table.c.exchange_id == claim.exchange_id,
                table.c.destination == claim.destination,
                table.c.sop_instance_uid == made.sop_instance_uid,
            )
            .values(rendition_syntax=kept.transfer_syntax_uid, rendition_sha256=kept.sha256)
        )
        return kept

    return database.write(work)


def unshared_renditions(database: Database, exchange_id: str) -> tuple[str, ...]:
    """Paths of this exchange's renditions that no other exchange still needs (named by digest)."""
    table, exchanges = schema.renditions, schema.exchanges
    others = (
        sa.select(table.c.path)
        .join(exchanges, exchanges.c.exchange_id == table.c.exchange_id)
        .where(table.c.exchange_id != exchange_id, exchanges.c.state != ExchangeState.RETIRED)
    )
    query = sa.select(table.c.path).where(table.c.exchange_id == exchange_id, table.c.path.not_in(others))
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))


def live_renditions(database: Database) -> frozenset[str]:
    """Paths of renditions that an exchange still needs: all but those of retired ones."""
    table, exchanges = schema.renditions, schema.exchanges
    query = (
        sa.select(table.c.path)
        .join(exchanges, exchanges.c.exchange_id == table.c.exchange_id)
        .where(exchanges.c.state != ExchangeState.RETIRED)
    )
    return database.read(lambda connection: frozenset(connection.execute(query).scalars()))


def erase_renditions(database: Database, exchange_id: str) -> None:
    """Forget the renditions of a retired exchange, their wrapped keys with them."""
    table = schema.renditions
    database.write(
        lambda connection: connection.execute(sa.delete(table).where(table.c.exchange_id == exchange_id))
    )


def erase_retired(database: Database) -> None:
    """Forget the renditions of retired exchanges that a crash has left."""
    table, exchanges = schema.renditions, schema.exchanges
    gone = sa.select(exchanges.c.exchange_id).where(exchanges.c.state == ExchangeState.RETIRED)
    database.write(
        lambda connection: connection.execute(sa.delete(table).where(table.c.exchange_id.in_(gone)))
    )


def _find(
    connection: Connection, exchange_id: str, sop_instance_uid: str, transfer_syntax_uid: str
) -> Rendition | None:
    table = schema.renditions
    row = connection.execute(
        sa.select(*columns(Rendition, table)).where(
            table.c.exchange_id == exchange_id,
            table.c.revision == exchange_row(connection, exchange_id).revision,
            table.c.sop_instance_uid == sop_instance_uid,
            table.c.transfer_syntax_uid == transfer_syntax_uid,
        )
    ).one_or_none()
    return None if row is None else record(Rendition, row)
