"""What came before comes again: recorded, told in the log, and ended where nothing is to be delivered."""

import structlog

from agent.custody.records import ExchangeRecord
from agent.custody.resends import WITHOUT_DELIVERY
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_exchange
from exchange.domain.errors import LockgateError
from exchange.domain.exchange import ExchangeState
from exchange.log.events import Event, EventKind

log = structlog.get_logger()


def end_resend(appliance: Appliance, one: ExchangeRecord) -> None:
    """Journal a re-send, and close with its last receipt what has no delivery of its own."""
    joined = one.evidence.get("joined", {})
    if one.resend_of is None and not joined:
        return
    ended = one.state is ExchangeState.DELIVERING and one.error_code in WITHOUT_DELIVERY
    what = one.error_code if ended else "redelivered" if one.resend_of else "trimmed"
    appliance.log.append(
        Event(
            EventKind.EXCHANGE_RESENT,
            {
                "exchange": one.exchange_id,
                "of": one.resend_of or str(joined["to"]),
                "what": what,
                "instances": one.instance_count,
                "joined": int(joined.get("count", 0)),
            },
        )
    )
    log.info("resend", exchange_id=one.exchange_id, code=what, instances=one.instance_count)
    if ended:
        try:
            attest_exchange(appliance, one.exchange_id)
        except (LockgateError, OSError) as error:
            # Owed: the schedule issues it at its next look.
            log.error("receipt not issued yet", exchange_id=one.exchange_id, error_type=type(error).__name__)
