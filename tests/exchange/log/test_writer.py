"""The log's writer: durable, chained by a tree, recoverable, one writer, no text."""

import json
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.domain.errors import LogError
from exchange.log.events import Event, EventKind, Outcome
from exchange.log.leaves import parse
from exchange.log.merkle import leaf_hash
from exchange.log.opening import CHECKPOINT
from exchange.log.reader import LogReader
from exchange.log.tiles import bundle_name, entry, split_bundle
from tests.exchange.log.making import BOOT, NOW, LogSite, log_keys


def test_append_and_read(site: LogSite) -> None:
    with site.open() as log:
        assert (log.head.seq, log.signed.size) == (-1, 0)
        first = log.append(BOOT)
        actor = "hmac-sha256:" + "a" * 64
        second = log.append(Event(EventKind.REVIEW_DECISION, {"code": "other"}, Outcome.DENIED, actor))
        assert (log.head, log.signed.size) == (second, 2)
    leaves = site.read()
    assert [leaf.seq for leaf in leaves] == [first.seq, second.seq] == [0, 1]
    assert (leaves[1].actor, leaves[1].outcome, leaves[1].t) == (actor, "denied", "2026-05-04T12:00:00.005Z")
    data = [leaf for _, leaf in LogReader.open(site.places.folder).leaves()]
    assert [leaf_hash(one).hex() for one in data] == [first.hash, second.hash]
    assert data[0] == (
        b'{"actor":"","kind":"boot","obj":{"version":"0.1.0"},"outcome":"ok","seq":0,'
        b'"t":"2026-05-04T12:00:00.005Z","v":2}'
    )
    assert site.fsck().ok


def test_only_the_owner_may_read(site: LogSite) -> None:
    site.fill(1)
    files = [path for path in (site.root / "state").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in [*files, site.places.heads]} == {0o600}


def test_reopening_goes_on(site: LogSite) -> None:
    site.fill()
    site.fill()
    check = site.fsck()
    assert (check.ok, check.leaves, check.generation) == (True, 10, 1)
    assert "log.recovered" not in site.kinds()


@pytest.mark.parametrize("torn", [b"\x00", b"\x00\x90{", entry(b"{}"), b"\0" * 70_000], ids=len)
def test_what_was_never_signed_is_cut_and_recorded(site: LogSite, torn: bytes) -> None:
    site.fill()
    with (site.folder() / bundle_name(0)).open("ab") as file:
        file.write(torn)
    with (site.folder() / "tile/0/000").open("ab") as file:
        file.write(torn[:40])
    assert len(site.read()) == 5
    assert site.fsck().ok  # it is what a writer in the middle leaves
    with site.open():
        pass
    leaves = site.read()
    assert [leaf.seq for leaf in leaves] == list(range(6))
    assert (leaves[5].kind, leaves[5].obj) == ("log.recovered", {"bytes": len(torn)})
    assert site.fsck().ok


def test_a_tree_of_more_than_a_tile(site: LogSite) -> None:
    """Over the edges of bundles, in commits of every size, opened anew in between."""
    count = 0
    for size in (200, 55, 1, 1, 300, 3, 511):
        site.fill_at_once(size)
        count += size
        check = site.fsck()
        assert (check.problem, check.leaves) == ("", count)
    leaves = site.read()
    assert [leaf.seq for leaf in leaves] == list(range(count))
    assert (site.folder() / "tile/1/000").stat().st_size == count // 256 * 32
    assert (site.folder() / "tile/0/004").stat().st_size == count % 256 * 32


def test_a_crash_may_leave_bundles_of_a_batch_that_was_never_signed(site: LogSite) -> None:
    site.fill_at_once(256)
    for index in (1, 2):
        (site.folder() / bundle_name(index)).write_bytes(entry(b"{}") * 7)
    (site.folder() / "tile/0/001").write_bytes(bytes(64))
    with site.open() as log:
        assert log.append(BOOT).seq == 257
    assert site.fsck().ok
    assert site.read()[256].obj == {"bytes": 56}


def test_one_writer(site: LogSite) -> None:
    with site.open():
        with pytest.raises(LogError, match="another process is its writer"):
            site.open()
        script = (
            "import sys, datetime\n"
            "from pathlib import Path\n"
            "from exchange.domain.errors import LogError\n"
            "from exchange.keys.log import make_log_keys\n"
            "from exchange.log.opening import LogPlaces\n"
            "from exchange.log.writer import Log\n"
            "root = Path(sys.argv[1])\n"
            "places = LogPlaces(root / 'state/log', root / 'keys/log.heads')\n"
            "keys = make_log_keys(root / 'other')\n"
            "try:\n    Log.open(places, keys, lambda: datetime.datetime.now(datetime.UTC))\n"
            "except LogError as error:\n    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(site.root)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert "another process is its writer" in done.stdout
    site.open().close()


def test_a_closed_log_takes_nothing(site: LogSite) -> None:
    log = site.open()
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append(BOOT)


def test_many_threads_share_one_log(site: LogSite, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    real = os.fsync

    def counted(descriptor: int) -> None:
        nonlocal count
        count += 1
        real(descriptor)

    start = threading.Barrier(8)
    with site.open() as log:
        log.append(BOOT)
        monkeypatch.setattr(os, "fsync", counted)
        log.append(BOOT)
        alone, count = count, 0
        refs: list[tuple[int, int]] = []

        def work(worker: int) -> None:
            start.wait()
            for number in range(20):
                event = Event(EventKind.INSTANCE_SENT, {"worker": worker, "number": number})
                refs.append((log.append(event).seq, worker * 100 + number))

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert site.fsck().ok
    sent = [leaf for leaf in site.read() if leaf.kind == "instance.sent"]
    assert {leaf.seq: int(leaf.obj["worker"]) * 100 + int(leaf.obj["number"]) for leaf in sent} == dict(refs)
    assert len(sent) == 160
    assert count < 160 * alone, "threads that wait share a commit"


def test_a_group_stands_together(site: LogSite) -> None:
    with site.open() as log:
        refs = log.append_all([BOOT, BOOT, BOOT])
        assert [ref.seq for ref in refs] == [0, 1, 2]
        assert log.append_all([]) == ()
        assert log.signed.size == 3


def test_unreadable_places(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(LogError, match="cannot open"):
        LogSite(tmp_path).open()
    with pytest.raises(LogError, match="there is none"):
        LogSite(tmp_path / "absent").fsck()
    with pytest.raises(LogError, match="there is none"):
        LogReader.open(tmp_path / "absent")


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
        {"count": 1 << 53},
        {"list": ["a"]},
        {"Name": "x"},
        {"a b": "x"},
        {f"f{number}": 1 for number in range(33)},
    ],
    ids=str,
)
def test_nothing_that_could_name_a_patient(obj: dict[str, str | int]) -> None:
    with pytest.raises(LogError) as caught:
        Event(EventKind.ALERT, obj)
    for value in obj.values():
        if isinstance(value, str) and len(value) > 3:
            assert value not in str(caught.value)


def test_an_actor_is_a_reference() -> None:
    with pytest.raises(LogError, match="actor"):
        Event(EventKind.ALERT, actor="Dr. Weiss")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[1]",
        b"{}",
        b"[" * 60_000,
        b"\xff",
        b'{"actor":"","kind":"boot","obj":{},"outcome":"ok","seq":0,"t":"","v":3}',
        b'{"actor":"","kind":"boot","obj":{},"outcome":"ok","seq":"0","t":"","v":2}',
        b'{"actor":"","kind":"boot","obj":[],"outcome":"ok","seq":0,"t":"","v":2}',
        b'{"actor":"", "kind":"boot","obj":{},"outcome":"ok","seq":0,"t":"","v":2}',
        b'{"actor":"","kind":"boot","kind":"boot","obj":{},"outcome":"ok","seq":0,"t":"","v":2}',
    ],
    ids=range(10),
)
def test_what_is_no_leaf(data: bytes) -> None:
    with pytest.raises(LogError, match="cannot read a leaf"):
        parse(data)


KINDS = st.sampled_from(list(EventKind))
VALUES = st.integers(-(2**53) + 1, 2**53 - 1) | st.from_regex(
    r"[A-Za-z0-9][a-z0-9:/@+-]{0,60}", fullmatch=True
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            KINDS,
            st.dictionaries(st.from_regex(r"[a-z][A-Za-z0-9]{0,8}", fullmatch=True), VALUES, max_size=5),
        ),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
def test_any_events_and_any_damage(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[EventKind, dict[str, str | int]]],
    data: st.DataObject,
) -> None:
    clock = iter(NOW + timedelta(seconds=n) for n in range(100))
    site = LogSite(tmp_path_factory.mktemp("l"), log_keys(), lambda: next(clock))
    with site.open() as log:
        log.append_all(Event(kind, obj) for kind, obj in events)
    assert [(leaf.kind, dict(leaf.obj)) for leaf in site.read()] == [(k.value, o) for k, o in events]
    name = data.draw(st.sampled_from([bundle_name(0), "tile/0/000", CHECKPOINT]))
    path = site.folder() / name
    whole = path.read_bytes()
    offset = data.draw(st.integers(0, len(whole) - 1))
    changed = bytes([whole[offset] ^ data.draw(st.integers(1, 255))])
    path.write_bytes(whole[:offset] + changed + whole[offset + 1 :])
    check = site.fsck()
    assert not check.ok
    assert check.place


def test_leaves_are_canonical_json(site: LogSite) -> None:
    site.fill(2)
    data = (site.folder() / bundle_name(0)).read_bytes()
    for leaf, _ in split_bundle(data):
        fields = json.loads(leaf)
        assert leaf == json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
        assert set(fields) == {"v", "seq", "t", "kind", "outcome", "obj", "actor"}
