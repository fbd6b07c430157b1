"""Renditions: what a peer cannot take as it was frozen leaves in another transfer syntax, without loss.

A rendition is made once per instance and transfer syntax, durable and named by its digest before it is sent,
and every later attempt at that destination sends it again: see docs/adr/0009-renditions.md.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import structlog

from agent.custody.deliveries import effects_of
from agent.custody.records import DeliveryClaim, FrozenInstance, Rendition
from agent.custody.renditions import (
    choose_rendition,
    erase_renditions,
    erase_retired,
    live_renditions,
    rendition,
    unshared_renditions,
)
from agent.pipeline.appliance import Appliance
from agent.pipeline.outgoing import (
    Outgoing,
    frozen_file,
    instance,
    is_sealed,
    rendition_folder,
    wrap_rendition,
)
from agent.pipeline.transcoding import TRANSCODE, Transcoded, TranscodeTask, Untranscoded
from exchange.dimse.frozen import PIECE
from exchange.domain.delivery import (
    DeliveryReport,
    Destination,
    InstanceOutcome,
    InstanceState,
    OutgoingInstance,
)
from exchange.durable import fsync_folder, make_folder
from exchange.spool.sealed import new_data_key, seal_file

log = structlog.get_logger()

_AT_ONCE = 64  # instances of one round: what lies on the disk twice, and is lost to a crash, stays small


class Aside:
    """Takes an attempt's outcomes; those that ask for another transfer syntax are kept back, not recorded.

    A refusal that is recorded is final, and this one is none yet.
    """

    def __init__(self, waiting: Outgoing, record: Callable[[InstanceOutcome], None]) -> None:
        self.waiting = waiting
        self.record = record
        self._wanted: dict[str, InstanceOutcome] = {}
        self._lock = threading.Lock()

    def tell(self, outcome: InstanceOutcome) -> None:
        """Record an outcome, or keep it back; called from several threads."""
        uid = outcome.sop_instance_uid
        if outcome.wanted_syntaxes and uid not in self.waiting.renditions:
            with self._lock:
                self._wanted[uid] = outcome
        else:
            self.record(outcome)

    def kept(self) -> dict[str, InstanceOutcome]:
        """What was kept back."""
        with self._lock:
            return dict(self._wanted)


def send_renditions(
    appliance: Appliance,
    claim: DeliveryClaim,
    destination: Destination,
    aside: Aside,
    report: DeliveryReport,
) -> DeliveryReport:
    """Make renditions of what was kept back, and send them in the same attempt.

    Returns:
        The report of the whole attempt.
    """
    wanted = aside.kept()
    if not wanted:
        return report
    told = tuple(one for one in report.outcomes if one.sop_instance_uid not in wanted)
    whole = replace(report, outcomes=told)
    unknown = {
        one.sop_instance_uid
        for one in effects_of(appliance.custody, claim.delivery_id)
        if one.state is InstanceState.UNKNOWN
    }
    for refused in _rounds(list(wanted.values())):
        if whole.error:
            return whole
        ready = _prepare(
            appliance, claim, aside, [one for one in refused if not _landed(aside, one, unknown)]
        )
        if ready:
            again = destination.send(ready, aside.record)
            whole = replace(again, outcomes=(*whole.outcomes, *again.outcomes))
    return whole


def _rounds(outcomes: Sequence[InstanceOutcome]) -> Iterator[Sequence[InstanceOutcome]]:
    for start in range(0, len(outcomes), _AT_ONCE):
        yield outcomes[start : start + _AT_ONCE]


def _landed(aside: Aside, refused: InstanceOutcome, unknown: set[str]) -> bool:
    """What may have landed as it was frozen is never sent as anything else; it stays as it is."""
    if refused.sop_instance_uid not in unknown:
        return False
    detail = "it may have landed in its own transfer syntax, which the peer takes no longer"
    aside.record(InstanceOutcome(refused.sop_instance_uid, InstanceState.UNKNOWN, "", detail))
    return True


def _prepare(
    appliance: Appliance, claim: DeliveryClaim, aside: Aside, refused: Sequence[InstanceOutcome]
) -> list[OutgoingInstance]:
    """Renditions ready to be sent; what cannot be made without loss is refused for good."""
    ready: dict[str, Rendition] = {}
    missing: list[tuple[FrozenInstance, str]] = []
    for one in refused:
        frozen, syntax = aside.waiting.frozen[one.sop_instance_uid], one.wanted_syntaxes[0]
        known = rendition(appliance.custody, claim.exchange_id, one.sop_instance_uid, syntax)
        if known is not None and (rendition_folder(appliance) / known.path).is_file():
            ready[one.sop_instance_uid] = known
        else:
            missing.append((frozen, syntax))
    for uid, made in _make(appliance, claim, missing).items():
        if isinstance(made, Untranscoded):
            detail = f"it cannot be brought into a transfer syntax that the peer takes: {made.why}"
            aside.record(InstanceOutcome(uid, InstanceState.REFUSED, "", detail))
        else:
            ready[uid] = made
    return [
        instance(
            appliance,
            aside.waiting.frozen[uid],
            choose_rendition(appliance.custody, claim, made),
            aside.waiting.priority,
        )
        for uid, made in ready.items()
    ]


def _make(
    appliance: Appliance, claim: DeliveryClaim, missing: Sequence[tuple[FrozenInstance, str]]
) -> dict[str, Rendition | Untranscoded]:
    """Transcode with proof in a worker, then make durable under the digest."""
    if not missing:
        return {}
    folder = appliance.folders.scratch / f"renditions-{uuid4().hex}"
    make_folder(folder)
    seconds = appliance.configuration.site.limits.stage_seconds
    made: dict[str, Rendition | Untranscoded] = {}
    try:
        for number, (frozen, syntax) in enumerate(missing):
            # One task an instance: one that hangs or kills its worker is one refused instance.
            task = TranscodeTask(
                frozen_file(appliance, frozen), frozen.sha256, folder / f"{number}.dcm", syntax
            )
            result: Transcoded | Untranscoded = appliance.pool.submit(TRANSCODE, task, seconds=seconds)
            uid = frozen.sop_instance_uid
            if isinstance(result, Transcoded):
                made[uid] = _keep(appliance, task, frozen, result)
            else:
                made[uid] = result
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    counted = sum(isinstance(one, Rendition) for one in made.values())
    log.info(
        "renditions made",
        exchange_id=claim.exchange_id,
        destination=claim.destination,
        instances=counted,
        refused=len(made) - counted,
    )
    return made


def _keep(appliance: Appliance, task: TranscodeTask, frozen: FrozenInstance, result: Transcoded) -> Rendition:
    """Move the written file under its digest; what carries an identity is sealed on the way."""
    digest = result.sha256
    made = Rendition(
        frozen.sop_instance_uid,
        task.transfer_syntax_uid,
        digest,
        result.byte_count,
        f"{digest[:2]}/{digest}.dcm",
    )
    if is_sealed(frozen):
        key = new_data_key()
        # A name of its own: the same bytes sealed with another key are another file.
        path = f"{digest[:2]}/{digest}-{uuid4().hex}.sealed"
        made = replace(made, path=path, wrapped_key=wrap_rendition(appliance, key, digest))
        target = _target(appliance, made)
        with task.target.open("rb") as written:
            seal_file(target, iter(lambda: written.read(PIECE), b""), key, digest)
    else:
        target = _target(appliance, made)
        os.replace(task.target, target)
        fsync_folder(target.parent)
    return made


def _target(appliance: Appliance, made: Rendition) -> Path:
    target = rendition_folder(appliance) / made.path
    make_folder(target.parent)
    return target


def delete_renditions(appliance: Appliance, exchange_id: str) -> None:
    """Delete the renditions of an exchange that has retired; those that others still need stay."""
    paths = unshared_renditions(appliance.custody, exchange_id)
    erase_renditions(appliance.custody, exchange_id)  # their keys first: the files are worth nothing then
    for path in paths:
        (rendition_folder(appliance) / path).unlink(missing_ok=True)


def sweep_renditions(appliance: Appliance) -> int:
    """Before anything runs: delete renditions that no exchange names, as a crash leaves them; how many."""
    erase_retired(appliance.custody)
    live, folder = live_renditions(appliance.custody), rendition_folder(appliance)
    strays = [path for path in folder.glob("*/*") if str(path.relative_to(folder)) not in live]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)
