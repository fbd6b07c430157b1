"""Receive rate of Lockgate's intake (each instance fsynced before Success) against Orthanc, in one run.

    python -m benchmarks.receive_fsync [--instances 100] [--rounds 3]

Both get the same files (512x512, 16 bit CT, 0.5 MB) from the same sender, DCMTK's dcmsend in processes of its
own, over one and over four associations. It prints medians and their ratio and asserts nothing: the figures
belong to the machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import pydicom.data
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from exchange.intake.dicom import DicomIntake
from exchange.intake.listener import DicomListener
from exchange.spool import Spool
from tests.support import dcmtk, orthanc
from tests.support.ports import HOST

ASSOCIATIONS = (1, 4)


def template() -> Dataset:
    """A CT slice of clinical size with noise in it, so that nothing compresses it away."""
    ds = dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
    pixels = np.random.default_rng(1).integers(0, 4096, (512, 512), dtype=np.uint16)
    ds.Rows = ds.Columns = 512
    ds.PixelData = pixels.tobytes()
    return ds


def make_round(folder: Path, ds: Dataset, count: int) -> list[Path]:
    """`count` files of a study of their own."""
    folder.mkdir(parents=True)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    files = []
    for number in range(count):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        path = folder / f"{number:04}.dcm"
        ds.save_as(path)
        files.append(path)
    return files


def rate(port: int, files: Sequence[Path], associations: int) -> float:
    """Instances per second, from the first process started to the last one ended."""
    shares = [files[start::associations] for start in range(associations)]
    with ThreadPoolExecutor(associations) as senders:
        start = time.perf_counter()
        results = list(senders.map(lambda share: dcmtk.dcmsend(port, share, called_ae="BENCH"), shares))
        seconds = time.perf_counter() - start
    assert all(result.returncode == 0 for result in results), results
    return len(files) / seconds


def measure(port: int, rounds: dict[int, list[list[Path]]], stored: Callable[[], int]) -> dict[int, float]:
    """The median rate for each number of associations."""
    medians = {}
    for associations, studies in rounds.items():
        medians[associations] = median(rate(port, files, associations) for files in studies)
    expected = sum(len(files) for studies in rounds.values() for files in studies)
    assert stored() == expected, f"{stored()} of {expected} stored"
    return medians


def measure_lockgate(folder: Path, rounds: dict[int, list[list[Path]]]) -> dict[int, float]:
    """Lockgate's DicomIntake with a plain spool."""
    spool = Spool(folder / "spool")
    intake = DicomIntake(
        [DicomListener(HOST, 0, frozenset({"BENCH"}))],
        spool,
        lambda: datetime.now(UTC),
        lambda *_: "",
        lambda _: None,
    )
    intake.start()
    try:
        return measure(intake.ports[0], rounds, lambda: sum(1 for _ in spool.index()))
    finally:
        intake.stop(10)


def measure_orthanc(folder: Path, rounds: dict[int, list[list[Path]]]) -> dict[int, float]:
    """Orthanc as Debian packages it, storage fsync as it is by default."""
    with orthanc.Orthanc(folder / "orthanc", ae_title="BENCH") as server:
        return measure(server.dicom_port, rounds, lambda: len(server.instances()))


def main() -> None:
    """Make the input, measure both, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=100, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="where both store (default: the temporary folder)")
    options = parser.parse_args()
    if not (dcmtk.available() and orthanc.available()):
        raise SystemExit("cannot compare: Orthanc and DCMTK are not installed")
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        folder, ds = Path(name), template()
        rounds = {
            associations: [
                make_round(folder / f"in-{associations}-{number}", ds, options.instances)
                for number in range(options.rounds)
            ]
            for associations in ASSOCIATIONS
        }
        ours, theirs = measure_lockgate(folder, rounds), measure_orthanc(folder, rounds)
    print(f"receive, 0.5 MB CT, {options.instances} instances x {options.rounds} rounds, medians")
    for associations in ASSOCIATIONS:
        print(
            f"  {associations} association(s): lockgate with fsync {ours[associations]:6.0f}/s   "
            f"orthanc {theirs[associations]:6.0f}/s   ratio {ours[associations] / theirs[associations]:.2f}"
        )


if __name__ == "__main__":
    main()
