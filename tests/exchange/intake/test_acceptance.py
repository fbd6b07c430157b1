"""The one way into the spool: what it looks at, what it keeps, what it answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exchange.dicomio.getters import uid
from exchange.dicomio.header import read_header
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError, InputError, LockgateError, SpoolError, SpoolFullError
from exchange.domain.instance import SpooledInstance
from exchange.intake.acceptance import Acceptance, Accepted, Incoming, Refused, new_arrival_id
from exchange.spool.records import ArrivalContext
from exchange.spool.store import Spool
from tests.support.intake_house import CT, EXPLICIT, data_set, local, uids_only

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", kek=bytes(32))
    yield spool
    spool.close()


def begin(acceptance: Acceptance, instance: str, data: bytes, syntax: str = EXPLICIT) -> Incoming:
    context = ArrivalContext(new_arrival_id(), "stow", "", "", "telerad", "10.0.0.1")
    incoming = acceptance.begin(CT, instance, syntax, context)
    incoming.write(data)
    return incoming


def test_accepted_is_durable_told_and_looked_at(spool: Spool) -> None:
    told: list[SpooledInstance] = []
    acceptance = Acceptance(spool, lambda: NOW, told.append)
    instance_uid, data = data_set()
    answer = acceptance.accept(begin(acceptance, instance_uid, data))
    assert isinstance(answer, Accepted)
    assert told == [answer.instance] == list(spool.index())
    assert answer.instance.arrival.received_at == NOW
    header = read_header(local("CT_small.dcm"))
    assert told[0].glance is not None
    assert told[0].glance.study_instance_uid == uid(header, "StudyInstanceUID")


def test_the_study_that_was_announced(spool: Spool) -> None:
    acceptance = Acceptance(spool, lambda: NOW, lambda _: None)
    instance_uid, data = data_set()
    study = uid(read_header(local("CT_small.dcm")), "StudyInstanceUID")
    with capture_logs() as logs:
        answer = acceptance.accept(begin(acceptance, instance_uid, data), "1.2.3")
    assert isinstance(answer, Refused)
    assert answer.status == 0xA900
    assert study not in answer.comment + str(logs)
    assert list(spool.index()) == []
    assert isinstance(acceptance.accept(begin(acceptance, instance_uid, data), study), Accepted)


def test_a_syntax_that_nobody_knows_is_kept_unseen(spool: Spool) -> None:
    acceptance = Acceptance(spool, lambda: NOW, lambda _: None)
    answer = acceptance.accept(begin(acceptance, "1.2.3", b"\x01\x02\x03", "1.3.46.670589.33.1.4.1"))
    assert isinstance(answer, Accepted)
    assert answer.instance.glance is None


def test_who_cannot_be_told_changes_nothing(spool: Spool) -> None:
    def fail(instance: SpooledInstance) -> None:
        raise CustodyError("cannot write")

    acceptance = Acceptance(spool, lambda: NOW, fail)
    with capture_logs() as logs:
        answer = acceptance.accept(begin(acceptance, "1.2.3", uids_only(CT, "1.2.3")))
    assert isinstance(answer, Accepted)
    assert [entry["event"] for entry in logs] == ["intake.arrival_untold"]
    assert len(list(spool.index())) == 1


def test_the_cap_ends_it_at_once(spool: Spool) -> None:
    acceptance = Acceptance(spool, lambda: NOW, lambda _: None, instance_bytes=100)
    incoming = begin(acceptance, "1.2.3", bytes(100))
    with pytest.raises(InputError) as caught:
        incoming.write(b"x")
    assert caught.value.code is ReasonCode.LIMIT_EXCEEDED
    assert list((spool.root / "incoming").iterdir()) == []
    with capture_logs():
        answer = acceptance.accept(incoming)
    assert isinstance(answer, Refused)


def test_what_is_not_accepted_is_gone_at_the_end_of_the_block(spool: Spool) -> None:
    acceptance = Acceptance(spool, lambda: NOW, lambda _: None)
    with begin(acceptance, "1.2.3", b"half") as incoming:
        assert incoming.sop_instance_uid == "1.2.3"
        assert len(list((spool.root / "incoming").iterdir())) == 1
    assert list((spool.root / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SpoolFullError("cannot take more"), 0xA700),
        (SpoolError("cannot use the spool"), 0xC0FF),
        (CustodyError("cannot write"), 0xC0FF),
        (InputError(ReasonCode.TRUNCATED, "cannot read"), 0xC001),
        (InputError(ReasonCode.VIDEO, "cannot clean"), 0xC0FF),
    ],
)
def test_the_status_of_a_failure(error: LockgateError, status: int, spool: Spool) -> None:
    told: list[str] = []
    acceptance = Acceptance(spool, lambda: NOW, lambda _: None, on_refused=told.append)
    with capture_logs():
        answer = acceptance.refuse(error)
    assert told == [f"0x{status:04X}"]
    assert answer.status == status
    assert 0 < len(answer.comment) <= 64
