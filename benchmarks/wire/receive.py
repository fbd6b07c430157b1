"""Receiving: the same files from the same senders into everyone, one after the other, in turns."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.wire import receivers, senders
from benchmarks.wire.receivers import Receiver
from benchmarks.wire.table import Case, Comparison
from tests.support.ct_files import CtFiles
from tests.support.process import cpu_seconds, wait_idle

DAEMON, INTAKE = "lockgate daemon (durable, encrypted)", "lockgate intake alone (durable, encrypted)"
ORTHANC, STORESCP = "Orthanc", "storescp --fork (no fsync)"
PYNETDICOM = "pynetdicom raw (no fsync)"
ASSOCIATIONS = (1, 4)
# Peers as installed answer with Nagle on; with TCP_NODELAY=1 in their environment they answer as fast as they
# can. The lean sender does not wait either way, so it meets them at their fastest.
SENDERS = {
    "dcmsend, stock peers": (senders.dcmsend(nodelay=False), False),
    "dcmsend, TCP_NODELAY everywhere": (senders.dcmsend(nodelay=True), True),
    "lockgate's lean sender": (senders.child("lean"), True),
}


def run(folder: Path, instances: int, rounds: int) -> list[Case]:
    """All senders into all receivers over one and over four associations."""
    made = CtFiles()
    cases = {
        (sender, associations): Case(
            f"receive {instances} CT of 0.53 MB over {associations} association(s) from {sender}",
            "instances/s",
        )
        for sender in SENDERS
        for associations in ASSOCIATIONS
    }
    with ExitStack() as stack:
        ours = {
            DAEMON: stack.enter_context(receivers.daemon()),
            INTAKE: stack.enter_context(receivers.intake_alone(folder)),
        }
        contestants = {
            nodelay: {**ours, **_others(stack, folder, nodelay=nodelay)} for nodelay in (False, True)
        }
        taken = _warm(made, folder / "warm", contestants)
        for round_ in range(rounds):
            for (sender, associations), case in cases.items():
                study = (
                    folder / f"in-{round_}-{len(taken)}-{sum(taken.values())}"
                )  # deleting would slow ext4 for all
                files = made.study(study, instances)
                send, nodelay = SENDERS[sender]
                order = list(contestants[nodelay].items())
                for name, receiver in order[round_ % len(order) :] + order[: round_ % len(order)]:
                    taken[receiver.pid] = taken.get(receiver.pid, 0) + instances
                    _measure(case, name, receiver, send, files, associations, taken[receiver.pid])
    for (_sender, associations), case in cases.items():
        case.comparisons = _comparisons(associations)
    return list(cases.values())


def _others(stack: ExitStack, folder: Path, *, nodelay: bool) -> Mapping[str, Receiver]:
    return {
        ORTHANC: stack.enter_context(receivers.orthanc(folder, nodelay=nodelay)),
        STORESCP: stack.enter_context(receivers.storescp(folder, nodelay=nodelay)),
        PYNETDICOM: stack.enter_context(receivers.pynetdicom_raw(folder, nodelay=nodelay)),
    }


def _warm(made: CtFiles, folder: Path, contestants: Mapping[bool, Mapping[str, Receiver]]) -> dict[int, int]:
    """A few instances into everyone, then quiet: no start is measured. How many each has taken."""
    files, taken = made.study(folder, 8), {}
    for receiver in {one.pid: one for each in contestants.values() for one in each.values()}.values():
        senders.child("lean")(receiver.port, files, 1)
        receiver.wait_stored(len(files))
        wait_idle(receiver.pid)
        taken[receiver.pid] = len(files)
    return taken


def _measure(
    case: Case, name: str, receiver: Receiver, send: senders.Sender, files: list[Path], *more: int
) -> None:
    associations, total = more
    gigabytes = sum(path.stat().st_size for path in files) / 1e9
    before = cpu_seconds(receiver.pid)
    seconds = send(receiver.port, files, associations)
    receiver.wait_stored(total)
    case.add(name, len(files) / seconds, (cpu_seconds(receiver.pid) - before) / gigabytes)


def _comparisons(associations: int) -> list[Comparison]:
    several = associations > 1
    return [
        Comparison(DAEMON, ORTHANC, 2.0 if several else 1.4),
        Comparison(DAEMON, STORESCP, 0.55 if several else None),
        Comparison(DAEMON, PYNETDICOM),
        Comparison(INTAKE, STORESCP),
    ]
