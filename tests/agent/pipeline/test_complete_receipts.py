"""Every group of a receipt is filled from what really happened, and a partner reads of no other partner."""

import json
from hashlib import sha256

from agent.custody.listings import show_exchange
from agent.custody.receipts import receipts_of
from agent.daemon.build import installed_sha256, read_configuration
from agent.pipeline.decide import Verdict, decide_hold
from agent.pipeline.kernel_clock import clock_source
from exchange.domain.exchange import DecisionKind, DecisionReason
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.agent.pipeline.receipts import payloads
from tests.agent.pipeline.test_conflicts import changed
from tests.support.small_studies import PATIENT, make_instance, make_study

OTHER = "archive-elsewhere"
WORDS = "asked on the phone"


def test_what_the_pipeline_knows_stands_on_the_receipts(house: House) -> None:
    house.arrive([make_instance(1), changed()])  # held: which of the two is it?
    house.settle()
    house.process()
    one = house.exchanges()[0]
    held = show_exchange(house.appliance.custody, one.exchange_id).holds
    for hold in held:
        verdict = Verdict(DecisionKind.RELEASE, "sam", "root", DecisionReason.FALSE_ALARM, WORDS)
        decide_hold(house.appliance, hold.hold_id, verdict)
    house.process()
    house.deliver()
    found = payloads(house, one.exchange_id)
    agent = found["R1"]["agent"]
    assert isinstance(agent, dict)
    assert agent["sbomSha256"] == installed_sha256()
    assert agent["clock"] == clock_source()
    assert agent["keyProtection"] == "file"
    assert agent["configSha256"] == house.appliance.configuration.loaded.sha256
    for slot in found.values():
        assert slot["completeness"]["evidence"] == "quiet-timer"  # type: ignore[index]
        assert slot["identity"]["state"] == "removed"  # type: ignore[index]
    review = found["R1"]["review"]
    assert isinstance(review, list)
    assert len(review) == len(held) > 0
    for said, hold in zip(review, held, strict=True):
        item = {
            "exchange": hold.exchange_id, "code": hold.code, "path": hold.path, "detail": hold.detail,
            "stage": hold.stage, "attempt": hold.attempt, "instance": hold.instance,
            "openedAt": hold.opened_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }  # fmt: skip
        text = json.dumps(item, sort_keys=True, separators=(",", ":"))
        assert said["itemSha256"] == sha256(text.encode()).hexdigest()
        assert "person" not in said
    policy = found["R1"]["policy"]
    assert isinstance(policy, dict)
    assert (policy["decision"], policy["overriddenBy"]) == ("released", review[0]["userRef"])


def test_a_partner_reads_of_no_other_destination_and_of_no_patient(make_house: MakeHouse) -> None:
    house = make_house(peers=f"{OTHER}: {{folder: {{path: other/}}}}", folders=("other",))
    file = house.folder / "site.yaml"
    file.write_text(file.read_text().replace("deliver: [outgoing]", f"deliver: [outgoing, {OTHER}]"))
    house.appliance.configuration = read_configuration(file)
    one = house.through(make_study(1))
    custody, state = house.appliance.custody, house.appliance.folders.state
    deliveries = {
        one.delivery_id: one.destination for one in show_exchange(custody, one.exchange_id).deliveries
    }
    assert sorted(deliveries.values()) == [OTHER, "outgoing"]
    texts = {
        (receipt.slot, receipt.edition, deliveries.get(receipt.delivery_id, "")): (
            state / receipt.path
        ).read_bytes()
        for receipt in receipts_of(custody, one.exchange_id)
    }
    assert len(texts) == 8
    for (_, edition, destination), data in texts.items():
        if edition == "partner":
            assert (OTHER.encode() in data) == (destination == OTHER)
            assert not any(planted.upper().encode() in data.upper() for planted in PATIENT)
    # And what lies at a partner is R1, its own R2, and R3.
    for folder, mine in (("outgoing", "outgoing"), ("other", OTHER)):
        left = {path.read_bytes() for path in (house.folder / folder).rglob("*.receipt.zip")}
        assert left == {texts[key] for key in texts if key[1] == "partner" and key[2] in ("", mine)}
