"""Epoch keys: what opens a file before it has a row, and no longer; erasure; crashes in between."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exchange.domain.errors import SpoolError
from exchange.domain.instance import SpooledInstance
from exchange.keys.storage import FileKeyEncryption
from exchange.spool import epochs as epochs_module
from exchange.spool.store import Spool
from tests.exchange.spool.house import KEK, UID, copied, dataset, files, put, reopened


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", kek=KEK)


def epochs(spool: Spool) -> list[str]:
    return sorted(path.name for path in (spool.root / "epochs").iterdir())


def end_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every epoch be over after its first arrival."""
    monkeypatch.setattr(epochs_module, "_MOST_ARRIVALS", 1)


def opens(spool: Spool, one: SpooledInstance) -> bool:
    """Whether the box opens the file without its row."""
    try:
        spool.source(one.identity)
    except SpoolError:
        return False
    return True


def test_one_epoch_serves_many_and_its_key_lies_wrapped(spool: Spool) -> None:
    stored = [put(spool, bytes((number,))) for number in range(5)]
    (name,) = epochs(spool)
    path = spool.root / "epochs" / name
    assert path.stat().st_mode & 0o077 == 0
    key = spool.source(stored[0].identity).key
    everything = b"".join((spool.root / one).read_bytes() for one in files(spool.root, own=True))
    assert key not in everything
    assert KEK not in everything


def test_an_epoch_ends_and_goes_when_all_are_indexed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    one = put(spool, b"one")
    end_epoch(monkeypatch)
    two = put(spool, b"two")
    assert len(epochs(spool)) == 2
    spool.indexed([two])
    assert opens(spool, one)
    assert not opens(spool, two)
    spool.indexed([one])
    assert epochs(spool) == []
    assert not opens(spool, one)
    assert dataset(spool, one) == b"one"  # its row opens it
    assert list(spool.index()) == []
    assert {each.arrival_id for each in spool.closed()} == {
        one.arrival.arrival_id,
        two.arrival.arrival_id,
    }


def test_an_aborted_arrival_keeps_no_epoch(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    end_epoch(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        put_and_fail(spool)
    assert spool.rotate() == 1
    assert epochs(spool) == []


def put_and_fail(spool: Spool) -> None:
    from tests.exchange.spool.house import CLASS, SYNTAX, context

    with spool.begin(CLASS, UID, SYNTAX, context()) as writer:
        writer.write(b"x")
        raise ZeroDivisionError


def test_a_restart_ends_the_epoch_but_loses_nothing(spool: Spool) -> None:
    one, two = put(spool, b"one"), put(spool, b"two")
    again = reopened(spool)
    assert again.rotate() == 0  # nothing is destroyed before everything was looked at
    found = list(again.index())
    assert {each.identity for each in found} == {one.identity, two.identity}
    again.indexed(found[:1])
    assert len(epochs(again)) == 1
    again.indexed(found[1:])
    assert epochs(again) == []
    assert {dataset(again, each) for each in found} == {b"one", b"two"}


def test_an_index_that_was_not_read_to_its_end_destroys_nothing(spool: Spool) -> None:
    for number in range(3):
        put(spool, bytes((number,)))
    again = reopened(spool)
    again.indexed([next(again.index())])
    assert len(epochs(again)) == 1
    assert len(list(reopened(again).index())) == 3


def test_a_further_arrival_opens_until_it_is_indexed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    end_epoch(monkeypatch)
    first = put(spool)
    spool.indexed([first])
    second = put(spool, called_ae="REGISTRY")
    assert second.duplicate
    assert second.wrapped_key == b""  # its row has it
    again = reopened(spool)
    assert list(again.index()) == [second]
    again.indexed([second])
    assert list(again.index()) == []
    assert again.arrival_ids(first.identity) == {first.arrival.arrival_id, second.arrival.arrival_id}


def test_a_further_arrival_brings_the_key_while_no_row_has_it(spool: Spool) -> None:
    first, second = put(spool), put(spool, called_ae="REGISTRY")
    assert second.wrapped_key != first.wrapped_key
    assert dataset(spool, second) == dataset(spool, first) == b"data"


def test_another_storage_key_is_refused(spool: Spool) -> None:
    put(spool)
    spool.close()
    with pytest.raises(SpoolError, match="another storage key"):
        Spool(spool.root, kek=bytes(32))
    assert len(list(Spool(spool.root, kek=FileKeyEncryption(KEK)).index())) == 1


def test_a_damaged_epoch_key_is_reported_and_kept(spool: Spool) -> None:
    one = put(spool)
    (name,) = epochs(spool)
    path = spool.root / "epochs" / name
    path.write_bytes(bytes(60))
    with capture_logs() as logs:
        again = reopened(spool)
    assert [entry["event"] for entry in logs] == ["spool.epoch_unusable"]
    assert list(again.index()) == []
    assert [each.identity for each in again.closed()] == [one.identity]
    assert path.exists()
    assert dataset(again, one) == b"data"


def test_a_second_spool_on_the_folder_is_refused(spool: Spool) -> None:
    with pytest.raises(SpoolError, match="another process"):
        Spool(spool.root, kek=KEK)
    code = "import sys;from pathlib import Path;from exchange.spool.store import Spool;"
    code += "Spool(Path(sys.argv[1]), kek=bytes(range(32)))"
    child = subprocess.run(
        [sys.executable, "-c", code, str(spool.root)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "another process is at work" in child.stderr
    put(spool)
    assert len(list(reopened(spool).index())) == 1


# Erasure


def test_erasing_deletes_file_and_epoch(spool: Spool, tmp_path: Path) -> None:
    """A copy taken before opens with nothing that the box still has."""
    one, further = put(spool), put(spool, called_ae="REGISTRY")
    other = put(spool, b"other", uid="1.2.9")
    spool.indexed([one, further, other])
    backup = copied(spool, tmp_path / "backup")
    told: list[frozenset[str]] = []
    assert spool.erase(one.identity, lambda ids: told.append(ids) or True)  # type: ignore[func-returns-value]
    assert told == [frozenset({one.arrival.arrival_id, further.arrival.arrival_id})]
    assert files(spool.root) == [f"{other.identity[:2]}/{other.identity}.sealed"]
    assert epochs(spool) == []
    # Put the copy back, beside everything that the box still has.
    target = spool.path(one.identity)
    target.parent.mkdir(exist_ok=True)
    target.write_bytes((backup / target.relative_to(spool.root)).read_bytes())
    again = reopened(spool)
    assert list(again.index()) == []
    assert not opens(again, one)
    with pytest.raises(SpoolError):
        again.source(one.identity, other.wrapped_key)
    assert dataset(again, other) == b"other"


def test_erasing_waits_for_arrivals_that_are_on_their_way(spool: Spool) -> None:
    one = put(spool)
    spool.indexed([one])
    waiting = put(spool, b"waiting")
    assert spool.erase(one.identity, lambda _: True)
    assert opens(spool, waiting)
    spool.indexed([waiting])
    assert epochs(spool) == []


def test_what_is_needed_is_not_erased(spool: Spool) -> None:
    one = put(spool)
    assert not spool.erase(one.identity, lambda _: False)
    assert dataset(spool, one) == b"data"


def test_the_same_bytes_come_again_after_erasure(spool: Spool) -> None:
    one = put(spool)
    spool.indexed([one])
    spool.erase(one.identity, lambda _: True)
    again = put(spool)
    assert not again.duplicate
    assert dataset(spool, again) == b"data"
    with pytest.raises(OSError, match="changed"):
        dataset(spool, one)  # the old key does not open the new file


def test_a_file_that_could_not_be_deleted_takes_no_arrivals(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key is gone: who comes as a duplicate of it would be lost."""
    one = put(spool)
    spool.indexed([one])
    real = Path.unlink

    def failing(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".sealed":
            raise OSError(errno.EIO, "injected")
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", failing)
    with pytest.raises(SpoolError):
        spool.erase(one.identity, lambda _: True)
    monkeypatch.undo()
    again = put(spool)
    assert not again.duplicate
    assert dataset(spool, again) == b"data"


def test_a_name_whose_durability_is_unknown_is_taken_back(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender was told no; the file must not wait there under an epoch key that may go."""
    kept = put(spool, b"makes the epoch and its folder")
    spool.path(put(spool).identity).parent.mkdir(exist_ok=True)
    spool.erase(put(spool).identity, lambda _: True)
    put(spool, b"a new epoch")
    real, calls = os.fsync, []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == len(("content", "folder")):
            raise OSError(errno.EIO, "injected")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(SpoolError):
        put(spool)
    monkeypatch.undo()
    assert len(calls) == len(("content", "folder"))
    assert len([name for name in files(spool.root) if name.endswith(".sealed")]) == len(("kept", "new epoch"))
    assert not put(spool).duplicate
    assert dataset(spool, kept) == b"makes the epoch and its folder"


# Crashes: whatever a kill leaves, each file opens by its epoch or is known to its row.

CHILD = """
    import os, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from uuid import uuid4
    from exchange.spool import epochs, store
    from exchange.spool.records import ArrivalContext
    moment = sys.argv[2]
    def die(*_, **__):
        os.kill(os.getpid(), 9)
    spool = store.Spool(Path(sys.argv[1]), kek=bytes(range(32)))
    if moment == "before the epoch is durable":
        epochs.write_file = die
    epochs._MOST_ARRIVALS = 1
    def put(data):
        context = ArrivalContext(uuid4().hex, "dimse", "A", "B", "", "127.0.0.1")
        writer = spool.begin("1.2", "1.2.3", "1.2.840.10008.1.2.1", context)
        if moment == "while writing":
            writer.write(data * 300000)
            die()
        writer.write(data)
        return writer.commit(datetime.now(UTC))
    one = put(b"accepted")
    rows = Path(sys.argv[1]).parent / "rows"
    rows.write_bytes(one.identity.encode() + one.wrapped_key)
    if moment == "after the row":
        die()
    if moment == "before the key is gone":
        Path.unlink = die
    if moment == "before its folder is synced":
        epochs.fsync_folder = die
    spool.indexed([one])
    if moment == "in the erasure":
        Path.unlink = die
        spool.erase(one.identity, lambda _: rows.write_bytes(b"") == 0)
    die()
"""


@pytest.mark.parametrize(
    "moment",
    [
        "before the epoch is durable",
        "while writing",
        "after the row",
        "before the key is gone",
        "before its folder is synced",
        "after everything",
        "in the erasure",
    ],
)
def test_kill_at_each_point(tmp_path: Path, moment: str) -> None:
    root, rows = tmp_path / "spool", tmp_path / "rows"
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(root), moment],
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    spool = Spool(root, kek=KEK)
    found = list(spool.index())
    for one in found:
        assert dataset(spool, one) == b"accepted"
    row = rows.read_bytes() if rows.exists() else b""
    for closed in spool.closed():
        assert rows.exists()  # its epoch is gone, so its row was there
        if row:
            identity, wrapped = row[:64].decode(), row[64:]
            assert closed.identity == identity
            spool.verify(identity, wrapped)
    expected = {"before the epoch is durable": 0, "while writing": 0}.get(moment, 1)
    assert len(found) + len(spool.closed()) == expected
    spool.indexed(found)
    assert not any(name.endswith((".part", ".tmp")) for name in files(root))
    assert epochs(spool) == []
