"""Sending 300 CTs to stock peers: they answer in two pieces with Nagle on, as hospitals' PACS do."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from benchmarks.wire import receivers, senders
from benchmarks.wire.table import Case, Comparison
from tests.support.ct_files import CtFiles

LEAN, PRODUCT = "lockgate lean, 1 association", "lockgate DicomDestination, as delivered"
STORESCU, DCMSEND = "storescu", "dcmsend"
SENDERS = {
    LEAN: senders.child("lean"),
    PRODUCT: senders.child("product"),
    STORESCU: senders.storescu(nodelay=False),
    DCMSEND: senders.dcmsend(nodelay=False),
    "pynetdicom": senders.child("pynetdicom"),
    "pynetdicom, TCP_NODELAY on its socket": senders.child("pynetdicom-nodelay"),
}
_REQUIRED = {"storescp": 30.0, "Orthanc": 7.0}


def run(folder: Path, instances: int, rounds: int) -> list[Case]:
    """Every sender to a stock storescp and to a stock Orthanc."""
    made = CtFiles()
    cases = {
        peer: Case(f"send {instances} CT of 0.53 MB to stock {peer}", "instances/s") for peer in _REQUIRED
    }
    with ExitStack() as stack:
        ports = {
            "storescp": stack.enter_context(receivers.storescp(folder, nodelay=False)).port,
            "Orthanc": stack.enter_context(receivers.orthanc(folder, nodelay=False)).port,
        }
        for round_ in range(rounds):
            for peer, case in cases.items():
                order = list(SENDERS.items())
                for name, send in order[round_ % len(order) :] + order[: round_ % len(order)]:
                    study = folder / "out"
                    files = made.study(study, instances)  # Orthanc skips what it has: new ones for each
                    case.add(name, instances / send(ports[peer], files, 1))
                    shutil.rmtree(study)
    for peer, case in cases.items():
        case.comparisons = [
            Comparison(LEAN, STORESCU, _REQUIRED[peer]),
            Comparison(PRODUCT, STORESCU, _REQUIRED[peer]),
            Comparison(PRODUCT, DCMSEND),
            Comparison(PRODUCT, "pynetdicom, TCP_NODELAY on its socket"),
        ]
    return list(cases.values())
