"""The process workflow: screen, clean with proof, freeze, attest R1, let it leave.

Each step takes and returns ids and codes; what it learns goes into custody. A step may run again after a
crash and then finds what it did before.
"""

import shutil

import structlog

from agent.custody.arrivals import conflicts, members
from agent.custody.attempts import abandon_attempt, begin_attempt, running_attempt
from agent.custody.deliveries import open_deliveries
from agent.custody.holds import decisions_of, hold
from agent.custody.listings import exchange
from agent.custody.records import Attempt, ExchangeRecord, HoldReason, Member
from agent.engine.steps import StepFailed, StepRunner
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_first
from agent.pipeline.cleaning import clean_study
from agent.pipeline.earlier import Earlier, frozen_before
from agent.pipeline.freeze import Frozen, accept, retain_study
from agent.pipeline.study import index_study
from agent.policy.routes import EffectiveRoute
from exchange.domain.codes import ReasonCode
from exchange.domain.exchange import DecisionKind, ExchangeState
from exchange.domain.findings import Finding, Severity
from exchange.journal.events import Event, EventKind, Outcome
from triage.quality.screen import screen_study

log = structlog.get_logger()

HELD, FROZEN, DELIVERING = "held", "frozen", "delivering"


def process(appliance: Appliance, steps: StepRunner, exchange_id: str, number: str) -> str:
    """The workflow of one attempt at one exchange; its outcome is a code."""
    state = steps.run("clean", lambda one, attempt: clean(appliance, one, int(attempt)), exchange_id, number)
    if state != FROZEN:
        return state
    steps.run("attest", lambda one, attempt: attest(appliance, one, int(attempt)), exchange_id, number)
    return steps.run(
        "release", lambda one, attempt: release(appliance, one, int(attempt)), exchange_id, number
    )


def clean(appliance: Appliance, exchange_id: str, number: int) -> str:
    """Screen, clean, prove and freeze a whole exchange, or hold it with every reason found."""
    one = exchange(appliance.custody, exchange_id)
    if one.state is ExchangeState.DELIVERING:
        return FROZEN  # this step ran to its end before; its result was not kept
    attempt = begin_attempt(appliance.custody, exchange_id, number, appliance.clock())
    route = _route(appliance, one)
    if route is None:
        reason = HoldReason(
            ReasonCode.POLICY, "screen", detail="its route or profile is no longer configured"
        )
        return _hold(appliance, attempt, [reason])
    released = _released(appliance, exchange_id)
    chosen, reasons = _choose(appliance, one, route, released)
    if reasons:
        return _hold(appliance, attempt, reasons)
    earlier = frozen_before(appliance, one)
    if _others_have_left(chosen, earlier):
        detail = "other bytes have left under the same SOP Instance UID; a new revision is not available"
        return _hold(appliance, attempt, [HoldReason(ReasonCode.POLICY, "screen", detail=detail)])
    kept = earlier.usable(appliance, frozenset(member.identity for member in chosen))
    chosen = tuple(member for member in chosen if member.identity not in kept)
    if not chosen:
        accept(appliance, attempt, Frozen().with_earlier(kept, earlier.counts))
        return FROZEN
    study = index_study(appliance, one, chosen)
    findings = screen_study(study.summaries)
    reasons = [*study.unreadable, *_blocked(findings, route, released)]
    if reasons:
        return _hold(appliance, attempt, reasons, findings)
    if route.profile is None:
        retained = retain_study(appliance, attempt, study, findings)
        accept(appliance, attempt, retained.with_earlier(kept, {}))
        return FROZEN
    cleaned, reasons = clean_study(appliance, attempt, route, study, released)
    if reasons:
        return _hold(appliance, attempt, reasons, findings)
    accept(appliance, attempt, cleaned.with_findings(findings).with_earlier(kept, earlier.counts))
    return FROZEN


def attest(appliance: Appliance, exchange_id: str, number: int) -> str:
    """R1 of the frozen bytes, by the running attempt only."""
    if exchange(appliance.custody, exchange_id).state is not ExchangeState.DELIVERING:
        # Refuses an attempt that is over.
        begin_attempt(appliance.custody, exchange_id, number, appliance.clock())
    return attest_first(appliance, exchange_id)


def release(appliance: Appliance, exchange_id: str, number: int) -> str:
    """Open the deliveries; custody refuses unless R1 is recorded and the bytes are proved or released."""
    one = exchange(appliance.custody, exchange_id)
    token = ""
    if one.state is not ExchangeState.DELIVERING:
        token = begin_attempt(appliance.custody, exchange_id, number, appliance.clock()).token
    route = appliance.configuration.routes.named(one.route or "")
    open_deliveries(
        appliance.custody,
        exchange_id,
        token,
        route.destinations,
        appliance.clock(),
    )
    appliance.wake()
    return DELIVERING


def failed(appliance: Appliance, workflow_id: str, failure: StepFailed) -> None:
    """A step failed for a reason that is not the study's: try again, and hold what keeps failing."""
    exchange_id, _, number = workflow_id.partition("/")
    attempt = running_attempt(appliance.custody, exchange_id)
    if attempt is None or attempt.number != int(number):
        return
    if _disk_is_full(appliance):
        log.error("waiting for free disk space", exchange_id=exchange_id, step=failure.step)
        return  # no attempt is lost: the schedule takes this one up again
    if attempt.number >= appliance.configuration.site.limits.attempts:
        code = (
            ReasonCode.POISON if failure.kind in {"WorkerCrashed", "WorkerTimeout"} else ReasonCode.INTERNAL
        )
        detail = f"{failure.step} failed {attempt.number} times: {failure.kind}"
        _hold(appliance, attempt, [HoldReason(code, failure.step, detail=detail)])
    else:
        abandon_attempt(
            appliance.custody, exchange_id, attempt.token, f"failed: {failure.code}", appliance.clock()
        )
        appliance.wake()


def _disk_is_full(appliance: Appliance) -> bool:
    """Whether the state folder's disk has less left than intake leaves on the spool's."""
    reserve = appliance.configuration.site.limits.spool_reserve_mib * 1024 * 1024
    return shutil.disk_usage(appliance.folders.state).free < reserve


def _route(appliance: Appliance, one: ExchangeRecord) -> EffectiveRoute | None:
    """The route that the exchange was settled on; None when a reload has taken it or its profile away."""
    try:
        route = appliance.configuration.routes.named(one.route or "")
    except KeyError:
        return None
    same = (route.profile.profile_id if route.profile else "") == one.profile_id
    return route if same and route.pseudonym_domain == one.pseudonym_domain else None


def _released(appliance: Appliance, exchange_id: str) -> frozenset[ReasonCode]:
    decisions = decisions_of(appliance.custody, exchange_id)
    return frozenset(ReasonCode(one.code) for one in decisions if one.kind is DecisionKind.RELEASE)


def _choose(
    appliance: Appliance, one: ExchangeRecord, route: EffectiveRoute, released: frozenset[ReasonCode]
) -> tuple[tuple[Member, ...], list[HoldReason]]:
    """The members to be cleaned; of several contents of one UID the latest, if policy or person say so."""
    found = members(appliance.custody, one.exchange_id)
    most = appliance.configuration.site.limits.instances_per_study
    if len(found) > most:
        detail = f"{len(found)} instances, {most} are allowed (limits.instances_per_study)"
        return (), [HoldReason(ReasonCode.LIMIT_EXCEEDED, "screen", detail=detail)]
    latest = route.route.on_conflict == "latest" or ReasonCode.UID_CONFLICT in released
    superseded: set[str] = set()
    reasons = []
    for conflict in conflicts(appliance.custody, one.exchange_id):
        superseded.update(conflict.identities[:-1])
        if not latest:
            detail = f"{len(conflict.identities)} different contents came under one SOP Instance UID"
            reasons.append(HoldReason(ReasonCode.UID_CONFLICT, "screen", detail=detail))
    reasons += [
        HoldReason(member.unreadable_code, "screen", detail="an instance cannot be read")
        for member in found
        if member.unreadable_code
    ]
    return tuple(member for member in found if member.identity not in superseded), reasons


def _others_have_left(chosen: tuple[Member, ...], earlier: Earlier) -> bool:
    """Whether an earlier exchange froze other bytes of one of these SOP instances."""
    mine = {member.sop_instance_uid: member.identity for member in chosen}
    return any(mine.get(uid, identity) != identity for identity, uid in earlier.originals.items())


def _blocked(
    findings: tuple[Finding, ...], route: EffectiveRoute, released: frozenset[ReasonCode]
) -> list[HoldReason]:
    """Holds for findings, by the route's `protocol:`; a block holds unless route or person say otherwise."""
    if ReasonCode.QUALITY in released:
        return []
    protocol = route.route.protocol
    holding = {Severity.BLOCK} if protocol is None or protocol.on_block == "hold" else set()
    if protocol is not None and protocol.on_flag == "hold":
        holding.add(Severity.FLAG)
    return [
        HoldReason(ReasonCode.QUALITY, "screen", path=one.finding_id, detail=one.evidence)
        for one in findings
        if one.severity in holding
    ]


def _hold(
    appliance: Appliance,
    attempt: Attempt,
    reasons: list[HoldReason],
    findings: tuple[Finding, ...] = (),
) -> str:
    hold(appliance.custody, attempt.exchange_id, reasons, appliance.clock(), attempt.token)
    codes = sorted({str(reason.code) for reason in reasons})
    appliance.journal.append(
        Event(
            EventKind.EXCHANGE_HELD,
            {"exchange": attempt.exchange_id, "code": codes[0], "reasons": len(reasons)},
            Outcome.FAILED,
        )
    )
    log.warning(
        "exchange held",
        exchange_id=attempt.exchange_id,
        codes=codes,
        count=len(reasons),
        pending=len(findings),
    )
    return HELD
