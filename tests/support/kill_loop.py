"""Killing the real daemon while studies go through it, and counting afterwards what became of them.

Used by `tests/chaos/test_kill_loop.py` (a few kills) and `tests/soak/kills.py` (a thousand). The seed decides
when each kill falls; what the daemon is doing at that moment is up to the machine.
"""

import os
import random  # noqa: TID251 - seeded moments, no secrets and no stage
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.interop.studies import HEADERS_ONLY
from tests.support.appliance import Appliance, dicom_peer, outbound
from tests.support.ports import wait_until
from tests.support.promises import Verdict, child_pids, examine, folder_contents, left_over, worker_pids
from tests.support.receiver import Receiver
from tests.support.small_studies import make_study, send

ROUTE_AE = "KILLED"
DESTINATIONS = ("partner", "outgoing")
_QUIET_SECONDS = 0.5
_RETRY = {"first_seconds": 0.2, "most_seconds": 1.0}
_AGAIN_SECONDS = 0.1
_OF_A_WORKER = 0.1
_DURING_START = 0.3
"""So many of the kills hit a worker only, and so many the daemon before it is ready: starting, recovering."""

_WORKER_SECONDS = 5.0
_ATTEMPTS = 20
_TECHNOLOGIST = "Jo Technologist"
"""A kill counts against every study that is being cleaned. On a busy machine one may meet more kills than a
site can allow; then it is held as poison, as it should be, and a person lets it pass."""

_FIRST_START_SECONDS = 2.0  # until a start was seen to its end


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to the daemon.

    Attributes:
        kills: How often it is killed.
        studies: How many studies are sent; each begins after its share of the kills.
        instances: Instances of each study.
        seed: Decides the moments.
        profile: `default` cleans pixels, which takes seconds a study; with `headers` a daemon is ready, and a
            study through, in a fraction of that.
        longest_life: A kill falls within so many seconds after the daemon is ready: long enough to meet
            intake, settling, cleaning and delivery.
    """

    kills: int
    studies: int = 10
    instances: int = 2
    seed: int = 1
    profile: str = "default"
    longest_life: float = 4.0


@dataclass(slots=True)
class Outcome:
    """What was observed.

    Attributes:
        answered: Original SOP Instance UIDs whose C-STORE was answered 0x0000.
        killed_at: For each kill, what the exchanges' states were, as far as the daemon could be asked;
            `starting` when it was not ready yet, with `worker` when only a worker was killed.
        orphans: Worker processes that outlived their daemon.
        resent: Data sets that came to the partner again, in the same bytes.
        released: Studies that met so many kills that they were held as poison, and were let pass by a person.
        verdict: What the promises came to.
    """

    answered: set[str] = field(default_factory=set)
    killed_at: list[dict[str, int]] = field(default_factory=list)
    orphans: int = 0
    resent: int = 0
    released: int = 0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)


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
    """Run a plan; the outcome's verdict says what went wrong.

    Args:
        folder: New or empty and short (the control socket lies in it).
        plan: How often, how many, which seed.

    Raises:
        TimeoutError: Not everything was over in time; with the end of the daemon's log.
    """
    outcome = Outcome()
    began = time.monotonic()
    with Receiver() as receiver:
        route = outbound(
            "kill", ROUTE_AE, DESTINATIONS, quiet_seconds=_QUIET_SECONDS, profile=plan.profile, retry=_RETRY
        )
        box = Appliance(
            folder,
            routes=[route],
            peers={"partner": dicom_peer("RECEIVER", receiver.port)},
            limits={"attempts": _ATTEMPTS},
            people={_TECHNOLOGIST: ["technologist"]},
            profiles={"headers": HEADERS_ONLY},
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
                _wait_over(box, plan, outcome)
                _judge(box, receiver, plan, outcome)
        finally:
            if box.process is not None:  # a round that broke off
                box.kill9()
            sender.give_up()
            sender.join(60)
    outcome.seconds = time.monotonic() - began
    return outcome


def _kill_again_and_again(box: Appliance, sender: Sender, plan: Plan, outcome: Outcome) -> None:
    """Each kill at a moment of its own: of a daemon that starts, of one that serves, or of a worker."""
    moments = random.Random(plan.seed)
    start_seconds = _FIRST_START_SECONDS
    children: set[int] = set()
    for number in range(plan.kills):
        kind = moments.random()
        if box.process is None and kind < _DURING_START:
            _kill_while_starting(box, moments.uniform(0.0, start_seconds), outcome)
        else:
            if box.process is None:
                began = time.monotonic()
                box.start()
                start_seconds = time.monotonic() - began
                outcome.orphans += left_over(children)  # now: the next life need not wait for their end
            time.sleep(moments.uniform(0.0, plan.longest_life))  # the fault itself, not a synchronisation
            if kind < 1 - _OF_A_WORKER or not _kill_worker(box, outcome):
                children = _kill_daemon(box, outcome)
        sender.after(number + 1)
    if box.process is not None:
        box.kill9()
    outcome.orphans += left_over(children)


def _kill_while_starting(box: Appliance, seconds: float, outcome: Outcome) -> None:
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
    outcome.killed_at.append({"starting": 1})


def _kill_daemon(box: Appliance, outcome: Outcome) -> set[int]:
    """Kill the daemon alone; the children that it had."""
    outcome.killed_at.append(_states(box))
    children = child_pids(box.pid)
    box.kill9()
    return children


def _kill_worker(box: Appliance, outcome: Outcome) -> bool:
    """Kill a worker, busy or not; the daemon lives on and starts another for the next task.

    False when there is none: it was killed a moment ago, and nothing has come since that needs one.
    """
    try:
        wait_until(lambda: bool(worker_pids(box.pid)), "worker", _WORKER_SECONDS, step_seconds=0.02)
    except TimeoutError:
        return False
    outcome.killed_at.append({"worker": 1, **_states(box)})
    for pid in worker_pids(box.pid):
        os.kill(pid, signal.SIGKILL)
    return True


def _states(box: Appliance) -> dict[str, int]:
    try:
        return {state: count for state, count in box.status()["exchanges"].items() if count}
    except (httpx.HTTPError, OSError):
        return {}


def _wait_over(box: Appliance, plan: Plan, outcome: Outcome) -> None:
    expected = plan.studies * plan.instances
    for hold in box.holds():
        if hold["code"] == "poison":
            _release(box, hold["hold_id"])
            outcome.released += 1

    def over(one: Appliance) -> bool:
        found = one.exchanges()
        members = sum(each["instance_count"] for each in found)
        return members >= expected and all(each["state"] in {"closed", "held", "rejected"} for each in found)

    box.wait_for(over, "end of all exchanges", deadline_seconds=180)


def _release(box: Appliance, hold_id: str) -> None:
    said = ("--by", _TECHNOLOGIST, "--reason", "other")
    done = box.cli("holds", "release", hold_id, *said)
    if done.returncode:
        raise RuntimeError(f"a hold could not be released: {done.stderr}")


def _judge(box: Appliance, receiver: Receiver, plan: Plan, outcome: Outcome) -> None:
    landed = {"partner": receiver.contents(), "outgoing": folder_contents(box.outgoing)}
    verdict = outcome.verdict = examine(box, outcome.answered, landed)
    outcome.resent = sum(len(digests) - 1 for digests in receiver.received.values())
    expected = plan.studies * plan.instances
    if len(outcome.answered) != expected:
        verdict.problems.append(f"{len(outcome.answered)} of {expected} instances were ever accepted")
    if outcome.orphans:
        verdict.problems.append(f"{outcome.orphans} workers outlived their daemon")
    verdict.problems += [
        f"{destination} has {len(contents)} of {expected} instances"
        for destination, contents in landed.items()
        if len(contents) != expected
    ]
    verdict.problems += [
        f"an exchange ended as {one['state']}" for one in box.exchanges() if one["state"] != "closed"
    ]
