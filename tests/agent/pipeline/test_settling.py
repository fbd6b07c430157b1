"""How a study is believed to have arrived: archives asked, notices heeded, and what its receipts say."""

import json
import zipfile
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from agent.custody.listings import show_exchange
from agent.custody.notices import notices_of
from agent.custody.records import ExchangeRecord
from agent.pipeline.notices import take_notice
from agent.pipeline.settle import next_to_settle, settle_due
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ExchangeState
from exchange.domain.notices import DuplicateNoticeError, NoticeKind, StudyNotice, UnknownNoticeError
from exchange.log.reader import read_log
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.support.ports import free_port
from tests.support.scripted_find import FindScp, counting
from tests.support.small_studies import instance_uid, make_instance, make_study, study_uid


def with_pacs(make_house: MakeHouse, port: int, route: str = "") -> House:
    """A house whose route asks a PACS on this port."""
    return make_house(
        route,
        settle="{quiet_seconds: 5.0, longest_seconds: 60.0, query: pacs}",
        peers=f"pacs: {{dicom: {{ae_title: PACS, host: 127.0.0.1, port: {port}}}}}",
    )


def notice(
    *numbers: int,
    study: int = 1,
    kind: NoticeKind = NoticeKind.IAN,
    status: str = "",
    notice_id: str = "",
    update: bool = False,
    house: House,
) -> StudyNotice:
    return StudyNotice(
        notice_id or f"2.25.{uuid4().int}",
        kind,
        status,
        "" if update else study_uid(study),
        tuple(instance_uid(study, number) for number in numbers),
        "LOCKGATE",
        "RIS",
        "ris",
        house.now,
    )


def looked(house: House) -> tuple[ExchangeRecord, ...]:
    """One look of the schedule, and another one when archives have answered."""
    settled = settle_due(house.appliance)
    assert house.appliance.questions.wait(30)
    return settled or settle_due(house.appliance)


def told(one: ExchangeRecord) -> tuple[object, ...]:
    """Rule, expected, received."""
    return tuple(one.evidence[key] for key in ("rule", "expected", "received"))


def logged(house: House, kind: str) -> list[dict[str, Any]]:
    folder = house.appliance.configuration.site.log_folder
    return [dict(entry.obj) for entry in read_log(folder) if entry.kind == kind]


def first_receipt(house: House, exchange_id: str, edition: str = "site") -> dict[str, Any]:
    """The predicate of R1."""
    for one in show_exchange(house.appliance.custody, exchange_id).receipts:
        if (one.slot, one.edition) == ("R1", edition):
            with zipfile.ZipFile(house.appliance.folders.state / one.path) as bundle:
                found: dict[str, Any] = json.loads(bundle.read("receipt.json"))["predicate"]
                return found
    raise AssertionError("no R1")


def findings(house: House, exchange_id: str) -> dict[str, str]:
    return {
        one.finding_id: one.severity.value
        for one in show_exchange(house.appliance.custody, exchange_id).findings
    }


def test_a_timer_alone_expects_nothing(house: House) -> None:
    house.arrive(make_study(1))
    house.wait(seconds=6)
    (one,) = looked(house)
    assert one.evidence == {
        "rule": "quiet-timer", "quietSeconds": 5.0, "expected": "unknown", "received": 2, "sources": [],
    }  # fmt: skip


def test_the_archive_is_asked_and_its_count_stands_on_the_receipt(make_house: MakeHouse) -> None:
    with FindScp(counting([2])) as pacs:
        house = with_pacs(make_house, pacs.port)
        house.arrive(make_study(1))
        house.wait(seconds=6)
        (one,) = looked(house)
        assert len(pacs.asked) == 1
    assert told(one) == ("expected-count", 2, 2)
    house.process()
    completeness = first_receipt(house, one.exchange_id)["completeness"]
    assert completeness["sources"] == [
        {"kind": "c-find", "outcome": "counted", "count": 2, "peer": "pacs", "at": "2026-11-20T12:00:06.000Z"}
    ]
    assert (completeness["expected"], completeness["received"], completeness["lacking"]) == (2, 2, 0)
    assert "peer" not in first_receipt(house, one.exchange_id, "partner")["completeness"]["sources"][0]
    assert logged(house, "archive.asked") == [
        {"exchange": one.exchange_id, "peer": "pacs", "answer": "counted", "count": 2}
    ]


def test_what_is_missing_is_waited_for_until_it_comes(make_house: MakeHouse) -> None:
    with FindScp(counting([3])) as pacs:
        house = with_pacs(make_house, pacs.port)
        house.arrive(make_study(1))
        house.wait(seconds=6)
        assert looked(house) == ()
        house.wait(seconds=20)
        assert looked(house) == ()
        house.arrive([make_instance(1, 2)])
        house.wait(seconds=3)  # not the whole quiet time: the count is reached
        (one,) = looked(house)
    assert (one.instance_count, one.evidence["rule"]) == (3, "expected-count")
    assert "completeness.study-incomplete" not in findings(house, one.exchange_id)


def test_what_never_comes_is_waited_for_only_so_long_and_told(make_house: MakeHouse) -> None:
    with FindScp(counting([5])) as pacs:
        house = with_pacs(make_house, pacs.port)
        house.arrive(make_study(1))
        for _ in range(6):
            house.wait(seconds=9)
            assert looked(house) == ()
        assert len(pacs.asked) >= 3
        house.wait(seconds=9)
        (one,) = looked(house)
    assert told(one) == ("longest-wait", 5, 2)
    assert house.process() == ["delivering"]
    assert findings(house, one.exchange_id)["completeness.study-incomplete"] == "flag"
    checks = first_receipt(house, one.exchange_id, "partner")["checks"]
    assert any(check["id"] == "completeness.study-incomplete" for check in checks)


def test_the_route_may_hold_what_is_incomplete(make_house: MakeHouse) -> None:
    with FindScp(counting([5])) as pacs:
        house = with_pacs(make_house, pacs.port, "protocol: {on_flag: hold}")
        house.arrive(make_study(1))
        house.wait(seconds=6)
        looked(house)
        house.wait(seconds=60)
        (one,) = looked(house)
    assert house.process() == ["held"]
    (hold,) = show_exchange(house.appliance.custody, one.exchange_id).holds
    assert (hold.code, hold.path) == ("quality", "completeness.study-incomplete")


def test_an_archive_that_is_down_means_only_that_the_count_is_unknown(make_house: MakeHouse) -> None:
    house = with_pacs(make_house, free_port())
    house.arrive(make_study(1))
    house.wait(seconds=6)
    (one,) = looked(house)
    assert (one.evidence["rule"], one.evidence["expected"]) == ("quiet-timer", "unknown")
    assert [(source["kind"], source["outcome"]) for source in one.evidence["sources"]] == [
        ("c-find", "unreachable")
    ]
    house.arrive(make_study(2))
    house.wait(seconds=6)
    assert len(looked(house)) == 1
    assert [one["answer"] for one in logged(house, "archive.asked")] == ["unreachable"] * 2
    assert logged(house, "degraded.enter") == [{"what": "archive", "peer": "pacs"}]


def test_the_count_of_an_archive_covers_what_came_earlier(make_house: MakeHouse) -> None:
    with FindScp(counting([3])) as pacs:
        house = with_pacs(make_house, pacs.port)
        house.arrive(make_study(1))
        house.wait(seconds=6)
        looked(house)
        house.wait(seconds=61)
        looked(house)
        house.process()
        house.arrive([make_instance(1, 2)])
        house.wait(seconds=6)
        (late,) = looked(house)
    assert (late.instance_count, late.evidence["received"], late.evidence["rule"]) == (1, 3, "expected-count")
    assert late.follows is not None


def test_what_a_notice_names_settles_as_soon_as_it_is_here(house: House) -> None:
    take_notice(house.appliance, notice(0, 1, house=house))
    house.arrive([make_instance(1, 0)])
    house.wait(seconds=3)
    assert looked(house) == ()
    house.arrive([make_instance(1, 1)])
    house.wait(seconds=1)
    assert looked(house) == ()
    house.wait(seconds=1)
    (one,) = looked(house)
    assert (one.evidence["rule"], one.evidence["expected"]) == ("reference-list", 2)
    assert [source["kind"] for source in one.evidence["sources"]] == ["ian"]
    assert logged(house, "notice.received") == [
        {"service": "ian", "status": "", "instances": 2, "peer": "ris"}
    ]


def test_what_a_notice_names_and_does_not_come_is_told(make_house: MakeHouse) -> None:
    house = make_house(settle="{quiet_seconds: 5.0, longest_seconds: 60.0}")
    house.arrive([make_instance(1, 0)])
    take_notice(house.appliance, notice(0, 1, house=house))
    house.wait(seconds=59)
    assert looked(house) == ()
    house.wait(seconds=1)
    (one,) = looked(house)
    assert (one.evidence["rule"], one.evidence["missing"]) == ("longest-wait", 1)


def test_a_procedure_step_in_progress_is_waited_for_until_it_is_completed(house: House) -> None:
    step = {"kind": NoticeKind.MPPS, "notice_id": "2.25.77", "house": house}
    take_notice(house.appliance, notice(status="IN PROGRESS", **step))  # type: ignore[arg-type]
    house.arrive(make_study(1))
    house.wait(seconds=30)
    assert looked(house) == ()
    take_notice(house.appliance, notice(0, 1, status="COMPLETED", update=True, **step))  # type: ignore[arg-type]
    (one,) = looked(house)
    assert one.evidence["rule"] == "reference-list"
    assert one.evidence["sources"][0]["outcome"] == "named"


def test_contradicting_sources_are_recorded(make_house: MakeHouse) -> None:
    with FindScp(counting([2])) as pacs:
        house = with_pacs(make_house, pacs.port)
        house.arrive(make_study(1))
        take_notice(house.appliance, notice(0, 1, 2, house=house))
        house.wait(seconds=6)
        assert looked(house) == ()
        house.wait(seconds=60)
        (one,) = looked(house)
    assert (one.evidence["expected"], one.evidence["conflicting"]) == (3, "yes")
    house.process()
    assert findings(house, one.exchange_id)["completeness.conflicting-evidence"] == "note"


def test_a_sender_that_is_still_connected_may_send_more(house: House) -> None:
    house.appliance.senders.opened("OUTGOING", "PACS")
    house.arrive(make_study(1))
    house.wait(seconds=6)
    assert looked(house) == ()
    house.appliance.senders.closed("OUTGOING", "PACS")
    assert len(looked(house)) == 1


def test_the_schedule_is_told_when_to_look(house: House) -> None:
    assert next_to_settle(house.appliance, house.now) is None
    house.arrive(make_study(1))
    look = next_to_settle(house.appliance, house.now)
    assert look is not None
    assert (look - house.now).total_seconds() == 5
    take_notice(house.appliance, notice(0, 1, house=house))
    look = next_to_settle(house.appliance, house.now)
    assert look is not None
    assert (look - house.now).total_seconds() == 2


def test_what_becomes_due_while_the_schedule_looks_is_told(house: House) -> None:
    house.arrive(make_study(1))
    looked_at = house.now
    house.wait(seconds=6)
    look = next_to_settle(house.appliance, looked_at)
    assert look is not None
    assert look < house.now
    assert next_to_settle(house.appliance, house.now) is None


def statuses(found: Sequence[StudyNotice]) -> list[tuple[str, int]]:
    return [(one.status, len(one.sop_instance_uids)) for one in found]


def test_a_repeated_notice_replaces_what_it_said(house: House) -> None:
    custody = house.appliance.custody
    take_notice(house.appliance, notice(0, notice_id="2.25.5", house=house))
    take_notice(house.appliance, notice(0, 1, notice_id="2.25.5", house=house))
    assert statuses(notices_of(custody, study_uid(1))) == [("", 2)]


def test_a_procedure_step_lives_by_its_rules(house: House) -> None:
    step = {"kind": NoticeKind.MPPS, "notice_id": "2.25.77", "house": house}
    with pytest.raises(UnknownNoticeError):
        take_notice(house.appliance, notice(update=True, status="COMPLETED", **step))  # type: ignore[arg-type]
    take_notice(house.appliance, notice(status="IN PROGRESS", **step))  # type: ignore[arg-type]
    done = notice(0, 1, update=True, status="COMPLETED", **step)  # type: ignore[arg-type]
    take_notice(house.appliance, done)
    take_notice(house.appliance, done)  # its answer was lost
    assert statuses(notices_of(house.appliance.custody, study_uid(1))) == [("COMPLETED", 2)]
    with pytest.raises(CustodyError, match="it has ended"):
        take_notice(house.appliance, notice(0, update=True, **step))  # type: ignore[arg-type]
    with pytest.raises(DuplicateNoticeError):
        take_notice(house.appliance, notice(status="IN PROGRESS", **step))  # type: ignore[arg-type]
    assert statuses(notices_of(house.appliance.custody, study_uid(1))) == [("COMPLETED", 2)]


def test_no_uid_of_the_study_reaches_the_log(make_house: MakeHouse) -> None:
    with FindScp(counting([2])) as pacs:
        house = with_pacs(make_house, pacs.port)
        take_notice(house.appliance, notice(0, 1, house=house))
        house.arrive(make_study(1))
        house.wait(seconds=6)
        assert looked(house)[0].state is ExchangeState.SETTLED
    text = str(list(read_log(house.appliance.configuration.site.log_folder)))
    assert "archive.asked" in text
    assert study_uid(1) not in text
