"""How receipts reach a destination: beside the study in a folder, or to the peer's receipt endpoint.

Whatever cannot be left now undoes nothing: the delivery stands, the receipt stays exportable. It goes with
the next receipt of its exchange, and all that is still lacking is tried at the start and once an hour.
"""

from datetime import timedelta
from pathlib import Path

import structlog

from agent.custody.deliveries import deliveries_of
from agent.custody.listings import exchange
from agent.custody.receipts import receipts_of
from agent.custody.travel import exchanges_lacking, not_left, note_left
from agent.pipeline.appliance import Appliance
from exchange.destinations.receipt_endpoint import ReceiptEndpoint
from exchange.domain.errors import LockgateError, PeerUnavailable
from exchange.receipts.facts import Edition

log = structlog.get_logger()

KEPT_UP_DAYS = 30
"""For so many days after its delivery a receipt is offered to an endpoint that has not taken it."""


def leave_receipts(appliance: Appliance, destination: str, exchange_id: str) -> None:
    """Leave the partner editions that concern this destination with it, where it takes any."""
    try:
        endpoint = appliance.configuration.receipt_endpoint(destination)
        if endpoint is None:
            _beside_the_study(appliance, destination, exchange_id)
        else:
            _post(appliance, endpoint, destination, exchange_id)
    except (LockgateError, OSError) as error:
        log.warning("receipts not left", destination=destination, error_type=type(error).__name__)


def leave_lacking(appliance: Appliance) -> None:
    """Offer every endpoint what it lacks; one that is away is not asked again in this round."""
    since = appliance.clock() - timedelta(days=KEPT_UP_DAYS)
    for destination, peer in appliance.configuration.site.peers.items():
        if peer.receipts is None:
            continue
        try:
            endpoint = appliance.configuration.receipt_endpoint(destination)
            for exchange_id in exchanges_lacking(appliance.custody, destination, since):
                if endpoint is not None:
                    _post(appliance, endpoint, destination, exchange_id)
        except (LockgateError, OSError) as error:
            log.warning("receipts not left", destination=destination, error_type=type(error).__name__)


def _beside_the_study(appliance: Appliance, destination: str, exchange_id: str) -> None:
    study = exchange(appliance.custody, exchange_id).study_uid_sent
    sent = deliveries_of(appliance.custody, exchange_id)
    mine = {one.delivery_id for one in sent if one.destination == destination}
    target = appliance.configuration.destination(destination)
    for one in receipts_of(appliance.custody, exchange_id):
        if one.edition == Edition.PARTNER and (not one.delivery_id or one.delivery_id in mine):
            bundle = (appliance.folders.state / one.path).read_bytes()
            if not target.put_receipt(study, Path(one.path).name, bundle):
                return


def _post(appliance: Appliance, endpoint: ReceiptEndpoint, destination: str, exchange_id: str) -> None:
    """In their order; one that is refused for good does not keep the next ones back."""
    for one in not_left(appliance.custody, destination, exchange_id):
        try:
            endpoint.post(Path(one.path).name, (appliance.folders.state / one.path).read_bytes())
        except PeerUnavailable:
            raise
        except LockgateError as error:
            log.warning("receipt refused", destination=destination, error_type=type(error).__name__)
        else:
            note_left(appliance.custody, one.receipt_id, destination, appliance.clock())
