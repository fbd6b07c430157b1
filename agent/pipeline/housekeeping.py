"""At the start and once an hour: receipts that a partner lacks, retention, and what old work leaves."""

from datetime import timedelta

import structlog

from agent.custody.compaction import compact, forget, give_back_space
from agent.engine.port import Engine
from agent.pipeline.appliance import Appliance
from agent.pipeline.retire import retire_due
from agent.pipeline.travel import leave_lacking

log = structlog.get_logger()

COMPACT_DAYS = 30
"""Days after its retention was over that an exchange's working rows are kept."""

FORGET_DAYS = 3 * 365
"""Days that late instances and re-sends are judged by what has left."""

_ENGINE_DAYS = 7


def keep_house(appliance: Appliance, engine: Engine) -> None:
    """What keeps disk and database from growing without end; each part bounded, the rest next time.

    Raises:
        CustodyError: The database cannot be used.
    """
    now = appliance.clock()
    leave_lacking(appliance)
    retire_due(appliance)
    kept = timedelta(days=appliance.configuration.site.limits.retention_days + COMPACT_DAYS)
    compacted = compact(appliance.custody, now - kept)
    forgotten = forget(appliance.custody, now - max(kept, timedelta(days=FORGET_DAYS)))
    workflows = engine.forget(now - timedelta(days=_ENGINE_DAYS))
    if compacted or forgotten or workflows:
        give_back_space(appliance.custody)
        log.info("rows of ended work removed", instances=forgotten, count=compacted, removed=workflows)
