"""retire: what is closed for longer than the site keeps it leaves the disk; receipts and log stay."""

from datetime import timedelta

import structlog

from agent.custody.closing import (
    deletable,
    erase_key,
    live_frozen,
    mark_cleared,
    retirable,
    retire,
    unshared_frozen,
)
from agent.custody.notices import forget_notices
from agent.pipeline.appliance import Appliance
from agent.pipeline.renditions import delete_renditions, sweep_renditions
from exchange.log.events import Event, EventKind, list_sha256

log = structlog.get_logger()


def retire_due(appliance: Appliance) -> int:
    """Retire exchanges whose retention is over and delete what nobody needs any more; how many instances."""
    days = appliance.configuration.site.limits.retention_days
    before = appliance.clock() - timedelta(days=days)
    for exchange_id in retirable(appliance.custody, before):
        paths = unshared_frozen(appliance.custody, exchange_id)
        retire(appliance.custody, exchange_id)
        delete_renditions(appliance, exchange_id)
        for path in paths:
            (appliance.folders.frozen / path).unlink(missing_ok=True)
    forget_notices(appliance.custody, before)
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
    sweep_renditions(appliance)
    if strays:
        log.info("frozen files without an exchange deleted", removed=len(strays))
    return len(strays)


def _delete_spooled(appliance: Appliance) -> int:
    """Erase the files that no exchange needs: first the key in the row, then the file.

    A re-send that was accepted a moment ago and has no row yet keeps the file.
    """
    deleted = [one for one in deletable(appliance.custody) if _erase(appliance, one)]
    mark_cleared(appliance.custody)
    if deleted:
        appliance.log.append(
            Event(EventKind.INSTANCE_DELETED, {"instances": len(deleted), "listSha256": list_sha256(deleted)})
        )
        log.info("retention is over", removed=len(deleted))
    return len(deleted)


def _erase(appliance: Appliance, identity: str) -> bool:
    return appliance.spool.erase(
        identity, lambda arrivals: erase_key(appliance.custody, identity, arrivals, appliance.clock())
    )
