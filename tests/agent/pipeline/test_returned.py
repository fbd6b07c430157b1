"""A return route: a partner's report reaches the PACS as its own patient's, or is held."""

import json
from collections.abc import Callable
from io import BytesIO
from uuid import uuid4

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - an outside reader
from pydicom.uid import UID

from agent.custody.holds import list_holds
from agent.custody.listings import show_exchange
from agent.custody.records import HoldRecord
from agent.pipeline.decide import Verdict, decide_hold
from agent.pipeline.indexing import index
from agent.pipeline.retire import retire_due
from exchange.crosswalk.rows import Dates, PatientEntry, StudyEntry, UidEntry
from exchange.domain.codes import ReasonCode
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState, HoldState
from exchange.keys.site import rotate_domain_keys
from exchange.log.reader import LogReader
from exchange.spool.records import ArrivalContext
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House, encoded
from tests.agent.pipeline.receipts import payloads
from tests.redact.reconcile.making import item
from tests.redact.reconcile.returning import PARTNERS_UID, every_value
from tests.support.small_studies import (
    BASIC_TEXT_SR,
    EXPLICIT,
    PATIENT,
    instance_uid,
    make_instance,
    make_report,
    make_study,
    study_uid,
)

PATIENT_ID = PATIENT[2]
NAME = f"{PATIENT[0]}^{PATIENT[1]}"
ROUTE = """on_conflict: hold
  - name: back
    direction: inbound
    match: {called_ae: BACK, peer: outgoing}
    settle: {quiet_seconds: 5.0}
    deidentify: none
    reason: reports come back to the patient's record
    reidentify: {pseudonym_domain: outgoing}
    deliver: [pacs]
"""
PACS = "pacs: {folder: {path: pacs/}}"


class Returns:
    """A house with a partner: studies leave, what he makes of them comes back."""

    def __init__(self, house: House) -> None:
        self.house = house

    def send(self, study: int, change: Callable[[Dataset], object] = lambda _: None) -> list[Dataset]:
        """Out to the partner; what he has, in the order of instance numbers."""
        before = set(self.house.delivered())
        images = make_study(study)
        for one in images:
            one.AccessionNumber = "ACC-77"
            change(one)
        closed = self.house.through(images)
        assert closed.state is ExchangeState.CLOSED
        fresh = [data for name, data in self.house.delivered().items() if name not in before]
        return sorted((dcmread(BytesIO(data)) for data in fresh), key=lambda ds: ds.InstanceNumber)

    def come(self, instances: list[Dataset]) -> str:
        """Back from the partner; the exchange's id."""
        for ds in instances:
            arrival = ArrivalContext(uuid4().hex, "dimse", "BACK", "TELERAD", "outgoing", "127.0.0.1")
            spool = self.house.appliance.spool
            with spool.begin(str(ds.SOPClassUID), str(ds.SOPInstanceUID), EXPLICIT, arrival) as writer:
                writer.write(encoded(ds))
                index(self.house.appliance, [writer.commit(self.house.now)])
        self.house.settle()
        self.house.process()
        self.house.deliver()
        return self.house.exchanges()[0].exchange_id

    def pacs(self) -> list[Dataset]:
        """What the PACS has."""
        return [dcmread(path) for path in sorted((self.house.folder / "pacs").rglob("*.dcm"))]

    def held(self) -> HoldRecord:
        (one,) = list_holds(self.house.appliance.custody, HoldState.OPEN)
        return one

    def logged(self) -> list[dict[str, object]]:
        leaves = LogReader.open(self.house.appliance.folders.state / "log").leaves()
        return [json.loads(leaf) for _, leaf in leaves]


@pytest.fixture
def returns(make_house: MakeHouse) -> Returns:
    return Returns(make_house(ROUTE, peers=PACS, folders=["pacs"]))


@pytest.fixture
def quarantining(make_house: MakeHouse) -> Returns:
    route = ROUTE.replace("domain: outgoing}", "domain: outgoing, on_unknown: quarantine, on_own: leave_out}")
    return Returns(make_house(route, peers=PACS, folders=["pacs"]))


def report(received: list[Dataset], number: int = 1) -> Dataset:
    """What the partner makes of what he received: his own series, all references to ours."""
    first = received[0]
    ds = make_report(9, number)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{PARTNERS_UID}.{number}")
    ds.SeriesInstanceUID = f"{PARTNERS_UID}.9"
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "StudyTime"):
        setattr(ds, keyword, first[keyword].value)
    ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ""
    ds.ContentDate = ds.SeriesDate = "20261119"
    del ds.AcquisitionDate
    ds.PatientIdentityRemoved = "YES"
    ds.LongitudinalTemporalInformationModified = "MODIFIED"
    ds.FrameOfReferenceUID = first.FrameOfReferenceUID
    references = [
        item(ReferencedSOPClassUID=one.SOPClassUID, ReferencedSOPInstanceUID=one.SOPInstanceUID)
        for one in received
    ]
    series = item(SeriesInstanceUID=first.SeriesInstanceUID, ReferencedSOPSequence=references)
    ds.CurrentRequestedProcedureEvidenceSequence = [
        item(StudyInstanceUID=first.StudyInstanceUID, ReferencedSeriesSequence=[series])
    ]
    ds.ContentSequence[0].TextValue = f"Patient {first.PatientID}: no finding."
    return ds


def references(ds: Dataset) -> list[str]:
    (evidence,) = ds.CurrentRequestedProcedureEvidenceSequence
    assert evidence.StudyInstanceUID == ds.StudyInstanceUID
    (series,) = evidence.ReferencedSeriesSequence
    return [str(one.ReferencedSOPInstanceUID) for one in series.ReferencedSOPSequence]


def release(returns: Returns, held: HoldRecord) -> None:
    verdict = Verdict(DecisionKind.RELEASE, "jo", "root", DecisionReason.CLINICAL_URGENCY, "")
    decide_hold(returns.house.appliance, held.hold_id, verdict)
    returns.house.process()
    returns.house.deliver()


def test_a_report_comes_back_as_the_patients_own(returns: Returns) -> None:
    received = returns.send(1)
    assert received[0].PatientID != PATIENT_ID
    returns.come([report(received)])
    (ds,) = returns.pacs()
    assert (ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex) == (
        PATIENT_ID, NAME, "19510204", "F",
    )  # fmt: skip
    assert (ds.StudyInstanceUID, ds.StudyDate, ds.StudyTime, ds.AccessionNumber) == (
        study_uid(1), "20260105", "101500", "ACC-77",
    )  # fmt: skip
    assert references(ds) == [instance_uid(1, 0), instance_uid(1, 1)]
    assert ds.FrameOfReferenceUID == f"{study_uid(1)}.9"
    assert (ds.SOPInstanceUID, ds.SeriesInstanceUID) == (f"{PARTNERS_UID}.1", f"{PARTNERS_UID}.9")
    assert ds.ContentSequence[0].TextValue == f"Patient {PATIENT_ID}: no finding."
    assert (ds.ContentDate, ds.PatientIdentityRemoved) == ("20261119", "NO")
    assert "IssuerOfPatientID" not in ds
    assert list_holds(returns.house.appliance.custody) == ()


def test_the_opening_is_logged_once_and_tells_nothing(returns: Returns) -> None:
    received = returns.send(1)
    exchange_id = returns.come([report(received)])
    (opened,) = [one for one in returns.logged() if one["kind"] == "crosswalk.open"]
    assert opened["obj"] == {
        "domain": "outgoing", "route": "back", "exchange": exchange_id,
        "asked": 6, "patients": 1, "uids": 5,
    }  # fmt: skip
    text = json.dumps(returns.logged())
    assert str(received[0].PatientID) not in text
    assert PATIENT_ID not in text


def test_the_receipts_say_reidentified_and_hold_no_original(returns: Returns) -> None:
    received = returns.send(1)
    exchange_id = returns.come([report(received), report(received, 2)])
    partner, site = (payloads(returns.house, exchange_id, one) for one in ("partner", "site"))
    assert {slot: group["id"]["stage"] for slot, group in partner.items()} == {  # type: ignore[index]
        "R1": "reidentified", "R2": "forwarded", "R3": "closed",
    }  # fmt: skip
    for group in (*partner.values(), *site.values()):
        assert group["identity"]["state"] == "reidentified"  # type: ignore[index]
        facts = group["reidentification"]
        assert isinstance(facts, dict)
        assert (facts["domain"], facts["header"], facts["instances"]) == ("outgoing", "original", 2)
        assert facts["uids"] == 12
        assert group["study"]["studyInstanceUID"] == str(received[0].StudyInstanceUID)  # type: ignore[index]
    text = json.dumps(partner)
    originals = (*PATIENT, study_uid(1), "ACC-77", "20260105")
    assert [one for one in originals if one in text] == []
    assert site["R1"]["study"]["restoredStudyInstanceUID"] == study_uid(1)  # type: ignore[index]


def test_one_reference_joins_what_left_and_what_came_back(returns: Returns) -> None:
    received = returns.send(1)
    left = returns.house.exchanges()[0].exchange_id
    back = returns.come([report(received)])
    references = {
        payloads(returns.house, one)["R1"]["study"]["sourceRef"]  # type: ignore[index]
        for one in (left, back)
    }
    assert len(references) == 1


def test_a_strangers_study_is_held_and_may_be_quarantined_by_a_person(returns: Returns) -> None:
    returns.send(1)
    returns.come([make_report(5)])
    held = returns.held()
    assert (held.code, held.path) == (ReasonCode.REIDENTIFY, "(0010,0020)")
    assert returns.pacs() == []
    release(returns, held)
    (ds,) = returns.pacs()
    assert (ds.PatientID, ds.IssuerOfPatientID) == (f"back-{PATIENT_ID}", "outgoing")
    assert returns.held().code == ReasonCode.RECONCILE


def test_a_strangers_study_is_quarantined_where_the_route_says_so(quarantining: Returns) -> None:
    quarantining.send(1)
    exchange_id = quarantining.come([make_report(5)])
    (ds,) = quarantining.pacs()
    assert (ds.PatientID, ds.IssuerOfPatientID) == (f"back-{PATIENT_ID}", "outgoing")
    said = payloads(quarantining.house, exchange_id)["R1"]
    assert said["id"]["stage"] == "quarantined"  # type: ignore[index]
    assert said["reconciliation"]["reason"] == "its patient is unknown in the pseudonym domain"  # type: ignore[index]
    denied = [one for one in quarantining.logged() if one["kind"] == "crosswalk.denied"]
    assert [one["obj"]["code"] for one in denied] == ["unknown"]  # type: ignore[index]


def other_patient(ds: Dataset) -> None:
    ds.PatientID, ds.PatientName = "OTHER-1", "Else^Somebody"


def as_of(ds: Dataset, other: Dataset) -> Dataset:
    """The same object, said to be of another patient throughout."""
    text = ds.ContentSequence[0]
    text.TextValue = str(text.TextValue).replace(str(ds.PatientID), str(other.PatientID))
    ds.PatientID, ds.PatientName = other.PatientID, other.PatientName
    return ds


Mix = Callable[[list[Dataset], list[Dataset]], list[Dataset]]
DIFFERENT, STUDY = "belong to different patients", "a study in it is "
MIXED: dict[str, tuple[Mix, str]] = {
    "two patients": (lambda mine, others: [report(mine), as_of(report(mine, 2), others[0])], DIFFERENT),
    "a patient and a stranger": (
        lambda mine, _: [report(mine), as_of(report(mine, 2), make_instance(3))],
        DIFFERENT,
    ),
    "another patient's study": (lambda mine, others: [as_of(report(mine), others[0])], STUDY),
    "another patient's study among the references": (
        lambda mine, others: [mixed_references(mine, others)],
        STUDY,
    ),
    "another patient's name in the text": (
        lambda mine, others: [mixed_text(mine, others)],
        "it names another patient",
    ),
}


def mixed_references(mine: list[Dataset], others: list[Dataset]) -> Dataset:
    ds = report(mine)
    ds.CurrentRequestedProcedureEvidenceSequence.extend(
        report(others).CurrentRequestedProcedureEvidenceSequence
    )
    return ds


def mixed_text(mine: list[Dataset], others: list[Dataset]) -> Dataset:
    ds = report(mine)
    ds.ContentSequence[0].TextValue = f"Compared with {others[0].PatientID}."
    return ds


@pytest.mark.parametrize("case", MIXED)
@pytest.mark.parametrize("retired", [False, True])
def test_what_contradicts_itself_is_held_whatever_the_route_says(
    quarantining: Returns, case: str, retired: bool
) -> None:
    mine, others = quarantining.send(1), quarantining.send(2, other_patient)
    if retired:
        quarantining.house.wait(days=31)
        assert retire_due(quarantining.house.appliance) == 4
    mix, why = MIXED[case]
    quarantining.come(mix(mine, others))
    held = quarantining.held()
    assert held.code == ReasonCode.REIDENTIFY
    assert why in held.detail
    assert quarantining.pacs() == []
    assert not [one for one in (*PATIENT, "OTHER-1", str(mine[0].PatientID)) if one in held.detail]
    release(quarantining, held)
    assert all(str(ds.PatientID).startswith("back-") for ds in quarantining.pacs())


def test_after_retention_ids_and_dates_are_restored(returns: Returns) -> None:
    received = returns.send(1)
    returns.house.wait(days=31)
    assert retire_due(returns.house.appliance) == 2
    exchange_id = returns.come([report(received)])
    (ds,) = returns.pacs()
    assert (ds.PatientID, ds.StudyInstanceUID) == (PATIENT_ID, study_uid(1))
    assert references(ds) == [instance_uid(1, 0), instance_uid(1, 1)]
    assert (ds.StudyDate, ds.StudyTime) == ("20260105", "101500")
    for keyword in ("PatientName", "PatientBirthDate", "AccessionNumber"):
        assert ds[keyword].is_empty
    facts = payloads(returns.house, exchange_id)["R1"]["reidentification"]
    assert facts["header"] == "ids-only"  # type: ignore[index]


def test_after_a_rotation_of_the_keys_it_still_comes_home(returns: Returns) -> None:
    received = returns.send(1)
    appliance = returns.house.appliance
    appliance.domain_keys = rotate_domain_keys(appliance.configuration.site.keys)
    returns.house.wait(days=31)
    retire_due(returns.house.appliance)
    newcomer = returns.send(2, other_patient)
    returns.come([report(received)])
    returns.come([report(newcomer, 2)])
    back = {str(ds.PatientID): ds for ds in returns.pacs()}
    assert back[PATIENT_ID].StudyDate == back["OTHER-1"].StudyDate == "20260105"
    assert references(back["OTHER-1"]) == [instance_uid(2, 0), instance_uid(2, 1)]
    assert references(back[PATIENT_ID]) == [instance_uid(1, 0), instance_uid(1, 1)]


def test_an_issuer_comes_back_as_it_was(returns: Returns) -> None:
    received = returns.send(1, lambda ds: setattr(ds, "IssuerOfPatientID", "HOSPITAL-B"))
    returns.come([report(received)])
    (ds,) = returns.pacs()
    assert (ds.PatientID, ds.IssuerOfPatientID) == (PATIENT_ID, "HOSPITAL-B")


def test_our_own_images_are_not_taken_back_over_their_originals(returns: Returns) -> None:
    received = returns.send(1)
    returns.come([*received, report(received)])
    held = returns.held()
    assert (held.code, held.path) == (ReasonCode.REIDENTIFY, "(0008,0018)")
    assert returns.pacs() == []


def test_our_own_images_may_be_left_out(quarantining: Returns) -> None:
    received = quarantining.send(1)
    exchange_id = quarantining.come([*received, report(received)])
    (ds,) = quarantining.pacs()
    assert (ds.SOPClassUID, ds.PatientID) == (BASIC_TEXT_SR, PATIENT_ID)
    said = payloads(quarantining.house, exchange_id)["R3"]
    assert said["reidentification"]["leftOut"] == 2  # type: ignore[index]
    assert said["completeness"]["missing"] == 2  # type: ignore[index]
    assert "reidentify.own-instances" in {one["id"] for one in said["checks"]}  # type: ignore[attr-defined]
    quarantining.come([dcmread(BytesIO(data)) for data in quarantining.house.delivered().values()])
    assert quarantining.held().path == "(0008,0018)"  # nothing but ours: there is nothing to deliver


def test_a_late_report_joins_as_the_first_did(returns: Returns) -> None:
    received = returns.send(1)
    first = returns.come([report(received)])
    before = returns.pacs()[0]
    returns.house.wait(hours=3)
    second = returns.come([report(received), report(received, 2)])
    assert show_exchange(returns.house.appliance.custody, second).exchange.follows == first
    assert {str(ds.PatientID) for ds in returns.pacs()} == {PATIENT_ID}
    assert before in returns.pacs()
    facts = payloads(returns.house, second)["R1"]["reidentification"]
    assert facts["instances"] == 2  # type: ignore[index]


def test_a_late_instance_of_a_quarantined_study_stays_with_it(quarantining: Returns) -> None:
    received = quarantining.send(1)
    stranger = as_of(report(received), make_instance(3))
    quarantining.come([stranger])
    quarantining.house.wait(hours=3)
    quarantining.come([report(received, 2)])
    assert len(quarantining.pacs()) == 2
    assert all(str(ds.PatientID).startswith("back-") for ds in quarantining.pacs())


def test_a_late_instance_of_another_patient_is_held(returns: Returns) -> None:
    mine, others = returns.send(1), returns.send(2, other_patient)
    returns.come([report(mine)])
    returns.house.wait(hours=3)
    late = as_of(report(mine, 2), others[0])
    returns.come([late])
    assert returns.held().code in {ReasonCode.POLICY, ReasonCode.REIDENTIFY}
    assert len(returns.pacs()) == 1


def test_a_study_of_the_partners_own_belongs_to_the_patient(returns: Returns) -> None:
    received = returns.send(1)
    ds = report(received)
    ds.StudyInstanceUID, ds.StudyDate, ds.AccessionNumber = f"{PARTNERS_UID}.8", "20261119", "THEIRS-1"
    returns.come([ds])
    (back,) = returns.pacs()
    assert (back.PatientID, back.PatientName) == (PATIENT_ID, NAME)
    assert (back.StudyInstanceUID, back.StudyDate) == (f"{PARTNERS_UID}.8", "20261119")
    assert back["AccessionNumber"].is_empty
    (evidence,) = back.CurrentRequestedProcedureEvidenceSequence
    assert evidence.StudyInstanceUID == study_uid(1)


def test_a_study_that_an_older_version_sent_needs_its_original(returns: Returns) -> None:
    """Version 0.2 did not remember whose study it was: while the original is here, it says so."""
    received = returns.send(1)
    forget_links(returns)
    returns.come([report(received)])
    (ds,) = returns.pacs()
    assert ds.PatientID == PATIENT_ID
    returns.house.wait(days=31)
    retire_due(returns.house.appliance)
    returns.come([report(received, 2)])
    assert returns.held().path == "(0020,000D)"


def forget_links(returns: Returns) -> None:
    """Take the rows away that say whose study it is, as an older version wrote none."""
    file = returns.house.appliance.crosswalk._file
    received = [dcmread(BytesIO(data)) for data in returns.house.delivered().values()]
    with file.transaction() as connection:
        for ds in received:
            for dates in Dates:
                entry = StudyEntry(str(ds.StudyInstanceUID), str(ds.PatientID), dates)
                row = file.sealer.pseudonym_index("outgoing", entry)
                connection.execute("DELETE FROM rows WHERE by_pseudonym = ?", (row,))


def test_a_pseudonym_that_becomes_another_one_is_held(returns: Returns) -> None:
    """What left twice, the second time under a UID that it had come back with: only the crosswalk knows."""
    received, others = returns.send(1), returns.send(2, other_patient)
    chained = UidEntry(str(others[0].SOPInstanceUID), "2.25.424242")
    returns.house.appliance.crosswalk.remember("outgoing", [chained])
    ds = report(received)
    ds.ContentSequence[0].TextValue = "see 2.25.424242"
    returns.come([ds])
    held = returns.held()
    assert (held.code, held.path) == (ReasonCode.REIDENTIFY, "(0040,A730)[0].(0040,A160)")
    assert "a pseudonym is left" in held.detail
    assert returns.pacs() == []


def test_a_crosswalk_that_the_keys_do_not_confirm_is_not_believed(returns: Returns) -> None:
    received = returns.send(1)
    forged = PatientEntry("general-hospital", "OTHER-1", "LG0123456789ABCDEF")
    returns.house.appliance.crosswalk.remember("outgoing", [forged])
    ds = report(received)
    ds.PatientID = ds.PatientName = forged.pseudonym
    ds.ContentSequence[0].TextValue = "No finding."
    returns.come([ds])
    assert "the crosswalk and the domain's key disagree" in returns.held().detail


def test_no_byte_of_it_lies_in_clear_on_the_disk(returns: Returns) -> None:
    received = returns.send(1)
    (returns.house.folder / "pacs").rmdir()  # the PACS is away, so everything is kept
    returns.come([report(received)])
    files = [one for one in returns.house.appliance.folders.state.rglob("*") if one.is_file()]
    assert any(one.suffix == ".sealed" for one in files)
    words = [planted.encode() for planted in PATIENT]
    assert [one.name for one in files if any(word in one.read_bytes() for word in words)] == []


def test_every_value_of_the_object_is_told(returns: Returns) -> None:
    """No pseudonym that was sent stands in what the PACS gets, the record of earlier values apart."""
    received = returns.send(1)
    returns.come([report(received)])
    (ds,) = returns.pacs()
    sent = {
        str(one[key].value) for one in received for key in ("PatientID", "StudyInstanceUID", "SOPInstanceUID")
    }
    assert [value for _, value in every_value(ds) if any(one in value for one in sent)] == []


def test_the_way_back_does_not_take_what_it_was_not_sent(make_house: MakeHouse) -> None:
    """A route whose domain is another one resolves nothing."""
    route = ROUTE.replace("domain: outgoing}", "domain: another, no_longer_routed: true}")
    returns = Returns(make_house(route, peers=PACS, folders=["pacs"]))
    received = returns.send(1)
    returns.come([report(received)])
    assert returns.held().code == ReasonCode.REIDENTIFY
    assert returns.pacs() == []
