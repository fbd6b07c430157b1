"""What the receipts of an exchange say, from custody's record of it and nothing else."""

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from agent.custody.listings import ExchangeDetail
from agent.custody.records import DecisionRecord, DeliveryRecord, Effect, FrozenInstance, HoldRecord
from agent.custody.resends import WITHOUT_DELIVERY
from agent.pipeline.appliance import Appliance
from agent.pipeline.epochs import RETAINED
from agent.pipeline.people import PEOPLE
from exchange.domain.codes import STANDING_CODES, ReasonCode
from exchange.domain.delivery import CONFIRMED
from exchange.domain.exchange import DecisionKind, Direction, ExchangeState, HoldState
from exchange.receipts.facts import (
    CheckFacts,
    CompletenessFacts,
    DeidentificationFacts,
    DeliveryFacts,
    DestinationFacts,
    EvidenceFacts,
    IdentityFacts,
    MethodCode,
    NameRecogniserFacts,
    OcrModel,
    PixelFacts,
    PolicyFacts,
    ProofFacts,
    ReceiptBody,
    RenditionFacts,
    ResponseCount,
    ReviewFacts,
    StudyFacts,
    Subject,
    TranscodedFacts,
)
from exchange.receipts.inbound import NotRunFacts, ReconciliationFacts, ReidentificationFacts
from exchange.receipts.references import Reference, keyed_reference
from exchange.receipts.statement import timestamp
from redact.headers.profile import CODE_MEANINGS


def body_of(
    appliance: Appliance,
    detail: ExchangeDetail,
    delivery: DeliveryFacts | None = None,
    destinations: tuple[DestinationFacts, ...] = (),
) -> ReceiptBody:
    """The body of a receipt of this exchange, for any of R1, R2 and R3."""
    exchange = detail.exchange
    sent = _sent(detail, delivery)
    cleaning = _cleaning(detail) if exchange.profile_id and detail.frozen else None
    retained = retains_identity(detail)
    return ReceiptBody(
        direction=exchange.direction or Direction.OUTBOUND,
        subjects=tuple(_subject(one) for one in detail.frozen),
        study=_study(appliance, detail),
        policy=_policy(appliance, detail),
        identity=_identity(detail),
        deidentification=None if retained else cleaning,
        minimisation=cleaning if retained else None,
        reconciliation=_reconciliation(detail) if detail.frozen else None,
        reidentification=_reidentification(detail) if detail.frozen else None,
        checks=tuple(CheckFacts(one.finding_id, one.severity, one.evidence) for one in detail.findings),
        review=tuple(_review(appliance, detail, one) for one in detail.decisions),
        delivery=delivery,
        completeness=_completeness(detail, sent),
        destinations=destinations,
    )


def _completeness(detail: ExchangeDetail, sent: int) -> CompletenessFacts:
    """Why it was believed to have arrived, and how much of it was sent."""
    evidence = detail.exchange.evidence
    return CompletenessFacts(
        sent=sent,
        evidence=str(evidence.get("rule", "none")),
        expected=evidence.get("expected", "unknown"),
        missing=detail.exchange.instance_count - sent,
        received=evidence.get("received"),
        lacking=int(evidence.get("missing", 0)),
        sources=tuple(
            EvidenceFacts(one["kind"], one["outcome"], one["at"], one.get("count"), one["peer"])
            for one in evidence.get("sources", ())
        ),
    )


def delivery_facts(appliance: Appliance, detail: ExchangeDetail, delivery: DeliveryRecord) -> DeliveryFacts:
    """How one delivery went, for its R2."""
    mine = [one for one in detail.effects if one.destination == delivery.destination]
    statuses = Counter(one.status or one.state.value for one in mine)
    return DeliveryFacts(
        destination=delivery.destination,
        protocol=appliance.configuration.protocol_of(delivery.destination),
        attempts=delivery.attempts,
        responses=tuple(ResponseCount(status, count) for status, count in sorted(statuses.items())),
        peer_spki_sha256=str(delivery.transport.get("peerSpkiSha256", "")),
        tls=str(delivery.transport.get("tls", "")),
        storage_commitment=str(delivery.transport.get("storageCommitment", "not requested")),
        transcoded=_transcoded(mine),
    )


def _transcoded(effects: Sequence[Effect]) -> TranscodedFacts | None:
    """What this destination was sent in another transfer syntax, and took."""
    went = [one for one in effects if one.rendition_sha256 and one.state in CONFIRMED]
    if not went:
        return None
    return TranscodedFacts(
        count=len(went),
        to=tuple(sorted({one.rendition_syntax for one in went})),
        instances=tuple(
            RenditionFacts(one.sop_instance_uid, one.rendition_syntax, one.rendition_sha256) for one in went
        ),
    )


def destination_facts(detail: ExchangeDetail) -> tuple[DestinationFacts, ...]:
    """How each delivery ended, for the site edition of R3."""
    return tuple(
        DestinationFacts(one.destination, one.state.value, _confirmed(detail, one.destination))
        for one in detail.deliveries
    )


def _sent(detail: ExchangeDetail, delivery: DeliveryFacts | None) -> int:
    """Instances that count as sent: by this delivery, by every delivery (R3), or about to be (R1)."""
    if delivery is not None:
        return _confirmed(detail, delivery.destination)
    if detail.exchange.state is ExchangeState.REJECTED:
        return 0
    if detail.deliveries:
        return min(_confirmed(detail, one.destination) for one in detail.deliveries)
    return len(detail.frozen)


def _confirmed(detail: ExchangeDetail, destination: str) -> int:
    return sum(one.destination == destination and one.state in CONFIRMED for one in detail.effects)


def _subject(frozen: FrozenInstance) -> Subject:
    return Subject(
        sop_instance_uid=frozen.sop_instance_uid,
        sha256=frozen.sha256,
        transfer_syntax=frozen.transfer_syntax_uid,
        byte_count=frozen.byte_count,
        sop_class=frozen.sop_class_uid,
        pixel_sha256=frozen.pixel_sha256,
    )


def _study(appliance: Appliance, detail: ExchangeDetail) -> StudyFacts:
    exchange = detail.exchange
    key = appliance.domain_keys.key(exchange.pseudonym_domain or RETAINED)
    restored = exchange.study_uid_sent if is_reidentified(detail) else None
    return StudyFacts(
        study_instance_uid=exchange.study_uid_sent if restored is None else exchange.study_instance_uid,
        series=len({one.series_instance_uid for one in detail.frozen}),
        instances=len(detail.frozen),
        bytes=sum(one.byte_count for one in detail.frozen),
        # One reference for a study when it leaves and when it comes back: that of the original.
        source_ref=keyed_reference(key, Reference.STUDY, restored or exchange.study_instance_uid),
        source_study_instance_uid=exchange.study_instance_uid,
        restored_study_instance_uid=restored,
    )


def _policy(appliance: Appliance, detail: ExchangeDetail) -> PolicyFacts:
    released = [
        one for one in detail.decisions if one.kind is DecisionKind.RELEASE and one.code not in STANDING_CODES
    ]
    rejected = detail.exchange.state is ExchangeState.REJECTED
    decision = "rejected" if rejected else "released" if released else "pass"
    if detail.exchange.error_code in WITHOUT_DELIVERY:
        decision = detail.exchange.error_code  # a re-send that was only recorded
    return PolicyFacts(
        id=detail.exchange.route or "unrouted",
        sha256=detail.exchange.config_sha256 or appliance.configuration.loaded.sha256,
        rules=tuple(dict.fromkeys(one.code for one in detail.holds)),
        decision=decision,
        overridden_by=_person(appliance, released[-1].by_asserted) if released else "",
    )


def _reconciliation(detail: ExchangeDetail) -> ReconciliationFacts | None:
    facts = detail.exchange.counts.get("reconciliation")
    if facts is None:
        return None
    actions: Counter[str] = Counter()
    for one in detail.frozen:
        actions.update(one.actions)
    tasks = [one for one in detail.holds if one.code == ReasonCode.RECONCILE]
    decided = tasks and all(one.state is HoldState.DECIDED for one in tasks)
    return ReconciliationFacts(
        identity=facts["identity"],
        issuer=facts["issuer"],
        prefix=facts["prefix"],
        patient_match=facts["patientMatch"],
        reason=facts["reason"],
        method=facts["method"],
        instances=len(detail.frozen),
        replaced=actions["replaced"],
        emptied=actions["emptied"],
        removed=actions["removed"],
        task="decided" if decided else "open",
        not_run=tuple(NotRunFacts(one["stage"], one["reason"]) for one in facts["notRun"]),
    )


def is_reidentified(detail: ExchangeDetail) -> bool:
    """Whether it goes to the PACS as its own patient's."""
    return "reidentification" in detail.exchange.counts


def _reidentification(detail: ExchangeDetail) -> ReidentificationFacts | None:
    facts = detail.exchange.counts.get("reidentification")
    if facts is None:
        return None
    actions: Counter[str] = Counter()
    for one in detail.frozen:
        actions.update(one.actions)
    headers = {str(one.proof["header"]) for one in detail.frozen if "header" in one.proof}
    return ReidentificationFacts(
        domain=facts["domain"],
        method=facts["method"],
        header=headers.pop() if len(headers) == 1 else "mixed",
        instances=len(detail.frozen),
        replaced=actions["replaced"],
        emptied=actions["emptied"],
        removed=actions["removed"],
        uids=actions["uids"],
        left_out=facts["leftOut"],
        not_run=tuple(NotRunFacts(one["stage"], one["reason"]) for one in facts["notRun"]),
    )


def retains_identity(detail: ExchangeDetail) -> bool:
    """Whether it leaves under its patient's own identity, as its route or profile says with a reason."""
    return "identity" in detail.exchange.counts


def _identity(detail: ExchangeDetail) -> IdentityFacts:
    if is_reidentified(detail):
        return IdentityFacts("reidentified")
    counts = detail.exchange.counts
    if retains_identity(detail):
        said = counts["identity"]
        return IdentityFacts(
            "retained",
            str(counts.get("knownIdentifiers", "")),
            str(counts.get("textDetection", "")),
            reason=said["reason"] or None,
            kept=tuple(said["kept"]) if "kept" in said else None,
        )
    if not detail.exchange.profile_id:
        return IdentityFacts("retained")
    if not detail.frozen:
        return IdentityFacts("retained", "not examined", "not examined")
    return IdentityFacts(
        "removed",
        str(counts.get("knownIdentifiers", "not examined")),
        str(counts.get("textDetection", "not examined")),
    )


def _cleaning(detail: ExchangeDetail) -> DeidentificationFacts:
    counts = detail.exchange.counts
    actions: dict[str, int] = dict(counts["actions"])
    return DeidentificationFacts(
        profile=tuple(MethodCode(code, "DCM", CODE_MEANINGS[code]) for code in counts["methodCodes"]),
        profile_id=detail.exchange.profile_id,
        profile_sha256=str(counts["profileSha256"]),
        table_edition=str(counts["tableEdition"]),
        removed=actions.get("removed", 0),
        emptied=actions.get("emptied", 0),
        replaced=actions.get("replaced", 0) + actions.get("shifted", 0),
        kept=actions.get("kept", 0),
        uids_mapped=int(counts["uidsMapped"]),
        date_shift="yes" if actions.get("shifted", 0) else "no",
        pixel=_pixel(detail),
        proof=_proof(detail),
        name_recognisers=_name_recognisers(counts.get("nameRecognisers", ())),
    )


def _name_recognisers(listed: Any) -> tuple[NameRecogniserFacts, ...] | None:
    """None where nothing looked for names: the receipt is silent then, as those before it were."""
    return tuple(NameRecogniserFacts(**one) for one in listed) or None


def _pixel(detail: ExchangeDetail) -> PixelFacts | None:
    counts = detail.exchange.counts
    if counts.get("pixels") != "examined":
        return None
    touched = [one for one in detail.frozen if one.boxes]
    return PixelFacts(
        regions=sum(len(one.boxes) for one in touched),
        instances=len(touched),
        reviewed_by_human="yes" if any(map(_looked_at, detail.decisions)) else "no",
        ocr_models=_models(counts.get("cleanerModels", ())),
        golden_sha256=str(counts.get("goldenSha256", "")),
    )


def _looked_at(decision: DecisionRecord) -> bool:
    """Whether it says that a person has looked at the pixels."""
    return decision.kind is DecisionKind.REDACT or decision.code == ReasonCode.SPOT_CHECK


def _proof(detail: ExchangeDetail) -> ProofFacts:
    counts = detail.exchange.counts
    proved = all(one.proved for one in detail.frozen)
    return ProofFacts(
        method=str(counts.get("proofMethod", "independent re-read")),
        passed="yes" if proved else "overridden",
        instances=sum(one.proved for one in detail.frozen),
        canary=str(counts.get("canary", "")),
        dciodvfy=str(counts.get("dciodvfy", "")),
        ocr_models=_models(counts.get("proverModels", ())),
    )


def _models(listed: Any) -> tuple[OcrModel, ...]:
    return tuple(OcrModel(one["name"], one["version"], one["sha256"]) for one in listed)


def _person(appliance: Appliance, name: str) -> str:
    return keyed_reference(appliance.domain_keys.key(PEOPLE), Reference.USER, name)


def _item_sha256(hold: HoldRecord) -> str:
    """What was decided about, as it was shown; it holds element paths and boxes, no values."""
    item = {
        "exchange": hold.exchange_id,
        "code": hold.code,
        "path": hold.path,
        "detail": hold.detail,
        "stage": hold.stage,
        "instance": hold.instance,
        "attempt": hold.attempt,
        "openedAt": timestamp(hold.opened_at),
    }
    return sha256(json.dumps(item, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _review(appliance: Appliance, detail: ExchangeDetail, decision: DecisionRecord) -> ReviewFacts:
    about = next((one for one in detail.holds if one.hold_id == decision.hold_id), None)
    return ReviewFacts(
        user_ref=_person(appliance, decision.by_asserted),
        role=decision.role.value,
        decision=decision.kind.value,
        meaning=decision.reason_code.value,
        at=timestamp(decision.decided_at),
        item_sha256=_item_sha256(about) if about else "",
        person=decision.by_asserted,
        local_user=decision.local_user,
        reason_text=decision.reason_text,
    )
