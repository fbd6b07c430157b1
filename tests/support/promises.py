"""What an appliance promises, looked at from outside after whatever was done to it.

Every accepted instance was delivered or is held; none lies anywhere in two contents or in other bytes than
those that were frozen; one R1 and R3 an exchange, one R2 a delivery, all of them verify; nobody is named in
the log. Used after the kill loop, after every fault of `tests/chaos`, and by the soak.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.custody.resends import WITHOUT_DELIVERY
from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.getters import uid
from exchange.dicomio.header import read_header
from exchange.keys.log import LogKeys
from exchange.log.fsck import fsck
from exchange.log.opening import LogPlaces
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from tests.support.appliance import Appliance
from tests.support.ports import wait_until
from tests.support.small_studies import PATIENT

Contents = Mapping[str, set[str]]
"""SOP Instance UID to the digests of the different data sets that landed under it."""

_OVER = frozenset({"closed", "held", "rejected", "retired"})


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        problems: Every broken promise, in words; empty is what is wanted.
        lost: Accepted instances that are neither delivered nor held.
        duplicated: Instances that landed somewhere in two contents, or in bytes that were never frozen.
        stuck: Exchanges that are not over.
        exchanges: How many there are.
        receipts: Receipts by slot and edition.
    """

    problems: list[str] = field(default_factory=list)
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    exchanges: int = 0
    receipts: Counter[str] = field(default_factory=Counter)


def examine(
    box: Appliance,
    accepted: Iterable[str],
    landed: Mapping[str, Contents],
    verified_at: datetime | None = None,
) -> Verdict:
    """Check all promises; the daemon must be running and everything over.

    Args:
        box: The appliance.
        accepted: Original SOP Instance UIDs whose C-STORE was answered 0x0000.
        landed: What lies at each destination that is looked at, by its name.
        verified_at: What the receipts' verifier believes is now; default: now.
    """
    verdict = Verdict()
    details = [box.exchange(one["exchange_id"]) for one in box.exchanges()]
    verdict.exchanges = len(details)
    unfinished = Counter(one["state"] for one in details if one["state"] not in _OVER)
    verdict.stuck = unfinished.total()
    verdict.problems += [f"{count} exchanges ended as {state}" for state, count in unfinished.items()]
    verdict.lost = _lost(box, set(accepted), verdict.problems)
    for destination, contents in landed.items():
        verdict.duplicated += _landed_as_frozen(box, details, destination, contents, verdict.problems)
    for detail in details:
        if detail["state"] == "closed":
            request = Request(read_trust(box.trust), verified_at or datetime.now(UTC))
            verdict.problems += _receipts_of(box, detail, request, verdict.receipts)
    verdict.problems += _stray_receipts(box, details)
    verdict.problems += _log_problems(box)
    verdict.problems += _closed_lines(box, details)
    verdict.problems += named_in_the_log(box)
    return verdict


def folder_contents(folder: Path) -> dict[str, set[str]]:
    """What lies in a folder destination."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*.dcm"):
        found.setdefault(uid(read_header(path), "SOPInstanceUID"), set()).add(dataset_sha256(path))
    return found


def named_in_the_log(box: Appliance) -> list[str]:
    """The log names neither the patient nor an original UID."""
    text = box.log_text()
    return ["the log names the patient"] if any(word in text for word in PATIENT) else []


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


def worker_pids(pid: int) -> set[int]:
    """The worker processes of a daemon, without the resource tracker of multiprocessing."""
    return {one for one in child_pids(pid) if b"spawn_main" in _command_line(one)}


def left_over(children: Iterable[int], deadline_seconds: float = 10) -> int:
    """How many of the children of a daemon that was killed outlive it by more than a few seconds."""

    def alive() -> set[int]:
        return {pid for pid in children if _runs(pid)}

    try:
        wait_until(lambda: not alive(), "end of the workers", deadline_seconds)
    except TimeoutError:
        return len(alive())
    return 0


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _custody(box: Appliance, question: str, *values: str) -> list[tuple[Any, ...]]:
    """Custody's own rows: the only place that knows which original became what."""
    with closing(sqlite3.connect(f"file:{box.state / 'lockgate.db'}?mode=ro", uri=True)) as database:
        return database.execute(question, values).fetchall()


def _lost(box: Appliance, accepted: set[str], problems: list[str]) -> int:
    """Accepted originals that are in no exchange that is over."""
    question = (
        "select i.sop_instance_uid, e.state from instances i join members m using (identity)"
        " join exchanges e using (exchange_id)"
    )
    safe = {name for name, state in _custody(box, question) if state in _OVER}
    lost = len(accepted - safe)
    if lost:
        problems.append(f"{lost} of {len(accepted)} accepted instances are in no exchange that is over")
    return lost


def _landed_as_frozen(
    box: Appliance,
    details: Sequence[dict[str, Any]],
    destination: str,
    contents: Contents,
    problems: list[str],
) -> int:
    """Everything that was delivered is there in its frozen bytes, and nothing else is."""
    frozen: dict[str, set[str]] = {}
    for name, digest in _custody(box, "select sop_instance_uid, sha256 from frozen"):
        frozen.setdefault(name, set()).add(digest)
    for name, digest in _custody(box, "select sop_instance_uid, sha256 from renditions"):
        frozen.setdefault(name, set()).add(digest)
    sent = {
        each["sop_instance_uid"]
        for detail in details
        for each in detail["instances"]
        if each["destination"] == destination and each["state"] in {"sent", "committed", "warning"}
    }
    missing = sum(
        not contents.get(name, set()) <= frozen.get(name, set()) or name not in contents for name in sent
    )
    strange = len(set(contents) - set(frozen))
    several = sum(len(digests) > 1 for digests in contents.values())
    for count, what in (
        (missing, "delivered instances are not there as frozen"),
        (strange, "instances are there that were never frozen"),
        (several, "instances are there in more than one content"),
    ):
        if count:
            problems.append(f"{destination}: {count} {what}")
    for detail in details:
        expected = [one["destination"] for one in detail["deliveries"]]
        states = [one for one in detail["instances"] if one["destination"] == destination]
        if (
            detail["state"] == "closed"
            and destination in expected
            and len(states) != detail["instance_count"]
        ):
            problems.append(
                f"{destination}: {len(states)} of {detail['instance_count']} instances of an exchange"
            )
    return missing + strange + several


def _receipts_of(
    box: Appliance, detail: dict[str, Any], request: Request, counted: Counter[str]
) -> list[str]:
    """One R1 and one R3 an exchange, one R2 a delivery, in both editions; each verifies, all in one chain.

    A re-send of what is still under way in an earlier exchange (an answer was lost in a kill) leaves with
    that one: it has no delivery of its own, and an R3 that says so.
    """
    problems = []
    joined = detail["error_code"] in WITHOUT_DELIVERY and bool(detail["resend_of"])
    for edition in ("partner", "site"):
        mine = [one for one in detail["receipts"] if one["edition"] == edition]
        slots = Counter((one["slot"], one["delivery_id"]) for one in mine)
        wanted = {("R3", "")} | {("R2", one["delivery_id"]) for one in detail["deliveries"]}
        wanted |= set() if joined else {("R1", "")}
        if set(slots) != wanted or max(slots.values()) > 1:
            problems.append(f"receipts of an exchange ({edition}): {sorted(slots.items())}")
        counted.update(f"{one['slot']} {edition}" for one in mine)
        reports = verify_bundles([box.state / one["path"] for one in mine], request)
        problems += [f"a receipt does not verify: {one.first_error}" for one in reports if not one.ok]
        problems += [
            "a receipt is not proved to be in the log" for one in reports if one.ok and one.level != 1
        ]
    return problems


def _log_problems(box: Appliance) -> list[str]:
    """One log from the first start on, which holds together."""
    places = LogPlaces(box.state / "log", box.folder / "keys" / "log.heads")
    checks = fsck(places, LogKeys.from_folder(box.folder / "keys"))
    begun = [f"the log began anew {len(checks) - 1} times"] if len(checks) > 1 else []
    return begun + [f"the log: {one.place}: {one.problem}" for one in checks if not one.ok]


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
