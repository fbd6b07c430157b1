"""The STOW-RS server as clients meet it: real sockets, a real spool, hostile requests."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread  # noqa: TID251 - tests build their input
from structlog.testing import capture_logs

from exchange.destinations.dicomweb import DicomwebDestination, StowSettings
from exchange.destinations.stow import parse_store_answer
from exchange.dicomio.filemeta import encode_file_meta
from exchange.domain.delivery import InstanceState, OutgoingInstance
from exchange.intake.stow_app import StowLimits
from exchange.intake.stow_server import StowListener, StowProtocol
from exchange.spool.store import Spool
from tests.exchange.dicomio.build import element, even, meta, uids
from tests.support.outgoing import SERIES, STUDY, UIDS, make_study, plain_file
from tests.support.ports import HOST, wait_until
from tests.support.stow_house import BOUNDARY, StowHouse, content_type, multipart

OTHER_STUDY = 0xA900


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StowHouse]:
    """One for the tables of refusals, which leave nothing behind."""
    with StowHouse(tmp_path_factory.mktemp("shared")) as running:
        yield running


def test_a_study_is_durable_when_it_is_called_stored(stow: StowHouse, files: list[bytes]) -> None:
    answer = stow.post(multipart(files))
    assert (answer.status, answer.stored, answer.failed, answer.others) == (200, UIDS, {}, [])
    assert answer.response.headers["content-type"] == "application/dicom+json"
    assert set(stow.held()) == set(UIDS)
    arrival = stow.arrivals[0].arrival
    assert (arrival.protocol, arrival.called_ae, arrival.calling_ae) == ("stow", "TELERAD", "")
    assert (arrival.peer, arrival.peer_address) == ("partner", HOST)
    assert stow.parts_left() == []


def test_the_bytes_are_those_that_were_sent(stow: StowHouse, study: Sequence[OutgoingInstance]) -> None:
    sent = plain_file(study[0]).read_bytes()
    assert stow.post(multipart([sent])).status == 200
    (kept,) = stow.spool.index()
    assert kept.byte_count == study[0].byte_count
    stow.spool.verify(kept.identity, kept.wrapped_key)
    assert stow.post(multipart([sent])).status == 200
    assert [each.duplicate for each in stow.arrivals] == [False, True]


def broken_parts(good: bytes) -> dict[str, tuple[bytes, int]]:
    """Parts that must be refused, and with which FailureReason."""
    pixels = element(0x7FE00010, b"OW", b"\0" * 64)
    return {
        "empty": (b"", 0xC001),
        "text": (b"hello" * 100, 0xC000),
        "no preamble": (good[132:], 0xC000),
        "cut in its preamble": (good[:100], 0xC001),
        "cut in its file meta": (good[:200], 0xC001),
        "cut in its data set": (good[: len(good) // 2], 0xC001),
        "no file meta": (bytes(128) + b"DICM" + uids() + pixels, 0xC000),
        "no transfer syntax": (
            bytes(128) + b"DICM" + element(0x00020003, b"UI", b"1.2.3.4\0") + uids(),
            0xC002,
        ),
        "hostile UID": (encode_file_meta("1.2", "../../../tmp/x", "1.2.840.10008.1.2.1") + uids(), 0xC002),
        "endless file meta": (
            meta(group_length=8) + element(0x00020102, b"OB", b"x" * 3_000_000),
            0xC004,
        ),
        "another instance than announced": (meta() + uids(b"1.2.3.9") + pixels, 0xA900),
        "no UIDs in the data set": (meta() + element(0x00100010, b"PN", b"A^B "), 0xC002),
    }


BROKEN = list(broken_parts(b"\0" * 1000))


@pytest.mark.parametrize("name", BROKEN)
def test_one_bad_part_never_spoils_its_neighbours(shared: StowHouse, files: list[bytes], name: str) -> None:
    bad, reason = broken_parts(files[3])[name]
    answer = shared.post(multipart([files[0], bad, files[1]]))
    assert answer.status == 202
    assert answer.stored == UIDS[:2]
    assert [*answer.failed.values(), *answer.others] == [reason]
    assert set(shared.held()) == set(UIDS[:2])
    assert shared.parts_left() == []
    alone = shared.post(multipart([bad]))
    assert (alone.status, alone.stored) == (409, [])


def test_a_part_of_another_kind_or_encoding_is_refused(stow: StowHouse, files: list[bytes]) -> None:
    base64 = multipart(files[:1]).replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
    assert stow.post(base64).others == [0xC000]
    body = multipart([files[0], b"{}"], end=False) + multipart([files[1]])
    wrong = body.replace(b"application/dicom", b"application/dicom+json", 1)
    assert (answer := stow.post(wrong)).status == 202
    assert answer.others == [0xC000, 0xC001]  # the first by its type, the second by its content


def test_an_instance_larger_than_the_site_takes(stow: StowHouse, files: list[bytes]) -> None:
    stow.acceptance._instance_bytes = 1000
    answer = stow.post(multipart(files[:1]))
    assert (answer.status, answer.failed) == (409, {UIDS[0]: 0xC004})
    assert stow.parts_left() == []


def test_parts_may_leave_out_their_type(stow: StowHouse, files: list[bytes]) -> None:
    body = multipart(files[:1]).replace(b"Content-Type: application/dicom\r\n", b"")
    assert stow.post(body).status == 200


def test_a_study_resource_takes_its_own_instances_only(
    stow: StowHouse, files: list[bytes], tmp_path: Path
) -> None:
    ds = dcmread(plain_file(make_study(tmp_path / "other", 1)[0]))
    ds.StudyInstanceUID, ds.SOPInstanceUID = "2.25.999", "2.25.998"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(other := tmp_path / "other.dcm")
    answer = stow.post(multipart([files[0], other.read_bytes()]), path=f"/studies/{STUDY}")
    assert (answer.status, answer.stored, answer.failed) == (202, [UIDS[0]], {"2.25.998": OTHER_STUDY})
    assert set(stow.held()) == {UIDS[0]}
    assert stow.post(multipart(files[:1]), path="/studies/1.2.x").status == 400
    none = stow.post(multipart([files[0]]), path=f"/studies/{SERIES}")
    assert (none.status, none.failed) == (409, {UIDS[0]: OTHER_STUDY})


@dataclass(frozen=True)
class Refusal:
    """A request that is refused as a whole."""

    name: str
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    path: str = "/studies"
    words: str = "cannot"


def _typed(value: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", value),)


REFUSALS = [
    Refusal(
        "metadata and bulk data", 415, b"{}", _typed(content_type("application/dicom+json")), words="Part 10"
    ),
    Refusal("XML metadata", 415, b"<a/>", _typed(content_type("application/dicom+xml"))),
    Refusal("JSON alone", 415, b"{}", _typed("application/dicom+json")),
    Refusal("one file alone", 415, b"DICM", _typed("application/dicom")),
    Refusal("a form", 415, b"a=b", _typed("multipart/form-data; boundary=x")),
    Refusal("no boundary", 400, b"--x--", _typed("multipart/related")),
    Refusal("an impossible boundary", 400, b"--x--", _typed('multipart/related; boundary="a b "')),
    Refusal("an empty body", 400),
    Refusal("no part", 400, multipart([]), words="no part"),
    Refusal("another boundary than announced", 400, multipart([b"x"], boundary="other")),
    Refusal("nothing but noise", 400, b"\xff\x00" * 100_000, words="does not occur"),
    Refusal("another address", 404, path="/series"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_refused_requests(shared: StowHouse, refusal: Refusal) -> None:
    before = len(shared.arrivals)
    answer = shared.post(refusal.body, path=refusal.path, headers=dict(refusal.headers))
    assert answer.status == refusal.status
    assert refusal.words in answer.response.text
    assert len(shared.arrivals) == before
    assert shared.parts_left() == []


def test_unknown_doors_and_methods(shared: StowHouse) -> None:
    unknown = shared.url.replace("TELERAD", "NOBODY") + "/studies"
    with httpx.Client(trust_env=False) as client:
        assert client.post(unknown, content=b"").status_code == 404
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            answer = client.request(method, shared.url + "/studies")
            assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
        assert client.options(shared.url + "/studies").status_code == 204
        assert client.get(shared.url.removesuffix("/TELERAD")).status_code == 404


def test_a_broken_body_still_names_what_was_stored(stow: StowHouse, files: list[bytes]) -> None:
    answer = stow.post(multipart(files[:2], end=False))
    assert (answer.status, answer.stored) == (400, UIDS[:1])
    assert set(stow.held()) == {UIDS[0]}  # the second part's end was never seen
    assert stow.parts_left() == []


def test_xml_for_those_who_prefer_it(stow: StowHouse, files: list[bytes]) -> None:
    body = multipart([files[0], b"no"])
    answer = stow.post(body, headers={"Accept": "application/dicom+json;q=0.4, application/dicom+xml"})
    assert answer.response.headers["content-type"] == "application/dicom+xml"
    found = parse_store_answer("application/dicom+xml", answer.response.content)
    assert (found.stored, found.failed) == ({UIDS[0]: 0}, {})
    assert b'keyword="OtherFailuresSequence"' in answer.response.content
    for accept in ("*/*", "text/html", "application/dicom+xml;q=0", "application/json", "a/b;q=nan"):
        headers = {"Accept": accept}
        assert stow.post(body, headers=headers).response.headers["content-type"] == "application/dicom+json"


def test_too_large_requests(tmp_path: Path, files: list[bytes]) -> None:
    limits = StowLimits(request_bytes=len(files[0]) * 2)
    with StowHouse(tmp_path, limits=limits) as stow:
        announced = stow.post(multipart(files))
        assert announced.status == 413

        def chunks() -> Iterator[bytes]:
            body = multipart(files)
            yield from (body[at : at + 5000] for at in range(0, len(body), 5000))

        counted = stow.post(chunks())
        assert (counted.status, counted.stored) == (413, UIDS[:1])
        assert set(stow.held()) == {UIDS[0]}


def test_too_many_requests_are_told_to_come_back(tmp_path: Path, files: list[bytes]) -> None:
    with (
        StowHouse(tmp_path, limits=StowLimits(requests=1)) as stow,
        open_request(stow, files[0][:5000]) as slow,
    ):
        wait_until(lambda: bool(stow.parts_left()), "first request under way")
        answer = stow.post(multipart(files[:1]))
        assert (answer.status, answer.response.headers["retry-after"]) == (503, "5")
        slow.close()
        wait_until(lambda: not stow.parts_left(), "end of the first request")
        wait_until(lambda: stow.post(multipart(files[:1])).status == 200, "room for another request")


@contextmanager
def open_request(stow: StowHouse, content: bytes, length: int = 1_000_000) -> Iterator[socket.socket]:
    """A request whose first part has begun."""
    head = (
        f"POST /dicom-web/TELERAD/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\n"
        f"Content-Length: {length}\r\n\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n"
    )
    with socket.create_connection((HOST, stow.port), timeout=20) as connection:
        connection.sendall(head.encode() + content)
        yield connection


def test_a_client_that_goes_away(stow: StowHouse, files: list[bytes]) -> None:
    whole = (
        files[0] + f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + files[1][:20000]
    )
    with open_request(stow, whole):
        wait_until(lambda: len(stow.arrivals) == 1 and bool(stow.parts_left()), "two instances under way")
    wait_until(lambda: not stow.parts_left(), "removal of what was not complete")
    assert set(stow.held()) == {UIDS[0]}  # what was stored stays: an arrival
    assert stow.post(multipart(files)).status == 200


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
def test_a_client_that_falls_silent(tmp_path: Path, files: list[bytes], drip: bool) -> None:
    limits = StowLimits(idle_seconds=0.5)
    stop = threading.Event()
    with StowHouse(tmp_path, limits=limits) as stow, open_request(stow, files[0][:5000]) as connection:

        def trickle() -> None:
            while not stop.wait(0.05):
                try:
                    connection.send(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        if drip:
            thread.start()
        try:
            assert connection.recv(100).startswith(b"HTTP/1.1 408")
        finally:
            stop.set()
            if drip:
                thread.join()
        wait_until(lambda: not stow.parts_left(), "removal of what was not complete")


def ends_without_a_word(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def send_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65536)


@pytest.mark.parametrize("sent", [b"", b"POST /dicom-web/TELERAD/studies HTTP/1.1\r\nHost: x\r\nX-Slow:"])
def test_a_client_that_never_finishes_its_head(
    stow: StowHouse, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(StowProtocol, "head_seconds", 0.3)
    with socket.create_connection((HOST, stow.port), timeout=20) as connection:
        connection.sendall(sent)
        assert ends_without_a_word(connection)


def test_a_refused_body_is_passed_over_for_a_while_only(
    stow: StowHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StowProtocol, "head_seconds", 1.0)
    with socket.create_connection((HOST, stow.port), timeout=20) as connection:
        head = "POST /dicom-web/NOBODY/studies HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 404")
        with pytest.raises(OSError, match=r"reset|pipe"):
            send_for_ever(connection)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00",
        b"A" * 70_000,
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_and_dropped(shared: StowHouse, files: list[bytes], sent: bytes) -> None:
    with socket.create_connection((HOST, shared.port), timeout=20) as connection:
        connection.sendall(sent + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert shared.post(multipart(files)).status == 200


def test_a_full_spool_is_out_of_resources(tmp_path: Path, files: list[bytes]) -> None:
    with StowHouse(tmp_path, spool=Spool(tmp_path / "full", min_free_bytes=1 << 60, kek=bytes(32))) as stow:
        answer = stow.post(multipart(files[:2]))
        assert (answer.status, answer.response.headers["retry-after"]) == (503, "60")
        assert answer.failed == {UIDS[0]: 0xA700, UIDS[1]: 0xA700}


def test_nothing_of_a_study_is_logged(stow: StowHouse, files: list[bytes]) -> None:
    with capture_logs() as logs:
        stow.post(multipart([*files, files[0][:3000]]), path=f"/studies/{STUDY}")
        stow.post(multipart(files), path=f"/studies/{SERIES}")
    text = json.dumps(logs)
    assert logs
    assert not any(word in text for word in ("CompressedSamples", *UIDS, STUDY, SERIES))


def test_a_stop_ends_what_is_under_way(tmp_path: Path, files: list[bytes]) -> None:
    listener = StowListener(HOST, 0, grace_seconds=1)
    with StowHouse(tmp_path, listener=listener) as stow:
        request = open_request(stow, files[0][:5000])
        with request:
            wait_until(lambda: bool(stow.parts_left()), "request under way")
            stow.server.should_exit = True
            wait_until(lambda: not stow.parts_left(), "removal of what was not complete")


def test_many_at_once(tmp_path: Path, study: Sequence[OutgoingInstance]) -> None:
    many = make_study(tmp_path / "many", 40)
    with StowHouse(tmp_path) as stow:
        settings = StowSettings(stow.url, requests=4, batch_instances=2)
        told: list[str] = []
        report = DicomwebDestination(settings).send(many, lambda each: told.append(each.sop_instance_uid))
        assert sorted(told) == sorted(each.sop_instance_uid for each in many)
        assert {each.state for each in report.outcomes} == {InstanceState.SENT}
        assert len(stow.held()) == 40


def resident() -> int:
    """This process's memory in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def large_body(megabytes: int) -> Callable[[], Iterator[bytes]]:
    """A body with one multi-frame instance of this size, made while it is sent."""
    head = meta() + uids() + element(0x00080060, b"CS", b"OT") + element(0x0020000D, b"UI", even(b"1.2.3"))
    piece = bytes(range(256)) * 4096
    pixels = element(0x7FE00010, b"OB", b"", megabytes * len(piece))

    def give() -> Iterator[bytes]:
        opening, closing = multipart([b"|"]).split(b"|")
        yield opening + head + pixels
        for _ in range(megabytes):
            yield piece
        yield closing

    return give


@pytest.mark.parametrize(
    "megabytes", [64, pytest.param(1024, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
def test_memory_does_not_grow_with_the_instance(stow: StowHouse, megabytes: int, files: list[bytes]) -> None:
    assert stow.post(multipart(files)).status == 200  # whatever is loaded once is loaded
    before = resident()
    most = before
    give = large_body(megabytes)

    def watched() -> Iterator[bytes]:
        nonlocal most
        for piece in give():
            most = max(most, resident())
            yield piece

    answer = stow.post(watched())
    assert (answer.status, answer.stored) == (200, ["1.2.3.4"])
    assert stow.arrivals[-1].byte_count > megabytes * 1024 * 1024
    assert most - before < 24 * 1024 * 1024
