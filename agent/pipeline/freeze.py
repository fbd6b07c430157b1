"""Freezing: cleaned bytes become durable under their digest, and custody accepts them as a whole."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.custody.arrivals import resend_of
from agent.custody.attempts import Cleaned, accept_frozen, adopt_frozen, check_token, frozen_of
from agent.custody.listings import exchange
from agent.custody.records import Attempt, ExchangeRecord, FrozenInstance
from agent.pipeline.appliance import Appliance
from agent.pipeline.study import Study
from exchange.crosswalk.rows import Entry
from exchange.dicomio.rewrap import rewrap
from exchange.domain.errors import CustodyError
from exchange.domain.findings import Finding
from exchange.durable import fsync_folder, make_folder
from exchange.journal.events import Event, EventKind


@dataclass(frozen=True, slots=True)
class Frozen:
    """A study ready to be frozen.

    Attributes:
        rows: One per instance; `path` is filled in here.
        sources: By identity, the written file in the scratch folder.
        counts: Totals for the receipts.
        entries: Originals and pseudonyms, for the crosswalk.
    """

    rows: tuple[FrozenInstance, ...] = ()
    sources: Mapping[str, Path] = field(default_factory=dict)
    study_uid_sent: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    entries: tuple[Entry, ...] = field(default=(), repr=False)

    def with_findings(self, findings: tuple[Finding, ...]) -> "Frozen":
        """These with the findings of the screen stage before their own."""
        return replace(self, findings=tuple(dict.fromkeys((*findings, *self.findings))))


def scratch_folder(appliance: Appliance, attempt: Attempt) -> Path:
    """An empty folder of this attempt's own; what a killed run left there is thrown away."""
    folder = appliance.folders.scratch / attempt.exchange_id / str(attempt.number)
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    return folder


def accept(appliance: Appliance, attempt: Attempt, frozen: Frozen) -> None:
    """Move the files under their digests, remember the identifier map, and let custody accept the bytes.

    Files first, rows last: a crash in between leaves files that the next attempt makes again, byte for byte.

    Raises:
        CustodyError: The attempt is over, or other bytes were accepted before.
    """
    check_token(appliance.custody, attempt.exchange_id, attempt.token)
    rows = tuple(_freeze(appliance, row, frozen.sources[row.identity]) for row in frozen.rows)
    for folder in {appliance.folders.frozen / Path(row.path).parent for row in rows}:
        fsync_folder(folder)
    domain = exchange(appliance.custody, attempt.exchange_id).pseudonym_domain
    if domain:
        appliance.crosswalk.remember(domain, frozen.entries)
    cleaned = Cleaned(rows, frozen.study_uid_sent, frozen.counts, frozen.findings)
    accept_frozen(appliance.custody, attempt.exchange_id, attempt.token, cleaned)
    appliance.journal.append(_event(attempt, frozen))
    shutil.rmtree(appliance.folders.scratch / attempt.exchange_id, ignore_errors=True)


def adopt(appliance: Appliance, attempt: Attempt, exchange: ExchangeRecord) -> bool:
    """A complete re-send of an exchange that was frozen: the same bytes leave again, under new receipts.

    Returns:
        False when it is no re-send, or what was frozen cannot be used any more; then it is cleaned.
    """
    source = resend_of(appliance.custody, exchange.exchange_id)
    if source is None or source.instance_count != exchange.instance_count or source.route != exchange.route:
        return False
    rows = frozen_of(appliance.custody, source.exchange_id)
    if not rows or not all(row.proved and (appliance.folders.frozen / row.path).is_file() for row in rows):
        return False
    try:
        adopt_frozen(appliance.custody, exchange.exchange_id, attempt.token, source.exchange_id)
    except CustodyError:
        return False  # cleaned under another profile or domain then
    return True


def retain_study(
    appliance: Appliance, attempt: Attempt, study: Study, findings: tuple[Finding, ...]
) -> Frozen:
    """A route with `deidentify: none`: the data set bytes as they came, under a fresh file meta."""
    folder = scratch_folder(appliance, attempt)
    rows, sources = [], {}
    for member in study.members:
        target = folder / f"{member.identity}.dcm"
        written = rewrap(appliance.spool.path(member.identity), target)
        sources[member.identity] = target
        rows.append(
            FrozenInstance(
                identity=member.identity,
                sop_class_uid=member.sop_class_uid,
                sop_instance_uid=member.sop_instance_uid,
                study_instance_uid=member.study_instance_uid,
                series_instance_uid=member.series_instance_uid,
                transfer_syntax_uid=member.transfer_syntax_uid,
                sha256=written.sha256,
                pixel_sha256=written.pixel_sha256,
                byte_count=written.byte_count,
                path="",
                proved=True,  # nothing is claimed of these bytes, so there is nothing to prove
            )
        )
    return Frozen(tuple(rows), sources, study.exchange.study_instance_uid, findings=findings)


def _freeze(appliance: Appliance, row: FrozenInstance, source: Path) -> FrozenInstance:
    relative = Path(row.sha256[:2]) / f"{row.sha256}.dcm"
    target = appliance.folders.frozen / relative
    make_folder(target.parent)
    os.replace(source, target)
    return replace(row, path=str(relative))


def _event(attempt: Attempt, frozen: Frozen) -> Event:
    actions = frozen.counts.get("actions", {})
    return Event(
        EventKind.DEID_APPLIED,
        {
            "exchange": attempt.exchange_id,
            "attempt": attempt.number,
            "instances": len(frozen.rows),
            "proved": sum(row.proved for row in frozen.rows),
            "profileSha256": str(frozen.counts.get("profileSha256", "")),
            "removed": int(actions.get("removed", 0)),
            "regions": sum(len(row.boxes) for row in frozen.rows),
        },
    )
