"""What a person may do to an exchange that waits: have it tried now, and say how urgent it is."""

import structlog

from agent.custody.deliveries import retry_now
from agent.custody.listings import exchange
from agent.custody.progress import sent_of
from agent.custody.queueing import prioritise
from agent.pipeline.appliance import Appliance
from agent.pipeline.circuit import retry_peer
from agent.pipeline.people import actor_reference
from exchange.domain.exchange import ENDED_DELIVERIES, Priority
from exchange.log.events import Event, EventKind

log = structlog.get_logger()


def retry(appliance: Appliance, exchange_id: str) -> int:
    """Make an exchange's waiting deliveries due at once, open circuits or not; how many deliveries."""
    for one in sent_of(appliance.custody, exchange(appliance.custody, exchange_id)):
        if one.delivery.state not in ENDED_DELIVERIES:
            retry_peer(appliance, one.delivery.destination)
    count = retry_now(appliance.custody, exchange_id, appliance.clock())
    appliance.wake()
    return count


def set_priority(appliance: Appliance, exchange_id: str, priority: Priority, local_user: str) -> int:
    """Let an exchange overtake, or be overtaken; how many of its deliveries have not ended.

    Raises:
        CustodyError: It has ended.
    """
    count = prioritise(appliance.custody, exchange_id, priority)
    fields: dict[str, str | int] = {"exchange": exchange_id, "priority": int(priority)}
    actor = actor_reference(appliance, local_user)
    appliance.log.append(Event(EventKind.EXCHANGE_PRIORITISED, fields, actor=actor))
    log.info("exchange prioritised", exchange_id=exchange_id, state=priority.name.lower())
    appliance.wake()
    return count
