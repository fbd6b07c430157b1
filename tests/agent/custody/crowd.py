"""Many exchanges that have ended, written in bulk: what a box looks like after years."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from agent.custody import schema
from agent.custody.database import Database
from tests.agent.custody.world import CT, START, digest

_AT_ONCE = 2000


def crowd(database: Database, count: int, *, each: int = 3, state: str = "closed", first: int = 0) -> None:
    """Write `count` exchanges with `each` instances, all their rows, in a state that has ended."""
    for start in range(first, first + count, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, first + count))
        rows: dict[str, list[dict[str, Any]]] = {}
        for name, row in itertools.chain.from_iterable(_rows(number, each, state) for number in numbers):
            rows.setdefault(name, []).append(row)

        def work(connection: sa.Connection, rows: dict[str, list[dict[str, Any]]] = rows) -> None:
            for table in schema.metadata.sorted_tables:
                if table.name in rows:
                    connection.execute(sa.insert(table), rows[table.name])

        database.write(work)


def _rows(number: int, each: int, state: str) -> Iterator[tuple[str, dict[str, Any]]]:
    exchange_id = f"{number:032x}"
    at = START - timedelta(days=400) + timedelta(seconds=number)
    moments = {"created_at": at, "last_arrival_at": at, "settled_at": at, "closed_at": at}
    yield "exchanges", {
        "exchange_id": exchange_id, "exchange_group": digest(f"group {number}"), "route": "second-opinion",
        "direction": "outbound", "study_instance_uid": f"9.{number}", "called_ae": "TELERAD", "peer": "pacs",
        "source": "pacs", "state": state, "instance_count": each, "byte_count": 1000 * each, "receipted": 1,
        "attempt_count": 1, "evidence": {}, "counts": {}, **moments,
    }  # fmt: skip
    for index in range(each):
        yield from _instance(number, index, exchange_id, state)
    yield "attempts", {
        "exchange_id": exchange_id, "number": 1, "token": exchange_id, "started_at": at, "ended_at": at,
        "outcome": "delivering",
    }  # fmt: skip
    delivery_id = f"d{number:031x}"
    yield "deliveries", {
        "delivery_id": delivery_id, "exchange_id": exchange_id, "destination": "telerad",
        "state": "forwarded", "attempts": 1, "created_at": at, "closed_at": at, "concluded": 1,
        "route": "second-opinion",
    }  # fmt: skip
    yield "holds", {
        "hold_id": f"e{number:031x}", "exchange_id": exchange_id, "code": "video", "opened_at": at,
        "state": "decided",
    }  # fmt: skip
    for slot in ("R1", "R2", "R3"):
        receipt_id = f"{slot}{number:030x}"
        yield "receipt_events", {
            "receipt_id": receipt_id, "exchange_id": exchange_id, "slot": slot, "stage": "closed",
            "delivery_id": delivery_id if slot == "R2" else "", "issued_at": at,
        }  # fmt: skip
        for edition in ("partner", "site"):
            yield "receipts", {
                "receipt_id": receipt_id, "edition": edition, "pae_sha256": exchange_id, "path": receipt_id,
            }  # fmt: skip


def _instance(number: int, index: int, exchange_id: str, state: str) -> Iterator[tuple[str, dict[str, Any]]]:
    identity, arrival_id = digest(f"{number}/{index}"), f"{number:026x}{index:06x}"
    at = START - timedelta(days=400) + timedelta(seconds=number)
    kind = {"sop_class_uid": CT, "transfer_syntax_uid": "1.2.840.10008.1.2.1", "byte_count": 1000}
    yield "instances", {
        "identity": identity, "sop_instance_uid": f"9.{number}.1.{index}", "study_instance_uid": "9",
        "series_instance_uid": f"9.{number}.1", "modality": "CT", "patient_key": digest(f"p{number}"),
        "indexed_at": at, "deleted_at": at if state == "retired" else None, **kind,
    }  # fmt: skip
    yield "arrivals", {
        "arrival_id": arrival_id, "identity": identity, "protocol": "dimse", "called_ae": "TELERAD",
        "received_at": at, "exchange_group": digest(f"group {number}"),
    }  # fmt: skip
    yield "members", {"exchange_id": exchange_id, "identity": identity, "arrival_id": arrival_id}
    sent = f"2.25.{number}{index:03d}"
    yield "frozen", {
        "exchange_id": exchange_id, "revision": 0, "identity": identity, "sop_instance_uid": sent,
        "study_instance_uid": f"2.25.{number}", "series_instance_uid": f"2.25.{number}1",
        "sha256": digest(sent), "pixel_sha256": "", "path": f"{identity}.dcm", "boxes": [{"frame": 0}] * 20,
        "actions": {"removed": 3}, "proof": json.loads('{"passed": true}'), "proved": True, **kind,
    }  # fmt: skip
    yield "effects", {
        "exchange_id": exchange_id, "destination": "telerad", "sop_instance_uid": sent, "state": "sent",
        "status": "0x0000", "attempt": 1, "updated_at": at,
    }  # fmt: skip
    yield "findings", {
        "exchange_id": exchange_id, "attempt": 1, "position": index, "finding_id": "geometry.gap",
        "severity": "note", "evidence": "",
    }  # fmt: skip
