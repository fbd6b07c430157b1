"""The originals of what left: the instances of a study, as long as custody knows them."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import Member
from agent.custody.rows import columns, record
from exchange.domain.exchange import Direction


def originals_of(database: Database, study_instance_uid: str, domain: str) -> tuple[Member, ...]:
    """Instances of a study that was sent out under pseudonyms of a domain.

    Args:
        database: Custody's database.
        study_instance_uid: The original's.
        domain: The pseudonym domain.

    Returns:
        In the order of their identities, each once, as it stands in one of its exchanges; without a key when
        retention has erased its file.
    """
    members, instances, exchanges = schema.members, schema.instances, schema.exchanges
    query = (
        sa.select(*columns(Member, members, instances, schema.arrivals))
        .join(exchanges, exchanges.c.exchange_id == members.c.exchange_id)
        .join(instances, instances.c.identity == members.c.identity)
        .join(schema.arrivals, schema.arrivals.c.arrival_id == members.c.arrival_id)
        .where(
            exchanges.c.study_instance_uid == study_instance_uid,
            exchanges.c.direction == Direction.OUTBOUND,
            exchanges.c.pseudonym_domain == domain,
            instances.c.unreadable_code == "",
        )
        .order_by(instances.c.identity)
    )

    def work(connection: Connection) -> tuple[Member, ...]:
        found = (record(Member, row) for row in connection.execute(query))
        return tuple({one.identity: one for one in found}.values())

    return database.read(work)
