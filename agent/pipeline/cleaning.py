"""clean and prove over a study: spread over worker slots, gathered into what custody accepts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from agent.custody.records import Attempt, FrozenInstance, HoldReason
from agent.inference.session import ModelFacts
from agent.pipeline.appliance import Appliance
from agent.pipeline.epochs import KeyEpochs, Pseudonyms
from agent.pipeline.freeze import Frozen, scratch_folder
from agent.pipeline.sources import member_source
from agent.pipeline.study import Study, held_reasons, spread
from agent.pipeline.work import CLEAN, CleanResult, CleanTask
from agent.policy.routes import EffectiveRoute
from exchange.crosswalk.rows import Entry, PatientEntry, UidEntry
from exchange.domain.codes import ReasonCode
from exchange.domain.source import Source
from redact.headers.profile import Profile
from redact.headers.tables import edition
from redact.stage import CleanedInstance

METHOD = "independent re-read of the encoded output: bytes, decoded values, dates, UIDs, IOD, pixels"


def clean_study(
    appliance: Appliance,
    attempt: Attempt,
    route: EffectiveRoute,
    study: Study,
    released: frozenset[ReasonCode],
) -> tuple[Frozen, list[HoldReason]]:
    """Clean and prove all instances of a study.

    Returns:
        What is to be frozen, and the reasons to hold it instead; either is empty.
    """
    assert route.profile is not None  # noqa: S101 - the caller has asked
    profile = route.profile
    pseudonyms = pseudonyms_of(appliance, route.pseudonym_domain, study)
    folder = scratch_folder(appliance, attempt)
    seconds = appliance.configuration.site.limits.stage_seconds
    exchange_id = study.exchange.exchange_id
    appliance.progress.begin(exchange_id, "clean", len(study.members))

    def work(files: Sequence[tuple[str, Source]]) -> CleanResult:
        task = CleanTask(
            files=tuple(files),
            folder=folder,
            profile=profile,
            pseudonymiser=pseudonyms.pseudonymiser,
            identifiers=study.identifiers,
            released=released,
            canary_seed=attempt.token.encode(),
        )
        result: CleanResult = appliance.pool.submit(
            CLEAN, task, seconds=seconds, on_progress=partial(appliance.progress.advance, exchange_id)
        )
        return result

    files = [(one.identity, member_source(appliance, one)) for one in study.members]
    results = spread(appliance, files, work)
    reasons = held_reasons((one for result in results for one in result.held), "clean")
    if reasons:
        return Frozen(), reasons
    return gather(results, profile, pseudonyms), []


def gather(results: Sequence[CleanResult], profile: Profile, pseudonyms: Pseudonyms) -> Frozen:
    """What is recorded of a cleaned study: rows, totals for the receipts, and the identifier map."""
    cleaned = [pair for result in results for pair in result.cleaned]
    instances = [one for _, one in cleaned]
    uid_map: dict[str, str] = {}
    for one in instances:
        uid_map |= one.header.uid_map
    return Frozen(
        rows=tuple(_row(identity, one) for identity, one in cleaned),
        sources={identity: one.path for identity, one in cleaned},
        study_uid_sent=instances[0].study_instance_uid if instances else "",
        counts=_counts(instances, results, profile),
        findings=tuple(dict.fromkeys(found for one in instances for found in one.findings)),
        entries=tuple(_entries(instances, uid_map, pseudonyms)),
    )


def pseudonyms_of(appliance: Appliance, domain: str, study: Study) -> Pseudonyms:
    """The pseudonyms of a study in a domain, of the key epoch that it belongs to."""
    epochs = KeyEpochs(appliance.domain_keys, domain, appliance.configuration.site.site, appliance.crosswalk)
    patients = [(one.issuer, one.patient_id) for one in study.patients]
    return epochs.of(patients, [study.exchange.study_instance_uid], study.exchange.revision)


def _entries(
    instances: Sequence[CleanedInstance], uid_map: dict[str, str], pseudonyms: Pseudonyms
) -> Iterator[Entry]:
    """Rows for the crosswalk; a placeholder id names nobody and is left out."""
    for (issuer, patient_id), pseudonym in {
        pseudonyms.pseudonymiser.original(*one.original_patient): one.header.patient.patient_id
        for one in instances
        if not one.header.patient.placeholder
    }.items():
        yield PatientEntry(issuer, patient_id, pseudonym, pseudonyms.epoch)
    for original, pseudonym in uid_map.items():
        yield UidEntry(original, pseudonym, pseudonyms.pseudonymiser.revision, pseudonyms.epoch)


def _row(identity: str, one: CleanedInstance) -> FrozenInstance:
    return FrozenInstance(
        identity=identity,
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        study_instance_uid=one.study_instance_uid,
        series_instance_uid=one.series_instance_uid,
        transfer_syntax_uid=one.transfer_syntax_uid,
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


def _counts(
    instances: Sequence[CleanedInstance], results: Sequence[CleanResult], profile: Profile
) -> dict[str, Any]:
    actions: Counter[str] = Counter()
    for one in instances:
        actions.update(one.header.actions.as_dict())
    proofs = [one.proof for one in instances]
    codes = sorted({code for one in instances for code in one.method_codes})
    states = {one.pixels for one in instances}
    return {
        "actions": dict(actions),
        "methodCodes": codes,
        "uidsMapped": actions["uids"],
        "profileSha256": profile.sha256,
        "tableEdition": edition(),
        "pixels": "not examined" if states & {"not examined", "released"} else "examined",
        "knownIdentifiers": _common(proof.known_identifiers if proof else "" for proof in proofs),
        "textDetection": _text_detection(instances),
        "canary": _common(proof.canary if proof else "" for proof in proofs),
        "proofMethod": METHOD,
        "cleanerModels": _models(results[0].cleaner),
        "proverModels": _models(results[0].prover),
    }


def _text_detection(instances: Sequence[CleanedInstance]) -> str:
    with_pixels = [one for one in instances if one.pixels != "none"]
    if not with_pixels:
        return "no pixels"
    return _common(one.proof.text_detection if one.proof else "" for one in with_pixels)


def _common(values: Any) -> str:
    """The one answer that holds for all instances; `not shown` when they differ or one has none."""
    listed = set(values)
    return listed.pop() or "not shown" if len(listed) == 1 else "not shown"


def _models(facts: Sequence[ModelFacts]) -> list[dict[str, str]]:
    return [{"name": one.name, "version": one.version, "sha256": one.sha256} for one in facts]
