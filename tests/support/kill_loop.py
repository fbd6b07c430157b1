"""Killing the real daemon while studies go through it, and counting afterwards what became of them.

Used by `tests/faults/test_kill_loop.py` (3 kills) and `benchmarks/kill_loop.py` (20 and more). The seed
decides when each kill falls; what the daemon is doing at that moment is up to the machine.
"""

import os
import random  # noqa: TID251 - seeded moments, no secrets and no stage
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.getters import uid
from exchange.dicomio.header import read_header
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from tests.support.appliance import Appliance, dicom_peer, outbound
from tests.support.ports import wait_until
from tests.support.receiver import Receiver
from tests.support.small_studies import make_study, send

ROUTE_AE = "KILLED"
DESTINATIONS = ("partner", "outgoing")
_QUIET_SECONDS = 0.5
_RETRY = {"first_seconds": 0.2, "most_seconds": 1.0}
_AGAIN_SECONDS = 0.1
# A kill in this span after the daemon is ready meets intake, settling, cleaning and delivery.
_LONGEST_LIFE = 4.0
_DURING_START = 0.2  # so many of the kills come before it is ready


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to the daemon.

    Attributes:
        kills: How often it is killed.
        studies: How many studies are sent; each begins after its share of the kills.
        instances: Instances of each study.
        seed: Decides the moments.
    """

    kills: int
    studies: int = 10
    instances: int = 2
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """What was observed.

    Attributes:
        answered: Original SOP Instance UIDs whose C-STORE was answered 0x0000.
        killed_at: What the exchanges' states were when the daemon was killed, as far as it could be asked.
        orphans: Worker processes that outlived their daemon.
        problems: Every broken promise, in words; empty is what is wanted.
        receipts: Receipts by slot.
    """

    answered: set[str] = field(default_factory=set)
    killed_at: list[dict[str, int]] = field(default_factory=list)
    orphans: int = 0
    exchanges: int = 0
    resent: int = 0
    receipts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Sender(threading.Thread):
    """Sends studies one after another, each until all of it was answered; survives a peer that is away."""

    def __init__(self, port: int, plan: Plan, outcome: Outcome) -> None:
        super().__init__(name="sender", daemon=True)
        self._port = port
        self._plan = plan
        self._outcome = outcome
        self._kills = 0
        self._change = threading.Condition()
        self._given_up = False
        self.failure: BaseException | None = None

    def after(self, kills: int) -> None:
        """So many kills have fallen: further studies may begin."""
        with self._change:
            self._kills = kills
            self._change.notify_all()

    def give_up(self) -> None:
        """End soon, whatever was not sent."""
        with self._change:
            self._given_up = True
            self._change.notify_all()

    def run(self) -> None:
        """Send all studies."""
        try:
            for number in range(self._plan.studies):
                share = number * self._plan.kills // self._plan.studies
                with self._change:
                    self._change.wait_for(lambda share=share: self._kills >= share or self._given_up)  # type: ignore[misc]
                self._send(number + 1)
        except BaseException as failure:  # noqa: BLE001 - shown by the one who waits for this thread
            self.failure = failure

    def _send(self, study: int) -> None:
        waiting = make_study(study, self._plan.instances)
        while waiting and not self._given_up:
            answered = send(self._port, ROUTE_AE, waiting)
            taken = {one for one, status in answered.items() if status == 0x0000}
            self._outcome.answered |= taken
            waiting = [ds for ds in waiting if str(ds.SOPInstanceUID) not in taken]
            if waiting:
                time.sleep(_AGAIN_SECONDS)  # the pace of a patient sender; nothing waits for it


def kill_loop(folder: Path, plan: Plan) -> Outcome:
    """Run a plan; the outcome's `problems` say what went wrong.

    Args:
        folder: New or empty and short (the control socket lies in it).
        plan: How often, how many, which seed.

    Raises:
        TimeoutError: Not everything was over in time; with the end of the daemon's log.
    """
    outcome = Outcome()
    began = time.monotonic()
    with Receiver() as receiver:
        box = Appliance(
            folder,
            routes=[outbound("kill", ROUTE_AE, DESTINATIONS, quiet_seconds=_QUIET_SECONDS, retry=_RETRY)],
            peers={"partner": dicom_peer("RECEIVER", receiver.port)},
            limits={"attempts": 20},
        )
        box.make_site()
        sender = Sender(box.port, plan, outcome)
        sender.start()
        try:
            _kill_again_and_again(box, sender, plan, outcome)
            with box:
                sender.join(120)
                if sender.failure is not None:
                    raise sender.failure
                _wait_over(box, plan)
                _examine(box, receiver, plan, outcome)
        finally:
            sender.give_up()
            sender.join(60)
    outcome.seconds = time.monotonic() - began
    return outcome


def _kill_again_and_again(box: Appliance, sender: Sender, plan: Plan, outcome: Outcome) -> None:
    moments = random.Random(plan.seed)
    for number in range(plan.kills):
        if moments.random() < _DURING_START:
            _kill_while_starting(box, moments.uniform(0.0, 2.0))
            outcome.killed_at.append({"starting": 1})
        else:
            box.start()
            time.sleep(moments.uniform(0.0, _LONGEST_LIFE))  # the fault itself, not a synchronisation
            outcome.killed_at.append(_states(box))
            children = child_pids(box.pid)
            box.kill9()
            outcome.orphans += _left_over(children)
        sender.after(number + 1)


def _kill_while_starting(box: Appliance, seconds: float) -> None:
    """Start without waiting for "ready" and kill after a while."""
    timer = threading.Timer(seconds, lambda: box.process.kill() if box.process else None)
    timer.start()
    try:
        box.start()
    except RuntimeError:  # it ended before it was ready: so it should
        pass
    finally:
        timer.join()
    if box.process is not None:
        box.kill9()


def child_pids(pid: int) -> set[int]:
    """The children of a process, by /proc."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == pid:
            found.add(int(stat.parent.name))
    return found


def _left_over(children: set[int]) -> int:
    """How many of the children of a killed daemon outlive it by more than a few seconds."""

    def alive() -> set[int]:
        return {pid for pid in children if _runs(pid)}

    try:
        wait_until(lambda: not alive(), "end of the workers", deadline_seconds=10)
    except TimeoutError:
        return len(alive())
    return 0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _states(box: Appliance) -> dict[str, int]:
    try:
        return dict(Counter(one["state"] for one in box.exchanges()))
    except (httpx.HTTPError, OSError):
        return {}


def _wait_over(box: Appliance, plan: Plan) -> None:
    expected = plan.studies * plan.instances

    def over(one: Appliance) -> bool:
        found = one.exchanges()
        members = sum(each["instance_count"] for each in found)
        return members >= expected and all(each["state"] in {"closed", "held", "rejected"} for each in found)

    box.wait_for(over, "end of all exchanges", deadline_seconds=180)


# --- what must hold afterwards ------------------------------------------------------------------------------


def _examine(box: Appliance, receiver: Receiver, plan: Plan, outcome: Outcome) -> None:
    details = [box.exchange(one["exchange_id"]) for one in box.exchanges()]
    outcome.exchanges = len(details)
    outcome.resent = sum(len(digests) - 1 for digests in receiver.received.values())
    problems = outcome.problems
    expected = plan.studies * plan.instances
    if len(outcome.answered) != expected:
        problems.append(f"{len(outcome.answered)} of {expected} instances were ever accepted")
    if outcome.orphans:
        problems.append(f"{outcome.orphans} workers outlived their daemon")
    problems += [f"an exchange ended as {one['state']}" for one in details if one["state"] != "closed"]
    problems += _delivered_once(details, receiver.contents(), "partner", expected)
    problems += _delivered_once(details, _folder_contents(box.outgoing), "outgoing", expected)
    for detail in details:
        problems += _receipts_of(box, detail, outcome.receipts)
    problems += _stray_receipts(box, details)
    problems += _closed_lines(box, details)


def _delivered_once(
    details: Sequence[dict[str, Any]], contents: dict[str, set[str]], destination: str, expected: int
) -> list[str]:
    """Every accepted instance is there, under one identity and with one content."""
    problems = []
    if len(contents) != expected:
        problems.append(f"{destination} has {len(contents)} identities of {expected} instances")
    several = sum(len(digests) > 1 for digests in contents.values())
    if several:
        problems.append(f"{destination} has {several} identities with more than one content")
    sent = {
        each["sop_instance_uid"]
        for detail in details
        for each in detail["instances"]
        if each["destination"] == destination and each["state"] == "sent"
    }
    if sent != set(contents):
        problems.append(f"custody and {destination} do not agree on what was delivered")
    return problems


def _folder_contents(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*.dcm"):
        found.setdefault(uid(read_header(path), "SOPInstanceUID"), set()).add(dataset_sha256(path))
    return found


def _receipts_of(box: Appliance, detail: dict[str, Any], counted: Counter[str]) -> list[str]:
    """One R1 and one R3 an exchange, one R2 a delivery, in both editions; each verifies, all in one chain."""
    problems = []
    for edition in ("partner", "site"):
        mine = [one for one in detail["receipts"] if one["edition"] == edition]
        slots = Counter((one["slot"], one["delivery_id"]) for one in mine)
        wanted = {("R1", ""), ("R3", "")} | {("R2", one["delivery_id"]) for one in detail["deliveries"]}
        if set(slots) != wanted or max(slots.values()) > 1 or len(detail["deliveries"]) != len(DESTINATIONS):
            problems.append(f"receipts of an exchange ({edition}): {sorted(slots.items())}")
        counted.update(f"{one['slot']} {edition}" for one in mine)
        request = Request(read_trust(box.trust), datetime.now(UTC))
        reports = verify_bundles([box.state / one["path"] for one in mine], request)
        problems += [f"a receipt does not verify: {one.first_error}" for one in reports if not one.ok]
    return problems


def _stray_receipts(box: Appliance, details: Sequence[dict[str, Any]]) -> list[str]:
    """What lies on the disk is what custody has recorded, file by file."""
    recorded = {one["path"] for detail in details for one in detail["receipts"]}
    on_disk = {str(path.relative_to(box.state)) for path in (box.state / "receipts").rglob("*.zip")}
    return (
        [] if on_disk == recorded else [f"{len(on_disk ^ recorded)} receipts are on disk or in custody only"]
    )


def _closed_lines(box: Appliance, details: Sequence[dict[str, Any]]) -> list[str]:
    """The canonical line of each exchange was written at most once (a kill may come before it)."""
    lines = Counter(one["exchange_id"] for one in box.log_lines() if one.get("event") == "exchange closed")
    known = {one["exchange_id"] for one in details}
    twice = sum(count > 1 for count in lines.values())
    problems = [f"{twice} exchanges said twice that they closed"] if twice else []
    return problems if set(lines) <= known else [*problems, "an unknown exchange closed"]
