"""The crosswalk: sealed, idempotent, one reader, each opening recorded before it is answered."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.crosswalk.reader import Opened, Opening, Reader, RouteOpening
from exchange.crosswalk.rows import (
    Dates,
    Entry,
    PatientEntry,
    RowKind,
    RowSealer,
    SealedRow,
    StudyEntry,
    UidEntry,
)
from exchange.crosswalk.store import Crosswalk
from exchange.domain.errors import CustodyError, KeysError, LogError
from exchange.domain.exchange import Role
from exchange.log.writer import Log
from tests.exchange.log.making import LogSite

KEY = bytes(range(32))
PATIENT = PatientEntry("HOSPITAL-ISSUER", "MRN-0815-4711", "anon-77", 3)
UIDS = [UidEntry(f"1.2.276.0.7230010.3.1.{n}", f"2.25.{n}") for n in range(5)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/crosswalk.sqlite"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with LogSite(tmp_path).open() as opened:
        yield opened


@pytest.fixture
def filled(path: Path) -> Path:
    with Crosswalk.open(path, KEY) as crosswalk:
        assert crosswalk.remember("telerad", [PATIENT, *UIDS]) == 6
    return path


def opening(pseudonym: str, **changes: object) -> Opening:
    fields: dict[str, object] = {
        "domain": "telerad",
        "actor": "hmac-sha256:" + "a" * 64,
        "role": Role.PRIVACY,
        "reason": "incidental-finding",
        "pseudonym": pseudonym,
    }
    return Opening(**{**fields, **changes})  # type: ignore[arg-type]


def kinds(tmp_path: Path) -> list[str]:
    return LogSite(tmp_path).kinds()


def test_remember_is_idempotent(filled: Path) -> None:
    with Crosswalk.open(filled, KEY) as crosswalk:
        assert crosswalk.remember("telerad", [PATIENT, *UIDS]) == 0
        assert crosswalk.remember("telerad", [UidEntry("1.2.3", "2.25.99")]) == 1
        assert crosswalk.remember("registry", [PATIENT]) == 1
        assert crosswalk.remember("telerad", [UidEntry(UIDS[0].original, "2.25.500", revision=1)]) == 1
        assert crosswalk.remember("telerad", [UidEntry(UIDS[0].original, "2.25.501", epoch=1)]) == 1


def test_it_says_which_pseudonyms_it_knows(filled: Path) -> None:
    with Crosswalk.open(filled, KEY) as crosswalk:
        assert crosswalk.knows("telerad", RowKind.PATIENT, PATIENT.pseudonym)
        assert crosswalk.knows("telerad", RowKind.UID, UIDS[0].pseudonym)
        assert not crosswalk.knows("registry", RowKind.PATIENT, PATIENT.pseudonym)
        assert not crosswalk.knows("telerad", RowKind.UID, PATIENT.pseudonym)
        assert not crosswalk.knows("telerad", RowKind.PATIENT, PATIENT.patient_id)


@pytest.mark.parametrize(("issuer", "patient_id"), [("", "4711"), (" site", "4711 "), ("", " 4711")])
def test_a_patient_whom_an_older_version_wrote_otherwise_is_known(
    path: Path, issuer: str, patient_id: str
) -> None:
    """It kept the id as it stood, and no issuer where the object had none."""
    with Crosswalk.open(path, KEY) as crosswalk:
        assert crosswalk.remember("telerad", [PatientEntry(issuer, patient_id, "anon-1")]) == 1
        assert crosswalk.remember("telerad", [PatientEntry("site", "4711", "anon-1", 1)]) == 0
        with pytest.raises(CustodyError):
            crosswalk.remember("telerad", [PatientEntry("site", "4712", "anon-1", 1)])


@pytest.mark.parametrize(
    "entry",
    [
        PatientEntry(PATIENT.issuer, PATIENT.patient_id, "anon-78", 3),
        PatientEntry(PATIENT.issuer, PATIENT.patient_id, "anon-77", 4),
        PatientEntry(PATIENT.issuer, "other", "anon-77", 3),
        UidEntry(UIDS[0].original, "2.25.1000"),
        UidEntry("1.2.3", UIDS[0].pseudonym),
    ],
    ids=["split", "epoch", "merged", "uid-split", "uid-merged"],
)
def test_patients_are_never_merged_or_split(filled: Path, entry: Entry) -> None:
    with Crosswalk.open(filled, KEY) as crosswalk:
        with pytest.raises(CustodyError) as caught:
            crosswalk.remember("telerad", [UidEntry("9.9", "2.25.9999"), entry])
        assert "MRN" not in str(caught.value)
        # The transaction as a whole did not happen.
        assert crosswalk.remember("telerad", [UidEntry("9.9", "2.25.9999")]) == 1


def test_no_phi_in_clear(filled: Path) -> None:
    words = [PATIENT.issuer, PATIENT.patient_id, PATIENT.pseudonym, "telerad", "MRN"]
    words += [entry.original for entry in UIDS] + ["2.25."]
    connection = sqlite3.connect(filled)
    connection.execute("PRAGMA wal_checkpoint(FULL)")
    connection.close()
    for file in filled.parent.iterdir():
        data = file.read_bytes()
        for word in words:
            assert word.encode() not in data
        assert file.stat().st_mode & 0o077 == 0
    assert PATIENT.patient_id not in repr(PATIENT)
    assert UIDS[0].original not in repr(UIDS[0])


def test_wal_holds_no_phi_while_open(path: Path) -> None:
    with Crosswalk.open(path, KEY) as crosswalk:
        crosswalk.remember("telerad", [PATIENT])
        for file in path.parent.iterdir():
            assert PATIENT.patient_id.encode() not in file.read_bytes()
            assert file.stat().st_mode & 0o077 == 0


def test_opening_is_recorded_before_it_is_answered(filled: Path, log: Log, tmp_path: Path) -> None:
    with Reader.open(filled, KEY, log) as reader:
        assert reader.patient(opening("anon-77")) == PATIENT
        assert reader.uid(opening("2.25.3")) == UIDS[3]
        entry = LogSite(tmp_path).read()[0]
        assert (entry.kind, entry.outcome, entry.obj["reason"]) == (
            "crosswalk.open",
            "ok",
            "incidental-finding",
        )
        log.close()
        with pytest.raises(LogError):
            reader.patient(opening("anon-77"))
    text = str(LogSite(tmp_path).read())
    for word in (PATIENT.patient_id, "anon-77", UIDS[3].original):
        assert word not in text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"role": Role.TECHNOLOGIST}, "role"),
        ({"reason": ""}, "no-reason"),
        ({"actor": ""}, "no-reason"),
        ({"domain": "registry"}, "unknown"),
        ({"pseudonym": "2.25.3"}, "unknown"),
    ],
    ids=str,
)
def test_denied(filled: Path, log: Log, tmp_path: Path, changes: dict[str, object], code: str) -> None:
    with Reader.open(filled, KEY, log) as reader, pytest.raises(CustodyError, match="cannot open"):
        reader.patient(opening(str(changes.pop("pseudonym", "anon-77")), **changes))
    (entry,) = LogSite(tmp_path).read()
    assert (entry.kind, entry.outcome, entry.obj["code"]) == ("crosswalk.denied", "denied", code)


def test_wrong_key_and_missing_file(filled: Path, log: Log, tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="not its key"):
        Reader.open(filled, bytes(32), log)
    with pytest.raises(CustodyError, match="there is none"):
        Reader.open(tmp_path / "absent", KEY, log)
    assert kinds(tmp_path) == ["crosswalk.denied"] * 2
    with pytest.raises(KeysError, match="not its key"):
        Crosswalk.open(filled, bytes(32))
    with pytest.raises(KeysError, match="5 bytes"):
        Crosswalk.open(filled, b"short")


def test_not_a_crosswalk(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"no database, but long enough to be read as one" * 30)
    with pytest.raises(CustodyError, match="cannot open the crosswalk"):
        Crosswalk.open(tmp_path / "x.sqlite", KEY)
    with pytest.raises(CustodyError):
        Crosswalk.open(tmp_path / "x.sqlite/y", KEY)


@pytest.mark.parametrize("column", ["by_pseudonym", "by_original", "wrapped_key", "sealed"])
def test_changed_or_moved_row_does_not_open(filled: Path, log: Log, column: str) -> None:
    """Exchange one column between the rows of two UIDs: neither pseudonym gets the other's original."""
    index = RowSealer(KEY).index
    first, second = (index("telerad", RowKind.UID, "pseudonym", f"2.25.{n}") for n in (1, 2))
    connection = sqlite3.connect(filled, isolation_level=None)
    values = {
        key: connection.execute(f"SELECT {column} FROM rows WHERE by_pseudonym = ?", (key,)).fetchone()[0]  # noqa: S608
        for key in (first, second)
    }
    connection.execute(f"UPDATE rows SET {column} = x'00' WHERE by_pseudonym = ?", (first,))  # noqa: S608
    target = b"\0" if column == "by_pseudonym" else first
    connection.execute(f"UPDATE rows SET {column} = ? WHERE by_pseudonym = ?", (values[first], second))  # noqa: S608
    connection.execute(f"UPDATE rows SET {column} = ? WHERE by_pseudonym = ?", (values[second], target))  # noqa: S608
    connection.close()
    with Reader.open(filled, KEY, log) as reader:
        for number in (1, 2):
            with pytest.raises(CustodyError, match="changed"):
                reader.uid(opening(f"2.25.{number}"))


STUDY = StudyEntry("2.25.1", "anon-77", Dates.SHIFTED)


def returned(**changes: object) -> RouteOpening:
    fields: dict[str, object] = {
        "domain": "telerad",
        "route": "from-telerad",
        "exchange": "a" * 32,
        "patients": frozenset({"anon-77", "anon-78"}),
        "uids": frozenset({"2.25.1", "2.25.3", "2.25.99", "1.2.3"}),
        "studies": frozenset({"2.25.1", "2.25.3"}),
    }
    return RouteOpening(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_route_opens_all_of_a_study_at_once(filled: Path, log: Log, tmp_path: Path) -> None:
    with Crosswalk.open(filled, KEY) as crosswalk:
        assert crosswalk.remember("telerad", [STUDY]) == 1
    with Reader.open(filled, KEY, log) as reader:
        assert reader.for_route(returned()) == Opened(
            {"anon-77": PATIENT},
            {"2.25.1": UIDS[1], "2.25.3": UIDS[3]},
            {("2.25.1", "anon-77"): frozenset({Dates.SHIFTED})},
        )
        (entry,) = LogSite(tmp_path).read()
        assert (entry.kind, entry.outcome) == ("crosswalk.open", "ok")
        assert entry.obj == {
            "domain": "telerad", "route": "from-telerad", "exchange": "a" * 32,
            "asked": 6, "patients": 1, "uids": 2,
        }  # fmt: skip
        log.close()
        with pytest.raises(LogError):
            reader.for_route(returned())


def test_a_route_to_which_nothing_is_known_opens_nothing(filled: Path, log: Log, tmp_path: Path) -> None:
    with Reader.open(filled, KEY, log) as reader:
        for changes in ({"domain": "registry"}, {"patients": frozenset(), "uids": frozenset({"1.2.3"})}):
            assert reader.for_route(returned(**changes)) == Opened()
    entries = list(LogSite(tmp_path).read())
    assert [(one.kind, one.outcome, one.obj["code"]) for one in entries] == [
        ("crosswalk.denied", "denied", "unknown")
    ] * 2


def test_a_study_may_be_known_with_several_patients_and_rules(filled: Path, log: Log) -> None:
    """An id is corrected, or another route of the domain keeps dates: each is remembered."""
    other = PatientEntry("HOSPITAL-ISSUER", "MRN-0816", "anon-78", 3)
    links = [STUDY, StudyEntry("2.25.1", "anon-77", Dates.KEPT), StudyEntry("2.25.1", "anon-78", Dates.OTHER)]
    with Crosswalk.open(filled, KEY) as crosswalk:
        assert crosswalk.remember("telerad", [other, *links]) == 4
        assert crosswalk.remember("telerad", links) == 0
    with Reader.open(filled, KEY, log) as reader:
        assert reader.for_route(returned()).studies == {
            ("2.25.1", "anon-77"): frozenset({Dates.SHIFTED, Dates.KEPT}),
            ("2.25.1", "anon-78"): frozenset({Dates.OTHER}),
        }


def test_use_after_close_is_an_error(filled: Path) -> None:
    crosswalk = Crosswalk.open(filled, KEY)
    crosswalk.close()
    with pytest.raises(CustodyError, match="refuses"):
        crosswalk.remember("telerad", [])


@given(st.text(), st.text(), st.text(min_size=1), st.integers(0, 99))
def test_rows_round_trip(issuer: str, patient_id: str, pseudonym: str, epoch: int) -> None:
    sealer = RowSealer(KEY)
    entry = PatientEntry(issuer, patient_id, pseudonym, epoch)
    row = sealer.seal("d", entry)
    assert sealer.open(row) == entry
    again = sealer.seal("d", entry)
    assert (again.by_original, again.by_pseudonym) == (row.by_original, row.by_pseudonym)
    assert again.sealed != row.sealed
    other = sealer.seal("e", entry)
    assert (other.by_original, other.by_pseudonym) != (row.by_original, row.by_pseudonym)
    flipped = SealedRow(
        row.by_pseudonym, row.by_original, row.wrapped_key, row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])
    )
    with pytest.raises(CustodyError):
        sealer.open(flipped)
