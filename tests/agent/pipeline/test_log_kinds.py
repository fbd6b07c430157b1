"""What an appliance logs: each kind of event from its path, and receipts with their proofs."""

import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.custody.listings import show_exchange
from agent.pipeline import attest as attesting
from agent.pipeline import degraded
from agent.pipeline.decide import Verdict, cancel_exchange, decide_hold
from agent.pipeline.degraded import watch_disk
from agent.pipeline.people import actor_reference
from agent.pipeline.policies import log_policies, log_roles
from agent.pipeline.reidentify import Question, reidentify
from agent.pipeline.retire import retire_due
from agent.pipeline.rotate import rotate_pseudonyms
from exchange.domain.errors import CustodyError, DeniedError
from exchange.domain.exchange import (
    DecisionKind,
    DecisionReason,
    ExchangeState,
    HoldState,
    OpeningReason,
    Role,
)
from exchange.log.events import list_sha256
from exchange.log.leaves import Leaf
from exchange.log.reader import read_log
from exchange.receipts.bundle import PROOF
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.support.small_studies import PATIENT, make_recording, make_study


def logged(house: House, kind: str) -> list[Leaf]:
    return [leaf for leaf in read_log(house.appliance.configuration.site.log_folder) if leaf.kind == kind]


def obj(house: House, kind: str) -> list[dict[str, Any]]:
    return [dict(leaf.obj) for leaf in logged(house, kind)]


def private(house: House, leaf: Leaf) -> dict[str, str] | None:
    return house.appliance.log.private.reveal(1, leaf.seq, leaf.private)


def bundles(house: House, exchange_id: str, edition: str) -> list[Path]:
    receipts = show_exchange(house.appliance.custody, exchange_id).receipts
    return [house.appliance.folders.state / one.path for one in receipts if one.edition == edition]


def check_level_1(house: House, exchange_id: str) -> None:
    trust = read_trust(house.appliance.configuration.site.trust)
    for edition in ("partner", "site"):
        paths = bundles(house, exchange_id, edition)
        reports = verify_bundles(paths, Request(trust, datetime(2026, 12, 1, tzinfo=UTC), level=1))
        assert [(one.ok, one.level, one.first_error) for one in reports] == [(True, 1, None)] * 3


def test_every_receipt_of_a_study_is_in_the_log(house: House) -> None:
    one = house.through(make_study(1))
    assert len(obj(house, "receipt.issued")) == 6
    check_level_1(house, one.exchange_id)


def test_the_keys_of_a_new_site_are_told(house: House) -> None:
    told = obj(house, "key.created")
    assert [one["key"] for one in told] == ["log", "signing", "domain.root", "crosswalk", "storage"]
    assert told[1]["keyid"] == house.appliance.issuer.key.keyid


def test_a_study_in_numbers_and_digests(house: House) -> None:
    one = house.through(make_study(1, 3))
    frozen = show_exchange(house.appliance.custody, one.exchange_id).frozen
    (received,) = obj(house, "instance.received")
    assert (received["exchange"], received["instances"]) == (one.exchange_id, 3)
    assert received["listSha256"] == list_sha256(row.identity for row in frozen)
    (applied,) = obj(house, "deid.applied")
    assert (applied["instances"], applied["proved"]) == (3, 3)
    (sent,) = obj(house, "instance.sent")
    assert (sent["instances"], sent["sent"]) == (3, 3)
    assert sent["listSha256"] == list_sha256(row.sha256 for row in frozen)
    house.wait(days=31)
    retire_due(house.appliance)
    (deleted,) = obj(house, "instance.deleted")
    assert deleted == {"instances": 3, "listSha256": received["listSha256"]}
    kinds = [leaf.kind for leaf in read_log(house.appliance.configuration.site.log_folder)]
    assert kinds.index("deid.applied") < kinds.index("receipt.issued") < kinds.index("instance.sent")


def test_each_model_that_read_pixels_is_told(make_house: MakeHouse) -> None:
    profile = "profile: headers\noptions: ['113107', '113101', '113105']\n"
    house = make_house(profiles={"headers": profile})
    one = house.through(make_study(1, 2))
    runs = obj(house, "model.run")
    assert {run["role"] for run in runs} == {"cleaner", "prover"}
    assert {(run["exchange"], run["instances"]) for run in runs} == {(one.exchange_id, 2)}
    assert all(len(run["sha256"]) == 64 and run["model"] for run in runs)


def test_two_exchanges_in_one_batch_are_told_apart(house: House) -> None:
    house.arrive([*make_study(1, 2), *make_study(2, 1)])
    assert sorted(one["instances"] for one in obj(house, "instance.received")) == [1, 2]
    assert len({one["exchange"] for one in obj(house, "instance.received")}) == 2


def held(house: House) -> str:
    house.arrive([make_recording(1)])
    house.settle()
    assert house.process() == ["held"]
    (one,) = house.exchanges()
    found = show_exchange(house.appliance.custody, one.exchange_id).holds
    return next(hold.hold_id for hold in found if hold.state is HoldState.OPEN)


def test_a_decision_names_its_person_in_the_erasable_part_only(house: House) -> None:
    hold_id = held(house)
    verdict = Verdict(
        DecisionKind.REJECT, "sam", "root", DecisionReason.OTHER, "said Ms Kowalska on the phone"
    )
    decide_hold(house.appliance, hold_id, verdict)
    (leaf,) = logged(house, "review.decision")
    assert (leaf.outcome, leaf.obj["decision"]) == ("ok", "reject")
    assert leaf.actor == actor_reference(house.appliance, "sam")
    said = {"by": "sam", "localUser": "root", "text": "said Ms Kowalska on the phone"}
    assert private(house, leaf) == said
    assert house.appliance.log.erase(leaf.seq, leaf.actor)
    assert private(house, leaf) is None
    assert obj(house, "private.erased") == [{"leaf": leaf.seq}]
    assert house.appliance.log.proof(leaf.seq)


def test_a_decision_that_is_denied(house: House) -> None:
    verdict = Verdict(DecisionKind.REJECT, "nobody", "root", DecisionReason.OTHER)
    with pytest.raises(DeniedError):
        decide_hold(house.appliance, held(house), verdict)
    (leaf,) = logged(house, "review.decision")
    assert (leaf.outcome, private(house, leaf)) == (
        "denied",
        {"by": "nobody", "localUser": "root", "text": ""},
    )
    with pytest.raises(DeniedError):
        cancel_exchange(house.appliance, house.exchanges()[0].exchange_id, verdict)


def test_an_opening_names_who_asked_in_the_erasable_part_only(house: House) -> None:
    house.through(make_study(1))

    def ask(by: str, pseudonym: str) -> Question:
        return Question(pseudonym, "", by, "root", Role.PRIVACY, OpeningReason.INCIDENTAL_FINDING)

    frozen = house.delivered()
    uid = show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id).frozen[0].sop_instance_uid
    assert frozen
    reidentify(house.appliance, ask("sam", uid))
    for question in (ask("jo", uid), ask("nobody", uid), ask("sam", "2.25.1")):
        with pytest.raises(CustodyError):
            reidentify(house.appliance, question)
    (opened,) = logged(house, "crosswalk.open")
    assert private(house, opened) == {"by": "sam", "localUser": "root"}
    denied = logged(house, "crosswalk.denied")
    assert [one.obj["code"] for one in denied] == ["role", "unknown-person", "unknown"]
    assert [(private(house, one) or {})["by"] for one in denied] == ["jo", "nobody", "sam"]


def test_policies_are_told_once_and_when_they_change(make_house: MakeHouse) -> None:
    house = make_house()
    assert log_policies(house.appliance) == 1
    assert log_policies(house.appliance) == 0
    (told,) = obj(house, "policy.changed")
    assert told["route"] == "outgoing"
    assert told["profileSha256"] == house.appliance.configuration.routes.named("outgoing").profile_sha256
    profile = house.folder / "profiles" / "headers.yaml"
    profile.write_text(profile.read_text().replace("'113103', ", ""))
    house.reload()
    assert log_policies(house.appliance) == 1
    assert log_policies(house.appliance) == 0
    assert len({one["profileSha256"] for one in obj(house, "policy.changed")}) == 2


def test_changed_roles_are_told_without_names(house: House) -> None:
    before = house.appliance.configuration
    file = house.folder / "site.yaml"
    file.write_text(
        file.read_text().replace("  jo: {roles: [technologist]}\n", "  ann: {roles: [privacy]}\n")
    )
    house.reload()
    assert log_roles(house.appliance, before, house.appliance.configuration) == 2
    ann, jo = logged(house, "role.changed")
    assert (ann.obj["roles"], jo.obj["roles"]) == ("privacy", "")
    assert ann.obj["person"] == actor_reference(house.appliance, "ann")
    assert private(house, jo) == {"person": "jo"}


def test_a_rotation_is_told_and_a_denied_one_too(house: House) -> None:
    with pytest.raises(DeniedError):
        rotate_pseudonyms(house.appliance, "jo")
    assert [leaf.outcome for leaf in logged(house, "key.rotated")] == ["denied"]


def test_a_full_disk_is_entered_once_and_left_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    watch_disk(house.appliance)
    assert obj(house, "degraded.enter") == []
    with monkeypatch.context() as patch:
        patch.setattr(degraded, "_MIB", 1 << 50)
        for _ in range(3):
            watch_disk(house.appliance)
    for _ in range(3):
        watch_disk(house.appliance)
    assert obj(house, "degraded.enter") == obj(house, "degraded.leave") == [{"what": "disk"}]


class Killed(BaseException):
    """The process ends here."""


POINTS = ("make_folder", "write_file", "with_proof", "record_receipt")


@pytest.mark.parametrize("call", [1, 2, 3, 4])
@pytest.mark.parametrize("point", [*POINTS, "append", "proof"])
def test_killed_anywhere_each_receipt_has_one_signature_one_leaf_and_its_proof(
    house: House, monkeypatch: pytest.MonkeyPatch, point: str, call: int
) -> None:
    """Before, and in another run after, each step of attesting R1."""
    house.arrive(make_study(1))
    house.settle()
    made = 0

    def killing(real: Any) -> Any:
        def called(*arguments: Any, **more: Any) -> Any:
            nonlocal made
            made += 1
            if made == call and call % 2:
                raise Killed
            answer = real(*arguments, **more)
            if made == call:
                raise Killed
            return answer

        return called

    log = type(house.appliance.log)
    with monkeypatch.context() as patch:
        if point == "append":
            patch.setattr(log, "append_all", _killing_receipts(killing, log.append_all))
        elif point == "proof":
            patch.setattr(log, "proof", killing(log.proof))
        else:
            patch.setattr(attesting, point, killing(getattr(attesting, point)))
        with suppress(Killed):
            house.process()
    signed = {path: payload(path) for path in (house.appliance.folders.state / "receipts").rglob("*.zip")}
    again = house.again()
    assert again.state is ExchangeState.CLOSED
    for path, before in signed.items():
        assert payload(path) == before, "signed once"
    issued = obj(house, "receipt.issued")
    assert len({one["paeSha256"] for one in issued}) == len(issued) == 6, "each has one leaf"
    check_level_1(house, again.exchange_id)


def _killing_receipts(killing: Any, real: Any) -> Any:
    killed = killing(real)

    def append_all(log: Any, events: Any) -> Any:
        listed = list(events)
        return (killed if any(one.kind == "receipt.issued" for one in listed) else real)(log, listed)

    return append_all


def payload(path: Path) -> tuple[bytes, ...]:
    with zipfile.ZipFile(path) as bundle:
        return tuple(bundle.read(name) for name in sorted(bundle.namelist()) if name != PROOF)


def test_no_leaf_names_anybody(house: House) -> None:
    house.through(make_study(1))
    text = str(list(read_log(house.appliance.configuration.site.log_folder)))
    assert not any(word in text for word in PATIENT)
