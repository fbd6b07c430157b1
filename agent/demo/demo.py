"""The demo: one real study through PACS, appliance and partner on loopback, shown step by step."""

import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.demo.peers import DemoPeer, demo_peer, free_port
from agent.demo.pictures import side_by_side
from agent.demo.site import APPLIANCE_AE, DOMAIN, VIRTUAL_AE, DemoSite
from agent.demo.study import PLANTED, DemoStudy, make_study
from exchange.dicomio.getters import uid
from exchange.dicomio.header import read_header
from exchange.domain.errors import LockgateError
from exchange.keys.domains import DomainKeys
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Report, Request, verify_bundles
from redact.identifiers.pseudonymiser import Pseudonymiser

_DEADLINE_SECONDS = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo showed; the fields of its last line.

    Attributes:
        receipt: The last receipt (R3) beside the delivered study.
        files: The delivered study.
        trust: The trust folder to verify with.
        verified: Whether every receipt verified, with the files.
    """

    receipt: Path
    files: Path
    trust: Path
    verified: bool

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {
                "receipt": str(self.receipt),
                "files": str(self.files),
                "trust": str(self.trust),
                "verified": self.verified,
            }
        )


@dataclass
class Demo:
    """One run in a folder of its own; `say` gets a line at a time."""

    folder: Path
    say: Say
    stay: Callable[[], None] | None = None
    started: float = field(default_factory=time.monotonic)

    def run(self) -> DemoResult:
        """Do it.

        Raises:
            LockgateError: Something did not come up or through; the message says where to read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        study = make_study(self.folder / "study")
        partner = demo_peer("PARTNER", self.folder / "partner")
        pacs = demo_peer("PACS", self.folder / "pacs")
        site = DemoSite(self.folder / "appliance", free_port(), (partner.ae_title, partner.port))
        site.write()
        with ExitStack() as stack:
            # Each takes seconds to start; none needs the others for it.
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(stack.enter_context, (pacs, partner, site)))
            self._tell("peers", f"PACS and partner: {pacs.kind}, on loopback")
            self._tell("appliance", "started: SQLite, folder spool, keys of its own")
            partner.know(APPLIANCE_AE, site.port)
            self._tell("came in", _incoming(study))
            pacs.send(study.files, VIRTUAL_AE, site.port)
            self._tell("PACS", f"sent to {VIRTUAL_AE}; Success means durable")
            detail = self._wait(site)
            result = self._show(site, study, partner, detail)
            if self.stay is not None:
                self.stay()
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(lambda one: one.stop(), (site, pacs, partner)))
        return result

    def _tell(self, topic: str, text: str) -> None:
        self.say(f"{time.monotonic() - self.started:6.1f} s  {topic:<11}{text}")

    def _wait(self, site: DemoSite) -> dict[str, Any]:
        """Follow the exchange until it is closed, telling each change of state."""
        deadline, last, found = time.monotonic() + _DEADLINE_SECONDS, "", []
        while time.monotonic() < deadline:
            found = site.get("/exchanges")
            state = str(found[0]["state"]) if found else "open"
            if state != last:
                self._tell("exchange", state)
                last = state
            if state in {"closed", "held", "rejected"}:
                break
            time.sleep(0.1)
        if last != "closed":
            raise LockgateError(
                f"cannot show the demo: the exchange is {last or 'absent'}", f"read {site.log}"
            )
        detail: dict[str, Any] = site.get(f"/exchanges/{found[0]['exchange_id']}")
        return detail

    def _show(
        self, site: DemoSite, study: DemoStudy, partner: DemoPeer, detail: dict[str, Any]
    ) -> DemoResult:
        files = site.outgoing / str(detail["study_uid_sent"])
        receipts = sorted((files / "receipts").glob("*.receipt.zip"))
        self._tell("removed", _removed(_statement(receipts[0])))
        self._tell("pictures", str(self._picture(site, study, files)))
        for one in detail["deliveries"]:
            self._tell("delivered", f"{one['destination']}: {one['state']}")
        left = _left_at(partner)
        self._tell("partner", f"its storage searched for {len(PLANTED)} planted values: {left} found")
        self._tell("receipts", f"{len(receipts)} beside the study: {receipts[0].parent}")
        reports = verify_bundles(receipts, Request(read_trust(site.trust), datetime.now(UTC), files))
        verified = bool(reports) and all(one.ok for one in reports) and not left
        self._tell("verified" if verified else "NOT VALID", _verdict(reports))
        return DemoResult(receipts[-1], files, site.trust, verified)

    def _picture(self, site: DemoSite, study: DemoStudy, files: Path) -> Path:
        """Before and after of the first instance with the name in its pixels."""
        pseudonymiser = Pseudonymiser(
            DomainKeys.from_folder(site.folder / "keys").key(DOMAIN), "general-hospital"
        )
        before = study.files[0]
        name = pseudonymiser.uid(uid(read_header(before), "SOPInstanceUID"))
        after = next(files.rglob(f"{name}.dcm"))
        target = self.folder / "before-after.png"
        target.write_bytes(side_by_side(before, after))
        return target


def _incoming(study: DemoStudy) -> str:
    return (
        f"{len(study.files)} instances of one patient; an invented name in their headers, "
        f"and burned into the pixels of {study.burned}"
    )


def _statement(bundle: Path) -> dict[str, Any]:
    with zipfile.ZipFile(bundle) as opened:
        loaded: dict[str, Any] = json.loads(opened.read("receipt.json"))
    return loaded


def _removed(statement: dict[str, Any]) -> str:
    facts = statement["predicate"]["deidentification"]
    pixel = facts.get("pixel", {})
    return (
        f"{facts['removed']} elements removed, {facts['emptied']} emptied, {facts['replaced']} replaced, "
        f"{facts['uidsMapped']} UIDs mapped, {pixel.get('regions', 0)} text regions in "
        f"{pixel.get('instances', 0)} instances; proof: {facts['proof']['passed']}"
    )


def _left_at(partner: DemoPeer) -> int:
    """How many of the planted values are anywhere in what the partner stores, in any case of letters."""
    stored = [data.lower() for data in partner.stored()]
    return sum(any(value.lower().encode() in data for data in stored) for value in PLANTED)


def _verdict(reports: list[Report]) -> str:
    wrong = next((one.first_error for one in reports if one.first_error is not None), None)
    if wrong is not None:
        return str(wrong)
    stages = ", ".join(one.receipt.stage for one in reports if one.receipt is not None)
    level = min(one.level or 0 for one in reports)
    return f"signature, digests, chain and log (level L{level}) of {stages}"
