"""A return route: what a partner made of our studies goes to the PACS as the original patient's.

The crosswalk is the matcher: a patient that it knows is certain. What it does not know, or what contradicts
itself, is held, or quarantined where the route says so of unknown patients; a person who releases the hold
lets the study in under the quarantine identity, which claims nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.custody.records import Attempt, FrozenInstance, HoldReason, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.belonging import Belonging, belonging
from agent.pipeline.earlier import Earlier
from agent.pipeline.freeze import Frozen, scratch_folder
from agent.pipeline.reconcile import (
    NOT_RUN,
    Match,
    PatientMatch,
    frozen_row,
    quarantine_of,
    quarantine_study,
)
from agent.pipeline.reconcile_work import ReconcileResult
from agent.pipeline.returned_work import RESTORE, SURVEY_RETURNED, RestoreTask, SurveyedReturn
from agent.pipeline.sources import member_source
from agent.pipeline.study import Study, held_reasons, spread
from agent.policy.routes import EffectiveRoute
from exchange.crosswalk.rows import RowKind
from exchange.domain.codes import ReasonCode
from exchange.domain.findings import Finding, Severity
from exchange.domain.source import Source
from exchange.receipts.references import Reference, keyed_reference
from redact.reconcile.returned import Restoration, Returned
from redact.reconcile.stage import ReconciledInstance

METHOD = "independent re-read: the patient is the crosswalk's, no known pseudonym left, originals kept"
_UNKNOWN = Match(PatientMatch.NONE, "its patient is unknown in the pseudonym domain")
_RELEASED = Match(PatientMatch.NONE, "a person has let it in without its patient")
_JOINED = Match(PatientMatch.NONE, "its study is under the quarantine identity already")

Made = tuple[Frozen, list[HoldReason]]
"""What is to be frozen, and the reasons to hold it instead; either is empty."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A returned study while it is worked on."""

    appliance: Appliance
    attempt: Attempt
    route: EffectiveRoute
    study: Study
    earlier: Earlier


def take_back(
    appliance: Appliance,
    attempt: Attempt,
    route: EffectiveRoute,
    study: Study,
    released: frozenset[ReasonCode],
    earlier: Earlier,
) -> Made:
    """Give a returned study its identity back.

    Args:
        appliance: The running appliance.
        attempt: The running attempt.
        route: The return route.
        study: What came.
        released: Holds that a person has released.
        earlier: What was frozen before: late instances join their study as it entered the PACS.
    """
    work = _Work(appliance, attempt, route, study, earlier)
    if "reconciliation" in earlier.counts:
        return quarantine_study(appliance, attempt, route, study, earlier, _JOINED)
    joins = "reidentification" in earlier.counts
    if ReasonCode.REIDENTIFY in released and not joins:
        return quarantine_study(appliance, attempt, route, study, earlier, _RELEASED)
    surveyed, reasons = _surveyed(work)
    if reasons:
        return Frozen(), reasons
    provenance = quarantine_of(appliance, route, study.exchange).provenance
    whose = belonging(appliance, route, study.exchange.exchange_id, surveyed, provenance)
    how = route.route.reidentify
    quarantines = how is not None and how.on_unknown == "quarantine" and not joins
    if whose.restoration is None:
        if whose.unknown and quarantines:
            return quarantine_study(appliance, attempt, route, study, earlier, _UNKNOWN)
        return Frozen(), [*whose.reasons]
    if reasons := _refusals(work, whose, whose.restoration):
        return Frozen(), reasons
    return _restored(work, whose, whose.restoration)


def _surveyed(work: _Work) -> tuple[Mapping[str, Returned], list[HoldReason]]:
    appliance = work.appliance
    seconds = appliance.configuration.site.limits.stage_seconds

    def survey(chunk: Sequence[Member]) -> SurveyedReturn:
        found: SurveyedReturn = appliance.pool.submit(SURVEY_RETURNED, _files(work, chunk), seconds=seconds)
        return found

    results = spread(appliance, work.study.members, survey)
    reasons = held_reasons((one for result in results for one in result.held), "reconcile")
    return {identity: one for result in results for identity, one in result.returned}, reasons


def _refusals(work: _Work, whose: Belonging, restoration: Restoration) -> list[HoldReason]:
    """Why a study whose patient is certain may still not go on."""
    before = work.earlier.counts.get("reidentification")
    if isinstance(before, Mapping) and before.get("patientRef") != _reference(work, restoration):
        detail = "its study came back before as another patient's"
        return [HoldReason(ReasonCode.POLICY, "reconcile", "(0010,0020)", detail)]
    how = work.route.route.reidentify
    everything = len(whose.own) == len(work.study.members)
    if whose.own and (everything or how is None or how.on_own == "hold"):
        detail = (
            f"{len(whose.own)} instances are ours, not made by the partner: "
            "their originals are in the PACS and would be overwritten"
        )
        return [HoldReason(ReasonCode.REIDENTIFY, "reconcile", "(0008,0018)", detail)]
    return []


def _restored(work: _Work, whose: Belonging, restoration: Restoration) -> Made:
    appliance, study = work.appliance, work.study
    folder = scratch_folder(appliance, work.attempt)
    seconds = appliance.configuration.site.limits.stage_seconds

    def restore(chunk: Sequence[Member]) -> ReconcileResult:
        task = RestoreTask(_files(work, chunk), folder, restoration, whose.reference)
        result: ReconcileResult = appliance.pool.submit(RESTORE, task, seconds=seconds)
        return result

    theirs = [one for one in study.members if one.identity not in whose.own]
    results = spread(appliance, theirs, restore)
    done = [pair for result in results for pair in result.reconciled]
    reasons = held_reasons((one for result in results for one in result.held), "reconcile")
    reasons = reasons or _left(work, done)
    if reasons:
        return Frozen(), reasons
    header = "original" if whose.reference is not None else "ids-only"
    return Frozen(
        rows=tuple(_row(identity, one, header) for identity, one in done),
        folder=folder,
        keys={identity: key for result in results for identity, key in result.keys.items()},
        study_uid_sent=restoration.study_instance_uid or study.exchange.study_instance_uid,
        counts={"reidentification": _facts(work, whose, restoration)},
        findings=(
            *_left_out(whose),
            *dict.fromkeys(found for _, one in done for found in one.findings),
        ),
    ), []


def _files(work: _Work, chunk: Sequence[Member]) -> tuple[tuple[str, Source], ...]:
    return tuple((one.identity, member_source(work.appliance, one)) for one in chunk)


def _left(work: _Work, done: Sequence[tuple[str, ReconciledInstance]]) -> list[HoldReason]:
    """What the re-read found of the form of pseudonyms: the crosswalk, asked anew, must know none of it."""
    domain, crosswalk = work.route.pseudonym_domain, work.appliance.crosswalk
    places: dict[str, str] = {}
    for _, one in done:
        places = {**one.left, **places}
    known = {
        path
        for text, path in places.items()
        if any(crosswalk.knows(domain, kind, text) for kind in (RowKind.UID, RowKind.PATIENT))
    }
    detail = "cannot let the instance into the PACS: a pseudonym is left in it"
    return [HoldReason(ReasonCode.REIDENTIFY, "reconcile", path, detail) for path in sorted(known)]


def _left_out(whose: Belonging) -> tuple[Finding, ...]:
    if not whose.own:
        return ()
    evidence = f"{len(whose.own)} instances had left here and are not delivered: the PACS has their originals"
    return (Finding("reidentify.own-instances", Severity.NOTE, evidence),)


def _row(identity: str, one: ReconciledInstance, header: str) -> FrozenInstance:
    row = frozen_row(identity, one, METHOD)
    return replace(row, proof={**row.proof, "header": header})


def _facts(work: _Work, whose: Belonging, restoration: Restoration) -> dict[str, Any]:
    return {
        "domain": work.route.pseudonym_domain,
        "method": METHOD,
        "leftOut": len(whose.own),
        "patientRef": _reference(work, restoration),
        "notRun": [{"stage": stage, "reason": reason} for stage, reason in NOT_RUN],
    }


def _reference(work: _Work, restoration: Restoration) -> str:
    """Tells patients apart in custody and names nobody."""
    key = work.appliance.domain_keys.key(work.route.pseudonym_domain)
    return keyed_reference(key, Reference.PATIENT, "\0".join(sorted(restoration.pseudonyms)))
