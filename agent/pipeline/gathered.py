"""What is recorded of a cleaned study: rows, totals for the receipts, and the identifier map.

Each worker's result is reduced as it comes, so that of a study of very many instances little more than its
rows is held at once.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag

from agent.custody.records import FrozenInstance
from agent.inference.session import ModelFacts
from agent.pipeline.epochs import Pseudonyms
from agent.pipeline.freeze import Frozen
from agent.pipeline.work import CleanResult, HeldInstance
from exchange.crosswalk.rows import Dates, Entry, PatientEntry, StudyEntry, UidEntry
from exchange.dicomio.examine import survey
from exchange.domain.findings import Finding
from exchange.domain.source import Source
from redact.headers.profile import IDENTITY, Profile
from redact.headers.tables import edition
from redact.identifiers.dates import shift_date
from redact.ocr.golden import golden_sha256
from redact.stage import CleanedInstance

_STUDY_DATE = 0x00080020
METHOD = "independent re-read of the encoded output: bytes, decoded values, dates, UIDs, IOD, pixels"


@dataclass(frozen=True, slots=True)
class CleanedPart:
    """What became of a part of a study.

    Attributes:
        rows: In the order of its files.
        uid_map: Original to new UID.
        patients: Issuer and id as they came in the instances, to the pseudonym; placeholders are left out.
        links: Whose study it is, for what comes back.
        codes: Of CID 7050, of what was really done.
        pixels, known, canary, dciodvfy: What the proofs say of these, over all instances; "" where one has
            none.
        keys: Open the files that are sealed.
        text: What they say of text in pixels, over the instances that have pixels.
    """

    rows: tuple[FrozenInstance, ...]
    held: tuple[HeldInstance, ...]
    uid_map: dict[str, str] = field(repr=False)
    patients: dict[tuple[str, str], str] = field(repr=False)
    links: tuple[StudyEntry, ...]
    codes: frozenset[str]
    pixels: frozenset[str]
    known: frozenset[str]
    canary: frozenset[str]
    dciodvfy: frozenset[str]
    text: frozenset[str]
    findings: tuple[Finding, ...]
    cleaner: tuple[ModelFacts, ...]
    prover: tuple[ModelFacts, ...]
    names: tuple[ModelFacts, ...] = ()
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def part_of(result: CleanResult, links: tuple[StudyEntry, ...] = ()) -> CleanedPart:
    """Reduce what a worker brought; `links` as `study_links` found them."""
    instances = [one for _, one in result.cleaned]
    uid_map: dict[str, str] = {}
    for one in instances:
        uid_map |= one.header.uid_map
    return CleanedPart(
        rows=tuple(_row(identity, one) for identity, one in result.cleaned),
        held=result.held,
        uid_map=uid_map,
        patients={
            one.original_patient: one.header.patient.patient_id
            for one in instances
            if not one.header.patient.placeholder
        },
        links=links,
        codes=frozenset(code for one in instances for code in one.method_codes),
        pixels=frozenset(one.pixels for one in instances),
        known=frozenset(one.proof.known_identifiers if one.proof else "" for one in instances),
        canary=frozenset(one.proof.canary if one.proof else "" for one in instances),
        dciodvfy=frozenset(one.proof.dciodvfy if one.proof else "" for one in instances),
        text=frozenset(
            one.proof.text_detection if one.proof else "" for one in instances if one.pixels != "none"
        ),
        findings=tuple(dict.fromkeys(found for one in instances for found in one.findings)),
        cleaner=result.cleaner,
        prover=result.prover,
        names=result.names,
        keys=result.keys,
    )


def gather(parts: Sequence[CleanedPart], profile: Profile, pseudonyms: Pseudonyms, folder: Path) -> Frozen:
    """A whole study, whose files were written to `folder`."""
    rows = tuple(row for part in parts for row in part.rows)
    return Frozen(
        rows=rows,
        folder=folder,
        study_uid_sent=rows[0].study_instance_uid if rows else "",
        counts=_counts(rows, parts, profile),
        findings=tuple(dict.fromkeys(found for part in parts for found in part.findings)),
        entries=() if profile.retains_identity else tuple(_entries(parts, pseudonyms)),
        keys={identity: key for part in parts for identity, key in part.keys.items()},
    )


def study_links(
    sources: Mapping[str, Source], cleaned: Iterable[tuple[str, CleanedInstance]]
) -> Iterator[StudyEntry]:
    """Whose study it is, by pseudonyms, and what became of its date: seen on one instance of each patient.

    Args:
        sources: Originals by identity.
        cleaned: Identity and what was made of it.

    Raises:
        InputError: A file cannot be read any more.
        OSError: Likewise.
    """
    seen: set[tuple[str, str]] = set()
    for identity, one in cleaned:
        patient = one.header.patient
        pair = one.study_instance_uid, patient.patient_id
        if patient.placeholder or pair in seen:
            continue
        seen.add(pair)
        came, went = _study_date(sources[identity]), _study_date(one.path)
        dates = Dates.OTHER
        if went and went == shift_date(came, patient.shift_days):
            dates = Dates.SHIFTED
        elif went and went == came:
            dates = Dates.KEPT
        yield StudyEntry(*pair, dates)


def _study_date(source: Source) -> str:
    """StudyDate as it stands there; "" when absent."""
    _, captured = survey(source, capture=frozenset({_STUDY_DATE}))
    found = captured.get(_STUDY_DATE)
    return found.value.decode("ascii", "replace").strip(" \0") if found else ""


def _entries(parts: Sequence[CleanedPart], pseudonyms: Pseudonyms) -> Iterator[Entry]:
    """Rows for the crosswalk, each once; a placeholder id names nobody and is left out."""
    patients: dict[tuple[str, str], str] = {}
    uid_map: dict[str, str] = {}
    for part in parts:
        uid_map |= part.uid_map
        for found, pseudonym in part.patients.items():
            patients[pseudonyms.pseudonymiser.original(*found)] = pseudonym
    for (issuer, patient_id), pseudonym in patients.items():
        yield PatientEntry(issuer, patient_id, pseudonym, pseudonyms.epoch)
    for original, pseudonym in uid_map.items():
        yield UidEntry(original, pseudonym, pseudonyms.pseudonymiser.revision, pseudonyms.epoch)
    links: dict[tuple[str, str], StudyEntry] = {}
    for part in parts:
        for link in part.links:
            links.setdefault((link.pseudonym, link.patient), link)
    yield from links.values()


def _row(identity: str, one: CleanedInstance) -> FrozenInstance:
    """What is the same in many instances is held once."""
    return FrozenInstance(
        identity=identity,
        sop_class_uid=sys.intern(one.sop_class_uid),
        sop_instance_uid=one.sop_instance_uid,
        study_instance_uid=sys.intern(one.study_instance_uid),
        series_instance_uid=sys.intern(one.series_instance_uid),
        transfer_syntax_uid=sys.intern(one.transfer_syntax_uid),
        sha256=one.written.sha256,
        pixel_sha256=one.written.pixel_sha256,
        byte_count=one.written.byte_count,
        path="",
        proved=one.proved,
        boxes=box_rows(one),
        actions=one.header.actions.as_dict(),
        proof=asdict(one.proof) if one.proof else {},
    )


def box_rows(one: CleanedInstance) -> list[dict[str, Any]]:
    """Boxes as the report of `lockgate clean` and custody hold them."""
    return [
        {
            "frame": box.frame,
            "x0": box.x0,
            "y0": box.y0,
            "x1": box.x1,
            "y1": box.y1,
            "rule": str(box.rule),
            "confidence": round(float(box.confidence), 3),
        }
        for box in one.boxes
    ]


def _counts(rows: Iterable[FrozenInstance], parts: Sequence[CleanedPart], profile: Profile) -> dict[str, Any]:
    actions: Counter[str] = Counter()
    for row in rows:
        actions.update(row.actions)
    states = _over(part.pixels for part in parts)
    text = _over(part.text for part in parts)
    identity: dict[str, Any] = {}
    if profile.retains_identity:
        kept = sorted(keyword_for_tag(tag) for tag in IDENTITY)
        identity = {"identity": {"reason": profile.reason, "kept": kept}}
    return {
        **identity,
        "actions": dict(actions),
        "methodCodes": sorted(_over(part.codes for part in parts)),
        "uidsMapped": actions["uids"],
        "profileSha256": profile.sha256,
        "tableEdition": edition(),
        "pixels": "not examined" if states & {"not examined", "released"} else "examined",
        "knownIdentifiers": _common(_over(part.known for part in parts)),
        "textDetection": _common(text) if text else "no pixels",
        "canary": _common(_over(part.canary for part in parts)),
        "dciodvfy": _common(_over(part.dciodvfy for part in parts)),
        "proofMethod": METHOD,
        "cleanerModels": _models(parts[0].cleaner),
        "proverModels": _models(parts[0].prover),
        **({"goldenSha256": golden_sha256()} if parts[0].cleaner else {}),
        **_names(parts, profile),
    }


def _names(parts: Sequence[CleanedPart], profile: Profile) -> dict[str, Any]:
    """What looked for names in texts; nothing where nothing did."""
    if profile.names is None:
        return {}
    used = dict.fromkeys(facts for part in parts for facts in part.names)
    threshold = f"{profile.names.threshold:g}"
    return {"nameRecognisers": [{**one, "threshold": threshold} for one in _models(tuple(used))]}


def _over(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*sets)


def _common(said: frozenset[str]) -> str:
    """The one answer that holds for all instances; `not shown` when they differ or one has none."""
    return next(iter(said)) or "not shown" if len(said) == 1 else "not shown"


def _models(facts: Sequence[ModelFacts]) -> list[dict[str, str]]:
    return [{"name": one.name, "version": one.version, "sha256": one.sha256} for one in facts]
