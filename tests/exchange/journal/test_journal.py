"""The journal: durable, chained, recoverable, one writer, no text."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.domain.errors import JournalError
from exchange.journal.entries import GENESIS, MAX_LINE, fsck, read
from exchange.journal.events import Event, EventKind, Outcome
from exchange.journal.writer import Journal

NOW = datetime(2026, 5, 4, 12, 0, 0, 5000, tzinfo=UTC)
BOOT = Event(EventKind.BOOT, {"version": "0.1.0"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/journal.jsonl"


def opened(path: Path) -> Journal:
    return Journal.open(path, lambda: NOW)


def filled(path: Path, count: int = 5) -> None:
    with opened(path) as journal:
        for number in range(count):
            journal.append(Event(EventKind.INSTANCE_RECEIVED, {"exchange": f"e{number}", "count": number}))


def test_append_and_read(path: Path) -> None:
    with opened(path) as journal:
        assert (journal.head.seq, journal.head.hash) == (-1, GENESIS)
        first = journal.append(BOOT)
        actor = "hmac-sha256:" + "a" * 64
        second = journal.append(Event(EventKind.REVIEW_DECISION, {"code": "other"}, Outcome.DENIED, actor))
        assert journal.head == second
    entries = list(read(path))
    assert [(entry.seq, entry.hash) for entry in entries] == [(0, first.hash), (1, second.hash)]
    assert entries[1].prev == first.hash
    assert (entries[1].actor, entries[1].outcome, entries[1].t) == (
        actor,
        "denied",
        "2026-05-04T12:00:00.005Z",
    )
    assert fsck(path).ok
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(path.read_bytes().splitlines()[0])) == {
        "v",
        "seq",
        "t",
        "kind",
        "outcome",
        "obj",
        "prev",
    }


def test_reopening_continues_the_chain(path: Path) -> None:
    filled(path)
    filled(path)
    check = fsck(path)
    assert (check.ok, check.entries) == (True, 10)


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_torn_last_line_is_cut_and_recorded(path: Path, cut: int) -> None:
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert fsck(path).broken_line == 5
    assert len(list(read(path))) == 4
    with opened(path):
        pass
    entries = list(read(path))
    assert [entry.seq for entry in entries] == [0, 1, 2, 3, 4]
    torn = len(whole.splitlines(keepends=True)[4]) - cut
    assert (entries[4].kind, entries[4].obj) == ("log.recovered", {"bytes": torn})
    assert fsck(path).ok


def test_only_a_torn_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\0" * (MAX_LINE * 3))
    with opened(path):
        pass
    assert [entry.kind for entry in read(path)] == ["log.recovered"]


def test_kill_at_any_byte_loses_no_whole_entry(path: Path) -> None:
    filled(path, 3)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with opened(path) as journal:
            journal.append(BOOT)
        check = fsck(path)
        torn = size not in (0, *_ends(whole))
        assert (check.ok, check.entries) == (True, whole[:size].count(b"\n") + 1 + torn)


def _ends(data: bytes) -> list[int]:
    return [index + 1 for index, byte in enumerate(data) if byte == 10]


def swap(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


EDITS: list[tuple[str, Callable[[list[bytes]], list[bytes]], int]] = [
    ("edit", lambda lines: [lines[0], lines[1].replace(b'"count":1', b'"count":7'), *lines[2:]], 3),
    ("delete", lambda lines: [lines[0], *lines[2:]], 2),
    ("swap", swap, 2),
    ("repeat", lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
    ("cut the head off", lambda lines: lines[2:], 1),
    ("not JSON", lambda lines: [b"x\n", *lines[1:]], 1),
    ("no entry", lambda lines: [b"[1]\n", *lines[1:]], 1),
    ("wrong type", lambda lines: [lines[0].replace(b'"seq":0', b'"seq":"0"'), *lines[1:]], 1),
    ("later version", lambda lines: [lines[0].replace(b'"v":1', b'"v":2'), *lines[1:]], 1),
    ("endless line", lambda lines: [b"x" * (MAX_LINE + 5) + b"\n", *lines], 1),
    ("deep line", lambda lines: [b"[" * 60_000 + b"\n", *lines], 1),
]


@pytest.mark.parametrize(("name", "edit", "line"), EDITS, ids=[item[0] for item in EDITS])
def test_fsck_names_the_first_broken_entry(
    path: Path, name: str, edit: Callable[[list[bytes]], list[bytes]], line: int
) -> None:
    filled(path)
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    check = fsck(path)
    assert (check.ok, check.broken_line) == (False, line)
    assert check.problem


def test_broken_last_entry_is_not_continued(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes()[:-20] + b"changed\n")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="last entry is broken"):
        opened(path)
    assert path.read_bytes() == before


def test_one_writer(path: Path) -> None:
    with opened(path):
        with pytest.raises(JournalError, match="another process is its writer"):
            opened(path)
        script = (
            "import sys, datetime\n"
            "from pathlib import Path\n"
            "from exchange.domain.errors import JournalError\n"
            "from exchange.journal.writer import Journal\n"
            "try:\n    Journal.open(Path(sys.argv[1]), lambda: datetime.datetime.now(datetime.UTC))\n"
            "except JournalError as error:\n    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True, timeout=30
        )
        assert "another process is its writer" in done.stdout
    opened(path).close()


def test_closed_journal_takes_nothing(path: Path) -> None:
    journal = opened(path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append(BOOT)


def test_many_threads_share_one_chain(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    real = os.fsync

    def counted(descriptor: int) -> None:
        nonlocal count
        count += 1
        real(descriptor)

    start = threading.Barrier(8)
    with opened(path) as journal:
        monkeypatch.setattr(os, "fsync", counted)
        refs: list[tuple[int, int]] = []

        def work(worker: int) -> None:
            start.wait()
            for number in range(20):
                event = Event(EventKind.INSTANCE_SENT, {"worker": worker, "number": number})
                refs.append((journal.append(event).seq, worker * 100 + number))

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert fsck(path).ok
    written = {entry.seq: int(entry.obj["worker"]) * 100 + int(entry.obj["number"]) for entry in read(path)}
    assert written == dict(refs)
    assert len(written) == 160
    assert count <= 160


def test_group_stands_together(path: Path) -> None:
    with opened(path) as journal:
        refs = journal.append_all([BOOT, BOOT, BOOT])
        assert [ref.seq for ref in refs] == [0, 1, 2]
        assert journal.append_all([]) == ()


def failing(after: int) -> Callable[[int, memoryview], int]:
    """A disk that fills up after some bytes of the entry."""
    real = os.write
    state = {"left": after}

    def write(descriptor: int, data: memoryview) -> int:
        if state["left"] <= 0:
            raise OSError(28, "No space left on device")
        done = real(descriptor, data[: state["left"]])
        state["left"] -= done
        return done

    return write


@pytest.mark.parametrize("after", [0, 10])
def test_full_disk_leaves_no_half_entry(path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    with opened(path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr("exchange.journal.writer.os.write", failing(after))
            with pytest.raises(JournalError, match="No space left"):
                journal.append(BOOT)
        assert fsck(path).ok
        assert journal.append(BOOT).seq == 5
    assert fsck(path).ok


def _refuse(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("killed", [True, False])
def test_a_half_entry_that_cannot_be_removed_at_once_is_removed_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    filled(path)
    with opened(path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr("exchange.journal.writer.os.write", failing(10))
            patch.setattr("exchange.journal.writer.os.ftruncate", _refuse)
            for _ in range(2):
                with pytest.raises(JournalError):
                    journal.append(BOOT)
        if not killed:
            journal.append(BOOT)
    with opened(path):
        pass
    assert fsck(path).ok
    assert [entry.kind for entry in read(path)][-1] == ("log.recovered" if killed else "boot")


@pytest.mark.parametrize("call", ["fsync", "pwrite", "ftruncate"])
@pytest.mark.parametrize("before", [0, 3, 100], ids=lambda count: f"after {count}")
def test_what_a_failed_fsync_left_never_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch, before: int, call: str
) -> None:
    """Nothing is written while the disk fails; then the chain goes on where it was acknowledged."""
    with opened(path) as journal:
        for number in range(before):
            journal.append(Event(EventKind.INSTANCE_SENT, {"number": number}))
        head = journal.head
        with monkeypatch.context() as patch:
            patch.setattr("exchange.journal.writer.os.fsync", _refuse)
            with pytest.raises(JournalError, match="Input/output"):
                journal.append(BOOT)
            patch.setattr(f"exchange.journal.writer.os.{call}", _refuse)
            for _ in range(2):
                with pytest.raises(JournalError, match="Input/output"):
                    journal.append(BOOT)
        assert journal.head == head
        assert journal.append(BOOT).seq == before
        assert journal.append(BOOT).seq == before + 1
    assert fsck(path).ok
    assert [entry.kind for entry in read(path)] == ["instance.sent"] * before + ["boot", "boot"]


def test_an_end_that_the_disk_lost_is_not_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as journal:
        journal.append(BOOT)
        with monkeypatch.context() as patch:
            patch.setattr("exchange.journal.writer.os.fsync", _refuse)
            with pytest.raises(JournalError, match="Input/output"):
                journal.append(BOOT)
        path.write_bytes(path.read_bytes().replace(b"boot", b"b00t"))
        for _ in range(2):
            with pytest.raises(JournalError, match="its end was lost"):
                journal.append(BOOT)


def test_unreadable_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalError, match="cannot open"):
        opened(tmp_path / "file/journal.jsonl")
    with pytest.raises(JournalError, match="cannot read"):
        fsck(tmp_path / "absent")
    with pytest.raises(JournalError):
        list(read(tmp_path / "absent"))


@pytest.mark.parametrize(
    "obj",
    [
        {"name": "KOWALSKA^MARIA"},
        {"name": "Maria Kowalska"},
        {"name": "Müller"},
        {"uid": "1.2.276.0.7230010.3.1.2.1"},
        {"ref": "x/1.2.276.0.7230010.3.1.2.1"},
        {"text": "a" * 129},
        {"count": True},
        {"count": 1.5},
        {"count": 1 << 63},
        {"list": ["a"]},
        {"Name": "x"},
        {"a b": "x"},
        {f"f{number}": 1 for number in range(33)},
    ],
    ids=str,
)
def test_nothing_that_could_name_a_patient(obj: dict[str, str | int]) -> None:
    with pytest.raises(JournalError) as caught:
        Event(EventKind.ALERT, obj)
    for value in obj.values():
        if isinstance(value, str) and len(value) > 3:
            assert value not in str(caught.value)


def test_actor_is_a_reference() -> None:
    with pytest.raises(JournalError, match="actor"):
        Event(EventKind.ALERT, actor="Dr. Weiss")


KINDS = st.sampled_from(list(EventKind))
VALUES = st.integers(-(2**62), 2**62) | st.from_regex(r"[A-Za-z0-9][a-z0-9:/@+-]{0,60}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(
        st.tuples(
            KINDS,
            st.dictionaries(st.from_regex(r"[a-z][A-Za-z0-9]{0,8}", fullmatch=True), VALUES, max_size=5),
        ),
        max_size=6,
    ),
    st.data(),
)
def test_any_events_and_any_damage(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[EventKind, dict[str, str | int]]],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    clock = iter(NOW + timedelta(seconds=n) for n in range(100))
    with Journal.open(path, lambda: next(clock)) as journal:
        journal.append_all(Event(kind, obj) for kind, obj in events)
    assert [(entry.kind, dict(entry.obj)) for entry in read(path)] == [(k.value, o) for k, o in events]
    whole = path.read_bytes()
    if whole:
        offset = data.draw(st.integers(0, len(whole) - 1))
        damaged = (
            whole[:offset] + bytes([whole[offset] ^ data.draw(st.integers(1, 255))]) + whole[offset + 1 :]
        )
        path.write_bytes(damaged)
        # Only the last entry can be changed unseen by the chain itself; its hash still differs.
        check = fsck(path)
        assert not check.ok or check.head != list_heads(whole)[-1]


def list_heads(data: bytes) -> list[str]:
    from hashlib import sha256

    return [sha256(line).hexdigest() for line in data.splitlines()]
