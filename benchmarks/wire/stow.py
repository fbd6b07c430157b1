"""STOW-RS to Orthanc's DICOMweb plugin: our destination, dicomweb-client, and a script with requests."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from benchmarks.wire.outgoing import outgoing
from benchmarks.wire.table import Case, Comparison
from exchange.domain.delivery import Destination, InstanceState
from tests.support.ct_files import CtFiles
from tests.support.orthanc import Orthanc

OURS, SINGLE = "lockgate DicomwebDestination, as delivered", "lockgate, one request at a time"
CLIENT, ONE_BY_ONE = "dicomweb-client store_instances", "requests, one instance a POST, one session"
Prepare = Callable[[str, Sequence[Path]], Callable[[], None]]
"""`prepare(url, files)` gives what is timed. Ours knows its instances' digests and UIDs from custody."""


def run(folder: Path, instances: int, rounds: int) -> list[Case]:
    """To an Orthanc as it comes, and to a peer that leaves Nagle on as many servers do."""
    title = f"STOW-RS {instances} CT of 0.53 MB to Orthanc"
    stock, nagle = Case(title, "instances/s"), Case(f"{title}, TcpNoDelay off", "instances/s")
    compare(folder, stock, instances, rounds, {})
    compare(folder, nagle, instances, rounds, {"TcpNoDelay": False})
    stock.comparisons = [Comparison(OURS, CLIENT, 2.0), Comparison(OURS, ONE_BY_ONE, 2.0)]
    nagle.comparisons = [Comparison(OURS, CLIENT), Comparison(OURS, ONE_BY_ONE)]
    return [stock, nagle]


def compare(folder: Path, case: Case, instances: int, rounds: int, settings: Mapping[str, bool]) -> None:
    """Everyone in turns into one Orthanc, new instances each time; its count is checked."""
    made, total = CtFiles(), 0
    contestants: dict[str, Prepare] = {
        OURS: ours,
        SINGLE: one_at_a_time,
        CLIENT: dicomweb_client,
        ONE_BY_ONE: plain_requests,
    }
    # Its HTTP side has a switch of its own for Nagle, which the environment does not reach.
    with Orthanc(folder / "stow", nodelay=False, settings={"HttpThreadsCount": 50, **settings}) as server:
        for round_ in range(rounds):
            order = list(contestants.items())
            for name, prepare in order[round_ % len(order) :] + order[: round_ % len(order)]:
                study = folder / "stow-out"
                files = made.study(study, instances)
                upload = prepare(server.dicomweb_url, files)
                start = time.perf_counter()
                upload()
                case.add(name, instances / (time.perf_counter() - start))
                total += instances
                assert int(server.get("/statistics")["CountInstances"]) == total, name
                shutil.rmtree(study)
    shutil.rmtree(folder / "stow")


def ours(url: str, files: Sequence[Path]) -> Callable[[], None]:
    """With the site file's defaults, as the daemon makes it."""
    from agent.config.models import DicomwebPeer, Peer
    from agent.pipeline.peers import destination_for

    return _uploading(destination_for(Peer(dicomweb=DicomwebPeer(url=url)), "LOCKGATE"), files)


def one_at_a_time(url: str, files: Sequence[Path]) -> Callable[[], None]:
    """What several requests in flight are worth."""
    from exchange.destinations.dicomweb import DicomwebDestination, StowSettings

    return _uploading(DicomwebDestination(StowSettings(url, requests=1)), files)


def _uploading(destination: Destination, files: Sequence[Path]) -> Callable[[], None]:
    instances = [outgoing(path) for path in files]

    def upload() -> None:
        report = destination.send(instances, lambda _: None)
        sent = sum(each.state is InstanceState.SENT for each in report.outcomes)
        assert sent == len(files), report.error

    return upload


def dicomweb_client(url: str, files: Sequence[Path]) -> Callable[[], None]:
    """As its documentation has it: the data sets are read, and sent by one call."""
    import warnings

    from dicomweb_client.api import DICOMwebClient
    from pydicom import dcmread

    def upload() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            DICOMwebClient(url=url).store_instances([dcmread(path) for path in files])

    return upload


def plain_requests(url: str, files: Sequence[Path]) -> Callable[[], None]:
    import requests

    def upload() -> None:
        with requests.Session() as session:
            for path in files:
                boundary = uuid4().hex
                head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
                body = head + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
                kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
                headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
                session.post(f"{url}/studies", body, headers=headers).raise_for_status()

    return upload
