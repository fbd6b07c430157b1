"""STOW-RS: a real Orthanc, and a table of failures against a real HTTP server."""

import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from exchange.destinations.dicomweb import DicomwebDestination, StowSettings
from exchange.dimse.tls import client_context, server_context
from exchange.domain.delivery import DAMAGED, DeliveryReport, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import ConfigurationError, CustodyError, PeerRefused, PeerUnavailable
from tests.support import orthanc
from tests.support.certificates import make_certificates
from tests.support.orthanc import needs_dicomweb
from tests.support.outgoing import STUDY, damage, make_study, plain_file
from tests.support.ports import HOST, free_port
from tests.support.scripted_stow import Answer, Script, ScriptedStow, accept_all, dicom_json
from tests.support.tls_front import TlsFront

SENT, WARNING, REFUSED = InstanceState.SENT, InstanceState.WARNING, InstanceState.REFUSED
PENDING, UNKNOWN = InstanceState.PENDING, InstanceState.UNKNOWN
JSON = "application/dicom+json"
BAD = "2.25.302"  # the second of four


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Sequence[OutgoingInstance]:
    return make_study(tmp_path_factory.mktemp("frozen"), 4)


def settings(url: str) -> StowSettings:
    return StowSettings(url, batch_instances=2, idle_seconds=5)


def send(url: str, study: Sequence[OutgoingInstance]) -> DeliveryReport:
    told: list[InstanceOutcome] = []
    report = DicomwebDestination(settings(url)).send(study, told.append)
    assert report.outcomes == tuple(told)
    return report


def fail_one(status: int, reason: int) -> Script:
    def script(uids: Sequence[str]) -> Answer:
        stored = [uid for uid in uids if uid != BAD]
        return status, JSON, dicom_json(stored, {BAD: reason} if BAD in uids else None)

    return script


def when_bad(answer: Answer | None) -> Script:
    return lambda uids: answer if BAD in uids else accept_all(uids)


@dataclass(frozen=True)
class Failure:
    """What the server does, having stored all that it was sent; batches hold two instances."""

    name: str
    script: Script
    states: list[InstanceState]
    error: str = ""
    reachable: bool = True


FAILURES = [
    Failure("nothing", accept_all, [SENT] * 4),
    Failure("one out of resources", fail_one(202, 0xA700), [SENT, PENDING, SENT, SENT]),
    Failure("one refused", fail_one(202, 0xC000), [SENT, REFUSED, SENT, SENT]),
    Failure("one refused without reason", fail_one(202, 0), [SENT, REFUSED, SENT, SENT]),
    Failure("one refused, 409", fail_one(409, 0x0122), [SENT, REFUSED, SENT, SENT]),
    Failure("409 without words", when_bad((409, "", b"")), [REFUSED, REFUSED, SENT, SENT]),
    Failure("an answer that names nobody", when_bad((200, JSON, b"{}")), [UNKNOWN, UNKNOWN, SENT, SENT]),
    Failure("an answer that is none", when_bad((200, "text/html", b"ok")), [UNKNOWN, UNKNOWN, SENT, SENT]),
    Failure("400 for the batch of the bad one", when_bad((400, "", b"")), [SENT, REFUSED, SENT, SENT]),
    Failure("413 for the batch of the bad one", when_bad((413, "", b"")), [SENT, REFUSED, SENT, SENT]),
    Failure("500 for the batch of the bad one", when_bad((500, "", b"")), [SENT, UNKNOWN, SENT, SENT]),
    Failure("503", when_bad((503, "", b"")), [PENDING, PENDING], "HTTP 503", reachable=False),
    Failure("504", when_bad((504, "", b"")), [UNKNOWN, UNKNOWN], "HTTP 504", reachable=False),
    Failure("401", when_bad((401, "", b"")), [PENDING, PENDING], "HTTP 401"),
    Failure("302", when_bad((302, "", b"")), [PENDING, PENDING], "HTTP 302"),
    Failure("429", when_bad((429, "", b"")), [PENDING, PENDING], "HTTP 429"),
    Failure("failed but landed: reset", when_bad(None), [UNKNOWN, UNKNOWN], "the connection failed"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_failures(failure: Failure, study: Sequence[OutgoingInstance]) -> None:
    with ScriptedStow(failure.script) as server:
        report = send(server.url, study)
        by_uid = {outcome.sop_instance_uid: outcome.state for outcome in report.outcomes}
        assert [by_uid[each.sop_instance_uid] for each in study if each.sop_instance_uid in by_uid] == (
            failure.states
        )
        assert len(by_uid) == len(report.outcomes)
        assert failure.error in report.error
        assert bool(report.error) is bool(failure.error)
        assert report.reachable is failure.reachable
        # The next attempt sends what is unconfirmed again: the same bytes.
        server.script = accept_all
        done = (SENT, WARNING, REFUSED)
        again = [each for each in study if by_uid.get(each.sop_instance_uid) not in done]
        assert all(outcome.state is SENT for outcome in send(server.url, again).outcomes)
        for each in study:
            assert set(server.received[each.sop_instance_uid]) == {
                sha256(plain_file(each).read_bytes()).hexdigest()
            }


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Sequence[OutgoingInstance]:
    return make_study(tmp_path_factory.mktemp("many"), 24)


def lanes(url: str) -> DicomwebDestination:
    """Four requests in flight, two instances in each."""
    return DicomwebDestination(StowSettings(url, requests=4, batch_instances=2, idle_seconds=5))


def test_several_requests_are_in_flight_and_outcomes_come_one_at_a_time(
    many: Sequence[OutgoingInstance],
) -> None:
    changed = threading.Condition()
    running, most = 0, 0

    def meet(uids: Sequence[str]) -> Answer:
        nonlocal running, most
        with changed:
            running += 1
            most = max(most, running)
            changed.notify_all()
            if many[0].sop_instance_uid not in uids:  # the first goes alone
                changed.wait_for(lambda: most >= 4, 0.5)
            running -= 1
        return accept_all(uids)

    telling = threading.Lock()
    told: list[InstanceOutcome] = []

    def tell(outcome: InstanceOutcome) -> None:
        assert telling.acquire(blocking=False), "two outcomes at once"
        told.append(outcome)
        telling.release()

    with ScriptedStow(meet) as server:
        report = lanes(server.url).send(many, tell)
    assert most == 4
    assert report.outcomes == tuple(told)
    assert sorted(each.sop_instance_uid for each in told) == sorted(each.sop_instance_uid for each in many)
    assert {each.state for each in told} == {SENT}


def test_one_bad_instance_among_many_in_flight(many: Sequence[OutgoingInstance]) -> None:
    with ScriptedStow(when_bad((400, "", b""))) as server:
        report = lanes(server.url).send(many, lambda _: None)
    states = {outcome.sop_instance_uid: outcome.state for outcome in report.outcomes}
    assert states.pop(BAD) is REFUSED
    assert len(states) == 23
    assert set(states.values()) == {SENT}


def test_a_peer_that_goes_away_ends_all_lanes(many: Sequence[OutgoingInstance]) -> None:
    count = iter(range(100))

    def script(uids: Sequence[str]) -> Answer | None:
        return accept_all(uids) if next(count) < 4 else None

    with ScriptedStow(script) as server:
        report = lanes(server.url).send(many, lambda _: None)
        assert len(server.requests) <= 8
    assert "the connection failed" in report.error
    assert report.reachable
    assert {outcome.state for outcome in report.outcomes} == {SENT, UNKNOWN}


def test_a_busy_peer_is_waited_for_within_the_attempt(many: Sequence[OutgoingInstance]) -> None:
    count = iter(range(1000))

    def script(uids: Sequence[str]) -> Answer:
        return (503, "", b"") if next(count) in (3, 5) else accept_all(uids)

    with ScriptedStow(script, headers={"Retry-After": "0"}) as server:
        report = lanes(server.url).send(many, lambda _: None)
    assert report.error == ""
    assert {outcome.state for outcome in report.outcomes} == {SENT}


@pytest.mark.parametrize("status", [429, 503])
def test_a_peer_that_asks_for_time_is_quoted(many: Sequence[OutgoingInstance], status: int) -> None:
    with ScriptedStow(lambda _: (status, "", b""), headers={"Retry-After": "90"}) as server:
        report = lanes(server.url).send(many, lambda _: None)
        assert len(server.requests) == 1
    assert report.retry_after_seconds == 90
    assert {outcome.state for outcome in report.outcomes} == {PENDING}


def test_what_custody_refuses_ends_the_attempt(many: Sequence[OutgoingInstance]) -> None:
    def refuse(_: InstanceOutcome) -> None:
        raise CustodyError("cannot write: this attempt is over")

    with ScriptedStow() as server:
        with pytest.raises(CustodyError, match="over"):
            lanes(server.url).send(many, refuse)
        assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [(415, "", b""), fail_one(202, 0xC122)], ids=["415", "C122"])
def test_a_transfer_syntax_that_the_peer_lacks_is_told(answer: Answer | Script, tmp_path: Path) -> None:
    (jpeg,) = make_study(tmp_path, 1, "JPEG2000.dcm")
    odd = replace(jpeg, sop_instance_uid=BAD)
    script = answer if callable(answer) else (lambda _: answer)
    with ScriptedStow(lambda _: script([BAD])) as server:
        (outcome,) = DicomwebDestination(settings(server.url)).send([odd], lambda _: None).outcomes
    assert outcome.state is REFUSED
    assert outcome.wanted_syntaxes == ("1.2.840.10008.1.2.1",)


def test_silence_is_unknown(study: Sequence[OutgoingInstance]) -> None:
    ended = threading.Event()

    def silent(uids: Sequence[str]) -> Answer:
        ended.wait(20)
        return accept_all(uids)

    with ScriptedStow(silent) as server:
        quick = replace(settings(server.url), idle_seconds=0.5)
        report = DicomwebDestination(quick).send(study, lambda _: None)
        ended.set()
    assert [outcome.state for outcome in report.outcomes] == [UNKNOWN, UNKNOWN]
    assert report.reachable
    assert "fell silent" in report.error


def test_peer_down(study: Sequence[OutgoingInstance]) -> None:
    url = f"http://{HOST}:{free_port()}"
    report = send(url, study)
    assert (report.outcomes, report.reachable) == ((), False)
    assert "cannot reach" in report.error
    with pytest.raises(PeerUnavailable):
        DicomwebDestination(settings(url)).probe(1)


def test_altered_bytes_never_arrive(tmp_path: Path) -> None:
    study = make_study(tmp_path, 4)
    damage(study)
    with ScriptedStow() as server:
        report = send(server.url, study)
        states = {outcome.sop_instance_uid: outcome.state for outcome in report.outcomes}
        assert [states[each.sop_instance_uid] for each in study] == [SENT, PENDING, PENDING, SENT]
        assert [each.status for each in report.outcomes if each.state is PENDING] == [DAMAGED, DAMAGED]
        assert set(server.received) == {"2.25.301", "2.25.304"}


def test_batches_are_bounded_and_lengths_announced(study: Sequence[OutgoingInstance]) -> None:
    with ScriptedStow() as server:
        bounded = StowSettings(server.url, batch_bytes=study[0].byte_count * 3)
        DicomwebDestination(bounded).send(study, lambda _: None)
        assert [len(request) for request in server.requests] == [3, 1]
        assert all("Transfer-Encoding" not in headers for headers in server.headers)


def test_token_is_read_for_every_delivery_and_never_in_the_clear(
    study: Sequence[OutgoingInstance], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    with ScriptedStow() as server:
        sender = DicomwebDestination(StowSettings(server.url, token_file=token))
        assert "cannot read the token" in sender.send(study[:1], lambda _: None).error
        for value in ("first", "second"):
            token.write_text(value + "\n")
            sender.send(study[:1], lambda _: None)
        assert [headers["Authorization"] for headers in server.headers] == ["Bearer first", "Bearer second"]
    with pytest.raises(ConfigurationError, match="plain HTTP"):
        DicomwebDestination(StowSettings("http://partner.example/dicom-web", token_file=token))


@pytest.mark.parametrize("url", ["ftp://x/", "partner", "https://", "http://[::1"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL"):
        DicomwebDestination(StowSettings(url))


def test_identifiers_that_are_no_uids_are_refused(study: Sequence[OutgoingInstance]) -> None:
    hostile = replace(study[0], transfer_syntax_uid="1.2\r\nX: y")
    with ScriptedStow() as server:
        report = send(server.url, [hostile, study[1]])
    assert [outcome.state for outcome in report.outcomes] == [REFUSED, SENT]


def test_mutual_tls_and_pin(study: Sequence[OutgoingInstance], tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "tls")
    own, server_files = certificates.client, certificates.server
    context = server_context(server_files.cert, server_files.key, certificates.ca)
    with ScriptedStow(ssl_context=context) as server:

        def attempt(**options: object) -> DeliveryReport:
            tls = client_context(**options)  # type: ignore[arg-type]
            return DicomwebDestination(replace(settings(server.url), tls=tls)).send(study, lambda _: None)

        both = {"ca": certificates.ca, "cert": own.cert, "key": own.key}
        good = attempt(**both)
        assert [outcome.state for outcome in good.outcomes] == [SENT] * 4
        assert good.transport["tls"] == "TLSv1.3"
        pin = good.transport["peerSpkiSha256"]
        assert len(attempt(cert=own.cert, key=own.key, pin=f"sha256:{pin}").outcomes) == 4
        requests = len(server.requests)
        wrong = attempt(**both, pin="sha256:" + "0" * 64)
        assert (wrong.outcomes, wrong.reachable) == ((), False)
        assert "cannot trust" in wrong.error
        assert not any(each.state is SENT for each in attempt(ca=certificates.ca).outcomes)
        assert "cannot trust" in attempt(ca=certificates.stranger_ca).error
        assert len(server.requests) == requests


def test_probe_and_receipts() -> None:
    with ScriptedStow() as server:
        sender = DicomwebDestination(settings(server.url))
        assert "HTTP 204" in sender.probe(5)
        assert not sender.put_receipt(STUDY, "a", b"zip")


def test_plain_http_trusts_no_authority() -> None:
    bare = DicomwebDestination(settings(f"http://{HOST}:1"))
    assert bare._tls.cert_store_stats()["x509"] == 0
    assert bare._tls.verify_mode is ssl.CERT_REQUIRED


def test_https_without_settings_trusts_the_system_only(
    study: Sequence[OutgoingInstance], tmp_path: Path
) -> None:
    certificates = make_certificates(tmp_path / "tls")
    files = certificates.server
    with ScriptedStow(ssl_context=server_context(files.cert, files.key, certificates.ca)) as server:
        assert "cannot trust" in send(server.url, study).error
        assert server.requests == []


def test_probe_of_a_peer_that_does_not_know_us(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "tls")
    files = certificates.server
    with ScriptedStow(ssl_context=server_context(files.cert, files.key, certificates.ca)) as server:
        tls = client_context(certificates.stranger_ca)
        with pytest.raises((PeerRefused, PeerUnavailable), match="cannot trust"):
            DicomwebDestination(replace(settings(server.url), tls=tls)).probe(5)


@pytest.mark.interop
@needs_dicomweb
def test_orthanc_takes_the_study_twice_through_tls(study: Sequence[OutgoingInstance], tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "tls")
    own, files = certificates.client, certificates.server
    front = server_context(files.cert, files.key, certificates.ca)
    with orthanc.Orthanc(tmp_path / "orthanc") as server, TlsFront(server.http_port, front) as tls:
        url = f"https://{HOST}:{tls.port}/dicom-web"
        context = client_context(certificates.ca, own.cert, own.key)
        sender = DicomwebDestination(replace(settings(url), tls=context))
        assert "HTTP 200" in sender.probe(5)
        for _ in range(2):
            report = sender.send(study, lambda _: None)
            assert [outcome.state for outcome in report.outcomes] == [SENT] * 4
        assert len(server.instances()) == 4
        held = {sha256(server.file(each)).hexdigest() for each in server.instances()}
        assert held == {sha256(plain_file(each).read_bytes()).hexdigest() for each in study}


@pytest.mark.interop
@needs_dicomweb
def test_orthanc_with_authentication_ends_the_attempt(
    study: Sequence[OutgoingInstance], tmp_path: Path
) -> None:
    with orthanc.Orthanc(tmp_path / "orthanc", authentication=True) as server:
        report = send(server.dicomweb_url, study)
        assert {outcome.state for outcome in report.outcomes} == {PENDING}
        assert "HTTP 401" in report.error
        with pytest.raises(PeerRefused, match="401"):
            DicomwebDestination(settings(server.dicomweb_url)).probe(5)
