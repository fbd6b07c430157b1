"""A route whose profile retains identity: delivered as its patient's, minimised, sealed here, said aloud."""

import json
import sqlite3
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - an outside reader

from agent.custody.holds import list_holds
from agent.pipeline.attested import body_of
from agent.pipeline.decide import Verdict, decide_hold
from agent.policy.facts import ConnectionFacts
from agent.policy.plan import plan_studies
from exchange.domain.codes import ReasonCode
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.agent.pipeline.partner import detail
from tests.agent.pipeline.receipts import payloads
from tests.support.small_studies import PATIENT, make_instance

REASON = "second reading under contract 7"
PROFILE = f"""\
profile: minimal
identity: retained
reason: {REASON}
options: ["113103", "113104", "113105", "113106", "113108", "113110"]
"""
ROUTE = """priority: routine
  - name: telerad
    direction: outbound
    match: {called_ae: TELERAD}
    settle: {quiet_seconds: 5.0}
    deidentify: {profile: minimal}
    deliver: [outgoing]
"""
PHONE, OTHER_ID = "+49 341 9711800", "OLD-553311"


@pytest.fixture
def telerad(make_house: MakeHouse) -> House:
    return make_house(ROUTE, profiles={"minimal": PROFILE})


def instance(number: int = 0) -> Dataset:
    ds = make_instance(1, number)
    ds.AccessionNumber, ds.OtherPatientIDs = "ACC-771-20", OTHER_ID
    ds.ReferringPhysicianName, ds.ReferringPhysicianTelephoneNumbers = "Marlowe^Piers", PHONE
    ds.StudyDescription = f"CT CHEST for Marlowe, {PATIENT[0]}"
    return ds


def through(house: House, instances: list[Dataset]) -> None:
    house.arrive(instances, "TELERAD")
    house.settle()
    house.process()
    house.deliver()


def predicates(house: House, edition: str) -> dict[str, Any]:
    return {**payloads(house, detail(house).exchange.exchange_id, edition)}


def test_the_study_is_delivered_as_its_patients_and_reduced(telerad: House) -> None:
    before = [instance(0), instance(1)]
    through(telerad, before)
    assert telerad.exchanges()[0].state is ExchangeState.CLOSED
    got = {ds.SOPInstanceUID: ds for data in telerad.delivered().values() if (ds := dcmread(BytesIO(data)))}
    assert set(got) == {ds.SOPInstanceUID for ds in before}
    for ds in got.values():
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber"):
            assert ds[keyword].value == before[0][keyword].value
        assert (ds.StudyInstanceUID, ds.StudyDate) == (before[0].StudyInstanceUID, before[0].StudyDate)
        assert ds.PatientIdentityRemoved == "NO"
        assert "OtherPatientIDs" not in ds
        assert not ds.ReferringPhysicianName
        assert ds.StudyDescription.startswith("CT CHEST")
    everything = b"".join(telerad.delivered().values())
    assert not any(word in everything for word in (OTHER_ID.encode(), PHONE.encode(), b"Marlowe"))


def test_every_receipt_says_that_identity_is_retained_and_why(telerad: House) -> None:
    through(telerad, [instance()])
    for edition in ("partner", "site"):
        slots = predicates(telerad, edition)
        assert [slots[slot]["id"]["stage"] for slot in ("R1", "R2", "R3")] == [
            "accepted", "forwarded", "closed",
        ]  # fmt: skip
        for said in slots.values():
            assert said["identity"]["state"] == "retained"
            assert said["identity"]["reason"] == REASON
            assert said["identity"]["kept"] == [
                "AccessionNumber", "IssuerOfPatientID", "PatientBirthDate", "PatientID", "PatientName",
                "PatientSex",
            ]  # fmt: skip
            assert said["identity"]["knownIdentifiers"] == "as declared"
            assert "deidentification" not in said
            cleaning = said["minimisation"]
            assert cleaning["removed"] > 0
            assert cleaning["kept"] > 0
            assert (cleaning["uidsMapped"], cleaning["dateShift"]) == (0, "no")
            assert cleaning["pixels"] == "not examined"
            assert cleaning["proof"]["passed"] == "yes"
            assert "113100" not in {one["value"] for one in cleaning["profile"]}
            text = json.dumps(said)
            assert not any(word in text for word in (*PATIENT, "Marlowe", OTHER_ID, PHONE, "ACC-771-20"))


def test_the_partner_can_verify_what_came(telerad: House) -> None:
    through(telerad, [instance(0), instance(1)])
    bundles = [
        telerad.appliance.folders.state / one.path
        for one in detail(telerad).receipts
        if one.edition == "partner"
    ]
    trust = read_trust(telerad.folder / "trust")
    reports = verify_bundles(bundles, Request(trust, telerad.now, files=telerad.folder / "outgoing"))
    assert len(reports) == 3
    assert [one.first_error for one in reports] == [None, None, None]


def test_what_is_frozen_is_sealed_and_the_crosswalk_learns_nothing(telerad: House) -> None:
    through(telerad, [instance()])
    state = telerad.appliance.folders.state
    frozen = [path for path in telerad.appliance.folders.frozen.rglob("*") if path.is_file()]
    assert [path.suffix for path in frozen] == [".sealed"]
    in_clear = [
        path
        for path in state.rglob("*")
        if path.is_file() and any(word.encode() in path.read_bytes() for word in PATIENT)
    ]
    assert in_clear == []
    assert crosswalk_rows(telerad) == 0
    telerad.through([make_instance(2)])  # a route that removes identity, for comparison
    assert crosswalk_rows(telerad) > 0


def crosswalk_rows(house: House) -> int:
    with sqlite3.connect(house.appliance.configuration.site.crosswalk_file) as connection:
        return int(connection.execute("SELECT count(*) FROM rows").fetchone()[0])


def test_the_plan_tells_it_before_anything_is_done(telerad: House, tmp_path: Path) -> None:
    instance().save_as(tmp_path / "one.dcm", enforce_file_format=True)
    routes = telerad.appliance.configuration.routes
    (study,), _ = plan_studies(tmp_path, routes, ConnectionFacts("TELERAD", "PACS", "pacs"))
    (planned,) = study.routes
    assert (planned.identity, planned.reason, planned.pseudonymDomain) == ("retained", REASON, None)
    by_keyword = {one.keyword: one for one in planned.elements}
    assert (by_keyword["PatientName"].action, by_keyword["PatientName"].reason) == (
        "kept", "identity: retained",
    )  # fmt: skip
    assert by_keyword["OtherPatientIDs"].action == "removed"
    assert by_keyword["StudyInstanceUID"].action == "kept"
    assert "DeidentificationMethod" not in by_keyword


def test_a_late_instance_leaves_as_its_patients_too(telerad: House) -> None:
    through(telerad, [instance(0)])
    through(telerad, [instance(1)])
    assert {one.state for one in telerad.exchanges()} == {ExchangeState.CLOSED}
    assert len(telerad.delivered()) == 2
    said = predicates(telerad, "partner")["R1"]
    assert (said["identity"]["state"], said["identity"]["reason"]) == ("retained", REASON)


def test_a_route_that_cleans_nothing_says_its_reason_too(make_house: MakeHouse) -> None:
    house = make_house(ROUTE.replace("{profile: minimal}", "none\n    reason: clinical return"))
    through(house, [instance()])
    for edition in ("partner", "site"):
        for said in predicates(house, edition).values():
            assert said["identity"]["reason"] == "clinical return"
            assert "kept" not in said["identity"]
            assert "minimisation" not in said


def test_a_rejected_study_is_said_to_be_retained(telerad: House) -> None:
    bad = instance()
    bad.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.4.2"  # a voice recording
    telerad.arrive([bad], "TELERAD")
    telerad.settle()
    telerad.process()
    (held,) = list_holds(telerad.appliance.custody)
    assert held.code == ReasonCode.STRUCTURED_CONTENT
    reject = Verdict(DecisionKind.REJECT, "jo", "root", DecisionReason.OTHER, "no voice")
    decide_hold(telerad.appliance, held.hold_id, reject)
    assert telerad.exchanges()[0].state is ExchangeState.REJECTED
    assert telerad.delivered() == {}
    assert body_of(telerad.appliance, detail(telerad)).identity.state == "retained"
