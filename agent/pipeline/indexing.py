"""From a durable spool file to a custody row: what the header says of study, series and patient."""

import hmac
from collections.abc import Sequence
from hashlib import sha256

from agent.custody.arrivals import record_arrivals, unindexed
from agent.custody.records import IndexedArrival
from agent.pipeline.appliance import Appliance
from exchange.dicomio.getters import text, uid
from exchange.dicomio.header import read_header
from exchange.domain.errors import InputError
from exchange.domain.instance import SpooledInstance
from exchange.journal.events import Event, EventKind


def index(appliance: Appliance, arrivals: Sequence[SpooledInstance]) -> tuple[str, ...]:
    """Take these durable arrivals into custody, in one transaction and one journal append.

    Arrivals that custody knows already are passed over, so that start-up may hand in the whole spool.

    Returns:
        Ids of the exchanges that gained an arrival.
    """
    fresh = set(unindexed(appliance.custody, [one.arrival.arrival_id for one in arrivals]))
    wanted = [one for one in arrivals if one.arrival.arrival_id in fresh]
    if not wanted:
        return ()
    touched = record_arrivals(
        appliance.custody, [index_one(appliance, one) for one in wanted], appliance.clock()
    )
    appliance.journal.append_all(_event(one) for one in wanted)
    return touched


def index_one(appliance: Appliance, instance: SpooledInstance) -> IndexedArrival:
    """Read one header; a file that cannot be read is taken with the reason, never dropped."""
    try:
        ds = read_header(appliance.spool.path(instance.identity))
    except InputError as error:
        return IndexedArrival(instance, "", unreadable_code=error.code)
    patient = "\0".join((text(ds, "IssuerOfPatientID"), text(ds, "PatientID")))
    return IndexedArrival(
        instance,
        study_instance_uid=uid(ds, "StudyInstanceUID"),
        series_instance_uid=uid(ds, "SeriesInstanceUID"),
        modality=text(ds, "Modality"),
        patient_key=hmac.digest(appliance.domain_keys.key("custody/patient"), patient.encode(), sha256).hex(),
    )


def _event(instance: SpooledInstance) -> Event:
    return Event(
        EventKind.INSTANCE_RECEIVED,
        {
            "identity": instance.identity,
            "arrival": instance.arrival.arrival_id,
            "bytes": instance.byte_count,
            "protocol": instance.arrival.protocol,
        },
    )
