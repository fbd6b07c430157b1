"""From a durable spool file to a custody row: what the header says of study, series and patient."""

import hmac
from collections.abc import Sequence
from hashlib import sha256

import structlog

from agent.custody.arrivals import exchange_group, instance_keys, keep_keys, record_arrivals, unindexed
from agent.custody.records import IndexedArrival
from agent.pipeline.appliance import Appliance
from exchange.dicomio.glance import glance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError, SpoolError
from exchange.domain.glance import Glance
from exchange.domain.instance import SpooledInstance
from exchange.log.events import Event, EventKind, list_sha256

log = structlog.get_logger()


def index(appliance: Appliance, arrivals: Sequence[SpooledInstance]) -> tuple[str, ...]:
    """Take these durable arrivals into custody, in one transaction and one append to the log.

    Arrivals that custody knows already are passed over, so that start-up may hand in the whole spool.

    Returns:
        Ids of the exchanges that gained an arrival.
    """
    fresh = set(unindexed(appliance.custody, [one.arrival.arrival_id for one in arrivals]))
    wanted = [one for one in arrivals if one.arrival.arrival_id in fresh]
    if known := [one for one in arrivals if one.arrival.arrival_id not in fresh and one.wrapped_key]:
        keep_keys(appliance.custody, known)
    touched: tuple[str, ...] = ()
    if wanted:
        indexed = [index_one(appliance, one) for one in wanted]
        touched = record_arrivals(appliance.custody, indexed, appliance.clock())
        appliance.log.append_all(_events(indexed, touched))
        for one in wanted:
            appliance.metrics.accepted(one.arrival.protocol, one.arrival.peer, one.byte_count)
    appliance.spool.indexed(arrivals)  # from here on only their rows open them
    return touched


def index_one(appliance: Appliance, instance: SpooledInstance) -> IndexedArrival:
    """What one header says; a file that cannot be read is taken with the reason, never dropped."""
    try:
        found = instance.glance or _look(appliance, instance)
    except InputError as error:
        return IndexedArrival(instance, "", unreadable_code=error.code)
    except (OSError, SpoolError) as error:
        log.error("spool file unreadable", digest=instance.identity, error_type=type(error).__name__)
        return IndexedArrival(instance, "", unreadable_code=ReasonCode.INTERNAL)
    patient = "\0".join((found.issuer_of_patient_id, found.patient_id))
    return IndexedArrival(
        instance,
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        modality=found.modality,
        patient_key=hmac.digest(appliance.domain_keys.key("custody/patient"), patient.encode(), sha256).hex(),
    )


def _look(appliance: Appliance, instance: SpooledInstance) -> Glance:
    key = instance.wrapped_key
    if not key:
        known = instance_keys(appliance.custody, (instance.identity,)).get(instance.identity)
        key = (known.wrapped_key if known else None) or b""
    return glance(appliance.spool.source(instance.identity, key))


def _events(indexed: Sequence[IndexedArrival], touched: Sequence[str]) -> list[Event]:
    """One for each exchange that this batch has added to."""
    groups: dict[str, list[SpooledInstance]] = {}
    for one in indexed:
        groups.setdefault(exchange_group(one), []).append(one.instance)
    return [
        Event(
            EventKind.INSTANCE_RECEIVED,
            {
                "exchange": exchange_id,
                "instances": len(came),
                "bytes": sum(one.byte_count for one in came),
                "listSha256": list_sha256(one.identity for one in came),
                "protocol": came[0].arrival.protocol,
            },
        )
        for exchange_id, came in zip(touched, groups.values(), strict=True)
    ]
