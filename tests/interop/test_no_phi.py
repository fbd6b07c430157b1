"""Names and numbers of a patient are nowhere but where they must be, after three studies went through.

One is delivered, one is held, one is malformed; every one has the patient planted all over its header.
"""

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exchange.dicomio.examine import examine
from tests.interop.sending import SUCCESS, store_bytes, store_files
from tests.interop.studies import (
    PATIENT,
    Instance,
    files_mentioning,
    mentions,
    paths,
    small_study,
    undecodable_study,
)
from tests.support.appliance import Appliance, outbound

pytestmark = pytest.mark.timeout(180)


@dataclass
class Aftermath:
    box: Appliance
    studies: list[Instance]
    answers: dict[str, str]

    @property
    def words(self) -> list[str]:
        """Everything that names the patient."""
        return list(PATIENT.words)

    @property
    def originals(self) -> list[str]:
        """The original UIDs; custody may know the study's."""
        return [uid for one in self.studies for uid in (one.study_uid, one.series_uid, one.sop_instance_uid)]


def ask_everything(box: Appliance) -> dict[str, str]:
    """Every answer of the control socket, refusals as well."""
    ids = [one["exchange_id"] for one in box.exchanges()]
    holds = [one["hold_id"] for one in box.holds(every=True)]
    reads = ["/status", "/metrics", "/exchanges", "/holds", "/holds?all=1", "/exchanges/none", "/nowhere"]
    reads += [f"/exchanges/{one}" for one in ids] + [f"/holds/{one}" for one in holds]
    answers = {path: box.ask("GET", path).text for path in reads}
    refusal = {"by": "nobody", "reason": "other"}
    answers |= {f"POST {one}": box.ask("POST", f"/holds/{one}/release", json=refusal).text for one in holds}
    for arguments in (["status"], ["exchanges", "list"], ["exchanges", "show", ids[0]], ["holds", "list"]):
        run = box.cli(*arguments)
        answers[" ".join(arguments)] = run.stdout + run.stderr
    return answers


@pytest.fixture(scope="module")
def aftermath(folder: Path) -> Iterator[Aftermath]:
    good = small_study(folder / "made", "good", 1)
    held = undecodable_study(folder / "made", "held")
    bad = small_study(folder / "made", "bad", 1)
    # A route that looks at studies to LOCKGATE and takes none: their quiet time is short, then they are held.
    never = outbound("never", "LOCKGATE", ["outgoing"], match={"called_ae": "LOCKGATE", "modality": "US"})
    routes = [outbound("outgoing", "OUTGOING", ["outgoing"]), never]
    with Appliance(folder / "site", routes=routes) as box:
        assert store_files(box.port, "OUTGOING", paths(good)) == [SUCCESS]
        assert store_files(box.port, "OUTGOING", paths(held)) == [SUCCESS]
        unrouted = small_study(folder / "made", "unrouted", 1)
        assert store_files(box.port, "LOCKGATE", paths(unrouted)) == [SUCCESS]
        layout = examine(bad[0].path)
        data = bad[0].path.read_bytes()[layout.dataset_offset : -9]
        assert (
            store_bytes(box.port, "OUTGOING", (layout.sop_class_uid, layout.sop_instance_uid), data)
            != SUCCESS
        )
        exchanges = box.wait_for(lambda one: one.over(3), "three exchanges over", 120)
        assert sorted(one["state"] for one in exchanges) == ["closed", "held", "held"]
        answers = ask_everything(box)
        assert box.terminate() == 0
        yield Aftermath(box, [*good, *held, *unrouted, *bad], answers)


def test_the_search_itself_finds(aftermath: Aftermath, tmp_path: Path) -> None:
    (tmp_path / "clear").write_text(" ".join(aftermath.words), encoding="utf-8")
    ((name, found),) = files_mentioning(aftermath.words, tmp_path).items()
    assert (name, set(found)) == ("clear", set(aftermath.words))
    assert len(list((aftermath.box.state / "spool").glob("??/*.sealed"))) == 3


def test_the_log(aftermath: Aftermath) -> None:
    log = aftermath.box.log_text()
    assert "exchange held" in log
    assert mentions([*aftermath.words, *aftermath.originals], log.encode()) == []


def test_every_answer_of_the_control_socket(aftermath: Aftermath) -> None:
    assert len(aftermath.answers) > 12
    words = [*aftermath.words, *aftermath.originals]
    found = {path: mentions(words, text.encode()) for path, text in aftermath.answers.items()}
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_the_transparency_log(aftermath: Aftermath) -> None:
    folder = aftermath.box.state / "log"
    assert any(path.stat().st_size for path in folder.rglob("*"))
    assert files_mentioning([*aftermath.words, *aftermath.originals], folder) == {}


def test_receipts_of_both_editions(aftermath: Aftermath) -> None:
    bundles = list((aftermath.box.state / "receipts").rglob("*.receipt.zip"))
    assert len(bundles) == 6
    for path in [*bundles, *aftermath.box.receipts()]:
        partner = "/site/" not in str(path)
        words = [*aftermath.words, *(aftermath.originals if partner else [])]
        with zipfile.ZipFile(path) as opened:
            for name in opened.namelist():
                assert mentions(words, opened.read(name)) == [], (path.name, name)


def test_what_was_delivered(aftermath: Aftermath) -> None:
    assert len(aftermath.box.delivered()) == 1
    assert files_mentioning([*aftermath.words, *aftermath.originals], aftermath.box.outgoing) == {}


def test_the_database(aftermath: Aftermath) -> None:
    """Raw bytes of the file and its log, then table by table: custody alone may have original UIDs."""
    state = aftermath.box.state
    for path in state.glob("lockgate.db*"):
        assert mentions(aftermath.words, path.read_bytes()) == [], path.name
    with sqlite3.connect(state / "lockgate.db") as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: repr(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for name in names}  # noqa: S608 - names of the schema
    connection.close()
    engines = {name: rows for name, rows in tables.items() if "workflow" in name or "operation" in name}
    assert len(engines) >= 2, sorted(tables)
    assert any(rows != "[]" for rows in engines.values())
    for name, rows in tables.items():
        assert mentions(aftermath.words, rows.encode()) == [], name
    for name, rows in engines.items():
        assert mentions(aftermath.originals, rows.encode()) == [], name


def test_the_crosswalk_is_sealed(aftermath: Aftermath) -> None:
    folder = aftermath.box.state / "crosswalk"
    assert sum(path.stat().st_size for path in folder.rglob("*")) > 0
    assert files_mentioning([*aftermath.words, *aftermath.originals], folder) == {}


def test_file_names(aftermath: Aftermath) -> None:
    site = aftermath.box.folder
    names = "\n".join(str(path.relative_to(site)) for path in site.rglob("*"))
    assert mentions([*aftermath.words, *aftermath.originals], names.encode()) == []


def test_everything_else_below_the_site_folder(aftermath: Aftermath) -> None:
    """Nothing names the patient: spool files are sealed, frozen ones are cleaned, scratch is left empty."""
    site = aftermath.box.folder
    assert files_mentioning(aftermath.words, site) == {}
    assert files_mentioning(aftermath.originals, aftermath.box.state / "frozen") == {}


def test_answers_are_json(aftermath: Aftermath) -> None:
    for path in ("/status", "/exchanges", "/holds"):
        json.loads(aftermath.answers[path])
