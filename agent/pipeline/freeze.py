"""Freezing: cleaned bytes become durable under their digest, and custody accepts them as a whole."""

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.custody.attempts import Cleaned, accept_frozen, check_token
from agent.custody.listings import exchange
from agent.custody.records import Attempt, FrozenInstance
from agent.pipeline.appliance import Appliance
from agent.pipeline.study import Study
from exchange.crosswalk.rows import Entry
from exchange.dicomio.rewrap import rewrap
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

    def with_earlier(self, rows: Mapping[str, FrozenInstance], counts: Mapping[str, Any]) -> "Frozen":
        """These and the rows that earlier exchanges froze; totals tell of all of them."""
        if not rows:
            return self
        totals = merged(self.counts, counts) if self.rows else dict(counts)
        actions: Counter[str] = Counter()
        for row in (*self.rows, *rows.values()):
            actions.update(row.actions)
        study = self.study_uid_sent or next(iter(rows.values())).study_instance_uid
        return replace(
            self,
            rows=(*self.rows, *rows.values()),
            study_uid_sent=study,
            counts={**totals, "actions": dict(actions), "uidsMapped": actions["uids"]} if totals else {},
        )

    def with_findings(self, findings: tuple[Finding, ...]) -> "Frozen":
        """These with the findings of the screen stage before their own."""
        return replace(self, findings=tuple(dict.fromkeys((*findings, *self.findings))))


def merged(new: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Totals of instances cleaned now and before: what holds for both, and `not shown` where they differ."""
    both = dict(new)
    for key in ("knownIdentifiers", "textDetection", "canary", "profileSha256", "tableEdition"):
        if before.get(key) != new.get(key):
            both[key] = "not shown"
    both["methodCodes"] = sorted({*new.get("methodCodes", ()), *before.get("methodCodes", ())})
    if "not examined" in (new.get("pixels"), before.get("pixels")):
        both["pixels"] = "not examined"
    return both


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
    rows = tuple(_freeze(appliance, row, frozen.sources.get(row.identity)) for row in frozen.rows)
    for folder in {appliance.folders.frozen / Path(row.path).parent for row in rows}:
        fsync_folder(folder)
    domain = exchange(appliance.custody, attempt.exchange_id).pseudonym_domain
    if domain:
        appliance.crosswalk.remember(domain, frozen.entries)
    cleaned = Cleaned(rows, frozen.study_uid_sent, frozen.counts, frozen.findings)
    accept_frozen(appliance.custody, attempt.exchange_id, attempt.token, cleaned)
    appliance.journal.append(_event(attempt, frozen))
    shutil.rmtree(appliance.folders.scratch / attempt.exchange_id, ignore_errors=True)


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


def _freeze(appliance: Appliance, row: FrozenInstance, source: Path | None) -> FrozenInstance:
    if source is None:
        return row  # frozen by an earlier exchange
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
