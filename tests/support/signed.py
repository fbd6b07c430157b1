"""What an appliance has signed, as tests read it: receipts on its disk and leaves of its log."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exchange.log.reader import LogReader
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from tests.support.appliance import Appliance


def predicate(bundle: Path) -> dict[str, Any]:
    """The predicate of a receipt bundle."""
    with zipfile.ZipFile(bundle) as opened:
        found: dict[str, Any] = json.loads(opened.read("receipt.json"))["predicate"]
    return found


def receipts(box: Appliance, exchange_id: str, slot: str, edition: str = "partner") -> list[dict[str, Any]]:
    """The predicates of an exchange's receipts in one slot (`R1`, `R2`, `R3`) and edition, oldest first."""
    rows = box.exchange(exchange_id)["receipts"]
    paths = [box.state / one["path"] for one in rows if (one["slot"], one["edition"]) == (slot, edition)]
    return [predicate(path) for path in paths]


def check_receipts(box: Appliance, exchange_id: str) -> None:
    """Every receipt of an exchange verifies against the site's own trust folder, each edition as a chain."""
    rows = box.exchange(exchange_id)["receipts"]
    for edition in ("partner", "site"):
        paths = [box.state / one["path"] for one in rows if one["edition"] == edition]
        assert paths, f"no receipt of edition {edition}"
        for report in verify_bundles(paths, Request(read_trust(box.trust), datetime.now(UTC))):
            assert report.ok, report.first_error
            assert report.level == 1, "it is in the log"


def logged(box: Appliance, kind: str) -> list[dict[str, Any]]:
    """The log's leaves of one kind, oldest first."""
    return [one for one in map(json.loads, log_text(box).splitlines()) if one["kind"] == kind]


def log_text(box: Appliance) -> str:
    """The log's leaves, one a line."""
    leaves = LogReader.open(box.state / "log").leaves()
    return "\n".join(leaf.decode("ascii") for _, leaf in leaves)
