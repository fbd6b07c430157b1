"""A house whose studies go to a DICOM partner."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.custody.listings import ExchangeDetail, show_exchange
from tests.agent.pipeline.house import House

ROUTE = """priority: routine
  - name: partner
    direction: outbound
    match: {called_ae: PARTNER}
    settle: {quiet_seconds: 5.0}
    deidentify: DEIDENTIFY
    retry: {first_seconds: 1.0, most_seconds: 60.0}
    deliver: [partner]"""
CLEANED = "{profile: headers, pseudonym_domain: partner}"
RETAINED = "none\n    reason: clinical return"


def partner_house(
    make_house: Callable[..., House],
    port: int,
    settings: str = "",
    deidentify: str = CLEANED,
    receipts: str = "",
) -> House:
    """A house with a route to a partner at this port; `receipts` is more of the peer, from a comma on."""
    peers = f"partner: {{dicom: {{ae_title: PARTNER, host: 127.0.0.1, port: {port}{settings}}}{receipts}}}"
    return make_house(ROUTE.replace("DEIDENTIFY", deidentify), peers=peers)


def detail(house: House) -> ExchangeDetail:
    """The newest exchange."""
    return show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id)


def receipt(house: House, slot: str) -> dict[str, Any]:
    """The predicate of the newest exchange's receipt of this slot, partner edition."""
    (found,) = (one for one in detail(house).receipts if (one.slot, one.edition) == (slot, "partner"))
    return predicate(house.appliance.folders.state / found.path)


def predicate(bundle: Path) -> dict[str, Any]:
    """What a bundle states."""
    with zipfile.ZipFile(bundle) as opened:
        statement: dict[str, Any] = json.loads(opened.read("receipt.json"))
    found: dict[str, Any] = statement["predicate"]
    return found
