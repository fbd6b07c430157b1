"""Inbound: a partner's study reaches the PACS under its quarantine identity, with a task for a person."""

import json
from io import BytesIO
from uuid import uuid4

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - an outside reader

from agent.custody.holds import list_holds
from agent.custody.listings import show_exchange
from agent.custody.records import HoldRecord
from agent.pipeline.decide import Verdict, cancel_exchange, decide_hold
from agent.pipeline.indexing import index
from agent.pipeline.retire import retire_due
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, DecisionReason, Direction, ExchangeState, HoldState
from exchange.spool.records import ArrivalContext
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House, encoded
from tests.agent.pipeline.receipts import payloads
from tests.support.small_studies import EXPLICIT, PATIENT, make_instance, make_report, make_study

_PATIENT_ID = PATIENT[2]

INBOUND = """on_conflict: hold
  - name: from-telerad
    direction: inbound
    match: {called_ae: INBOX, calling_ae: PACS}
    settle: {quiet_seconds: 5.0}
    deidentify: none
    reason: clinical return to the patient's record
    deliver: [outgoing]
"""


@pytest.fixture
def inbox(make_house: MakeHouse) -> House:
    return make_house(INBOUND)


def through(house: House, instances: list[Dataset]) -> str:
    house.arrive(instances, "INBOX")
    house.settle()
    house.process()
    house.deliver()
    return house.exchanges()[0].exchange_id


def from_partner(study: int, number: int = 0) -> Dataset:
    ds = make_instance(study, number)
    ds.AccessionNumber = "A-77"
    ds.OtherPatientIDs = "OTHER-1"
    return ds


def delivered(house: House) -> list[Dataset]:
    return [dcmread(BytesIO(data)) for data in house.delivered().values()]


def task_of(house: House, exchange_id: str) -> HoldRecord:
    (held,) = list_holds(house.appliance.custody, HoldState.OPEN, exchange_id)
    return held


def done(by: str = "jo", kind: DecisionKind = DecisionKind.RELEASE) -> Verdict:
    return Verdict(kind, by, "root", DecisionReason.RECONCILED, "in my words")


def test_the_study_is_delivered_under_the_quarantine_identity(inbox: House) -> None:
    original = from_partner(1)
    exchange_id = through(inbox, [original, from_partner(1, 1)])
    one = inbox.exchanges()[0]
    assert (one.direction, one.state) == (Direction.INBOUND, ExchangeState.CLOSED)
    assert one.exchange_id == exchange_id
    got = delivered(inbox)
    assert len(got) == 2
    for ds in got:
        assert ds.PatientID == f"from-telerad-{_PATIENT_ID}"
        assert ds.IssuerOfPatientID == "PACS"
        assert ds.AccessionNumber == ""
        assert "OtherPatientIDs" not in ds
        assert ds.PatientName == original.PatientName
        (item,) = ds.OriginalAttributesSequence
        (before,) = item.ModifiedAttributesSequence
        assert (before.PatientID, before.AccessionNumber) == (_PATIENT_ID, "A-77")
        assert item.ModifyingSystem == "lockgate edge-01"
    pixels = {ds.SOPInstanceUID: ds.PixelData for ds in got}
    assert pixels[original.SOPInstanceUID] == original.PixelData


def test_a_standing_hold_waits_for_the_person_who_reconciles(inbox: House) -> None:
    exchange_id = through(inbox, [from_partner(1)])
    held = task_of(inbox, exchange_id)
    assert (held.code, held.stage) == (ReasonCode.RECONCILE, "reconcile")
    assert "from-telerad-" in held.detail
    assert not any(planted in held.detail for planted in PATIENT)
    with pytest.raises(CustodyError, match="it stops nothing"):
        decide_hold(inbox.appliance, held.hold_id, done(kind=DecisionKind.REJECT))
    assert task_of(inbox, exchange_id).state is HoldState.OPEN
    assert decide_hold(inbox.appliance, held.hold_id, done()).state is ExchangeState.CLOSED
    assert list_holds(inbox.appliance.custody) == ()
    with pytest.raises(CustodyError, match="decided already"):
        decide_hold(inbox.appliance, held.hold_id, done())


def test_the_receipts_say_quarantined_and_what_did_not_run(inbox: House) -> None:
    said = payloads(inbox, through(inbox, [from_partner(1), from_partner(1, 1)]))
    assert {slot: group["id"]["stage"] for slot, group in said.items()} == {  # type: ignore[index]
        "R1": "quarantined",
        "R2": "forwarded",
        "R3": "closed",
    }
    for group in said.values():
        facts = group["reconciliation"]
        assert isinstance(facts, dict)
        assert (facts["identity"], facts["issuer"], facts["task"]) == ("quarantined", "PACS", "open")
        assert (facts["patientMatch"], facts["instances"], facts["replaced"]) == ("none", 2, 4)
        assert {one["stage"] for one in facts["notRun"]} == {"open", "priors", "judge", "notify"}
        assert group["identity"]["state"] == "retained"  # type: ignore[index]
        text = json.dumps(group)
        assert not any(planted in text for planted in (*PATIENT, "A-77", "OTHER-1"))


def test_a_task_that_is_done_before_the_end_stands_on_the_last_receipt(inbox: House) -> None:
    inbox.arrive([from_partner(1)], "INBOX")
    inbox.settle()
    inbox.process()
    exchange_id = inbox.exchanges()[0].exchange_id
    decide_hold(inbox.appliance, task_of(inbox, exchange_id).hold_id, done())
    assert inbox.exchanges()[0].state is ExchangeState.DELIVERING
    inbox.deliver()
    said = payloads(inbox, exchange_id)
    assert said["R1"]["reconciliation"]["task"] == "open"  # type: ignore[index]
    assert said["R3"]["reconciliation"]["task"] == "decided"  # type: ignore[index]
    assert said["R3"]["review"][0]["meaning"] == "reconciled"  # type: ignore[index]
    assert said["R3"]["policy"]["decision"] == "pass"  # type: ignore[index]


def test_images_are_kept_until_the_task_is_done(inbox: House) -> None:
    exchange_id = through(inbox, [from_partner(1)])
    inbox.wait(days=100)
    assert retire_due(inbox.appliance) == 0
    decide_hold(inbox.appliance, task_of(inbox, exchange_id).hold_id, done())
    assert retire_due(inbox.appliance) == 1
    assert inbox.exchanges()[0].state is ExchangeState.RETIRED


def test_a_late_instance_joins_under_the_same_identity_and_what_went_goes_as_it_was(inbox: House) -> None:
    first = through(inbox, [from_partner(1)])
    before = inbox.delivered()
    inbox.wait(hours=3)
    second = through(inbox, [from_partner(1), from_partner(1, 1)])
    assert show_exchange(inbox.appliance.custody, second).exchange.follows == first
    after = inbox.delivered()
    assert len(after) == 2
    assert {name: after[name] for name in before} == before
    assert {ds.PatientID for ds in delivered(inbox)} == {f"from-telerad-{_PATIENT_ID}"}
    assert task_of(inbox, second).code == ReasonCode.RECONCILE


def test_a_report_gets_the_same_treatment(inbox: House) -> None:
    through(inbox, [make_report(1)])
    (ds,) = delivered(inbox)
    assert ds.PatientID == f"from-telerad-{_PATIENT_ID}"
    assert ds.ContentSequence[0].TextValue == "No finding."


def test_a_doubtful_study_is_not_kept_from_the_pacs(inbox: House) -> None:
    """Two people in one study: outbound that blocks; inbound it is told, and the person has a task anyway."""
    other = from_partner(1, 1)
    other.PatientID, other.PatientName = "SOMEBODY-ELSE", "Else^Somebody"
    exchange_id = through(inbox, [from_partner(1), other])
    assert {ds.PatientID for ds in delivered(inbox)} == {
        f"from-telerad-{_PATIENT_ID}",
        "from-telerad-SOMEBODY-ELSE",
    }
    findings = {one.finding_id for one in show_exchange(inbox.appliance.custody, exchange_id).findings}
    assert any(one.startswith("identity.") for one in findings)


def test_an_issuer_that_some_instances_leave_out_does_not_split_the_patient(inbox: House) -> None:
    told = from_partner(1)
    told.IssuerOfPatientID = "HOSPITAL-B"
    through(inbox, [told, from_partner(1, 1)])
    (patient_id,) = {ds.PatientID for ds in delivered(inbox)}
    assert patient_id.startswith(f"from-telerad-{_PATIENT_ID}~")


def test_what_cannot_be_shown_is_held_and_cannot_be_released(inbox: House) -> None:
    """One element without a VR among others that have one: tolerant readers go on, the check does not."""
    odd = from_partner(1)
    odd.add_new(0x00410010, "LO", "LGTEST")
    odd.add_new(0x00411001, "LO", "X1")
    raw = encoded(odd).replace(b"\x41\x00\x01\x10LO\x02\x00X1", b"\x41\x00\x01\x10\x02\x00\x00\x00X1")
    arrival = ArrivalContext(uuid4().hex, "dimse", "INBOX", "PACS", "", "127.0.0.1")
    spool = inbox.appliance.spool
    with spool.begin(str(odd.SOPClassUID), str(odd.SOPInstanceUID), EXPLICIT, arrival) as writer:
        writer.write(raw)
        index(inbox.appliance, [writer.commit(inbox.now)])
    inbox.settle()
    assert inbox.process() == ["held"]
    (held,) = list_holds(inbox.appliance.custody)
    assert held.code == ReasonCode.QUARANTINE
    with pytest.raises(CustodyError, match="no cleaned bytes"):
        decide_hold(inbox.appliance, held.hold_id, done("sam"))
    assert inbox.delivered() == {}
    assert not list(inbox.appliance.folders.frozen.rglob("*.*"))


def test_no_byte_of_it_lies_in_clear_on_the_disk(inbox: House) -> None:
    (inbox.folder / "outgoing").rmdir()  # the PACS is away, so everything is kept
    through(inbox, [from_partner(1)])
    files = [one for one in inbox.appliance.folders.state.rglob("*") if one.is_file()]
    assert any(one.suffix == ".sealed" for one in files)
    words = [planted.encode() for planted in PATIENT]
    assert [one.name for one in files if any(word in one.read_bytes() for word in words)] == []


def test_a_cancelled_delivery_leaves_the_task_to_be_closed_by_a_person(inbox: House) -> None:
    (inbox.folder / "outgoing").rmdir()  # the PACS is away
    exchange_id = through(inbox, [from_partner(1)])
    assert inbox.exchanges()[0].state is ExchangeState.DELIVERING
    cancel_exchange(inbox.appliance, exchange_id, done("sam", DecisionKind.REJECT))
    assert inbox.exchanges()[0].state is ExchangeState.CLOSED
    decide_hold(inbox.appliance, task_of(inbox, exchange_id).hold_id, done("sam"))


def test_outbound_studies_have_no_such_task(inbox: House) -> None:
    inbox.through(make_study(2))
    assert list_holds(inbox.appliance.custody, None) == ()
