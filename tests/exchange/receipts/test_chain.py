"""Layer C: receipts that follow one another, and those that only pretend to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exchange.receipts.facts import Edition, Links, Stage
from exchange.receipts.issuer import IssuedReceipt
from exchange.receipts.verify.chain import check_chain
from exchange.receipts.verify.claims import Receipt, parse_claims
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.trust import Trust
from exchange.receipts.verify.verifier import Layer, LayerState, Request, verify_bundles
from tests.exchange.receipts.making import NOW, Site, Study, body, delivery, full_chain, save

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def claims(chain: list[IssuedReceipt]) -> list[Receipt]:
    return [parse_claims(receipt.payload) for receipt in chain]


def code(receipts: list[Receipt]) -> str:
    with pytest.raises(VerificationError) as caught:
        check_chain(receipts)
    return caught.value.code


def test_whole_chain_in_any_order(claims: list[Receipt]) -> None:
    assert check_chain(claims) == [True] * 4
    assert check_chain(claims[::-1]) == [True] * 4


def test_partner_has_only_his_own_r2(claims: list[Receipt]) -> None:
    """R3 follows the other partner's R2, which this partner never gets; it lists his own by hash."""
    first, mine, _, last = claims
    assert last.previous != mine.pae_sha256
    assert check_chain([first, mine, last]) == [True] * 3
    assert check_chain([mine, last]) == [True] * 2


def test_neighbours_that_were_not_given(claims: list[Receipt]) -> None:
    assert check_chain([claims[0], claims[3]]) == [False, False]
    assert check_chain([]) == []


def test_r3_straight_after_r1_when_nothing_was_delivered(site: Site, study: Study) -> None:
    first = site.issuer.issue(Stage.DEIDENTIFIED, Edition.SITE, body(study))
    last = site.issuer.issue(Stage.CLOSED, Edition.SITE, body(study), Links(previous=first.pae_sha256))
    r1, r3 = (parse_claims(item.payload) for item in (first, last))
    assert check_chain([r1, r3]) == [True, True]
    second = site.issuer.issue(
        Stage.FORWARDED, Edition.SITE, body(study, delivery=delivery()), Links(previous=first.pae_sha256)
    )
    assert code([r1, parse_claims(second.payload), r3]) == "chain-link"


def _other_exchange(claims: list[Receipt]) -> list[Receipt]:
    """The R2 of another exchange, listed by this exchange's R3."""
    foreign = replace(claims[1], previous="e" * 64)
    return [foreign, *claims[2:]]


FORGERIES: list[tuple[str, Callable[[list[Receipt]], list[Receipt]], str]] = [
    ("replay", lambda c: [*c, c[1]], "chain-replay"),
    ("same id, other content", lambda c: [*c, replace(c[1], pae_sha256="f" * 64)], "chain-fork"),
    ("two closures", lambda c: [*c, replace(c[3], pae_sha256="f" * 64, receipt_id="x")], "chain-fork"),
    ("closure of two exchanges", _other_exchange, "chain-fork"),
    ("R2 follows R2", lambda c: [*c[:2], replace(c[2], previous=c[1].pae_sha256)], "chain-order"),
    (
        "R1 follows R1",
        lambda c: [c[0], replace(c[0], receipt_id="x", pae_sha256="f" * 64, previous=c[0].pae_sha256)],
        "chain-order",
    ),
    (
        "R3 with deliveries follows R1",
        lambda c: [c[0], replace(c[3], previous=c[0].pae_sha256)],
        "chain-order",
    ),
    ("R3 lists R1", lambda c: [c[0], replace(c[3], deliveries=(c[0].pae_sha256,))], "chain-order"),
    ("other study", lambda c: [replace(c[0], study_instance_uid="2.25.9"), *c[1:]], "chain-study"),
    ("other site", lambda c: [replace(c[0], site="elsewhere"), *c[1:]], "chain-study"),
    ("other edition", lambda c: [replace(c[0], edition="site"), *c[1:]], "chain-edition"),
    ("more than R1 had", lambda c: [replace(c[0], subjects=c[0].subjects[1:]), *c[1:]], "chain-subjects"),
    (
        "delivery that R3 does not list",
        lambda c: [*c[:3], replace(c[3], deliveries=(c[2].pae_sha256,))],
        "chain-link",
    ),
    (
        "editions that contradict",
        lambda c: [c[0], replace(c[0], edition="site", pae_sha256="f" * 64, subjects=())],
        "chain-edition",
    ),
]


@pytest.mark.parametrize(("name", "forge", "expected"), FORGERIES, ids=[item[0] for item in FORGERIES])
def test_forged_chain_is_named(
    name: str, forge: Callable[[list[Receipt]], list[Receipt]], expected: str, claims: list[Receipt]
) -> None:
    assert code(forge(claims)) == expected


def test_both_editions_side_by_side(site: Site, study: Study) -> None:
    ticket = site.issuer.ticket()
    pair = [site.issuer.issue(Stage.DEIDENTIFIED, edition, body(study), ticket=ticket) for edition in Edition]
    assert len({item.receipt_id for item in pair}) == 1
    assert len({item.pae_sha256 for item in pair}) == 2
    assert check_chain([parse_claims(item.payload) for item in pair]) == [False, False]


def test_layer_in_reports(
    chain: list[IssuedReceipt], trust: Trust, site: Site, study: Study, tmp_path: Path
) -> None:
    paths = [save(receipt, tmp_path / "r") for receipt in chain]
    reports = verify_bundles(paths, Request(trust, LATER, study.folder))
    assert [report.layers[Layer.CHAIN] for report in reports] == [LayerState.OK] * 4
    assert all(report.ok for report in reports)
    (alone,) = verify_bundles(paths[:1], Request(trust, LATER))
    assert alone.layers[Layer.CHAIN] is LayerState.NOT_CHECKED

    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"PK\x03\x04")
    reports = verify_bundles([paths[0], damaged, paths[1]], Request(trust, LATER))
    assert [report.layers[Layer.CHAIN].value for report in reports] == ["ok", "not-checked", "ok"]

    site.tick()
    forked = save(full_chain(site, study)[3], tmp_path / "r")
    reports = verify_bundles([*paths, forked], Request(trust, LATER))
    assert all(
        report.ok for report in reports
    )  # another exchange's R3 beside a whole chain contradicts nothing
    reports = verify_bundles([paths[0], paths[0]], Request(trust, LATER))
    assert [report.first_error.code for report in reports if report.first_error] == ["chain-replay"] * 2
