"""The journal of an older version: sealed into the first leaf, kept, never written again."""

import json
import shutil
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from exchange.domain.errors import LogError
from tests.exchange.log.making import LogSite


def write_journal(site: LogSite, count: int) -> list[bytes]:
    """As version 0.2 wrote it."""
    head, lines = "0" * 64, []
    for seq in range(count):
        fields = {"kind": "boot", "obj": {}, "outcome": "ok", "prev": head, "seq": seq, "t": "x", "v": 1}
        line = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
        head = sha256(line).hexdigest()
        lines.append(line + b"\n")
    path = journal(site)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return lines


def journal(site: LogSite) -> Path:
    path = site.places.journal
    assert path is not None
    return path


def test_it_is_sealed_once_and_kept(site: LogSite) -> None:
    lines = write_journal(site, 5)
    site.fill(2)
    site.fill(1)
    first, *rest = site.read()
    assert (first.kind, first.outcome, dict(first.obj)) == (
        "journal.sealed",
        "ok",
        {
            "entries": 5,
            "head": sha256(lines[4][:-1]).hexdigest(),
            "sha256": sha256(b"".join(lines)).hexdigest(),
        },
    )
    assert [leaf.kind for leaf in rest] == ["instance.received"] * 3
    assert journal(site).read_bytes() == b"".join(lines)
    assert stat.S_IMODE(journal(site).stat().st_mode) == 0o400


def test_a_later_generation_does_not_seal_it_again(site: LogSite) -> None:
    write_journal(site, 5)
    site.fill(2)
    shutil.rmtree(site.places.folder)
    site.fill(1)
    assert site.kinds() == ["log.recovered", "alert", "instance.received"]


@pytest.mark.parametrize(("change", "line"), [("edit", 3), ("torn", 5), ("delete", 2), ("nonsense", 1)])
def test_a_broken_one_is_sealed_as_it_is_and_that_is_said(site: LogSite, change: str, line: int) -> None:
    lines = write_journal(site, 5)
    changed = {
        "edit": [lines[0], lines[1].replace(b'"ok"', b'"no"'), *lines[2:]],
        "torn": [*lines[:4], lines[4][:-9]],
        "delete": [lines[0], *lines[2:]],
        "nonsense": [b"x\n", *lines[1:]],
    }[change]
    journal(site).write_bytes(b"".join(changed))
    site.fill(1)
    first = site.read()[0]
    assert (first.outcome, first.obj["brokenLine"]) == ("failed", line)
    assert first.obj["sha256"] == sha256(b"".join(changed)).hexdigest()


def test_one_that_cannot_be_read_stops_the_start(site: LogSite) -> None:
    journal(site).mkdir(parents=True)
    with pytest.raises(LogError, match="cannot read the journal"):
        site.open()
