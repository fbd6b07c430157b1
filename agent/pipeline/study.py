"""The first phase over a study: every header read once, in worker slots."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from agent.custody.arrivals import members
from agent.custody.records import ExchangeRecord, HoldReason, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.sources import member_source
from agent.pipeline.work import INDEX, HeldInstance, IndexedFile
from exchange.domain.errors import SpoolError
from exchange.domain.identifiers import HarvestedIdentifiers
from exchange.domain.source import Source
from redact.reconcile.quarantine import ForeignPatient
from triage.quality.summary import InstanceSummary

_LEAST_PER_TASK = 8

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
    files = tuple((one.identity, member_source(appliance, one)) for one in chosen)
    known = {one.identity for one in chosen}
    earlier = members(appliance.custody, exchange.follows) if exchange.follows else ()
    files += tuple(_still_here(appliance, [one for one in earlier if one.identity not in known]))
    indexed, held = _index(appliance, exchange.exchange_id, files)
    return Study(
        exchange=exchange,
        members=tuple(chosen),
        summaries=tuple(one.summary for one in indexed if one.key in known),
        identifiers=HarvestedIdentifiers().union(one.identifiers for one in indexed),
        unreadable=tuple(held_reasons((one for one in held if one.key in known), "screen")),
        patients=frozenset(one.patient for one in indexed if one.key in known),
    )


def spread(
    appliance: Appliance, items: Sequence[Item], work: Callable[[Sequence[Item]], Result]
) -> list[Result]:
    """Do `work` on parts of `items` in as many worker slots as there are, in order."""
    parts = max(1, min(appliance.slots, len(items) // _LEAST_PER_TASK))
    size = -(-len(items) // parts)
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    if len(chunks) <= 1:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(len(chunks), thread_name_prefix="study") as threads:
        return list(threads.map(work, chunks))


def held_reasons(held: Iterable[HeldInstance], stage: str) -> list[HoldReason]:
    """Why these instances hold their exchange."""
    return [HoldReason(one.code, stage, path=one.path, detail=one.detail) for one in held]


def _index(
    appliance: Appliance, exchange_id: str, files: Sequence[tuple[str, Source]]
) -> tuple[list[IndexedFile], list[HeldInstance]]:
    seconds = appliance.configuration.site.limits.stage_seconds
    appliance.progress.begin(exchange_id, "index", len(files))

    def work(chunk: Sequence[tuple[str, Source]]) -> Any:
        return appliance.pool.submit(
            INDEX, tuple(chunk), seconds=seconds, on_progress=partial(appliance.progress.advance, exchange_id)
        )

    indexed: list[IndexedFile] = []
    held: list[HeldInstance] = []
    for some, others in spread(appliance, files, work):
        indexed += some
        held += others
    return indexed, held


def _still_here(appliance: Appliance, earlier: Sequence[Member]) -> Sequence[tuple[str, Source]]:
    """Those of these that retention has not erased."""
    found: list[tuple[str, Source]] = []
    for one in earlier:
        if one.wrapped_key and appliance.spool.holds(one.identity):
            with suppress(SpoolError):
                found.append((one.identity, member_source(appliance, one)))
    return found
