"""What the product itself writes holds for every verifier: its receipts, its log, its trust folder."""

from pathlib import Path

import pytest

from exchange.receipts.bundle import with_proof
from tests.exchange.receipts.making import NOW, Site, full_chain, write_study
from tests.exchange.receipts.test_log_layer import Logged
from tests.vectors.agreement import Tally, ask_everybody
from tests.vectors.verifiers import OK, browser, go
from tests.vectors.world import Case


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.timeout(300)
def test_the_products_own_exchange_holds_for_every_verifier(tmp_path: Path) -> None:
    site, study = Site(tmp_path / "site"), write_study(tmp_path / "study")
    logged = Logged(site, full_chain(site, study))
    bundles = [
        with_proof(one.bundle_bytes, proof) for one, proof in zip(logged.chain, logged.proofs, strict=True)
    ]
    trust = files_of(site.trust)
    assert any(name.endswith(".vkey") for name in trust)
    case = Case("the product's", tuple(bundles), trust, files_of(study.folder), NOW)
    (answers,) = ask_everybody([case], tmp_path / "cases")
    tally = Tally()
    tally.add(case, answers)
    assert tally.sound, (tally.wrong, tally.contradictions)
    expected = {"python": "SDCL", "shell": "SDCL"}
    expected |= {"page": "SDCL"} if browser.CHROMIUM else {}
    expected |= {"go": "L"} if go.available() else {}
    for name, layers in expected.items():
        for answer in answers[name]:
            assert {answer.layers[layer] for layer in layers} == {OK}, (name, answer)
