"""Go's x/mod/sumdb (note, tlog) reads our log: checkpoint, tiles, leaves, proofs, consistency."""

import base64
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from exchange.log.events import Event, EventKind
from exchange.log.export import export
from exchange.log.merkle import inclusion_proof
from exchange.log.reader import LogReader
from tests.exchange.log.making import LogSite

_GOPATH = Path("/usr/share/gocode")  # where Debian's golang-*-dev packages lie
_LIBRARY = _GOPATH / "src/golang.org/x/mod/sumdb/tlog"

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled."""
    if shutil.which("go") is None or not _LIBRARY.is_dir():
        pytest.skip("no Go or no golang-golang-x-mod-dev: an outside implementation is NOT asked here")
    folder = tmp_path_factory.mktemp("go")
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(_GOPATH),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    source = Path(__file__).with_name("independent") / "main.go"
    command = ["go", "build", "-o", str(folder / "checker"), str(source)]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert made.returncode == 0, made.stderr
    return folder / "checker"


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def check(checker: Path, arguments: Sequence[str], index: int, path: Sequence[bytes]) -> str:
    text = "\n".join([str(index), *map(base64_of, path), ""])
    command = [str(checker), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    return (done.stdout + done.stderr).strip()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("old", "more"), [(1, 0), (3, 4), (200, 57), (256, 256), (300, 69_000)])
def test_go_reads_our_log(checker: Path, site: LogSite, tmp_path: Path, old: int, more: int) -> None:
    site.fill_at_once(old)
    before = LogReader.open(site.places.folder).head
    if more:
        with site.open() as log:
            log.append_all(Event(EventKind.ALERT, {"number": number}) for number in range(more))
    reader = LogReader.open(site.places.folder)
    size = old + more
    export(reader, tmp_path / "www")
    index = size * 2 // 3
    path = inclusion_proof(reader.tiles.node, index, size)
    key = site.keys.vkeys(1)[0]
    arguments = [str(tmp_path / "www"), key, str(old), base64_of(before.root)]
    assert check(checker, arguments, index, path) == f"ok {size}"
    if size < 2:
        return
    assert check(checker, arguments, index, [*path[:-1], bytes(32)]).startswith("FAILED")
    assert check(checker, [*arguments[:3], base64_of(bytes(32))], index, path).startswith("FAILED")
    checkpoint = tmp_path / "www/checkpoint"
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"\n%d\n" % size, b"\n%d\n" % (size - 1)))
    assert check(checker, arguments, index, path).startswith("FAILED")
