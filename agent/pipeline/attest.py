"""attest: R1 before the first byte leaves, one R2 per delivery, one R3 per exchange; each in two editions.

A receipt first takes its place in custody (id and time), is then signed, written durably, logged, written
again with the proof that it is in the log, and recorded. Killed anywhere, the next run finds the place taken
and repeats the same statement; a bundle that is durable already is read back, not signed again, so that there
is one signature per receipt and edition; a leaf that was written already is found at the end of the log.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.custody.closing import close
from agent.custody.deliveries import deliveries_of
from agent.custody.listings import ExchangeDetail, exchange, show_exchange
from agent.custody.receipts import Edition as RecordedEdition
from agent.custody.receipts import receipts_of, record_receipt, reserve_receipt
from agent.custody.records import DeliveryRecord, ExchangeRecord, ReceiptEvent
from agent.pipeline.appliance import Appliance
from agent.pipeline.attested import (
    body_of,
    delivery_facts,
    destination_facts,
    is_reidentified,
    retains_identity,
)
from agent.pipeline.travel import leave_receipts
from exchange.domain.exchange import DeliveryState, ExchangeState
from exchange.durable import make_folder, write_file
from exchange.log.events import Event, EventKind
from exchange.receipts.bundle import has_proof, with_proof
from exchange.receipts.dsse import pae_sha256
from exchange.receipts.facts import DeliveryLink, Edition, Links, ReceiptBody, Stage
from exchange.receipts.statement import Ticket, timestamp

log = structlog.get_logger()

_LOOKED_BACK = 4096
"""Leaves among which that of a receipt is sought after a crash; if more came since, it is logged again."""

_EDITIONS = (Edition.PARTNER, Edition.SITE)
_ENDED = {
    DeliveryState.FORWARDED: Stage.FORWARDED,
    DeliveryState.COMMITTED: Stage.COMMITTED,
    DeliveryState.REJECTED: Stage.REJECTED,
}


def attest_first(appliance: Appliance, exchange_id: str) -> str:
    """R1 of a frozen exchange, durable when this returns; its receipt id."""
    with appliance.attesting:
        detail = show_exchange(appliance.custody, exchange_id)
        stage = _first_stage(detail)
        follows = _first_receipt_of(appliance, detail.exchange.follows)
        links = {edition: Links(follows=follows) for edition in _EDITIONS}
        return _issue(appliance, detail, stage, body_of(appliance, detail), links)


def _first_stage(detail: ExchangeDetail) -> Stage:
    if detail.exchange.profile_id and not retains_identity(detail):
        return Stage.DEIDENTIFIED
    if is_reidentified(detail):
        return Stage.REIDENTIFIED
    return Stage.QUARANTINED if "reconciliation" in detail.exchange.counts else Stage.ACCEPTED


def attest_delivery(appliance: Appliance, ended: DeliveryRecord) -> str:
    """R2 of an ended delivery; its receipt id."""
    with appliance.attesting:
        detail = show_exchange(appliance.custody, ended.exchange_id)
        body = body_of(appliance, detail, delivery_facts(appliance, detail, ended))
        links = {edition: Links(previous=_pae(detail, "R1", edition)) for edition in _EDITIONS}
        receipt_id = _issue(appliance, detail, _ENDED[ended.state], body, links, ended.delivery_id)
    leave_receipts(appliance, ended.destination, ended.exchange_id)
    return receipt_id


def attest_exchange(appliance: Appliance, exchange_id: str) -> str:
    """R3, once every delivery has its R2 (or a person rejected the exchange); "open" while one has not."""
    with appliance.attesting:
        detail = show_exchange(appliance.custody, exchange_id)
        # In both editions: a full disk may have let one through, and R3 lists the R2s of its own edition.
        seconds = {(one.delivery_id, one.edition) for one in detail.receipts if one.slot == "R2"}
        if any(
            one.state not in _ENDED or (one.delivery_id, edition) not in seconds
            for one in detail.deliveries
            for edition in _EDITIONS
        ):
            return "open"
        body = body_of(appliance, detail, destinations=destination_facts(detail))
        links = {edition: _closing_links(detail, edition) for edition in _EDITIONS}
        _issue(appliance, detail, Stage.CLOSED, body, links)
    del detail, body  # of a large study they are large
    # Left before it is closed: killed in between, the next start finds it delivering and leaves them again.
    for sent in deliveries_of(appliance.custody, exchange_id):
        leave_receipts(appliance, sent.destination, exchange_id)
    with appliance.attesting:
        _close(appliance, exchange_id)
    return "closed"


def _close(appliance: Appliance, exchange_id: str) -> None:
    one = exchange(appliance.custody, exchange_id)
    if one.state is ExchangeState.DELIVERING:
        close(appliance.custody, exchange_id, appliance.clock())
    if one.state is not ExchangeState.CLOSED:
        _say_closed(appliance, one)


def _issue(
    appliance: Appliance,
    detail: ExchangeDetail,
    stage: Stage,
    body: ReceiptBody,
    links: dict[Edition, Links],
    delivery_id: str = "",
) -> str:
    exchange_id = detail.exchange.exchange_id
    event = reserve_receipt(appliance.custody, exchange_id, stage, appliance.clock(), delivery_id)
    recorded = {one.edition for one in detail.receipts if one.receipt_id == event.receipt_id}
    wanted = [edition for edition in _EDITIONS if edition not in recorded]
    signed = [_signed(appliance, event, edition, body, links[edition]) for edition in wanted]
    for one, seq in zip(signed, _logged(appliance, event, signed), strict=True):
        _add_proof(one.path, appliance.log.proof(seq))
        previous, path = links[one.edition].previous, str(one.path.relative_to(appliance.folders.state))
        edition = RecordedEdition(one.edition, one.digest, previous, path)
        record_receipt(appliance.custody, event.receipt_id, edition)
        if one.edition is Edition.PARTNER:
            appliance.metrics.receipt(event.slot)
    return event.receipt_id


@dataclass(frozen=True, slots=True)
class _Signed:
    """A durable bundle; `again` where an earlier run left it, and may have logged it."""

    edition: Edition
    path: Path
    digest: str
    again: bool


def _signed(
    appliance: Appliance, event: ReceiptEvent, edition: Edition, body: ReceiptBody, links: Links
) -> _Signed:
    relative = Path("receipts") / event.exchange_id / edition / f"{event.receipt_id}.receipt.zip"
    path = appliance.folders.state / relative
    if path.exists():
        return _Signed(edition, path, pae_sha256(_payload_of(path)), again=True)
    ticket = Ticket(event.receipt_id, timestamp(event.issued_at))
    issued = appliance.issuer.issue(Stage(event.stage), edition, body, links, ticket)
    make_folder(path.parent)
    write_file(path, issued.bundle_bytes)
    return _Signed(edition, path, issued.pae_sha256, again=False)


def _logged(appliance: Appliance, event: ReceiptEvent, signed: Sequence[_Signed]) -> list[int]:
    """The leaves of these receipts: as an earlier run wrote them, else appended now, all in one commit."""
    found: dict[str, int] = {}
    for one in signed:
        needle = f'"paeSha256":"{one.digest}"'.encode("ascii")
        known = appliance.log.reader().find(needle, _LOOKED_BACK) if one.again else None
        if known is not None:
            found[one.digest] = known
    missing = [one for one in signed if one.digest not in found]
    refs = appliance.log.append_all(_event(appliance, event, one) for one in missing)
    found.update((one.digest, ref.seq) for one, ref in zip(missing, refs, strict=True))
    return [found[one.digest] for one in signed]


def _event(appliance: Appliance, event: ReceiptEvent, one: _Signed) -> Event:
    said = {
        "exchange": event.exchange_id,
        "receipt": event.receipt_id,
        "edition": one.edition.value,
        "stage": event.stage,
        "paeSha256": one.digest,
        "signer": appliance.issuer.key.keyid,
    }
    return Event(EventKind.RECEIPT_ISSUED, said)


def _add_proof(path: Path, proof: bytes) -> None:
    """The same signed bytes, and beside them the proof; one that lies there already is as good."""
    bundle = path.read_bytes()
    if not has_proof(bundle):
        write_file(path, with_proof(bundle, proof))


def _payload_of(bundle: Path) -> bytes:
    """What a bundle of our own states; written by us, found again after a crash."""
    with zipfile.ZipFile(bundle) as opened:
        return opened.read("receipt.json")


def _pae(detail: ExchangeDetail, slot: str, edition: Edition) -> str:
    found = [one for one in detail.receipts if one.slot == slot and one.edition == edition]
    return found[-1].pae_sha256 if found else ""


def _closing_links(detail: ExchangeDetail, edition: Edition) -> Links:
    """R3 follows the last R2, or R1 where there is none, or nothing; and lists every R2."""
    seconds = [one for one in detail.receipts if one.slot == "R2" and one.edition == edition]
    previous = seconds[-1].pae_sha256 if seconds else _pae(detail, "R1", edition)
    return Links(
        previous=previous,
        deliveries=tuple(DeliveryLink(Stage(one.stage), one.pae_sha256) for one in seconds),
    )


def _first_receipt_of(appliance: Appliance, exchange_id: str | None) -> str:
    if exchange_id is None:
        return ""
    receipts = receipts_of(appliance.custody, exchange_id)
    return next((one.receipt_id for one in receipts if one.slot == "R1"), "")


def _say_closed(appliance: Appliance, one: ExchangeRecord) -> None:
    """The canonical line of an exchange, in both logs; `one` as it was before."""
    states = [sent.state for sent in deliveries_of(appliance.custody, one.exchange_id)]
    rejected = one.state is ExchangeState.REJECTED
    appliance.log.append(
        Event(
            EventKind.EXCHANGE_CLOSED,
            {
                "exchange": one.exchange_id,
                "instances": one.instance_count,
                "forwarded": states.count(DeliveryState.FORWARDED),
                "committed": states.count(DeliveryState.COMMITTED),
                "refused": states.count(DeliveryState.REJECTED),
                "rejected": int(rejected),
            },
        )
    )
    log.info(
        "exchange closed",
        exchange_id=one.exchange_id,
        route=one.route,
        state="rejected" if rejected else "closed",
        instances=one.instance_count,
        bytes=one.byte_count,
        sent=states.count(DeliveryState.FORWARDED) + states.count(DeliveryState.COMMITTED),
        refused=states.count(DeliveryState.REJECTED),
        attempt=one.attempt_count,
        seconds=round((appliance.clock() - one.created_at).total_seconds(), 1),
    )
