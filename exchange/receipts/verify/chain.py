"""Layer C: do several receipts of one exchange follow one another?

Only receipts whose signature held take part. Rules:

1. No receipt is given twice, and no two different ones share receipt id and edition.
2. The two editions of one receipt have the same stage, time and subjects.
3. R2 follows an R1; R3 follows its last R2, or R1 when there was no delivery; each of the same site, study
   and edition, with no subject that R1 did not have.
4. An R3 names all its R2s by hash: an R2 given beside it must be among them. A partner never gets the other
   partners' R2s, so the R3 may follow one that is not here.
5. At most one R3 closes what one R1 opened.
"""

from collections.abc import Iterable, Mapping, Sequence

from exchange.receipts.verify.claims import R1, R2, R3, Receipt
from exchange.receipts.verify.errors import VerificationError


def check_chain(receipts: Sequence[Receipt]) -> list[bool]:
    """Check how receipts link.

    Returns:
        For each receipt whether at least one link from or to it was seen to hold. False means that its
        neighbours were not given, not that it is wrong.

    Raises:
        VerificationError: `chain-replay`, `chain-fork`, `chain-edition`, `chain-order`, `chain-link`,
            `chain-study`, `chain-subjects`.
    """
    by_hash = _by_hash(receipts)
    _check_editions(receipts)
    linked: set[str] = set()
    for receipt in receipts:
        before = by_hash.get(receipt.previous)
        if before is not None:
            _check_order(before, receipt)
            _check_same(before, receipt)
            linked |= {before.pae_sha256, receipt.pae_sha256}
        for delivery in receipt.deliveries:
            given = by_hash.get(delivery)
            if given is not None:
                _check_order(given, receipt)
                _check_same(given, receipt)
                linked |= {given.pae_sha256, receipt.pae_sha256}
    _check_closures(receipts, by_hash)
    return [receipt.pae_sha256 in linked for receipt in receipts]


def _by_hash(receipts: Sequence[Receipt]) -> dict[str, Receipt]:
    by_hash: dict[str, Receipt] = {}
    by_id: set[tuple[str, str]] = set()
    for receipt in receipts:
        if receipt.pae_sha256 in by_hash:
            raise VerificationError("chain-replay", f"receipt {receipt.receipt_id} was given twice")
        by_hash[receipt.pae_sha256] = receipt
        if (receipt.receipt_id, receipt.edition) in by_id:
            raise VerificationError("chain-fork", f"two different receipts have the id {receipt.receipt_id}")
        by_id.add((receipt.receipt_id, receipt.edition))
    return by_hash


def _check_editions(receipts: Iterable[Receipt]) -> None:
    seen: dict[str, Receipt] = {}
    for receipt in receipts:
        other = seen.setdefault(receipt.receipt_id, receipt)
        mine = (receipt.stage, receipt.issued_at, receipt.subjects, receipt.study_instance_uid)
        if mine != (other.stage, other.issued_at, other.subjects, other.study_instance_uid):
            raise VerificationError(
                "chain-edition", f"the editions of {receipt.receipt_id} contradict each other"
            )


def _check_order(before: Receipt, after: Receipt) -> None:
    follows_r1 = before.stage in R1 and (after.stage in R2 or not after.deliveries)
    follows_r2 = before.stage in R2 and after.stage in R3 and before.pae_sha256 in after.deliveries
    if after.stage in R1 or not (follows_r1 or follows_r2):
        raise VerificationError(
            "chain-order",
            f"{after.receipt_id} ({after.stage}) cannot follow {before.receipt_id} ({before.stage})",
        )


def _check_same(before: Receipt, after: Receipt) -> None:
    if before.edition != after.edition:
        raise VerificationError("chain-edition", f"{after.receipt_id} follows a receipt of the other edition")
    if (before.site, before.study_instance_uid) != (after.site, after.study_instance_uid):
        raise VerificationError(
            "chain-study", f"{after.receipt_id} follows a receipt of another study or site"
        )
    names = {subject.sop_instance_uid for subject in before.subjects}
    # An R3 spans all deliveries, so it may have more than one R2 had; an R2 has no more than its R1.
    if before.stage in R1 and not names.issuperset(item.sop_instance_uid for item in after.subjects):
        raise VerificationError(
            "chain-subjects", f"{after.receipt_id} covers an instance that its R1 did not"
        )


def _check_closures(receipts: Sequence[Receipt], by_hash: Mapping[str, Receipt]) -> None:
    closed: dict[tuple[str, str], Receipt] = {}
    for receipt in (item for item in receipts if item.stage in R3):
        # An exchange is known by its R1, or by the R2s where R1 is not given.
        roots = {by_hash[link].previous for link in receipt.deliveries if link in by_hash}
        roots |= {receipt.previous} if receipt.previous and not roots else set()
        if len(roots) > 1:
            raise VerificationError(
                "chain-fork", f"{receipt.receipt_id} closes deliveries of several exchanges"
            )
        for root in roots:
            if (root, receipt.edition) in closed:
                raise VerificationError("chain-fork", f"{receipt.receipt_id} closes what was closed before")
            closed[(root, receipt.edition)] = receipt
    for receipt in (item for item in receipts if item.stage in R2):
        end = closed.get((receipt.previous, receipt.edition))
        if end is not None and receipt.pae_sha256 not in end.deliveries:
            raise VerificationError(
                "chain-link", f"{receipt.receipt_id} is not among the deliveries that {end.receipt_id} closed"
            )
