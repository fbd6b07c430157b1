"""reconcile: whose local patient an inbound study is, and what it enters the PACS as.

Without a certain local patient it enters under the quarantine identity (design: posture; IHE IRWF.b), with a
standing hold for the person who will reconcile it. `match_patient` is the place of a matcher: it may say
that a local patient is certain, and then this stage has nothing to quarantine. On a return route the
crosswalk is the matcher (`returned`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.custody.records import Attempt, ExchangeRecord, FrozenInstance, HoldReason, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.earlier import Earlier
from agent.pipeline.freeze import Frozen, scratch_folder
from agent.pipeline.reconcile_work import RECONCILE, ReconcileResult, ReconcileTask
from agent.pipeline.sources import member_source
from agent.pipeline.study import Study, held_reasons, spread
from agent.policy.routes import EffectiveRoute
from exchange.domain.codes import ReasonCode
from redact.reconcile.quarantine import LONGEST, Quarantine
from redact.reconcile.stage import ReconciledInstance

METHOD = "independent re-read: only declared elements differ, originals kept, pixels identical"
NOT_RUN = (
    ("open", "not sealed by the sender"),
    ("priors", "not available in this version"),
    ("judge", "not available in this version"),
    ("notify", "not available in this version"),
)
"""Inbound stages that did not run, and why: the receipt says so."""


class PatientMatch(StrEnum):
    """How sure it is whose local patient a study is."""

    NONE = "none"
    CERTAIN = "certain"


@dataclass(frozen=True, slots=True)
class Match:
    """What matching found; `reason` says why there is no certain patient."""

    found: PatientMatch
    reason: str


def match_patient(appliance: Appliance, study: Study) -> Match:  # noqa: ARG001 - what a matcher needs
    """Whose local patient the study is.

    Nobody's for certain: this version asks no local index, and a guess is no match.
    """
    return Match(PatientMatch.NONE, "no local patient index is asked")


def reconcile_study(
    appliance: Appliance, attempt: Attempt, route: EffectiveRoute, study: Study, earlier: Earlier
) -> tuple[Frozen, list[HoldReason]]:
    """Bring all instances of an inbound study under their identity in the PACS.

    Args:
        appliance: The running appliance.
        attempt: The running attempt.
        route: The inbound route.
        study: What came.
        earlier: What was frozen before: late instances join their study, whatever the site file says now.

    Returns:
        What is to be frozen, and the reasons to hold it instead; either is empty.
    """
    return quarantine_study(appliance, attempt, route, study, earlier, match_patient(appliance, study))


def quarantine_study(
    appliance: Appliance,
    attempt: Attempt,
    route: EffectiveRoute,
    study: Study,
    earlier: Earlier,
    match: Match,
) -> tuple[Frozen, list[HoldReason]]:
    """As `reconcile_study`, of a study without a certain local patient."""
    quarantine = quarantine_of(appliance, route, study.exchange, earlier.counts.get("reconciliation"))
    folder = scratch_folder(appliance, attempt)
    issuers = _issuers(study)
    seconds = appliance.configuration.site.limits.stage_seconds

    def work(chunk: Sequence[Member]) -> ReconcileResult:
        files = tuple((one.identity, member_source(appliance, one)) for one in chunk)
        task = ReconcileTask(files, folder, quarantine, issuers)
        result: ReconcileResult = appliance.pool.submit(RECONCILE, task, seconds=seconds)
        return result

    results = spread(appliance, study.members, work)
    reasons = held_reasons((one for result in results for one in result.held), "reconcile")
    if reasons:
        return Frozen(), reasons
    done = [pair for result in results for pair in result.reconciled]
    return Frozen(
        rows=tuple(frozen_row(identity, one, METHOD) for identity, one in done),
        folder=folder,
        keys={identity: key for result in results for identity, key in result.keys.items()},
        study_uid_sent=study.exchange.study_instance_uid,
        counts={"reconciliation": _facts(quarantine, match)},
        findings=tuple(dict.fromkeys(found for _, one in done for found in one.findings)),
    ), []


def quarantine_of(
    appliance: Appliance, route: EffectiveRoute, one: ExchangeRecord, before: Any = None
) -> Quarantine:
    """The quarantine identity of an exchange: the same at every attempt.

    Args:
        appliance: The running appliance.
        route: The inbound route.
        one: The exchange.
        before: The facts of the exchange that it follows, None when there is none.
    """
    site = appliance.configuration.site
    issuer, prefix = route.route.quarantine.issuer or _partner(route, one), route.route.quarantine_prefix
    if before is not None:
        issuer, prefix = before["issuer"], before["prefix"]
    return Quarantine(
        issuer=issuer,
        prefix=prefix,
        modifying_system=f"lockgate {site.appliance}"[:LONGEST],
        modified_at=one.settled_at or one.created_at,
    )


def standing_holds(one: ExchangeRecord) -> tuple[HoldReason, ...]:
    """The tasks for people that are opened when this exchange is let go."""
    facts = one.counts.get("reconciliation")
    if not facts or facts["identity"] != "quarantined":
        return ()
    detail = (
        f"in the PACS as a patient of issuer {facts['issuer']}, PatientID beginning with {facts['prefix']}: "
        "reconcile it there, then release this hold with the reason reconciled"
    )
    return (HoldReason(ReasonCode.RECONCILE, "reconcile", detail=detail),)


def _partner(route: EffectiveRoute, one: ExchangeRecord) -> str:
    """The sending peer's name, else what the caller calls itself if that may stand as an issuer."""
    name = one.peer or one.calling_ae.strip()
    fit = 0 < len(name) <= LONGEST and name.isascii() and name.isprintable() and "\\" not in name
    return name if fit else route.name


def _issuers(study: Study) -> dict[str, str]:
    """Foreign PatientID to the one issuer that instances of this study name with it.

    One patient of a study must not become two because some of its objects leave the issuer out.
    """
    known: defaultdict[str, set[str]] = defaultdict(set)
    for patient in study.patients:
        if patient.patient_id and patient.issuer:
            known[patient.patient_id].add(patient.issuer)
    return {patient_id: next(iter(found)) for patient_id, found in known.items() if len(found) == 1}


def frozen_row(identity: str, one: ReconciledInstance, method: str) -> FrozenInstance:
    """The row of an instance that was written and shown to be what it must be, and how."""
    return FrozenInstance(
        identity=identity,
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        study_instance_uid=one.study_instance_uid,
        series_instance_uid=one.series_instance_uid,
        transfer_syntax_uid=one.transfer_syntax_uid,
        sha256=one.sha256,
        pixel_sha256=one.pixel_sha256,
        byte_count=one.byte_count,
        path="",
        proved=True,  # by the stage's own check, on the written file
        actions=dict(one.actions),
        proof={"method": method, "changed": list(one.changed)},
    )


def _facts(quarantine: Quarantine, match: Match) -> dict[str, Any]:
    return {
        "identity": "quarantined",
        "issuer": quarantine.issuer,
        "prefix": quarantine.prefix,
        "patientMatch": match.found.value,
        "reason": match.reason,
        "method": METHOD,
        "notRun": [{"stage": stage, "reason": reason} for stage, reason in NOT_RUN],
    }
