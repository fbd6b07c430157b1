"""Freezing: cleaned bytes become durable under their digest, and custody accepts them as a whole."""

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from agent.custody.attempts import Cleaned, accept_frozen, check_token
from agent.custody.listings import exchange
from agent.custody.records import Attempt, ExchangeRecord, FrozenInstance, Location, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.scratch import plain_file, sealed_file
from agent.pipeline.sources import member_source, wrap_frozen
from agent.pipeline.study import spread
from exchange.crosswalk.rows import Entry
from exchange.dicomio.digest import content_digests
from exchange.dicomio.examine import examine
from exchange.domain.findings import Finding
from exchange.durable import fsync_folder, make_folder
from exchange.log.events import Event, EventKind


@dataclass(frozen=True, slots=True)
class Frozen:
    """A study ready to be frozen.

    Attributes:
        rows: One per instance; `path` is filled in here, of those that were written to `folder`.
        folder: The attempt's scratch folder, plain or sealed; None where nothing was written.
        keys: By identity, the data key of a file that is sealed: one that still carries an identity.
        counts: Totals for the receipts.
        entries: Originals and pseudonyms, for the crosswalk.
    """

    rows: tuple[FrozenInstance, ...] = ()
    folder: Path | None = None
    study_uid_sent: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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
    for key in ("knownIdentifiers", "textDetection", "canary", "dciodvfy", "profileSha256", "tableEdition"):
        if before.get(key) != new.get(key):
            both[key] = "not shown"
    both["methodCodes"] = sorted({*new.get("methodCodes", ()), *before.get("methodCodes", ())})
    used = [one for counts in (new, before) for one in counts.get("nameRecognisers", ())]
    if used:
        both["nameRecognisers"] = [one for number, one in enumerate(used) if one not in used[:number]]
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
    one = exchange(appliance.custody, attempt.exchange_id)
    rows = tuple(_freeze(appliance, row, frozen) for row in frozen.rows)
    for folder in {appliance.folders.frozen / Path(row.path).parent for row in rows if row.path}:
        fsync_folder(folder)
    if one.pseudonym_domain:
        appliance.crosswalk.remember(one.pseudonym_domain, frozen.entries)
    cleaned = Cleaned(rows, frozen.study_uid_sent, frozen.counts, frozen.findings)
    accept_frozen(appliance.custody, attempt.exchange_id, attempt.token, cleaned)
    appliance.log.append_all([*_model_runs(attempt, frozen), _event(attempt, frozen)])
    shutil.rmtree(appliance.folders.scratch / attempt.exchange_id, ignore_errors=True)


def retain_study(appliance: Appliance, one: ExchangeRecord, chosen: Sequence[Member], reason: str) -> Frozen:
    """A route with `deidentify: none`: the data set bytes as they came leave the spool itself, uncopied.

    Raises:
        InputError: One of them is no DICOM file.
        SpoolError, OSError: One cannot be read.
    """
    parts = spread(appliance, chosen, lambda chunk: [_retained(appliance, member) for member in chunk])
    rows = tuple(row for part in parts for row in part)
    counts = {"identity": {"reason": reason}}
    return Frozen(rows, study_uid_sent=one.study_instance_uid, counts=counts)


def _retained(appliance: Appliance, member: Member) -> FrozenInstance:
    """The row of one instance; its digests are of what the spool gives back, in one reading."""
    layout = examine(member_source(appliance, member))
    sha256, pixel_sha256 = content_digests(layout)
    return FrozenInstance(
        identity=member.identity,
        sop_class_uid=member.sop_class_uid,
        sop_instance_uid=member.sop_instance_uid,
        study_instance_uid=member.study_instance_uid,
        series_instance_uid=member.series_instance_uid,
        transfer_syntax_uid=member.transfer_syntax_uid,
        sha256=sha256,
        pixel_sha256=pixel_sha256,
        byte_count=layout.dataset_length,
        path="",
        proved=True,  # nothing is claimed of these bytes, so there is nothing to prove
        location=Location.SPOOL,
    )


def _freeze(appliance: Appliance, row: FrozenInstance, frozen: Frozen) -> FrozenInstance:
    if frozen.folder is None or row.path or row.location == Location.SPOOL:
        return row  # frozen by an earlier exchange, or stays in the spool
    if row.identity in frozen.keys:
        source = sealed_file(frozen.folder, row.identity)
        return _freeze_sealed(appliance, row, source, frozen.keys[row.identity])
    return _freeze_plain(appliance, row, plain_file(frozen.folder, row.identity))


def _freeze_plain(appliance: Appliance, row: FrozenInstance, source: Path) -> FrozenInstance:
    relative = Path(row.sha256[:2]) / f"{row.sha256}.dcm"
    target = appliance.folders.frozen / relative
    make_folder(target.parent)
    os.replace(source, target)
    return replace(row, path=str(relative))


def _freeze_sealed(appliance: Appliance, row: FrozenInstance, source: Path, key: bytes) -> FrozenInstance:
    """A name of its own for each attempt: a file under a key of another row is never replaced."""
    relative = Path(row.sha256[:2]) / f"{row.sha256}.{uuid4().hex}.sealed"
    target = appliance.folders.frozen / relative
    make_folder(target.parent)
    os.replace(source, target)
    return replace(row, path=str(relative), wrapped_key=wrap_frozen(appliance, key, row.sha256))


def _model_runs(attempt: Attempt, frozen: Frozen) -> list[Event]:
    """Each model that was asked, by what it was for."""
    return [
        Event(
            EventKind.MODEL_RUN,
            {
                "exchange": attempt.exchange_id,
                "role": role,
                "model": str(one["name"]),
                "version": str(one["version"]),
                "sha256": str(one["sha256"]),
                "instances": len(frozen.rows),
            },
        )
        for role, key in (("cleaner", "cleanerModels"), ("prover", "proverModels"))
        for one in frozen.counts.get(key, ())
    ]


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
