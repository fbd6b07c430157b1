"""The process workflow: screen, clean with proof, freeze, attest R1, let it leave.

Each step takes and returns ids and codes; what it learns goes into custody. A step may run again after a
crash and then finds what it did before.
"""

from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from agent.custody.attempts import abandon_attempt, begin_attempt, running_attempt
from agent.custody.deliveries import open_deliveries
from agent.custody.holds import decisions_of, hold
from agent.custody.listings import exchange
from agent.custody.records import Attempt, ExchangeRecord, HoldReason, Member
from agent.engine.steps import StepFailed, StepRunner
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_first
from agent.pipeline.choosing import choose, made_otherwise, others_have_left
from agent.pipeline.cleaning import clean_study
from agent.pipeline.completeness import completeness_findings
from agent.pipeline.degraded import disk_is_full
from agent.pipeline.earlier import Earlier, frozen_before
from agent.pipeline.freeze import Frozen, accept, retain_study
from agent.pipeline.reconcile import reconcile_study, standing_holds
from agent.pipeline.returned import take_back
from agent.pipeline.study import Study, index_study
from agent.policy.routes import EffectiveRoute
from exchange.domain.codes import ReasonCode
from exchange.domain.exchange import DecisionKind, Direction, ExchangeState
from exchange.domain.findings import Finding, Severity
from exchange.log.events import Event, EventKind, Outcome
from triage.quality.screen import screen_study

log = structlog.get_logger()

HELD, FROZEN, DELIVERING = "held", "frozen", "delivering"


def process(appliance: Appliance, steps: StepRunner, exchange_id: str, number: str) -> str:
    """The workflow of one attempt at one exchange; its outcome is a code."""
    state = steps.run(
        "clean", lambda one, attempt: _timed_clean(appliance, one, int(attempt)), exchange_id, number
    )
    if state != FROZEN:
        return state
    steps.run("attest", lambda one, attempt: attest(appliance, one, int(attempt)), exchange_id, number)
    return steps.run(
        "release", lambda one, attempt: release(appliance, one, int(attempt)), exchange_id, number
    )


def _timed_clean(appliance: Appliance, exchange_id: str, number: int) -> str:
    with appliance.metrics.timed("clean", exchange(appliance.custody, exchange_id).route or ""):
        return clean(appliance, exchange_id, number)


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
    earlier = frozen_before(appliance, one)
    choice = choose(appliance, one, route, released, earlier)
    known = (*completeness_findings(one), *choice.findings)
    reasons = [*(choice.reasons or others_have_left(appliance, choice.members, earlier))]
    reasons += _blocked(known, route, released)
    if reasons:
        return _hold(appliance, attempt, reasons, known)
    kept = earlier.usable(appliance, frozenset(member.identity for member in choice.members))
    chosen = tuple(member for member in choice.members if member.identity not in kept)
    if not chosen:
        accept(appliance, attempt, Frozen(findings=known).with_earlier(kept, earlier.counts))
        return FROZEN
    study, retained = _read(appliance, one, route, chosen)
    findings = (*known, *screen_study(study.summaries))
    reasons = [*study.unreadable, *_blocked(findings, route, released)]
    if reasons:
        return _hold(appliance, attempt, reasons, findings)
    if retained is not None:
        made = retained.result()
    else:
        made, reasons = _made(appliance, attempt, route, study, released, earlier)
    reasons = reasons or [*made_otherwise(made.rows, route, earlier)]
    if reasons:
        return _hold(appliance, attempt, reasons, findings)
    accept(appliance, attempt, made.with_findings(findings).with_earlier(kept, earlier.counts))
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
        standing_holds(one),
    )
    appliance.wake()
    return DELIVERING


def failed(appliance: Appliance, workflow_id: str, failure: StepFailed) -> None:
    """A step failed for a reason that is not the study's: try again, and hold what keeps failing."""
    exchange_id, _, number = workflow_id.partition("/")
    attempt = running_attempt(appliance.custody, exchange_id)
    if attempt is None or attempt.number != int(number):
        return
    if disk_is_full(appliance):
        log.error("waiting for free disk space", exchange_id=exchange_id, step=failure.step)
        return  # no attempt is lost: the schedule takes this one up again
    if not appliance.can_sign:
        log.error("waiting for a receipt key", exchange_id=exchange_id, step=failure.step)
        return  # as above, once there is one
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


def _route(appliance: Appliance, one: ExchangeRecord) -> EffectiveRoute | None:
    """The route that the exchange was settled on; None when a reload has taken it or its profile away."""
    try:
        route = appliance.configuration.routes.named(one.route or "")
    except KeyError:
        return None
    same = (route.profile.profile_id if route.profile else "") == one.profile_id
    same = same and route.direction is one.direction
    return route if same and route.pseudonym_domain == one.pseudonym_domain else None


def _read(
    appliance: Appliance, one: ExchangeRecord, route: EffectiveRoute, chosen: tuple[Member, ...]
) -> tuple[Study, Future[Frozen] | None]:
    """The first phase; what leaves as it came has its digests taken beside it, which may have failed."""
    if route.direction is Direction.INBOUND or route.profile is not None:
        return index_study(appliance, one, chosen), None
    with ThreadPoolExecutor(1, thread_name_prefix="retain") as beside:
        retained = beside.submit(retain_study, appliance, one, chosen, route.reason)
        return index_study(appliance, one, chosen), retained


def _made(
    appliance: Appliance,
    attempt: Attempt,
    route: EffectiveRoute,
    study: Study,
    released: frozenset[ReasonCode],
    earlier: Earlier,
) -> tuple[Frozen, list[HoldReason]]:
    """What is to be frozen, and the reasons to hold it instead: by the direction and profile of the route."""
    if route.direction is Direction.INBOUND and route.route.reidentify is not None:
        return take_back(appliance, attempt, route, study, released, earlier)
    if route.direction is Direction.INBOUND:
        return reconcile_study(appliance, attempt, route, study, earlier)
    return clean_study(appliance, attempt, route, study, released)


def _released(appliance: Appliance, exchange_id: str) -> frozenset[ReasonCode]:
    decisions = decisions_of(appliance.custody, exchange_id)
    return frozenset(ReasonCode(one.code) for one in decisions if one.kind is DecisionKind.RELEASE)


def _blocked(
    findings: tuple[Finding, ...], route: EffectiveRoute, released: frozenset[ReasonCode]
) -> list[HoldReason]:
    """Holds for findings, by the route's `protocol:`; a block holds unless route or person say otherwise."""
    if ReasonCode.QUALITY in released:
        return []
    protocol = route.route.protocol
    if protocol is None and route.direction is Direction.INBOUND:
        return []  # told on the receipt; a partner's study is not kept from the PACS for its quality
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
    appliance.metrics.held(exchange(appliance.custody, attempt.exchange_id).route or "", codes[0])
    appliance.log.append(
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
