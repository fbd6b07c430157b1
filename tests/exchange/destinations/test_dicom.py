"""C-STORE: real peers, and a table of failures."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydicom import dcmread  # noqa: TID251 - tests build their input

from exchange.destinations.dicom import DicomDestination
from exchange.dimse.peer import DicomPeer, Timeouts
from exchange.dimse.tls import client_context
from exchange.domain.delivery import DAMAGED, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import PeerUnavailable
from tests.support import dcmtk, orthanc
from tests.support.certificates import make_certificates
from tests.support.outgoing import STUDY, damage, example, freeze, make_study, outgoing
from tests.support.ports import HOST, free_port
from tests.support.scripted_scp import (
    CT,
    EXPLICIT,
    Action,
    ScriptedScp,
    store_then_abort,
    store_then_reset,
    store_then_silence,
)

SENT, WARNING, REFUSED = InstanceState.SENT, InstanceState.WARNING, InstanceState.REFUSED
PENDING, UNKNOWN = InstanceState.PENDING, InstanceState.UNKNOWN
QUICK = Timeouts(connect=5, association=5, response=1, send=5)
needs_dcmtk = pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed")
needs_orthanc = pytest.mark.skipif(not orthanc.available(), reason="Orthanc is not installed")


def destination(port: int, **changes: object) -> DicomDestination:
    return DicomDestination(replace(DicomPeer("SCRIPTED", HOST, port, timeouts=QUICK), **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Sequence[OutgoingInstance]:
    return make_study(tmp_path_factory.mktemp("frozen"), 4)


@dataclass(frozen=True)
class Failure:
    """The second of four instances meets the action."""

    name: str
    action: Action
    states: list[InstanceState]
    associations: int = 1
    stored: list[str] = field(default_factory=lambda: ["2.25.301", "2.25.302", "2.25.303", "2.25.304"])


FAILURES = [
    Failure("nothing", 0x0000, [SENT] * 4),
    Failure("coerced", 0xB000, [SENT, WARNING, SENT, SENT]),
    Failure("elements discarded", 0xB006, [SENT, WARNING, SENT, SENT]),
    Failure("does not match, stored", 0xB007, [SENT, WARNING, SENT, SENT]),
    Failure("out of resources", 0xA700, [SENT, PENDING, SENT, SENT]),
    Failure("does not match", 0xA900, [SENT, REFUSED, SENT, SENT]),
    Failure("cannot understand", 0xC000, [SENT, REFUSED, SENT, SENT]),
    Failure("not authorised", 0x0124, [SENT, REFUSED, SENT, SENT]),
    Failure("duplicate", 0x0111, [SENT, WARNING, SENT, SENT]),
    Failure("failed but landed: abort", store_then_abort, [SENT, UNKNOWN, SENT, SENT], 2),
    Failure("failed but landed: reset", store_then_reset, [SENT, UNKNOWN, SENT, SENT], 2),
    Failure("failed but landed: silence", store_then_silence, [SENT, UNKNOWN, SENT, SENT], 2),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_failures(failure: Failure, study: Sequence[OutgoingInstance]) -> None:
    told: list[InstanceOutcome] = []
    with ScriptedScp({"2.25.302": failure.action}) as scp:
        report = destination(scp.port).send(study, told.append)
        assert [outcome.state for outcome in told] == failure.states
        assert report.outcomes == tuple(told)
        assert (report.reachable, report.error) == (True, "")
        assert report.transport == {"tls": "none"}
        assert scp.associations == failure.associations
        assert scp.received == {each.sop_instance_uid: [each.sha256] for each in study}
        # The next attempt sends what is unconfirmed again: the same bytes.
        again = [each for each, one in zip(study, told, strict=True) if one.state in (PENDING, UNKNOWN)]
        scp.script.clear()
        second = destination(scp.port).send(again, lambda _: None)
        assert all(outcome.state is SENT for outcome in second.outcomes)
        assert all(set(scp.received[each.sop_instance_uid]) == {each.sha256} for each in study)


def test_a_peer_that_fails_again_and_again_ends_the_attempt(study: Sequence[OutgoingInstance]) -> None:
    with ScriptedScp({each.sop_instance_uid: 0xA700 for each in study}) as scp:
        report = destination(scp.port).send(study, lambda _: None)
    assert [outcome.state for outcome in report.outcomes] == [PENDING] * 3
    assert "3 instances in a row" in report.error
    assert len(scp.received) == 3


def test_peer_down(study: Sequence[OutgoingInstance]) -> None:
    report = destination(free_port()).send(study, lambda _: None)
    assert (report.outcomes, report.reachable) == ((), False)
    assert "connection refused" in report.error


def test_peer_rejects_us(study: Sequence[OutgoingInstance]) -> None:
    with ScriptedScp(require_called_aet=True) as scp:
        report = destination(scp.port, ae_title="NOBODY").send(study, lambda _: None)
    assert (report.outcomes, report.reachable) == ((), True)
    assert "called ae title" in report.error


def test_syntax_that_the_peer_lacks_is_refused_and_named(
    study: Sequence[OutgoingInstance], tmp_path: Path
) -> None:
    odd = freeze(dcmread(example("JPEG2000.dcm")), tmp_path / "j2k.dcm", 400)
    with ScriptedScp() as scp:
        report = destination(scp.port).send([odd, *study], lambda _: None)
    assert [outcome.state for outcome in report.outcomes] == [REFUSED, SENT, SENT, SENT, SENT]
    assert odd.transfer_syntax_uid in report.outcomes[0].detail
    assert odd.sop_class_uid in report.outcomes[0].detail


def test_altered_bytes_never_arrive(tmp_path: Path) -> None:
    study = make_study(tmp_path, 3)
    damage(study)
    with ScriptedScp() as scp:
        report = destination(scp.port).send(study, lambda _: None)
    assert [outcome.state for outcome in report.outcomes] == [SENT, PENDING, PENDING]
    assert [outcome.status for outcome in report.outcomes] == ["0x0000", DAMAGED, DAMAGED]
    assert "proved" in report.outcomes[1].detail
    assert list(scp.received) == ["2.25.301"]


def test_identifiers_that_are_no_uids_are_refused_before_they_are_proposed(
    study: Sequence[OutgoingInstance],
) -> None:
    hostile = replace(study[0], sop_instance_uid="../../x")
    with ScriptedScp() as scp:
        report = destination(scp.port).send([hostile, study[1]], lambda _: None)
    assert [outcome.state for outcome in report.outcomes] == [REFUSED, SENT]


def test_more_than_128_contexts_take_more_associations(tmp_path: Path) -> None:
    ds = dcmread(example("CT_small.dcm"))
    classes = [f"1.2.840.10008.5.1.4.1.1.9999.{number}" for number in range(130)]
    study = [
        freeze(ds, tmp_path / f"{number}.dcm", 500 + number, sop_class_uid=uid)
        for number, uid in enumerate(classes)
    ]
    with ScriptedScp(contexts=[(CT, [EXPLICIT])]) as scp:
        report = destination(scp.port).send(study, lambda _: None)
        assert scp.associations == 2
    assert [outcome.state for outcome in report.outcomes] == [REFUSED] * 130


def test_receipts_are_not_carried_and_probe_fails_when_down() -> None:
    nowhere = destination(free_port())
    assert not nowhere.put_receipt(STUDY, "a", b"zip")
    with pytest.raises(PeerUnavailable):
        nowhere.probe(1)


@pytest.mark.interop
@needs_dcmtk
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm", "SC_rgb_rle.dcm"])
def test_storescp_receives_the_bytes_unchanged(name: str, tmp_path: Path) -> None:
    instance = outgoing(example(name))
    with dcmtk.StoreScp(tmp_path / "in", options=["+xa", "+B"]) as scp:
        report = destination(scp.port).send([instance], lambda _: None)
        assert [outcome.state for outcome in report.outcomes] == [SENT]
        (received,) = scp.files()
        assert outgoing(received).sha256 == instance.sha256


def test_deflated_bytes_arrive_unchanged() -> None:
    instance = outgoing(example("image_dfl.dcm"))
    with ScriptedScp(contexts=[(instance.sop_class_uid, [instance.transfer_syntax_uid])]) as scp:
        report = destination(scp.port).send([instance], lambda _: None)
    assert [outcome.state for outcome in report.outcomes] == [SENT]
    assert scp.received == {instance.sop_instance_uid: [instance.sha256]}


@pytest.mark.interop
@needs_dcmtk
def test_mutual_tls_to_storescp(study: Sequence[OutgoingInstance], tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "tls")
    own = certificates.client
    with dcmtk.StoreScp(tmp_path / "in", certificates=certificates) as scp:
        tls = client_context(certificates.ca, own.cert, own.key)
        report = destination(scp.port, tls=tls).send(study, lambda _: None)
        assert [outcome.state for outcome in report.outcomes] == [SENT] * 4
        assert len(scp.files()) == 4
        assert report.transport["tls"].startswith("TLSv1.")
        assert len(report.transport["peerSpkiSha256"]) == 64
        anonymous = destination(scp.port, tls=client_context(certificates.ca))
        assert not anonymous.send(study, lambda _: None).outcomes


@pytest.mark.interop
@needs_orthanc
def test_orthanc_takes_the_study_twice(study: Sequence[OutgoingInstance], tmp_path: Path) -> None:
    with orthanc.Orthanc(tmp_path / "orthanc") as server:
        there = destination(server.dicom_port, timeouts=Timeouts())
        assert "C-ECHO" in there.probe(5)
        for _ in range(2):  # a re-send after an answer was lost must be welcome
            report = there.send(study, lambda _: None)
            assert [outcome.state for outcome in report.outcomes] == [SENT] * 4
        assert len(server.instances()) == 4
        assert len(server.studies()) == 1
        assert {server.tags(each)["SOPInstanceUID"] for each in server.instances()} == {
            each.sop_instance_uid for each in study
        }
