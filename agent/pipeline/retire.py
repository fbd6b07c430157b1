"""retire: what is closed for longer than the site keeps it leaves the disk; receipts and journal stay."""

from datetime import timedelta

import structlog

from agent.custody.arrivals import unindexed
from agent.custody.closing import deletable, live_frozen, mark_deleted, retire, unshared_frozen
from agent.custody.listings import list_exchanges
from agent.pipeline.appliance import Appliance
from exchange.domain.exchange import ExchangeState
from exchange.journal.events import Event, EventKind

log = structlog.get_logger()

_ENDED = (ExchangeState.CLOSED, ExchangeState.REJECTED)
_AT_ONCE = 1000


def retire_due(appliance: Appliance) -> int:
    """Retire exchanges whose retention is over and delete what nobody needs any more; how many instances."""
    days = appliance.configuration.site.limits.retention_days
    before = appliance.clock() - timedelta(days=days)
    for one in list_exchanges(appliance.custody, _ENDED, limit=_AT_ONCE):
        if one.closed_at is not None and one.closed_at < before:
            paths = unshared_frozen(appliance.custody, one.exchange_id)
            retire(appliance.custody, one.exchange_id)
            for path in paths:
                (appliance.folders.frozen / path).unlink(missing_ok=True)
    return _delete_spooled(appliance)


def sweep_frozen(appliance: Appliance) -> int:
    """Before anything runs: delete frozen files that no exchange names, as a crash leaves them; how many."""
    live = live_frozen(appliance.custody)
    strays = [
        path
        for path in appliance.folders.frozen.glob("*/*")
        if str(path.relative_to(appliance.folders.frozen)) not in live
    ]
    for path in strays:
        path.unlink(missing_ok=True)
    if strays:
        log.info("frozen files without an exchange deleted", removed=len(strays))
    return len(strays)


def _delete_spooled(appliance: Appliance) -> int:
    deleted = []
    for identity in deletable(appliance.custody):
        # A re-send that was accepted a moment ago and has no row yet keeps the file.
        arrivals = [one.arrival.arrival_id for one in appliance.spool.arrivals(identity)]
        if not unindexed(appliance.custody, arrivals):
            appliance.spool.delete(identity)
            deleted.append(identity)
    if deleted:
        mark_deleted(appliance.custody, deleted, appliance.clock())
        appliance.journal.append(Event(EventKind.INSTANCE_DELETED, {"instances": len(deleted)}))
        log.info("retention is over", removed=len(deleted))
    return len(deleted)
