"""The spool: accepted means durable, and found again."""

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from structlog.testing import capture_logs

from exchange.dicomio.examine import examine
from exchange.dicomio.glance import glance, glance_bare
from exchange.dicomio.header import read_header
from exchange.domain.errors import SpoolError, SpoolFullError
from exchange.domain.instance import identity_hash
from exchange.spool.envelope import PREFIX_BYTES
from exchange.spool.store import Spool
from tests.exchange.spool.house import (
    CLASS,
    KEK,
    NOW,
    SYNTAX,
    UID,
    context,
    dataset,
    files,
    pour,
    put,
    reopened,
)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", kek=KEK)


def test_a_spool_file_gives_back_what_came(spool: Spool) -> None:
    source = Path(str(get_testdata_file("CT_small.dcm")))
    layout = examine(source)
    raw = source.read_bytes()[layout.dataset_offset :]
    with spool.begin(CLASS, layout.sop_instance_uid, SYNTAX, context()) as writer:
        for at in range(0, len(raw), 1000):
            writer.write(memoryview(raw)[at : at + 1000])
        with writer.written() as stream:
            assert glance_bare(stream, len(raw), writer.announced) == glance(source)
        stored = writer.commit(NOW)
    path = spool.path(stored.identity)
    assert path == spool.root / stored.identity[:2] / f"{stored.identity}.sealed"
    assert path.stat().st_mode & 0o077 == 0
    sealed = spool.source(stored.identity, stored.wrapped_key)
    again = examine(sealed)
    assert dataset(spool, stored) == raw
    assert again.dataset_length == stored.byte_count == len(raw)
    assert read_header(sealed) == read_header(source)
    assert list(spool.index()) == [stored]
    spool.verify(stored.identity, stored.wrapped_key)
    spool.verify(stored.identity)


def test_a_look_before_commit_sees_every_byte(spool: Spool) -> None:
    data = os.urandom(700_000)
    with spool.begin(CLASS, UID, SYNTAX, context()) as writer:
        for size in (1, 300_000, 399_999):
            writer.write(data[writer.byte_count : writer.byte_count + size])
            with writer.written() as stream:
                assert stream.read() == data[: writer.byte_count]
        stored = writer.commit(NOW)
        with pytest.raises(SpoolError):
            writer.written()
    assert dataset(spool, stored) == data


@given(
    data=st.binary(max_size=500),
    cuts=st.lists(st.integers(0, 500), max_size=4),
    uid=st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\0 "), min_size=1, max_size=64),
)
def test_identity_and_record_round_trip(
    data: bytes, cuts: list[int], uid: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), kek=KEK)
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    writer = spool.begin(CLASS, uid, SYNTAX, context())
    for begin, end in pairwise(borders):
        writer.write(data[begin:end])
    stored = writer.commit(NOW)
    expected = identity_hash(CLASS, uid, SYNTAX)
    expected.update(data)
    assert stored.identity == expected.hexdigest()
    assert stored.sop_instance_uid == uid
    assert list(spool.index()) == [stored]
    assert spool.arrival_ids(stored.identity) == {stored.arrival.arrival_id}
    spool.verify(stored.identity)


@pytest.mark.parametrize("uid", ["../../x", "/etc/passwd", "a/b", "..", "1.2\\3", "x" * 256])
def test_no_wire_identifier_is_a_path(spool: Spool, uid: str) -> None:
    stored = put(spool, uid=uid)
    assert files(spool.root.parent) == [f"spool/{stored.identity[:2]}/{stored.identity}.sealed"]
    assert next(iter(spool.index())).sop_instance_uid == uid


def test_the_same_bytes_twice_are_one_file_and_two_arrivals(spool: Spool) -> None:
    first = put(spool, called_ae="TELERAD")
    second = put(spool, called_ae="REGISTRY", at=NOW + timedelta(seconds=1))
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.identity == second.identity
    assert len([name for name in files(spool.root) if name.endswith(".sealed")]) == 1
    assert list(spool.index()) == [first, second]
    both = {first.arrival.arrival_id, second.arrival.arrival_id}
    assert spool.arrival_ids(first.identity) == both
    assert dataset(spool, first) == dataset(spool, second) == b"data"
    assert list(reopened(spool).index()) == [first, second]


def test_other_bytes_under_the_same_uid_are_both_kept(spool: Spool) -> None:
    one, other = put(spool, b"one"), put(spool, b"other")
    assert one.identity != other.identity
    assert {each.identity for each in spool.index()} == {one.identity, other.identity}


def test_concurrent_commits_of_the_same_bytes(spool: Spool) -> None:
    writers = [spool.begin(CLASS, UID, SYNTAX, context(f"AE{number}")) for number in range(16)]
    for writer in writers:
        writer.write(b"same")
    with ThreadPoolExecutor(16) as pool:
        stored = list(pool.map(lambda writer: writer.commit(NOW), writers))
    assert sum(not each.duplicate for each in stored) == 1
    assert {each.arrival.called_ae for each in spool.index()} == {f"AE{number}" for number in range(16)}
    assert not any(name.endswith(".part") for name in files(spool.root))


def test_what_was_not_committed_is_gone(spool: Spool) -> None:
    with spool.begin(CLASS, UID, SYNTAX, context()) as writer:
        writer.write(b"half")
        assert [Path(name).suffix for name in files(spool.root)] == [".part"]
    assert files(spool.root) == []
    with pytest.raises(SpoolError):
        writer.write(b"more")
    with pytest.raises(SpoolError):
        writer.commit(NOW)


def test_index_sweeps_orphans_but_not_running_writers(spool: Spool) -> None:
    (spool.root / "incoming" / f"{uuid4().hex}.part").write_bytes(b"half")
    running = spool.begin(CLASS, UID, SYNTAX, context())
    running.write(b"data")
    assert spool.sweep() == 1
    assert list(spool.index()) == []
    assert running.commit(NOW).byte_count == 4
    assert spool.sweep() == 0


def damage_cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def damage_empty(path: Path) -> None:
    os.truncate(path, 0)


def damage_prefix(path: Path) -> None:
    path.write_bytes(b"X" + path.read_bytes()[1:])


def damage_key(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[PREFIX_BYTES - 10] ^= 1  # of the wrapped data key
    path.write_bytes(raw)


def damage_header(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[PREFIX_BYTES + 20] ^= 1
    path.write_bytes(raw)


def damage_grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def damage_foreign(path: Path) -> None:
    path.write_bytes(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        damage_cut,
        damage_empty,
        damage_prefix,
        damage_key,
        damage_header,
        damage_grow,
        damage_foreign,
    ],
)
def test_a_damaged_file_goes_to_quarantine_and_stops_nobody(
    spool: Spool, damage: Callable[[Path], None]
) -> None:
    good, bad = put(spool, b"good"), put(spool, b"bad")
    put(spool, b"bad", "REGISTRY")
    damage(spool.path(bad.identity))
    with capture_logs() as logs:
        assert list(spool.index()) == [good]
    assert [entry["event"] for entry in logs] == ["spool.quarantined"] * 2
    assert spool.quarantined() == 2
    assert list(spool.index()) == [good]
    again = put(spool, b"bad")
    assert not again.duplicate


def test_strangers_in_the_folder_go_to_quarantine(spool: Spool) -> None:
    stored = put(spool)
    stranger = spool.path(stored.identity).with_name("notes.txt")
    stranger.write_text("x")
    stray = spool.path(stored.identity).with_name(f"{stored.identity[:2]}{'0' * 62}.{uuid4().hex}.arrival")
    stray.write_text("{}")
    broken = spool.path(stored.identity).with_name(f"{stored.identity}.{uuid4().hex}.arrival")
    broken.write_text("[1,2]")
    with capture_logs():
        assert list(spool.index()) == [stored]
    assert spool.quarantined() == 3


def test_a_flipped_bit_is_found_by_verify(spool: Spool) -> None:
    stored = put(spool, b"pixels")
    path = spool.path(stored.identity)
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(SpoolError, match="not those that were sealed"):
        spool.verify(stored.identity)


def test_bytes_that_come_again_replace_what_is_no_file_of_ours(spool: Spool) -> None:
    stored = put(spool)
    spool.path(stored.identity).write_bytes(b"overwritten by someone")
    with capture_logs():
        again = put(spool)
    assert not again.duplicate
    assert dataset(spool, again) == b"data"
    assert spool.quarantined() == 1


def test_delete(spool: Spool) -> None:
    stored = put(spool)
    put(spool, called_ae="REGISTRY")
    spool.delete(stored.identity)
    spool.delete(stored.identity)
    assert files(spool.root) == []
    with pytest.raises(SpoolError):
        spool.verify(stored.identity)
    assert spool.arrival_ids(stored.identity) == frozenset()


@pytest.mark.parametrize("identity", ["", "../../x", "a" * 63, "A" * 64, "a" * 64 + "\n"])
def test_only_identities_name_files(spool: Spool, identity: str) -> None:
    with pytest.raises(SpoolError):
        spool.path(identity)
    with pytest.raises(SpoolError):
        spool.delete(identity)


def test_begin_refuses_foreign_ids_and_absurd_uids(spool: Spool) -> None:
    with pytest.raises(SpoolError):
        spool.begin(CLASS, UID, SYNTAX, context(arrival_id="../../x"))
    with pytest.raises(SpoolError):
        spool.begin(CLASS, "1" * 257, SYNTAX, context())
    twice = context()
    with spool.begin(CLASS, UID, SYNTAX, twice), pytest.raises(SpoolError):
        spool.begin(CLASS, UID, SYNTAX, twice)


def test_the_reserve_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, min_free_bytes=1 << 62, kek=KEK)
    with pytest.raises(SpoolFullError):
        spool.begin(CLASS, UID, SYNTAX, context())
    assert files(tmp_path) == []


def test_the_reserve_is_kept_while_a_large_instance_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, min_free_bytes=1, kek=KEK)
    writer = spool.begin(CLASS, UID, SYNTAX, context())
    monkeypatch.setattr(spool, "_min_free_bytes", 1 << 62)
    with pytest.raises(SpoolFullError):
        pour(writer, 40)
    assert files(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "link"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_failing_disk_leaves_nothing_or_a_whole_file(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, code: int, call: str, after: int
) -> None:
    """Table of failures; `after` = 1 fails the second call: the name may exist then, and is whole."""
    real, calls = getattr(os, call), iter([None] * after)

    def failing(*arguments: object) -> object:
        if next(calls, "fail") == "fail":
            raise OSError(code, "injected")
        return real(*arguments)

    (spool.root / put(spool, b"makes the folder").identity[:2]).mkdir(exist_ok=True)
    before = files(spool.root)
    monkeypatch.setattr(os, call, failing)
    expected = SpoolError if code == errno.EIO else SpoolFullError
    try:
        put(spool, b"new")
    except SpoolError as error:
        assert isinstance(error, expected)  # noqa: PT017 - the link is called once only
    monkeypatch.undo()
    assert not any(name.endswith(".part") for name in files(spool.root))
    left = [name for name in files(spool.root) if name not in before]
    assert len(left) <= 1
    for instance in spool.index():
        spool.verify(instance.identity)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_really_full_disk(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", kek=KEK)
    kept = put(spool, b"small")
    with spool.begin(CLASS, UID, SYNTAX, context()) as writer, pytest.raises(SpoolFullError):
        pour(writer, 4)
    assert list(spool.index()) == [kept]
    assert put(spool, bytes(200_000)).byte_count == 200_000
    spool.close()


CHILD = """
    import os, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from uuid import uuid4
    from exchange.spool import store
    from exchange.spool.records import ArrivalContext
    spool = store.Spool(Path(sys.argv[1]), kek=bytes(range(32)))
    moment = sys.argv[2]
    if moment == "before the name":
        os.link = lambda *_: os.kill(os.getpid(), 9)
    if moment == "after the name":
        store.fsync_folder = lambda _: os.kill(os.getpid(), 9)
    context = ArrivalContext(uuid4().hex, "dimse", "A", "B", "", "127.0.0.1")
    writer = spool.begin("1.2", "1.2.3", "1.2.840.10008.1.2.1", context)
    writer.write(b"accepted")
    writer.commit(datetime.now(UTC))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("moment", "found"), [("before the name", 0), ("after the name", 1), ("before the answer", 1)]
)
def test_kill_at_commit(tmp_path: Path, moment: str, found: int) -> None:
    code = textwrap.dedent(CHILD)
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), moment], cwd=Path(__file__).parents[3], check=False
    )
    assert child.returncode == -9
    spool = Spool(tmp_path, kek=KEK)
    indexed = list(spool.index())
    assert len(indexed) == found
    for instance in indexed:
        spool.verify(instance.identity)
    assert not any(name.endswith(".part") for name in files(tmp_path))


def test_record_times_are_utc_and_ids_random(spool: Spool) -> None:
    stored = put(spool)
    assert next(iter(spool.index())).arrival.received_at.tzinfo is not None
    assert UUID(stored.arrival.arrival_id).version == 4
