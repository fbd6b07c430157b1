"""What the receipts of an exchange in a house state."""

import json
import zipfile

from agent.config.shipped import shipped
from agent.custody.receipts import receipts_of
from tests.agent.pipeline.house import House
from tests.exchange.receipts.jsonschema_subset import conforms

SCHEMA = json.loads(shipped("config/schemas/receipt.schema.json").read_text())


def payloads(house: House, exchange_id: str, edition: str = "partner") -> dict[str, dict[str, object]]:
    """Predicates by slot (R1, R2, R3); each statement conforms to the published schema."""
    found = {}
    for one in receipts_of(house.appliance.custody, exchange_id):
        if one.edition == edition:
            with zipfile.ZipFile(house.appliance.folders.state / one.path) as bundle:
                statement = json.loads(bundle.read("receipt.json"))
            assert conforms(statement, SCHEMA) == ""
            found[one.slot] = statement["predicate"]
    return found
