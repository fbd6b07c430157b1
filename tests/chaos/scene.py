"""The house in which faults are tried: a real daemon, a DICOM partner, a folder, and a patient sender."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.chaos.shim import Shim
from tests.interop.studies import HEADERS_ONLY
from tests.support.appliance import Appliance, dicom_peer, outbound, short_folder
from tests.support.ports import wait_until
from tests.support.promises import examine, folder_contents
from tests.support.receiver import Receiver
from tests.support.small_studies import make_study, send, study_uid

RETRY = {"first_seconds": 0.2, "most_seconds": 1.0}
ROUTES = {"BOTH": ("partner", "outgoing"), "PARTNER": ("partner",), "FOLDER": ("outgoing",)}
_DEADLINE = 60.0
# The daemon lives so far ahead of the machine, and receipts are verified later still: a clock that steps back
# a day stays within the validity of the site's certificate.
_AHEAD = timedelta(days=10)
OVER = frozenset({"held", "closed", "rejected", "retired"})


class Scene:
    """One house; what was accepted in it, for the promises.

    Attributes:
        box: The daemon, with routes BOTH, PARTNER and FOLDER (header cleaning only: no model is loaded).
        partner: Takes C-STORE; `stall` makes it sit on its answers.
        shim: Faults of the daemon's system calls.
        accepted: Original SOP Instance UIDs that were answered 0x0000.
    """

    def __init__(self, folder: Path, shim: Shim, **limits: Any) -> None:
        self.shim = shim
        self.accepted: set[str] = set()
        self._flow = threading.Event()
        self._flow.set()
        self.partner = Receiver(self._answer)
        self.partner.up()
        self._study = 0
        self.box = Appliance(
            folder / "site",
            routes=[
                outbound(name.lower(), name, deliver, quiet_seconds=0.3, profile="headers", retry=RETRY)
                for name, deliver in ROUTES.items()
            ],
            peers={"partner": dicom_peer("RECEIVER", self.partner.port)},
            limits={"attempts": 10, "spool_reserve_mib": 1, **limits},
            profiles={"headers": HEADERS_ONLY},
            environment=shim.environment,
        )

    # --- sending --------------------------------------------------------------------------------------------

    def offer(self, route: str = "BOTH", count: int = 2) -> tuple[int, dict[str, int]]:
        """A new study, once; its number and what was answered."""
        self._study += 1
        return self._study, self.offer_again(self._study, route, count)

    def offer_again(self, study: int, route: str = "BOTH", count: int = 2) -> dict[str, int]:
        """What of a study was not accepted yet, once."""
        missing = [one for one in make_study(study, count) if str(one.SOPInstanceUID) not in self.accepted]
        answered = send(self.box.port, route, missing) if missing else {}
        self.accepted |= {uid for uid, status in answered.items() if status == 0x0000}
        return answered

    def insist(self, study: int, route: str = "BOTH", count: int = 2) -> None:
        """Offer a study until all of it was accepted, as a PACS does."""

        def accepted() -> bool:
            self.offer_again(study, route, count)
            return {str(one.SOPInstanceUID) for one in make_study(study, count)} <= self.accepted

        wait_until(accepted, "acceptance of a study", _DEADLINE, 0.2)

    def bring(self, route: str = "BOTH", count: int = 2) -> int:
        """A new study, accepted."""
        study, answered = self.offer(route, count)
        assert set(answered.values()) == {0x0000}
        assert len(answered) == count
        return study

    # --- the partner ----------------------------------------------------------------------------------------

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """While inside, the partner takes data and does not answer."""
        self._flow.clear()
        try:
            yield
        finally:
            self._flow.set()

    def _answer(self, _event: Any, _coming: int) -> int:
        self._flow.wait(_DEADLINE)
        return 0x0000

    # --- looking --------------------------------------------------------------------------------------------

    def exchanges_of(self, route: str, known: set[str]) -> list[dict[str, Any]]:
        """Exchanges of a route beside the known ones."""
        return [
            one
            for one in self.box.exchanges()
            if one["route"] == route.lower() and one["exchange_id"] not in known
        ]

    def known(self) -> set[str]:
        """The ids of all exchanges."""
        return {one["exchange_id"] for one in self.box.exchanges()}

    def wait_over(self, deadline_seconds: float = _DEADLINE) -> None:
        """Until every accepted instance is in an exchange and every exchange is over."""

        def over(box: Appliance) -> bool:
            found = box.status()
            working = sum(count for state, count in found["exchanges"].items() if state not in OVER)
            return found["instances"] >= len(self.accepted) and not working

        self.box.wait_for(over, "end of all exchanges", deadline_seconds)

    def wait(self, condition: Callable[[Appliance], object], what: str) -> None:
        """Until a condition holds."""
        self.box.wait_for(condition, what, _DEADLINE)

    def holds(self) -> list[str]:
        """The codes of open holds."""
        return sorted(str(one["code"]) for one in self.box.holds())

    def check(self) -> None:
        """All promises."""
        landed = {"partner": self.partner.contents(), "outgoing": folder_contents(self.box.outgoing)}
        verdict = examine(self.box, self.accepted, landed, datetime.now(UTC) + 2 * _AHEAD)
        assert verdict.problems == [], f"{verdict.problems}\n{self.box.log_tail(20)}"

    def originals_named(self) -> bool:
        """Whether the log has an original Study Instance UID."""
        return any(study_uid(number) in self.box.log_text() for number in range(1, self._study + 1))


@contextmanager
def house(**limits: Any) -> Iterator[Scene]:
    """A running house; everything of it is gone afterwards."""
    with short_folder() as folder, Shim(folder / "shim", folder / "site" / "state") as shim:
        scene = Scene(folder, shim, **limits)
        try:
            with shim.clock_moved(int(_AHEAD.total_seconds())), scene.box:
                yield scene
        finally:
            scene.partner.down()
