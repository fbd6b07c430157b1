"""What other systems told of studies: IAN and MPPS, kept until their study is long gone."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.rows import insert_new
from exchange.domain.errors import CustodyError
from exchange.domain.notices import DuplicateNoticeError, NoticeKind, StudyNotice, UnknownNoticeError

FINAL_STATUSES = frozenset({"COMPLETED", "DISCONTINUED"})
"""Of a performed procedure step (PS3.4 F.7.2.1): nothing is added to it any more."""

_COLUMNS = [schema.notices.c[one.name] for one in fields(StudyNotice)]
_MOST = 1000  # notices of one study that are looked at; a modality sends a handful


def record_notice(database: Database, notice: StudyNotice) -> tuple[StudyNotice, ...]:
    """Make a notice durable. A repetition replaces what it said before.

    Returns:
        It as it stands now; several when an update concerns a step of several studies.

    Raises:
        UnknownNoticeError: It updates a notice that never came.
        DuplicateNoticeError: It creates a procedure step that has ended already.
        CustodyError: It changes a procedure step that has ended, or cannot be written.
    """

    def work(connection: Connection) -> tuple[StudyNotice, ...]:
        known = _known(connection, notice.notice_id)
        if notice.study_instance_uid:
            return (_create(connection, known, notice),)
        if not known:
            raise UnknownNoticeError("cannot update a procedure step: it was never announced here")
        return tuple(_update(connection, one, notice) for one in known)

    return database.write(work)


def notices_of(database: Database, study_instance_uid: str) -> tuple[StudyNotice, ...]:
    """Every notice of a study, the oldest first."""
    table = schema.notices
    query = (
        sa.select(*_COLUMNS)
        .where(table.c.study_instance_uid == study_instance_uid)
        .order_by(table.c.received_at, table.c.notice_id)
        .limit(_MOST)
    )
    return database.read(lambda connection: tuple(_notice(row) for row in connection.execute(query)))


def forget_notices(database: Database, before: datetime) -> int:
    """Delete notices that came before this moment; how many."""
    statement = sa.delete(schema.notices).where(schema.notices.c.received_at < before)
    return database.write(lambda connection: connection.execute(statement).rowcount)


def _create(connection: Connection, known: Sequence[StudyNotice], notice: StudyNotice) -> StudyNotice:
    before = next((one for one in known if one.study_instance_uid == notice.study_instance_uid), None)
    if before is None:
        insert_new(connection, schema.notices, [_row(notice)])
        return notice
    if before.status in FINAL_STATUSES and not _says_the_same(before, notice):
        raise DuplicateNoticeError("cannot create a procedure step: one of this UID has ended")
    return _replace(connection, notice)


def _update(connection: Connection, before: StudyNotice, change: StudyNotice) -> StudyNotice:
    after = replace(
        before,
        status=change.status or before.status,
        sop_instance_uids=change.sop_instance_uids or before.sop_instance_uids,
        received_at=change.received_at,
    )
    if before.status in FINAL_STATUSES and not _says_the_same(before, after):
        raise CustodyError("cannot update a procedure step: it has ended")
    return _replace(connection, after)


def _says_the_same(one: StudyNotice, other: StudyNotice) -> bool:
    return one.status == other.status and set(one.sop_instance_uids) == set(other.sop_instance_uids)


def _replace(connection: Connection, notice: StudyNotice) -> StudyNotice:
    table = schema.notices
    connection.execute(
        sa.update(table)
        .where(table.c.notice_id == notice.notice_id, table.c.study_instance_uid == notice.study_instance_uid)
        .values(**_row(notice))
    )
    return notice


def _known(connection: Connection, notice_id: str) -> tuple[StudyNotice, ...]:
    query = sa.select(*_COLUMNS).where(schema.notices.c.notice_id == notice_id)
    return tuple(_notice(row) for row in connection.execute(query))


def _row(notice: StudyNotice) -> dict[str, Any]:
    row = {one.name: getattr(notice, one.name) for one in fields(StudyNotice)}
    return {**row, "kind": str(notice.kind), "sop_instance_uids": list(notice.sop_instance_uids)}


def _notice(row: "Row[Any]") -> StudyNotice:
    found = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return StudyNotice(
        **{**found, "kind": NoticeKind(found["kind"]), "sop_instance_uids": tuple(found["sop_instance_uids"])}
    )
