"""The record of an arrival: what a spool file says of how its instance came."""

import json
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from exchange.domain.instance import Arrival, SpooledInstance
from exchange.spool.envelope import ChangedError, Header
from exchange.spool.layout import is_arrival_id

_INSTANCE_BYTES = "instance_bytes"
_TIME_WIDTH = 32  # 2026-01-31T23:59:59.123456+00:00


@dataclass(frozen=True, slots=True)
class ArrivalContext:
    """An arrival before its time is known; fields as in `exchange.domain.instance.Arrival`."""

    arrival_id: str
    protocol: str
    called_ae: str
    calling_ae: str
    peer: str
    peer_address: str
    peer_certificate_sha256: str = ""

    def at(self, received_at: datetime) -> Arrival:
        """The arrival, complete."""
        return Arrival(received_at=received_at, **{name: getattr(self, name) for name in _CONTEXT})


_CONTEXT = tuple(one.name for one in fields(ArrivalContext))


def arrival_header(instance: SpooledInstance) -> Header:
    """The header of a spool file; as long before `commit` as after it."""
    arrival = {name: getattr(instance.arrival, name) for name in _CONTEXT}  # `asdict` costs 0.1 ms
    received_at = instance.arrival.received_at.isoformat(timespec="microseconds")
    arrival["received_at"] = received_at.ljust(_TIME_WIDTH)
    return Header(
        name=instance.identity.ljust(64),
        byte_count=instance.byte_count,
        meta=(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid),
        record=arrival,
    )


def further_header(instance: SpooledInstance) -> Header:
    """The header of the record of a further arrival: a file without content of its own."""
    header = arrival_header(instance)
    return replace(header, byte_count=0, record={**header.record, _INSTANCE_BYTES: instance.byte_count})


def header_arrival(header: Header, *, duplicate: bool, wrapped_key: bytes = b"") -> SpooledInstance:
    """The arrival that a header tells of.

    Raises:
        ChangedError: It tells of none.
    """
    if len(header.meta) != len(("class", "instance", "syntax")):
        raise ChangedError("not a header of a spool file")
    record = dict(header.record)
    byte_count = int(record.pop(_INSTANCE_BYTES, header.byte_count))
    return replace(
        _instance(header.name, byte_count, header.meta, record), duplicate=duplicate, wrapped_key=wrapped_key
    )


def plain_record(raw: bytes, identity: str, *, duplicate: bool) -> SpooledInstance:
    """An arrival as the plain spool files of version 1 hold it.

    Raises:
        ChangedError: It is none.
    """
    try:
        record: dict[str, Any] = json.loads(raw.rstrip(b"\0 "))
        if record["schema"] != "lockgate.arrival/1":
            raise ChangedError("not a record of ours")
        meta = tuple(str(record[f"{one}_uid"]) for one in ("sop_class", "sop_instance", "transfer_syntax"))
        return replace(
            _instance(identity, int(record["byte_count"]), meta, record["arrival"]), duplicate=duplicate
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ChangedError("not a record of ours") from error


def _instance(
    identity: str, byte_count: int, meta: tuple[str, ...], record: dict[str, Any]
) -> SpooledInstance:
    try:
        values: dict[str, str] = {key: str(value) for key, value in record.items()}
        received_at = datetime.fromisoformat(values.pop("received_at").strip())
        arrival = ArrivalContext(**values).at(received_at)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ChangedError("not a record of ours") from error
    if received_at.tzinfo is None or not is_arrival_id(arrival.arrival_id):
        raise ChangedError("not a record of ours")
    return SpooledInstance(
        identity=identity,
        sop_class_uid=meta[0],
        sop_instance_uid=meta[1],
        transfer_syntax_uid=meta[2],
        byte_count=byte_count,
        arrival=arrival,
    )
