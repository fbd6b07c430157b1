"""A study through the box: from the sender's first byte until the partner has the last instance.

Orthanc forwards by its Lua hooks: each instance as it comes (OnStoredInstance: no waiting at all), or the
study when it is stable (OnStableStudy, StableAge 1 s, the least it can). Lockgate passes the study on when it
has settled: with the same second, and with the least quiet time that it takes.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.wire import senders
from benchmarks.wire.receivers import pass_through
from benchmarks.wire.table import Case, Comparison
from tests.support.appliance import Appliance, dicom_peer, short_folder
from tests.support.ct_files import CtFiles
from tests.support.orthanc import Modality, Orthanc
from tests.support.ports import wait_until

SETTLED, QUICK = "lockgate, quiet 1 s", "lockgate, quiet 0.1 s"
STABLE, STORED = "Orthanc OnStableStudy, StableAge 1 s", "Orthanc OnStoredInstance"
_LUA = {
    # Its SendToModality takes instances only in this hook (1.10): the study goes by the REST interface.
    STABLE: "function OnStableStudy(id, tags, metadata) RestApiPost('/modalities/partner/store', id) end",
    STORED: "function OnStoredInstance(id, tags, metadata) SendToModality(id, 'partner') end",
}
_LIMIT_SECONDS = 120.0


def run(folder: Path, instances: int, rounds: int) -> list[Case]:
    """Equal studies by one sender through everyone, to a partner as installed and to a quick one."""
    cases = []
    for nodelay in (False, True):
        kind = "TCP_NODELAY=1" if nodelay else "as installed"
        case = Case(
            f"{instances} CT pass through, first byte to last confirmed at an Orthanc ({kind})",
            "seconds",
            smaller_is_better=True,
        )
        _case(case, folder / f"study-{nodelay}", instances, rounds, nodelay=nodelay)
        best = case.best(STABLE, STORED)
        case.comparisons = [
            Comparison(SETTLED, best, 2.0),
            Comparison(QUICK, best, 2.0),
            Comparison(SETTLED, STABLE),
        ]
        cases.append(case)
    return cases


def _case(case: Case, folder: Path, instances: int, rounds: int, *, nodelay: bool) -> None:
    made = CtFiles()
    with (
        Orthanc(folder / "partner", ae_title="PARTNER", nodelay=nodelay) as partner,
        _ways(folder, partner, nodelay=nodelay) as ways,
    ):
        total = 0
        for round_ in range(rounds):
            order = list(ways.items())
            for name, (port, called_ae) in order[round_ % len(order) :] + order[: round_ % len(order)]:
                files = made.study(folder / "in", instances)
                total += instances
                start = time.perf_counter()
                senders.dcmsend(nodelay=True, called_ae=called_ae)(port, files, 1)
                wait_until(lambda: _count(partner) >= total, f"study through {name}", _LIMIT_SECONDS, 0.02)  # noqa: B023
                case.add(name, time.perf_counter() - start)
                shutil.rmtree(folder / "in")


def _count(partner: Orthanc) -> int:
    return int(partner.get("/statistics")["CountInstances"])


@contextmanager
def _ways(folder: Path, partner: Orthanc, *, nodelay: bool) -> Iterator[dict[str, tuple[int, str]]]:
    """Port and called AE title of everyone in the middle."""
    modalities = {"partner": Modality("PARTNER", partner.dicom_port)}

    def router(name: str) -> Orthanc:
        script = folder / f"{name.split()[1]}.lua"
        script.write_text(_LUA[name])
        settings = {"LuaScripts": [str(script)], "ConcurrentJobs": 4, "StableAge": 1}
        return Orthanc(folder / script.stem, modalities=modalities, settings=settings, nodelay=nodelay)

    with short_folder() as site, router(STABLE) as stable, router(STORED) as stored:
        box = Appliance(
            site / "site",
            routes=[pass_through("SETTLED", "partner", 1.0), pass_through("QUICK", "partner", 0.1)],
            peers={"partner": dicom_peer("PARTNER", partner.dicom_port)},
        )
        with box:
            yield {
                SETTLED: (box.port, "SETTLED"),
                QUICK: (box.port, "QUICK"),
                STABLE: (stable.dicom_port, "ORTHANC"),
                STORED: (stored.dicom_port, "ORTHANC"),
            }
