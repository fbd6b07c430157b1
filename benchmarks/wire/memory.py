"""Peak memory of the receiving process for one instance of each size, a new process each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.wire import receivers, senders
from benchmarks.wire.receivers import Receiver
from benchmarks.wire.table import Case, Comparison
from tests.support.ct_files import giant
from tests.support.process import peak_mib

LOCKGATE, ORTHANC = "lockgate daemon", "Orthanc"


def run(folder: Path, sizes: tuple[int, ...]) -> list[Case]:
    """`sizes` in MB; our lean sender sends, which needs no memory for it either."""
    cases, send = [], senders.child("lean")
    for size in sizes:
        file = giant(folder / f"{size}.dcm", size)
        case = Case(
            f"peak memory while one instance of {size or 0.5} MB is received", "MiB", smaller_is_better=True
        )
        for name in (LOCKGATE, ORTHANC):
            with _fresh(name, folder / f"rss-{size}") as receiver:
                try:
                    send(receiver.port, [file], 1)
                    receiver.wait_stored(1)
                except (AssertionError, ValueError, TimeoutError):
                    print(f"  {name} did not take {size} MB")
                case.add(name, peak_mib(receiver.pid))
        case.comparisons = [Comparison(LOCKGATE, ORTHANC)]
        cases.append(case)
        file.unlink()
    return cases


@contextmanager
def _fresh(name: str, folder: Path) -> Iterator[Receiver]:
    if name == LOCKGATE:
        with receivers.daemon() as receiver:
            yield receiver
    else:
        with receivers.orthanc(folder, nodelay=True) as receiver:
            yield receiver
