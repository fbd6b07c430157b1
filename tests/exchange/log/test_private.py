"""What names people: sealed beside the log, committed to in it, erased without breaking a proof."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.domain.errors import LogError
from exchange.log.events import Event, EventKind
from exchange.log.merkle import includes, inclusion_proof, leaf_hash
from exchange.log.reader import LogReader
from exchange.log.writer import PRIVATE_ROWS
from tests.exchange.log.making import BOOT, LogSite

SAID = {"by": "Dr. Hannah Weiß", "text": "the patient Kowalska asked on the phone"}
DECISION = Event(EventKind.REVIEW_DECISION, {"decision": "release"}, private=SAID)


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_it_is_sealed_committed_to_and_can_be_read(site: LogSite) -> None:
    with site.open() as log:
        log.append_all([BOOT, DECISION, DECISION])
        plain, first, second = site.read()
        assert plain.private == ""
        assert first.private != second.private  # the salt
        assert log.private.reveal(1, 1, first.private) == SAID
        assert log.private.reveal(1, 2, second.private) == SAID
    kept = everything(site.root / "state")
    assert not any(word in kept for word in (b"Weiss", "Weiß".encode(), b"Kowalska", b"Hannah"))
    assert site.fsck().ok


def test_erasing_leaves_every_proof_as_it_was(site: LogSite) -> None:
    with site.open() as log:
        log.append_all([DECISION, BOOT])
        leaf = site.read()[0]
        row = sqlite3.connect(site.places.folder / PRIVATE_ROWS).execute("SELECT sealed FROM private")
        (sealed,) = row.fetchone()
        assert log.erase(0, "a" * 32)
        assert not log.erase(0)
        assert not log.erase(1)
        assert log.private.reveal(1, 0, leaf.private) is None
        assert log.proof(0)
    assert sealed not in (site.places.folder / PRIVATE_ROWS).read_bytes(), "overwritten, not only unlinked"
    reader = LogReader.open(site.places.folder)
    data = next(iter(reader.leaves()))[1]
    assert leaf.private.encode() in data
    path = inclusion_proof(reader.tiles.node, 0, reader.head.size)
    assert includes(leaf_hash(data), 0, reader.head.size, path, reader.head.root)
    assert (site.read()[2].kind, dict(site.read()[2].obj), site.read()[2].actor) == (
        "private.erased",
        {"leaf": 0},
        "a" * 32,
    )
    assert site.fsck().ok


def test_a_row_that_was_changed_or_moved_does_not_open(site: LogSite) -> None:
    site.open().close()
    with site.open() as log:
        log.append_all([DECISION, replace(DECISION, private={"by": "Dr. Berg"})])
    rows = sqlite3.connect(site.places.folder / PRIVATE_ROWS, isolation_level=None)
    rows.execute("UPDATE private SET seq = 9 WHERE seq = 1")
    rows.execute("UPDATE private SET seq = 1 WHERE seq = 0")
    assert (site.fsck().place, site.fsck().leaves) == ("leaf 1", 2)
    rows.execute("DELETE FROM private")
    assert site.fsck().ok
    rows.close()


def test_the_leaf_decides_what_the_private_part_was(site: LogSite) -> None:
    with site.open() as log:
        log.append(DECISION)
        with pytest.raises(LogError, match="commits to another"):
            log.private.reveal(1, 0, "ab" * 32)


def test_rows_of_leaves_that_were_never_written_are_forgotten(site: LogSite) -> None:
    with site.open() as log:
        log.append(DECISION)
        log.private.store(1, {1: b"left by a crash"})
    with site.open() as log:
        assert log.append(BOOT).seq == 1
        assert not log.erase(1)


@pytest.mark.parametrize("private", [{"By": "x"}, {"by": 1}, {"text": "x" * 20_000}], ids=str)
def test_what_is_no_private_part(private: dict[str, str]) -> None:
    with pytest.raises(LogError):
        Event(EventKind.ALERT, private=private)


def test_full_private_rows_keep_the_leaf_out(site: LogSite, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.open() as log:
        log.append(BOOT)
        with sqlite3.connect(site.places.folder / PRIVATE_ROWS) as other:
            other.execute("BEGIN EXCLUSIVE")
            log.private._rows.execute("PRAGMA busy_timeout=10")
            with pytest.raises(LogError, match="private rows"):
                log.append(DECISION)
            assert log.append(BOOT).seq == 1
        other.close()
        assert log.append(DECISION).seq == 2
    assert site.fsck().ok
