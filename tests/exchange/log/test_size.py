"""Ten thousand leaves: quick to append in groups, to open, to prove, to check; in files of a known number."""

import time
import tracemalloc

from exchange.log.events import Event, EventKind
from exchange.log.merkle import includes, inclusion_proof, leaf_hash
from exchange.log.reader import LogReader
from tests.exchange.log.making import LogSite

COUNT, GROUP = 10_000, 250


def test_ten_thousand_leaves(site: LogSite) -> None:
    with site.open() as log:
        for start in range(0, COUNT, GROUP):
            log.append_all(
                Event(EventKind.INSTANCE_SENT, {"number": number}) for number in range(start, start + GROUP)
            )
    files = [path for path in site.folder().rglob("*") if path.is_file()]
    assert len(files) == 40 + 40 + 1 + 1  # bundles, tiles, the tile above, the checkpoint
    tracemalloc.start()
    began = time.monotonic()
    with site.open() as log:
        opened = time.monotonic() - began
        assert log.signed.size == COUNT
        log.append(Event(EventKind.BOOT))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        began = time.monotonic()
        for seq in range(0, COUNT, 97):
            assert log.proof(seq).startswith(b"c2sp.org/tlog-proof@v1\nextra ")
        each = (time.monotonic() - began) / len(range(0, COUNT, 97))
    assert opened < 1.0
    assert most < 2 << 20, "opening and appending read the end of the log only"
    assert each < 0.05
    reader = LogReader.open(site.places.folder)
    for seq, leaf in reader.tiles.leaves(5000, 5003):
        path = inclusion_proof(reader.tiles.node, seq, reader.head.size)
        assert includes(leaf_hash(leaf), seq, reader.head.size, path, reader.head.root)
    check = site.fsck()
    assert (check.problem, check.leaves) == ("", COUNT + 1)
