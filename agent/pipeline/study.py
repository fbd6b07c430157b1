"""The first phase over a study: every header read once, in worker slots."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from agent.custody.arrivals import members
from agent.custody.records import ExchangeRecord, HoldReason, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.sources import member_source
from agent.pipeline.work import INDEX, HeldInstance, IndexedPart
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.reconcile.quarantine import ForeignPatient
from triage.quality.summary import InstanceSummary

_LEAST_PER_TASK, _MOST_PER_TASK = 8, 512

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Study:
    """What the first phase learned of an exchange.

    Attributes:
        members: The instances to be cleaned.
        identifiers: Harvested over all of them and over the exchange that this one follows.
        unreadable: A reason for each instance that cannot be read.
        patients: Whose study it is, in the sender's words.
    """

    exchange: ExchangeRecord
    members: tuple[Member, ...]
    summaries: tuple[InstanceSummary, ...]
    identifiers: HarvestedIdentifiers = field(repr=False)
    unreadable: tuple[HoldReason, ...]
    patients: frozenset[ForeignPatient]


def index_study(appliance: Appliance, exchange: ExchangeRecord, chosen: Sequence[Member]) -> Study:
    """Harvest and summarise; the exchange that this one follows adds the identifiers that are still here."""
    known = {one.identity for one in chosen}
    earlier = members(appliance.custody, exchange.follows) if exchange.follows else ()
    before = [one for one in earlier if one.identity not in known and _is_here(appliance, one)]
    appliance.progress.begin(exchange.exchange_id, "index", len(chosen) + len(before))
    parts = _index(appliance, exchange.exchange_id, chosen)
    others = _index(appliance, exchange.exchange_id, before)
    return Study(
        exchange=exchange,
        members=tuple(chosen),
        summaries=tuple(one for part in parts for one in part.summaries),
        identifiers=HarvestedIdentifiers().union(part.identifiers for part in (*parts, *others)),
        unreadable=tuple(held_reasons((one for part in parts for one in part.unreadable), "screen")),
        patients=frozenset(one for part in parts for one in part.patients),
    )


def spread(
    appliance: Appliance, items: Sequence[Item], work: Callable[[Sequence[Item]], Result]
) -> list[Result]:
    """Do `work` on parts of `items` in as many worker slots as there are, in order.

    A part has a bound, so that what crosses to a worker and back does not grow with the study.
    """
    parts = max(1, min(appliance.slots, len(items) // _LEAST_PER_TASK))
    size = min(-(-len(items) // parts), _MOST_PER_TASK)
    chunks = [items[start : start + size] for start in range(0, len(items), size)] if items else []
    if len(chunks) <= 1:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(min(len(chunks), appliance.slots), thread_name_prefix="study") as threads:
        return list(threads.map(work, chunks))


def held_reasons(held: Iterable[HeldInstance], stage: str) -> list[HoldReason]:
    """Why these instances hold their exchange."""
    return [HoldReason(one.code, stage, one.path, one.detail, one.key) for one in held]


def _index(appliance: Appliance, exchange_id: str, found: Sequence[Member]) -> list[IndexedPart]:
    """In parts. A key that is destroyed at this very moment is an error, and none at the next attempt."""
    seconds = appliance.configuration.site.limits.stage_seconds

    def work(chunk: Sequence[Member]) -> IndexedPart:
        files = tuple((one.identity, member_source(appliance, one)) for one in chunk)
        part: IndexedPart = appliance.pool.submit(
            INDEX, files, seconds=seconds, on_progress=partial(appliance.progress.advance, exchange_id)
        )
        return part

    return spread(appliance, found, work)


def _is_here(appliance: Appliance, one: Member) -> bool:
    """Whether retention has left its bytes and its key."""
    return bool(one.wrapped_key) and appliance.spool.holds(one.identity)
