"""IAN, MPPS and storage commitment reports: durable before they are answered, refused with a reason."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pynetdicom import AE, build_context, build_role
from structlog.testing import capture_logs

from exchange.domain.errors import CustodyError
from exchange.domain.notices import DuplicateNoticeError, NoticeKind, UnknownNoticeError
from exchange.intake.dicom import DicomIntake
from exchange.intake.listener import DicomListener
from exchange.intake.notices import COMMITMENT, INSTANCE_AVAILABILITY, MPPS, MPPS_NOTIFICATION
from exchange.intake.services import NOTICE_BYTES
from tests.support.asking import only_asks
from tests.support.intake_house import CT, House
from tests.support.ports import HOST

STUDY, STEP = "1.2.826.0.1.1", "1.2.826.0.1.99"
ALL = [INSTANCE_AVAILABILITY, MPPS, MPPS_NOTIFICATION, COMMITMENT]
REPORTER = build_role(COMMITMENT, scp_role=True)
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


@contextmanager
def associated(house: House, syntax: str = IMPLICIT, **more: Any) -> Iterator[Any]:
    ae = AE("RIS")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    contexts = [build_context(uid, syntax) for uid in ALL]
    assoc = only_asks(ae.associate(HOST, house.port, contexts, "TELERAD", ext_neg=[REPORTER], **more))
    assert assoc.is_established
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


def made(**values: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, Sequence(value) if keyword.endswith("Sequence") else value)
    return ds


def reference(uid: str, **more: Any) -> Dataset:
    return made(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid, **more)


def availability(*uids: str, study: str | None = STUDY) -> Dataset:
    references = [reference(uid, InstanceAvailability="ONLINE", RetrieveAETitle="PACS") for uid in uids]
    series = made(SeriesInstanceUID="1.2.3", ReferencedSOPSequence=references)
    ds = made(ReferencedPerformedProcedureStepSequence=[], ReferencedSeriesSequence=[series])
    if study is not None:
        ds.StudyInstanceUID = study
    return ds


def step(status: str = "IN PROGRESS", *uids: str, study: str | None = STUDY) -> Dataset:
    scheduled = made(AccessionNumber="SECRET-ACCESSION")
    if study is not None:
        scheduled.StudyInstanceUID = study
    ds = made(PatientName="SECRET^NAME", ScheduledStepAttributesSequence=[scheduled])
    ds.PerformedProcedureStepStatus = status
    ds.PerformedSeriesSequence = Sequence([])
    if uids:
        images, others = [reference(uid) for uid in uids[:-1]], [reference(uids[-1])]
        ds.PerformedSeriesSequence = Sequence(
            [
                made(
                    SeriesInstanceUID="1.2.3",
                    ReferencedImageSequence=images,
                    ReferencedNonImageCompositeSOPInstanceSequence=others,
                )
            ]
        )
    return ds


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_an_availability_notice(house: House, syntax: str) -> None:
    ds = availability("1.2.4", "1.2.5", "1.2.4")
    ds.ReferencedSeriesSequence[0].ReferencedSOPSequence.append(
        reference("1.2.6", InstanceAvailability="UNAVAILABLE")
    )
    with associated(house, syntax) as assoc:
        status, _ = assoc.send_n_create(ds, INSTANCE_AVAILABILITY, "1.2.99")
        assert status.Status == 0
        (notice,) = house.told.notices
    assert (notice.kind, notice.notice_id, notice.status) == (NoticeKind.IAN, "1.2.99", "")
    assert (notice.study_instance_uid, notice.sop_instance_uids) == (STUDY, ("1.2.4", "1.2.5"))
    assert (notice.called_ae, notice.calling_ae, notice.peer) == ("TELERAD", "RIS", "peer-ris")
    assert notice.received_at.tzinfo is not None


def test_a_notice_without_a_name_gets_one(house: House) -> None:
    with associated(house) as assoc:
        status, _ = assoc.send_n_create(availability("1.2.4"), INSTANCE_AVAILABILITY, None)
        assert status.Status == 0
    assert house.told.notices[0].notice_id.startswith("2.25.")


def test_a_performed_step_from_start_to_end(house: House) -> None:
    end = step("COMPLETED", "1.2.4", "1.2.5", "1.2.6")
    del end.ScheduledStepAttributesSequence
    with associated(house) as assoc, capture_logs() as logs:
        status, _ = assoc.send_n_create(step(), MPPS, STEP)
        assert status.Status == 0
        status, _ = assoc.send_n_set(end, MPPS, STEP)
        assert status.Status == 0
    begun, ended = house.told.notices
    assert {begun.notice_id, ended.notice_id} == {STEP}
    assert (begun.kind, begun.status, begun.study_instance_uid) == (NoticeKind.MPPS, "IN PROGRESS", STUDY)
    assert (ended.status, ended.study_instance_uid) == ("COMPLETED", "")
    assert ended.sop_instance_uids == ("1.2.4", "1.2.5", "1.2.6")
    assert "SECRET" not in str(logs)


def test_a_step_may_be_updated_without_its_state(house: House) -> None:
    with associated(house) as assoc:
        status, _ = assoc.send_n_set(made(PerformedProcedureStepDescription="x"), MPPS, STEP)
        assert status.Status == 0
    (notice,) = house.told.notices
    assert (notice.status, notice.sop_instance_uids) == ("", ())


REFUSED: dict[str, tuple[Callable[[], Dataset], str, int]] = {
    "IAN without study": (lambda: availability("1.2.4", study=None), INSTANCE_AVAILABILITY, 0x0120),
    "IAN with an empty study": (lambda: availability("1.2.4", study=""), INSTANCE_AVAILABILITY, 0x0121),
    "IAN with a study that is none": (lambda: availability(study="SECRET"), INSTANCE_AVAILABILITY, 0x0106),
    "IAN without series": (lambda: made(StudyInstanceUID=STUDY), INSTANCE_AVAILABILITY, 0x0120),
    "IAN with no UID": (lambda: availability("SECRET^NAME"), INSTANCE_AVAILABILITY, 0x0106),
    "MPPS without status": (lambda: made(ScheduledStepAttributesSequence=[]), MPPS, 0x0120),
    "MPPS in a state that is none": (lambda: step("SECRET"), MPPS, 0x0106),
    "MPPS without scheduled steps": (lambda: made(PerformedProcedureStepStatus="COMPLETED"), MPPS, 0x0120),
    "MPPS without study": (lambda: step(study=None), MPPS, 0x0120),
}


@pytest.mark.parametrize("name", REFUSED)
def test_notices_that_cannot_be_used(house: House, name: str) -> None:
    make, sop_class, expected = REFUSED[name]
    with associated(house) as assoc, capture_logs() as logs:
        status, _ = assoc.send_n_create(make(), sop_class, "1.2.99")
        assert status.Status == expected
        assert "SECRET" not in str(status)
        assert assoc.send_n_create(availability("1.2.4"), INSTANCE_AVAILABILITY, "1.2.98")[0].Status == 0
    assert [notice.notice_id for notice in house.told.notices] == ["1.2.98"]
    assert "SECRET" not in str(logs)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (CustodyError("cannot write"), 0x0110),
        (RuntimeError("SECRET"), 0x0110),
        (UnknownNoticeError("cannot update: unknown"), 0x0112),
        (DuplicateNoticeError("cannot create: it is there"), 0x0111),
    ],
)
def test_what_was_not_made_durable_is_not_a_success(house: House, failure: Exception, expected: int) -> None:
    house.told.failure = failure
    with associated(house) as assoc, capture_logs() as logs:
        status, _ = assoc.send_n_set(step("COMPLETED"), MPPS, STEP)
        assert status.Status == expected
        status, _ = assoc.send_n_event_report(report(), 1, COMMITMENT, "1.2.840.10008.1.20.1.1")
        assert status.Status == expected
        house.told.failure = None
        assert assoc.send_n_set(step("COMPLETED"), MPPS, STEP)[0].Status == 0
    assert len(house.told.notices) == 1
    assert "SECRET" not in str(logs)


def report(*committed: str, failed: tuple[str, ...] = ()) -> Dataset:
    ds = made(TransactionUID="1.2.77", ReferencedSOPSequence=[reference(uid) for uid in committed])
    if failed:
        ds.FailedSOPSequence = Sequence([reference(uid, FailureReason=0x0112) for uid in failed])
    return ds


def test_a_commitment_report(house: House) -> None:
    with associated(house) as assoc:
        status, _ = assoc.send_n_event_report(
            report("1.2.4", failed=("1.2.5",)), 2, COMMITMENT, "1.2.840.10008.1.20.1.1"
        )
        assert status.Status == 0
    (found,) = house.told.commitments
    assert (found.transaction_uid, found.committed, found.failed) == ("1.2.77", ("1.2.4",), {"1.2.5": 0x0112})
    assert found.peer_address == HOST


def test_commitment_reports_that_cannot_be_used(house: House) -> None:
    instance = "1.2.840.10008.1.20.1.1"
    with associated(house) as assoc, capture_logs():
        assert assoc.send_n_event_report(report("1.2.4"), 3, COMMITMENT, instance)[0].Status == 0x0113
        nameless = report("1.2.4")
        del nameless.TransactionUID
        assert assoc.send_n_event_report(nameless, 1, COMMITMENT, instance)[0].Status == 0x0115
        assert assoc.send_n_event_report(report("SECRET"), 1, COMMITMENT, instance)[0].Status == 0x0115
    assert house.told.commitments == []


def test_a_step_notification_is_let_pass(house: House) -> None:
    with associated(house) as assoc:
        status, _ = assoc.send_n_event_report(None, 2, MPPS_NOTIFICATION, STEP)
        assert status.Status == 0
    assert house.told.notices == []


def test_operations_of_these_services_that_are_not_ours(house: House) -> None:
    with associated(house) as assoc, capture_logs():
        assert assoc.send_n_set(step(), INSTANCE_AVAILABILITY, STEP)[0].Status == 0x0211
        assert assoc.send_n_get([0x00081030], MPPS, STEP)[0].Status == 0x0211
        assert assoc.send_n_delete(MPPS, STEP).Status == 0x0211


def test_a_notice_too_large_is_read_and_refused(house: House) -> None:
    ds = availability("1.2.4")
    ds.PixelData = bytes(NOTICE_BYTES)
    ds["PixelData"].VR = "OW"
    with associated(house) as assoc:
        assert assoc.send_n_create(ds, INSTANCE_AVAILABILITY, "1.2.99")[0].Status == 0x0213
        assert assoc.send_n_create(availability("1.2.4"), INSTANCE_AVAILABILITY, "1.2.98")[0].Status == 0


def test_deep_nesting_is_refused(house: House) -> None:
    with associated(house) as assoc, capture_logs():
        deep: Dataset = made(StudyInstanceUID=STUDY)
        for _ in range(30):
            deep = made(ReferencedSeriesSequence=[deep])
        assert assoc.send_n_create(deep, INSTANCE_AVAILABILITY, "1.2.99")[0].Status == 0x0110


def test_nobody_to_tell_means_not_offered(house: House) -> None:
    intake = DicomIntake(
        [DicomListener(HOST, 0, frozenset({"TELERAD"}))],
        house.spool,
        house.intake._services._clock,
        lambda *_: "",
        house.told.arrival,
    )
    intake.start()
    assoc = AE("RIS").associate(
        HOST, intake.ports[0], [build_context(uid) for uid in [*ALL, CT]], "TELERAD", ext_neg=[REPORTER]
    )
    assert [context.abstract_syntax for context in assoc.accepted_contexts] == [CT]
    assoc.release()
    intake.stop(1.0)
