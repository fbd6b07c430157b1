"""Storage commitment as its user: what is asked, and every way in which a peer answers."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from exchange.dimse.commitment import encode_request, new_transaction_uid, read_report, request_commitment
from exchange.dimse.peer import DicomPeer, Timeouts
from exchange.domain.delivery import CommitmentAnswer
from exchange.domain.errors import CustodyError, InputError
from exchange.domain.notices import CommitmentReport
from exchange.domain.uid import is_uid
from tests.support.committing_scp import CommittingScp, Report, Request, commit_all, say_nothing
from tests.support.ports import HOST, free_port
from tests.support.scripted_scp import CT, ScriptedScp

INSTANCES = [(CT, "2.25.1"), (CT, "2.25.2"), (CT, "2.25.3")]
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def peer(port: int) -> DicomPeer:
    return DicomPeer("COMMITTER", HOST, port, timeouts=Timeouts(2, 2, 2, 2))


def ask(port: int, wait: float = 5.0) -> tuple[CommitmentAnswer, list[CommitmentReport]]:
    reports: list[CommitmentReport] = []
    answer = request_commitment(peer(port), "2.25.77", INSTANCES, reports.append, wait)
    return answer, reports


def encoded(ds: Dataset, *, implicit: bool = True) -> bytes:
    raw = BytesIO()
    buffer = DicomIO(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, True
    write_dataset(buffer, ds)
    return raw.getvalue()


def test_the_peer_reads_what_was_asked_and_its_report_is_answered() -> None:
    with CommittingScp() as scp:
        answer, reports = ask(scp.port)
    assert answer is CommitmentAnswer.REQUESTED
    assert scp.requests == [Request("2.25.77", tuple(INSTANCES))]
    assert reports == [CommitmentReport("2.25.77", ("2.25.1", "2.25.2", "2.25.3"), {}, HOST)]
    assert scp.replies == [0x0000]


def test_partial_failure_names_each_reason() -> None:
    def some(request: Request) -> list[Report]:
        failed = {request.instances[1]: 0x0112, request.instances[2]: 0x0213}
        return [Report(request.transaction_uid, request.instances[:1], failed)]

    with CommittingScp(some) as scp:
        _, (report,) = ask(scp.port)
    assert report.committed == ("2.25.1",)
    assert report.failed == {"2.25.2": 0x0112, "2.25.3": 0x0213}


def test_a_peer_that_does_not_report_now_has_still_been_asked() -> None:
    with CommittingScp(say_nothing) as scp:
        assert ask(scp.port, 0.1) == (CommitmentAnswer.REQUESTED, [])


def test_a_peer_that_refuses_the_request() -> None:
    with CommittingScp() as scp:
        scp.status = 0x0110
        assert ask(scp.port, 0.1) == (CommitmentAnswer.REFUSED, [])


def test_not_offered_and_not_there() -> None:
    with ScriptedScp() as scp:
        assert ask(scp.port) == (CommitmentAnswer.NOT_OFFERED, [])
    assert ask(free_port()) == (CommitmentAnswer.UNREACHABLE, [])


def test_a_report_that_could_not_be_kept_is_not_answered_with_success() -> None:
    def fail(_: CommitmentReport) -> None:
        raise CustodyError("cannot write")

    with CommittingScp() as scp:
        answer = request_commitment(peer(scp.port), "2.25.77", INSTANCES, fail, 5.0)
    assert answer is CommitmentAnswer.REQUESTED
    assert scp.replies == [0x0110]


def test_a_report_without_sense_is_refused_and_changes_nothing() -> None:
    with CommittingScp(lambda request: [Report("no uid", request.instances)]) as scp:
        assert ask(scp.port) == (CommitmentAnswer.REQUESTED, [])
    assert scp.replies == [0x0110]


@given(st.lists(st.integers(1, 10**30).map(lambda number: f"2.25.{number}"), max_size=20))
def test_the_request_is_what_the_standard_says(uids: list[str]) -> None:
    raw = encode_request("2.25.9", [(CT, uid) for uid in uids])
    ds = read_dataset(BytesIO(raw), True, True)
    assert ds.TransactionUID == "2.25.9"
    assert [item.ReferencedSOPInstanceUID for item in ds.ReferencedSOPSequence or ()] == uids
    assert {item.ReferencedSOPClassUID for item in ds.ReferencedSOPSequence or ()} <= {CT}


@pytest.mark.parametrize("implicit", [True, False])
def test_a_report_is_read_in_either_encoding(implicit: bool) -> None:
    ds = Report("2.25.5", [INSTANCES[0], INSTANCES[1]], {INSTANCES[1]: 0x0112}).dataset()
    report = read_report(2, encoded(ds, implicit=implicit), IMPLICIT if implicit else EXPLICIT, "10.0.0.1")
    # Said to be both: the failure counts.
    assert report == CommitmentReport("2.25.5", ("2.25.1",), {"2.25.2": 0x0112}, "10.0.0.1")


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_report_or_the_one_error(raw: bytes) -> None:
    try:
        report = read_report(1, raw, IMPLICIT)
    except InputError as error:
        assert "storage commitment report" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert is_uid(report.transaction_uid)


@pytest.mark.parametrize(("event", "syntax"), [(3, IMPLICIT), (0, IMPLICIT), (1, "1.2.3")])
def test_other_events_are_refused(event: int, syntax: str) -> None:
    with pytest.raises(InputError):
        read_report(event, encoded(Report("2.25.5").dataset()), syntax)


def test_transaction_uids_are_uuids_that_nobody_guesses() -> None:
    uids = {new_transaction_uid() for _ in range(200)}
    assert len(uids) == 200
    for uid in uids:
        number = int(uid.removeprefix("2.25."))
        assert is_uid(uid)
        assert (number >> 76 & 0xF, number >> 62 & 0x3) == (4, 2)  # RFC 9562: version 4, its variant
        assert number < 2**128


def test_a_peer_that_commits_twice_in_a_row_is_answered_once() -> None:
    """The second one comes when nobody listens on this association any more."""
    with CommittingScp(lambda request: commit_all(request) * 2) as scp:
        answer, reports = ask(scp.port)
    assert answer is CommitmentAnswer.REQUESTED
    assert len(reports) == 1
