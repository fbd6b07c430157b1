#!/usr/bin/env python3
"""Header cleaning of 512 x 512 CTs: Lockgate against dicom-anonymizer, in one run on the same bytes.

    benchmarks/header_cleaning.py [--files N] [--rounds N] [FOLDER]

FOLDER holds CT files (default: the corpus; else a real CT of pydicom's is blown up to 512 x 512). Each file
gets strings planted in its header; read, clean and write are timed together for both tools, the cleaning
alone for Lockgate, then the planted strings are looked for in the written bytes.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import pydicom
from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agent.config.profiles import load_profile  # noqa: E402 - found through the path set above
from exchange.dicomio.examine import examine  # noqa: E402
from exchange.dicomio.header import read_header  # noqa: E402
from exchange.dicomio.payloads import CopyPayload  # noqa: E402
from exchange.dicomio.write import write_instance  # noqa: E402
from redact.headers.cleaner import clean_header  # noqa: E402
from redact.headers.outcome import HeaderContext  # noqa: E402
from redact.identifiers.harvest import harvest  # noqa: E402
from redact.identifiers.pseudonymiser import Pseudonymiser  # noqa: E402
from tests.support.corpus import find_corpus  # noqa: E402

TEXT_KEYWORDS = (
    "InstitutionName",
    "InstitutionAddress",
    "ReferringPhysicianName",
    "StationName",
    "StudyDescription",
    "SeriesDescription",
    "InstitutionalDepartmentName",
    "PerformingPhysicianName",
    "OperatorsName",
    "PatientAddress",
    "OtherPatientNames",
    "PatientComments",
    "AdditionalPatientHistory",
    "DeviceSerialNumber",
    "ProtocolName",
    "ImageComments",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "AccessionNumber",
    "PatientMotherBirthName",
    "Occupation",
    "DerivationDescription",
    "AcquisitionComments",
    "RequestingService",
)


def planted(ds: Dataset) -> list[str]:
    """Plant one string each in attributes, items, private blocks, curves, overlays and file meta."""
    strings = []

    def word() -> str:
        strings.append(f"Qx{len(strings):02}vzplant")
        return strings[-1]

    for keyword in TEXT_KEYWORDS:
        setattr(ds, keyword, word()[:16])
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepDescription = word(), word()
    item.ReasonForTheRequestedProcedure = f"asked for by {word()}"
    ds.RequestAttributesSequence = [item]
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = ds.SOPClassUID, "1.2.3.4"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99SITE", word()
    reference.PurposeOfReferenceCodeSequence = [code]
    ds.ReferencedImageSequence = [reference]
    block = ds.private_block(0x0029, "BENCH 1.0", create=True)
    block.add_new(0x01, "LO", word())
    block.add_new(0x02, "UN", word().encode() + b" ")
    ds.add_new(0x50000040, "LO", word())
    ds.add_new(0x60000022, "LO", word())
    ds.add_new(0x60001500, "LO", word())
    ds.file_meta.SourceApplicationEntityTitle = word()
    ds.file_meta.PrivateInformationCreatorUID, ds.file_meta.PrivateInformation = (
        "1.2.3",
        word().encode() + b" ",
    )
    ds.preamble = word().encode().ljust(128, b"\0")
    return strings


def sources(folder: Path | None, count: int) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")) if folder else ():
        if path.is_file() and path.suffix not in {".csv", ".json", ".md"} and is_ct(path):
            found.append(path)
        if len(found) == count:
            break
    return found or [Path(str(get_testdata_file("CT_small.dcm")))]


def is_ct(path: Path) -> bool:
    try:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
    except (pydicom.errors.InvalidDicomError, OSError, ValueError):
        return False
    size = (ds.get("Rows"), ds.get("Columns"))
    return (
        size == (512, 512) and ds.get("Modality") == "CT" and not ds.file_meta.TransferSyntaxUID.is_compressed
    )


def prepare(paths: Iterable[Path], folder: Path) -> list[tuple[Path, list[str]]]:
    ready = []
    for number, path in enumerate(paths):
        ds = pydicom.dcmread(path)
        if ds.Rows != 512:
            pixels = ds.pixel_array.repeat(512 // ds.Rows, 0).repeat(512 // ds.Columns, 1)
            ds.Rows, ds.Columns, ds.PixelData = 512, 512, pixels.tobytes()
        strings = planted(ds)
        target = folder / f"in-{number}.dcm"
        ds.save_as(target)
        ready.append((target, strings))
    return ready


def timed(action: Callable[[Path, Path], None], files: list[tuple[Path, list[str]]], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        for path, _strings in files:
            target = path.with_name("out-" + path.name)
            target.unlink(missing_ok=True)
            start = time.perf_counter()
            action(path, target)
            took.append(time.perf_counter() - start)
    return 1000 * median(took)


def survivors(action: Callable[[Path, Path], None], files: list[tuple[Path, list[str]]]) -> tuple[int, int]:
    left = total = 0
    for path, strings in files:
        target = path.with_name("survivors-" + path.name)
        target.unlink(missing_ok=True)
        action(path, target)
        data = target.read_bytes()
        left += sum(text.encode() in data for text in strings)
        total += len(strings)
    return left, total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=find_corpus())
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        files = prepare(sources(arguments.folder, arguments.files), Path(scratch))
        report(files, arguments.rounds)


def report(files: list[tuple[Path, list[str]]], rounds: int) -> None:
    profile = load_profile("default")
    context = HeaderContext.of(
        profile, Pseudonymiser(bytes(32), "bench"), [harvest(pydicom.dcmread(path)) for path, _ in files]
    )
    alone: list[float] = []

    def lockgate(path: Path, target: Path) -> None:
        layout = examine(path)
        ds = read_header(path)
        start = time.perf_counter()
        clean_header(ds, context)
        alone.append(time.perf_counter() - start)
        write_instance(target, ds, layout.transfer_syntax_uid, CopyPayload(layout))

    def lockgate_without_disk(path: Path, target: Path) -> None:
        ds = pydicom.dcmread(path)
        clean_header(ds, context)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(target)

    def other(path: Path, target: Path) -> None:
        anonymize_dicom_file(str(path), str(target))

    for action in (lockgate, lockgate_without_disk, other):  # caches warm for all
        timed(action, files[:1], 1)
    alone.clear()
    theirs = timed(other, files, rounds)
    ours, plain = timed(lockgate, files, rounds), timed(lockgate_without_disk, files, rounds)
    print(f"{len(files)} CT of 512 x 512, {rounds} rounds, medians per file")
    print(f"  dicom-anonymizer   read + clean + write            {theirs:7.2f} ms")
    print(
        f"  lockgate           read + clean + write (pydicom)  {plain:7.2f} ms   ratio {plain / theirs:.2f}"
    )
    print(f"  lockgate           examine, clean, durable write   {ours:7.2f} ms   ratio {ours / theirs:.2f}")
    print(f"  lockgate           clean_header alone              {1000 * median(alone):7.2f} ms")
    for name, action in (("dicom-anonymizer", other), ("lockgate", lockgate)):
        left, total = survivors(action, files)
        print(f"  {name:18} planted strings surviving: {left} of {total} ({100 * left / total:.1f} %)")


if __name__ == "__main__":
    main()
