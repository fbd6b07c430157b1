"""clean and prove over a study: spread over worker slots, gathered into what custody accepts."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from agent.custody.holds import decisions_of
from agent.custody.records import Attempt, HoldReason, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.epochs import RETAINED, KeyEpochs, Pseudonyms
from agent.pipeline.freeze import Frozen, scratch_folder
from agent.pipeline.gathered import CleanedPart, gather, part_of, study_links
from agent.pipeline.sources import member_source
from agent.pipeline.study import Study, held_reasons, spread
from agent.pipeline.work import CLEAN, CleanResult, CleanTask
from agent.policy.routes import EffectiveRoute
from exchange.domain.codes import ReasonCode
from exchange.domain.exchange import DecisionKind
from redact.pixels.boxes import BoxRule, boxes_at


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
    pseudonyms = pseudonyms_of(appliance, route.pseudonym_domain or RETAINED, study)
    folder = scratch_folder(appliance, attempt)
    seconds = appliance.configuration.site.limits.stage_seconds
    exchange_id = study.exchange.exchange_id
    redacted = _redacted(appliance, exchange_id)
    appliance.progress.begin(exchange_id, "clean", len(study.members))

    def work(chunk: Sequence[Member]) -> CleanedPart:
        files = tuple((one.identity, member_source(appliance, one)) for one in chunk)
        task = CleanTask(
            files=files,
            folder=folder,
            profile=profile,
            pseudonymiser=pseudonyms.pseudonymiser,
            identifiers=study.identifiers,
            released=released,
            redacted=redacted,
            canary_seed=attempt.token.encode(),
            iod_required=route.route.iod_unchecked == "hold",
            sealed=profile.retains_identity,
            spot_checks=route.spot_checks,
        )
        result: CleanResult = appliance.pool.submit(
            CLEAN, task, seconds=seconds, on_progress=partial(appliance.progress.advance, exchange_id)
        )
        links = () if profile.retains_identity else tuple(study_links(dict(files), result.cleaned))
        return part_of(result, links)

    parts = spread(appliance, study.members, work)
    reasons = _together(held_reasons((one for part in parts for one in part.held), "clean"))
    if reasons:
        return Frozen(), reasons
    return gather(parts, profile, pseudonyms, folder), []


def _together(reasons: Sequence[HoldReason]) -> list[HoldReason]:
    """One hold for each spot check, of where most was removed: a person looks at the study as a whole."""
    checks: dict[str, list[HoldReason]] = {}
    for one in reasons:
        if one.code == ReasonCode.SPOT_CHECK:
            checks.setdefault(one.detail, []).append(one)
    rest = [one for one in reasons if one.code != ReasonCode.SPOT_CHECK]
    for detail, some in checks.items():
        worst = max(some, key=lambda one: len(boxes_at(one.path, BoxRule.ORDERED)))
        rest.append(replace(worst, detail=f"{detail}: {len(some)} instances"))
    return rest


def _redacted(appliance: Appliance, exchange_id: str) -> frozenset[ReasonCode]:
    """Codes of holds of which a person wants what was found removed."""
    decisions = decisions_of(appliance.custody, exchange_id)
    return frozenset(ReasonCode(one.code) for one in decisions if one.kind is DecisionKind.REDACT)


def pseudonyms_of(appliance: Appliance, domain: str, study: Study) -> Pseudonyms:
    """The pseudonyms of a study in a domain, of the key epoch that it belongs to."""
    epochs = KeyEpochs(appliance.domain_keys, domain, appliance.configuration.site.site, appliance.crosswalk)
    patients = [(one.issuer, one.patient_id) for one in study.patients]
    return epochs.of(patients, [study.exchange.study_instance_uid], study.exchange.revision)
