"""Several associations to one peer: adaptive, bounded, resumed per SOP Instance UID."""

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pydicom import dcmread  # noqa: TID251 - tests build their input

from exchange.destinations import ahead, lanes
from exchange.destinations.dicom import DicomDestination
from exchange.destinations.lanes import Terms
from exchange.destinations.pace import Pace
from exchange.dimse.peer import DicomPeer, Timeouts
from exchange.domain.delivery import DAMAGED, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.exchange import Priority
from tests.support.outgoing import damage, example, freeze, make_study, plain_file
from tests.support.ports import HOST
from tests.support.scripted_scp import CT, EXPLICIT, ScriptedScp, store_then_reset

SENT, UNKNOWN, PENDING = InstanceState.SENT, InstanceState.UNKNOWN, InstanceState.PENDING
IMPLICIT = "1.2.840.10008.1.2"
QUICK = Timeouts(connect=5, association=5, response=5, send=5)
SECONDS = 10


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Sequence[OutgoingInstance]:
    return make_study(tmp_path_factory.mktemp("frozen"), 24)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pace that wants one more association after each instance: what follows is not left to timing."""

    class Eager(Pace):
        def stored(self, byte_count: int, remaining: int) -> int:  # noqa: ARG002
            self.wanted = min(self.wanted + 1, self._most)
            return self.wanted

    monkeypatch.setattr(lanes, "Pace", Eager)


def destination(port: int, associations: int = 4, **terms: bool) -> DicomDestination:
    return DicomDestination(DicomPeer("SCRIPTED", HOST, port, timeouts=QUICK), Terms(associations, **terms))


class Meeting:
    """Answers only when so many instances are with the peer at once; else after a deadline."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count)
        self.met = False

    def __call__(self, _event: Any, _ended: threading.Event) -> int:
        try:
            self.barrier.wait(SECONDS)
            self.met = True
        except threading.BrokenBarrierError:
            pass
        return 0x0000


@pytest.mark.usefixtures("eager")
def test_instances_travel_side_by_side(study: Sequence[OutgoingInstance]) -> None:
    meeting = Meeting(3)
    # The first is answered at once; of the following three no one before the others have come.
    script = {each.sop_instance_uid: meeting for each in study[2:5]}
    told: list[InstanceOutcome] = []
    with ScriptedScp(script) as scp:
        report = destination(scp.port).send(study, told.append)
        assert meeting.met
        assert 3 <= scp.associations <= 4
        assert scp.received == {each.sop_instance_uid: [each.sha256] for each in study}
    assert {one.state for one in told} == {SENT}
    assert sorted(one.sop_instance_uid for one in told) == sorted(one.sop_instance_uid for one in study)
    assert (report.error, report.reachable) == ("", True)


@pytest.mark.usefixtures("eager")
def test_no_more_than_configured(study: Sequence[OutgoingInstance]) -> None:
    with ScriptedScp() as scp:
        destination(scp.port, 2).send(study, lambda _: None)
        assert scp.associations == 2


def test_a_small_study_stays_on_one_association(study: Sequence[OutgoingInstance]) -> None:
    with ScriptedScp() as scp:
        destination(scp.port).send(study[:8], lambda _: None)
        assert scp.associations == 1


@pytest.mark.usefixtures("eager")
def test_a_peer_that_takes_one_only_gets_all_over_it(study: Sequence[OutgoingInstance]) -> None:
    with ScriptedScp() as scp:
        scp._ae.maximum_associations = 1  # rejects the second: transient, local limit exceeded
        report = destination(scp.port).send(study, lambda _: None)
        assert scp.received == {each.sop_instance_uid: [each.sha256] for each in study}
    assert {one.state for one in report.outcomes} == {SENT}
    assert (report.error, report.reachable) == ("", True)


@pytest.mark.usefixtures("eager")
def test_one_lost_association_costs_one_instance(study: Sequence[OutgoingInstance]) -> None:
    victim = study[6].sop_instance_uid
    with ScriptedScp({victim: store_then_reset}) as scp:
        report = destination(scp.port).send(study, lambda _: None)
        states = {one.sop_instance_uid: one.state for one in report.outcomes}
        assert states.pop(victim) is UNKNOWN
        assert set(states.values()) == {SENT}
        scp.script.clear()
        again = destination(scp.port).send([study[6]], lambda _: None)
        assert [one.state for one in again.outcomes] == [SENT]
        # Sent twice under one UID, and the same bytes each time; nothing else was sent again.
        assert scp.received.pop(victim) == [study[6].sha256] * 2
        assert all(len(comings) == 1 for comings in scp.received.values())


@pytest.mark.usefixtures("eager")
def test_a_peer_that_dies_ends_the_attempt_and_leaves_the_rest_untouched(
    study: Sequence[OutgoingInstance],
) -> None:
    with ScriptedScp({each.sop_instance_uid: 0xA700 for each in study}) as scp:
        report = destination(scp.port).send(study, lambda _: None)
    assert "in a row failed" in report.error
    assert 3 <= len(report.outcomes) <= 3 + 4
    assert {one.state for one in report.outcomes} == {PENDING}


@pytest.mark.usefixtures("eager")
def test_what_cannot_be_recorded_stops_everything(study: Sequence[OutgoingInstance]) -> None:
    told: list[InstanceOutcome] = []
    lock = threading.Lock()

    def record(outcome: InstanceOutcome) -> None:
        with lock:
            told.append(outcome)
            if len(told) >= 5:
                raise RuntimeError("the attempt is over")

    with ScriptedScp() as scp:
        there = destination(scp.port)
        with pytest.raises(RuntimeError, match="attempt is over"):
            there.send(study, record)
        assert len(scp.received) < len(study)
        # Its associations were given back: the next attempt is not starved.
        assert {one.state for one in there.send(study, lambda _: None).outcomes} == {SENT}


def test_an_urgent_study_overtakes_one_that_is_under_way(study: Sequence[OutgoingInstance]) -> None:
    """One association in all: the routine study lets go of it between two instances."""
    urgent = [replace(each, priority=Priority.STAT) for each in study[20:]]
    first_is_there, urgent_waits = threading.Event(), threading.Event()
    order: list[str] = []

    def hold_first(_event: Any, _ended: threading.Event) -> int:
        first_is_there.set()
        urgent_waits.wait(SECONDS)
        return 0x0000

    with ScriptedScp({study[0].sop_instance_uid: hold_first}) as scp:
        there = destination(scp.port, 1)
        routine = threading.Thread(
            target=lambda: there.send(study[:20], lambda one: order.append(one.sop_instance_uid))
        )
        routine.start()
        assert first_is_there.wait(SECONDS)
        stat = threading.Thread(
            target=lambda: there.send(urgent, lambda one: order.append(one.sop_instance_uid))
        )
        stat.start()
        slots = lanes_slots(there)
        while not slots._waiting:
            with slots._change:
                slots._change.wait(0.01)
        urgent_waits.set()
        routine.join(SECONDS)
        stat.join(SECONDS)
    expected = {one.sop_instance_uid for one in urgent}
    assert set(order[1:5]) == expected
    assert len(order) == 24


def lanes_slots(there: DicomDestination) -> Any:
    from exchange.destinations.slots import slots_of

    return slots_of(there._peer, there._terms.associations)


def test_priority_is_told_to_the_peer(study: Sequence[OutgoingInstance]) -> None:
    heard: dict[str, int] = {}

    def note(event: Any, _ended: threading.Event) -> int:
        heard[str(event.request.AffectedSOPInstanceUID)] = event.request.Priority
        return 0x0000

    mixed = [study[0], replace(study[1], priority=Priority.STAT), replace(study[2], priority=Priority.HIGH)]
    with ScriptedScp({each.sop_instance_uid: note for each in mixed}) as scp:
        destination(scp.port).send(mixed, lambda _: None)
    assert [heard[each.sop_instance_uid] for each in mixed] == [0, 1, 1]  # medium, high, high


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OutgoingInstance]:
    folder = tmp_path_factory.mktemp("compressed")
    names = {"rle": "SC_rgb_rle.dcm", "lossy": "SC_rgb_jpeg_dcmtk.dcm", "big": "ExplVR_BigEnd.dcm"}
    return {
        key: freeze(dcmread(example(name)), folder / f"{key}.dcm", 700 + number)
        for number, (key, name) in enumerate(names.items())
    }


WANTED: list[tuple[str, str, list[str], tuple[str, ...], str]] = [
    ("rle, implicit peer", "rle", [IMPLICIT], (IMPLICIT,), "accepts no presentation context"),
    ("rle, both", "rle", [IMPLICIT, EXPLICIT], (EXPLICIT, IMPLICIT), "accepts no presentation context"),
    ("big endian", "big", [EXPLICIT], (EXPLICIT,), "accepts no presentation context"),
    ("lossy is not transcoded", "lossy", [IMPLICIT, EXPLICIT], (), "compressed with loss"),
    ("class unknown", "rle", [], (), "accept that SOP class"),
]


@pytest.mark.parametrize("case", WANTED, ids=lambda case: case[0])
def test_a_refused_syntax_tells_what_the_peer_would_take(
    case: tuple[str, str, list[str], tuple[str, ...], str], compressed: dict[str, OutgoingInstance]
) -> None:
    _, key, accepted, wanted, said = case
    instance = compressed[key]
    contexts = [(instance.sop_class_uid, accepted)] if accepted else [(CT, [EXPLICIT])]
    with ScriptedScp(contexts=contexts) as scp:
        (outcome,) = destination(scp.port).send([instance], lambda _: None).outcomes
    assert outcome.state is InstanceState.REFUSED
    assert outcome.wanted_syntaxes == wanted
    assert said in outcome.detail


def test_transcoding_can_be_off(compressed: dict[str, OutgoingInstance]) -> None:
    instance = compressed["rle"]
    with ScriptedScp(contexts=[(instance.sop_class_uid, [IMPLICIT])]) as scp:
        (outcome,) = destination(scp.port, transcode=False).send([instance], lambda _: None).outcomes
    assert outcome.wanted_syntaxes == ()
    assert "transcoding is off" in outcome.detail


@pytest.mark.parametrize("offers", [True, False])
def test_whether_the_peer_commits_is_learnt_on_the_way(
    offers: bool, study: Sequence[OutgoingInstance]
) -> None:
    contexts = [(CT, [EXPLICIT])]
    if offers:
        contexts.append(("1.2.840.10008.1.20.1", [IMPLICIT]))
    with ScriptedScp(contexts=contexts) as scp:
        asked = destination(scp.port, commitment=True).send(study[:2], lambda _: None)
        silent = destination(scp.port).send(study[:2], lambda _: None)
    assert {one.state for one in asked.outcomes} == {SENT}
    assert asked.commits is offers
    assert silent.commits is None


def test_memory_does_not_grow_with_an_instance(tmp_path: Path) -> None:
    """Pieces are read as they are sent: never more than a few of them are alive."""
    alive, peak = 0, 0

    def pieces(instance: OutgoingInstance, *, with_file_meta: bool) -> Iterator[bytes]:
        nonlocal alive, peak
        for _ in range(200):
            alive += 1
            peak = max(peak, alive)
            yield Counted(256 * 1024)

    class Counted(bytes):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    (short,) = make_study(tmp_path, 1)
    instance = replace(short, byte_count=200 * 256 * 1024)
    with pytest.MonkeyPatch.context() as context, ScriptedScp(maximum_pdu_size=16382) as scp:
        context.setattr(ahead, "frozen_pieces", pieces)
        report = destination(scp.port).send([instance], lambda _: None)
    assert [one.state for one in report.outcomes] == [SENT]
    assert peak <= 8


class Watched:
    """A frozen file that tells when it is opened, and may do worse."""

    def __init__(self, path: Path, on_open: Callable[[], None]) -> None:
        self._path = path
        self._on_open = on_open

    def open_plain(self) -> BinaryIO:
        self._on_open()
        return self._path.open("rb", buffering=0)


def watched(instance: OutgoingInstance, on_open: Callable[[], None]) -> OutgoingInstance:
    return replace(instance, source=Watched(plain_file(instance), on_open))


def test_the_next_instance_is_read_while_the_peer_is_busy(study: Sequence[OutgoingInstance]) -> None:
    opened = threading.Event()
    seen: list[bool] = []

    def busy(_event: Any, _ended: threading.Event) -> int:
        seen.append(opened.wait(SECONDS))
        return 0x0000

    instances = [study[0], watched(study[1], opened.set), study[2]]
    with ScriptedScp({study[0].sop_instance_uid: busy}) as scp:
        report = destination(scp.port, 1).send(instances, lambda _: None)
        assert scp.received == {each.sop_instance_uid: [each.sha256] for each in study[:3]}
    assert seen == [True]
    assert [one.sop_instance_uid for one in report.outcomes] == [one.sop_instance_uid for one in study[:3]]


def test_a_damaged_file_read_ahead_costs_no_association(tmp_path: Path) -> None:
    study = make_study(tmp_path, 4)
    damage(study)
    with ScriptedScp() as scp:
        report = destination(scp.port, 1).send(study, lambda _: None)
        assert list(scp.received) == [study[0].sop_instance_uid, study[3].sop_instance_uid]
        assert scp.associations == 1
    # The first instance's answer is told before what is wrong with the next.
    assert [one.status for one in report.outcomes] == ["0x0000", DAMAGED, DAMAGED, "0x0000"]


def test_a_file_that_cannot_be_read_just_now_stays_pending(study: Sequence[OutgoingInstance]) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "I/O error")

    with ScriptedScp() as scp:
        report = destination(scp.port, 1).send([study[0], watched(study[1], fail), study[2]], lambda _: None)
    assert [one.state for one in report.outcomes] == [SENT, PENDING, SENT]
    assert report.outcomes[1].status == "unreadable"


def test_what_fails_while_reading_ahead_hides_no_answer(study: Sequence[OutgoingInstance]) -> None:
    def fail() -> None:
        raise RuntimeError("a mistake of ours")

    told: list[InstanceOutcome] = []
    with ScriptedScp() as scp, pytest.raises(RuntimeError, match="a mistake of ours"):
        destination(scp.port, 1).send([study[0], watched(study[1], fail)], told.append)
    assert [(one.sop_instance_uid, one.state) for one in told] == [(study[0].sop_instance_uid, SENT)]


def test_an_attempt_that_is_cancelled_sends_nothing_that_was_read_ahead(
    study: Sequence[OutgoingInstance],
) -> None:
    opened = threading.Event()

    def cancel(_: InstanceOutcome) -> None:
        assert opened.is_set()
        raise RuntimeError("the attempt is over")

    instances = [study[0], watched(study[1], opened.set), *study[2:6]]
    with ScriptedScp() as scp:
        there = destination(scp.port, 1)
        with pytest.raises(RuntimeError, match="attempt is over"):
            there.send(instances, cancel)
        assert list(scp.received) == [study[0].sop_instance_uid]
        assert {one.state for one in there.send(study[1:6], lambda _: None).outcomes} == {SENT}
        assert all(len(comings) == 1 for comings in scp.received.values())


def test_an_instance_read_ahead_survives_the_loss_of_the_one_before(
    study: Sequence[OutgoingInstance],
) -> None:
    openings: list[str] = []
    instances = [study[0], watched(study[1], lambda: openings.append("")), study[2]]
    with ScriptedScp({study[0].sop_instance_uid: store_then_reset}) as scp:
        report = destination(scp.port, 1).send(instances, lambda _: None)
        assert scp.associations == 2
        assert scp.received == {each.sop_instance_uid: [each.sha256] for each in study[:3]}
    assert [one.state for one in report.outcomes] == [UNKNOWN, SENT, SENT]
    assert len(openings) == 2  # once read ahead, once more for the new association
