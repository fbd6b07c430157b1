"""C-FIND against peers that answer in every way there is, and against a real Orthanc."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from exchange.archive import find
from exchange.archive.find import find_study
from exchange.dimse.peer import DicomPeer, Timeouts
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable
from tests.support.orthanc import Modality, Orthanc, available
from tests.support.ports import HOST, free_port
from tests.support.scripted_find import VERIFICATION, Answer, FindScp, counting, match
from tests.support.small_studies import instance_uid, make_instance, make_study, study_uid

STUDY = "1.2.840.99.1"


@pytest.mark.parametrize(("count", "told"), [(0, 0), (7, 7), ("12", 12)])
def test_the_count_of_the_study_is_taken(count: object, told: int) -> None:
    with FindScp(counting([count])) as pacs:
        assert find_study(pacs.peer(), STUDY) == find.Holding(found=True, count=told)
        assert [(one.QueryRetrieveLevel, one.StudyInstanceUID) for one in pacs.asked] == [("STUDY", STUDY)]


def test_a_study_that_the_peer_does_not_know_is_an_answer() -> None:
    with FindScp(counting([None])) as pacs:
        assert find_study(pacs.peer(), STUDY) == find.Holding(found=False, count=0)


def levels(
    series_counts: dict[str, object], instances: dict[str, list[str]]
) -> Callable[..., Iterator[Answer]]:
    """A peer that keeps no count of the study, perhaps of series, and lists instances by series only."""

    def script(asked: Dataset, _ended: threading.Event) -> Iterator[Answer]:
        study = asked.StudyInstanceUID
        if asked.QueryRetrieveLevel == "STUDY":
            yield match(StudyInstanceUID=study)
        elif asked.QueryRetrieveLevel == "SERIES":
            for name, count in series_counts.items():
                yield match(
                    StudyInstanceUID=study, SeriesInstanceUID=name, NumberOfSeriesRelatedInstances=count
                )
        else:
            for name in instances[asked.SeriesInstanceUID]:
                yield match(
                    StudyInstanceUID=study, SeriesInstanceUID=asked.SeriesInstanceUID, SOPInstanceUID=name
                )

    return script


def test_without_a_count_of_the_study_those_of_its_series_are_added() -> None:
    with FindScp(levels({"1.1": 3, "1.2": 4}, {})) as pacs:
        assert find_study(pacs.peer(), STUDY).count == 7
        assert [one.QueryRetrieveLevel for one in pacs.asked] == ["STUDY", "SERIES"]


def test_without_any_count_the_instances_are_counted() -> None:
    script = levels({"1.1": "", "1.2": 4}, {"1.1": ["1.1.1", "1.1.2"], "1.2": ["1.2.1"]})
    with FindScp(script) as pacs:
        holding = find_study(pacs.peer(), STUDY)
    assert holding == find.Holding(True, 3, frozenset({"1.1.1", "1.1.2", "1.2.1"}))


def test_the_instances_can_be_asked_for_by_name() -> None:
    script = levels({"1.1": 2}, {"1.1": ["1.1.1", "1.1.2", "no uid"]})
    with FindScp(script) as pacs:
        holding = find_study(pacs.peer(), STUDY, named=True)
    assert holding.sop_instance_uids == {"1.1.1", "1.1.2"}
    assert "1.1.1" not in repr(holding)


def test_matches_of_other_studies_are_passed_over() -> None:
    def script(asked: Dataset, _ended: threading.Event) -> Iterator[Answer]:
        yield match(StudyInstanceUID="1.2.3.999", NumberOfStudyRelatedInstances=500)
        yield match(StudyInstanceUID=asked.StudyInstanceUID, NumberOfStudyRelatedInstances=5)

    with FindScp(script) as pacs:
        assert find_study(pacs.peer(), STUDY).count == 5


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0xA700, PeerUnavailable),
        (0xFE00, PeerUnavailable),
        (0xA900, PeerRefused),
        (0xC001, PeerRefused),
        (0x0122, PeerRefused),
    ],
)
def test_a_failure_is_told_apart_from_a_peer_that_is_busy(status: int, error: type[Exception]) -> None:
    def script(_asked: Dataset, _ended: threading.Event) -> Iterator[Answer]:
        yield status, None

    with FindScp(script) as pacs, pytest.raises(error, match=f"0x{status:04X}"):
        find_study(pacs.peer(), STUDY)


def test_a_failure_after_matches_is_no_answer() -> None:
    def script(asked: Dataset, _ended: threading.Event) -> Iterator[Answer]:
        yield match(StudyInstanceUID=asked.StudyInstanceUID, NumberOfStudyRelatedInstances=5)
        yield 0xC000, None

    with FindScp(script) as pacs, pytest.raises(PeerRefused):
        find_study(pacs.peer(), STUDY)


def test_a_count_that_is_none_is_not_believed() -> None:
    def script(asked: Dataset, _ended: threading.Event) -> Iterator[Answer]:
        if asked.QueryRetrieveLevel == "STUDY":
            yield match(StudyInstanceUID=asked.StudyInstanceUID, NumberOfStudyRelatedInstances=-4)

    with FindScp(script) as pacs:
        assert find_study(pacs.peer(), STUDY) == find.Holding(found=True, count=0)
        assert len(pacs.asked) == 2


def test_endless_matches_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "MOST_SERIES", 20)
    sent = 0

    def script(asked: Dataset, ended: threading.Event) -> Iterator[Answer]:
        nonlocal sent
        while not ended.is_set():
            sent += 1
            yield match(StudyInstanceUID=asked.StudyInstanceUID, NumberOfStudyRelatedInstances=1)

    with FindScp(script) as pacs, pytest.raises(PeerRefused, match="more than 20"):
        find_study(pacs.peer(), STUDY)


def test_a_peer_that_answers_slowly_on_and_on_is_left_at_the_deadline() -> None:
    def script(asked: Dataset, ended: threading.Event) -> Iterator[Answer]:
        while not ended.wait(0.1):
            yield match(StudyInstanceUID=asked.StudyInstanceUID)

    began = time.monotonic()
    with FindScp(script) as pacs, pytest.raises(PeerUnavailable, match=r"too long|does not answer"):
        find_study(pacs.peer(), STUDY, seconds=1.0)
    assert time.monotonic() - began < 10


def test_a_peer_that_falls_silent_is_left() -> None:
    def script(_asked: Dataset, ended: threading.Event) -> Iterator[Answer]:
        ended.wait(20)
        yield 0x0000, None

    with FindScp(script) as pacs, pytest.raises(PeerUnavailable, match="does not answer"):
        find_study(pacs.peer(seconds=0.5), STUDY)


def test_a_peer_that_aborts_is_left() -> None:
    with FindScp(counting([1])) as pacs:

        def script(_asked: Dataset, _ended: threading.Event) -> Iterator[Answer]:
            for one in pacs.associations():
                one.abort()
            yield 0x0000, None

        pacs.script = script
        with pytest.raises(PeerUnavailable):
            find_study(pacs.peer(), STUDY)


def test_a_peer_without_queries_refuses() -> None:
    with (
        FindScp(counting([1]), sop_class=VERIFICATION) as pacs,
        pytest.raises(PeerRefused, match="no Study Root"),
    ):
        find_study(pacs.peer(), STUDY)


def test_a_peer_that_does_not_know_us_refuses() -> None:
    with (
        FindScp(counting([1])).require_called_aet() as pacs,
        pytest.raises(PeerRefused, match="rejected"),
    ):
        find_study(pacs.peer(called="OTHER"), STUDY)


def test_nobody_there_is_unavailable() -> None:
    peer = DicomPeer("PACS", HOST, free_port(), timeouts=Timeouts(1, 1, 1, 1))
    with pytest.raises(PeerUnavailable, match="cannot associate"):
        find_study(peer, STUDY)


def test_what_is_no_uid_is_not_asked_for() -> None:
    with FindScp(counting([1])) as pacs:
        with pytest.raises(PeerRefused, match="is no UID"):
            find_study(pacs.peer(), "1.2.*")
        assert pacs.asked == []


def test_a_malformed_title_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="AE title"):
        find_study(DicomPeer("A" * 17, HOST, free_port()), STUDY)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x02\x00\xff\xff\xff\xff" + b"x" * 64]
)
def test_a_peer_that_speaks_something_else_is_unavailable(answer: bytes) -> None:
    with closing(socket.create_server((HOST, 0))) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        peer = DicomPeer("PACS", HOST, server.getsockname()[1], timeouts=Timeouts(1, 1, 1, 1))
        with pytest.raises(PeerUnavailable):
            find_study(peer, STUDY)
        thread.join(10)


@pytest.mark.interop
@pytest.mark.skipif(not available(), reason="Orthanc is not installed")
def test_orthanc_counts_and_names_what_it_holds(tmp_path: Path) -> None:
    modalities = {"lockgate": Modality("LOCKGATE", free_port())}
    with Orthanc(tmp_path, ae_title="PACS", modalities=modalities) as orthanc:
        peer = DicomPeer("PACS", HOST, orthanc.dicom_port)
        assert not find_study(peer, study_uid(1)).found
        for number, ds in enumerate((*make_study(1, 3), make_instance(2))):
            file = tmp_path / f"{number}.dcm"
            buffer = BytesIO()
            dcmwrite(buffer, ds, enforce_file_format=True)
            file.write_bytes(buffer.getvalue())
            orthanc.upload(file)
        assert find_study(peer, study_uid(1)) == find.Holding(found=True, count=3)
        named = find_study(peer, study_uid(1), named=True)
        assert named.sop_instance_uids == {instance_uid(1, number) for number in range(3)}
