"""One prover for many instances says of each what a fresh one says, in whatever order they come."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from exchange.dicomio.examine import examine
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.profile import Option
from redact.verify.dates import shifted_day
from redact.verify.expectations import Expectations
from redact.verify.proof import InstanceProof, Prover
from tests.hostile.chance import Chance
from tests.redact.verify.studies import IDENTIFIERS, PSEUDONYMISER, STUDY, cleaned, original, write

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
KEPT = Expectations.of(frozenset({Option.RETAIN_MODIFIED_DATES, Option.RETAIN_SAFE_PRIVATE}), PSEUDONYMISER)
KNOWN = IDENTIFIERS.union(
    [
        HarvestedIdentifiers(
            frozenset(
                {
                    Identifier(IdentifierKind.PERSON, "山田", "OperatorsName"),
                    Identifier(IdentifierKind.NUMBER, "34567", "AccessionNumber"),
                }
            )
        )
    ]
)
Change = Callable[[Dataset], None]
Pair = tuple[Path, Path]


def nothing(ds: Dataset) -> None:
    """No change."""


def setting(**values: object) -> Change:
    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return change


def both(**values: object) -> tuple[Change, Change]:
    return setting(**values), setting(**values)


def private(creator: str) -> Change:
    def change(ds: Dataset) -> None:
        ds.add_new(0x00190010, "LO", creator)
        ds.add_new(0x00191023, "DS", "1.5")

    return change


def japanese(character_set: str) -> Change:
    """A comment in 7-bit bytes that are a name in one character set and nothing in another."""

    def change(ds: Dataset) -> None:
        item = Dataset()
        item.SpecificCharacterSet = character_set
        item.add_new(0x00102000, "UN", b"\x1b$B;3ED\x1b(B")
        ds.RequestAttributesSequence = Sequence([item])

    return change


def of_slide(ds: Dataset) -> None:
    ds.SOPClassUID = SLIDE
    ds.TotalPixelMatrixColumns = 34567


def of_another_patient(ds: Dataset) -> None:
    """Whose dates are shifted by other days."""
    patient = PSEUDONYMISER.patient("", "MRN-5", STUDY)
    day = shifted_day("20190307", patient.shift_days)
    ds.StudyDate, ds.ContentDate, ds.AcquisitionDateTime = day, day, day + "101112.5+0100"
    ds.PatientName, ds.PatientID = patient.patient_name, patient.patient_id


# What is done to the original and to the faultless output, and where the proof must then find fault.
INSTANCES: dict[str, tuple[Change, Change, str]] = {
    "faultless": (nothing, nothing, ""),
    "slice": (*both(ImagePositionPatient=[0, 0, 5], InstanceNumber="8"), ""),
    "same tag, other value": (nothing, setting(SeriesDescription="Doering 5.0"), "(0008,103E)"),
    "a maker called like somebody": (*both(ManufacturerModelName="WALTER"), ""),
    "same value, other tag": (*both(StationName="WALTER"), "(0008,1010)"),
    "an ordinary word": (nothing, setting(SeriesDescription="HEAD"), ""),
    "same value, a person's name": (nothing, setting(OperatorsName="HEAD"), "(0008,1070)"),
    "private element of a known creator": (private("GEMS_ACQU_01"), private("GEMS_ACQU_01"), ""),
    "same element, other creator": (private("DOE_ACQU_01"), private("DOE_ACQU_01"), "(0019,1023)"),
    "bytes in one character set": (nothing, japanese("ISO_IR 100"), ""),
    "same bytes, other character set": (
        nothing,
        japanese("\\ISO 2022 IR 87"),
        "(0040,0275)[0].(0010,2000)",
    ),
    "a size of a slide": (of_slide, of_slide, ""),
    "same number where none is required": (*both(TotalPixelMatrixColumns=34567), "(0048,0006)"),
    "a word": (nothing, setting(StudyDescription="CT Head Zorn"), ""),
    "same word, now a name": (
        setting(OperatorsName="Zorn^Karl"),
        setting(StudyDescription="CT Head Zorn"),
        "(0008,1030)",
    ),
    "another patient": (setting(PatientID="MRN-5"), of_another_patient, ""),
    "same dates, other shift": (setting(PatientID="MRN-5"), nothing, "(0008,0020)"),
    "a date in text": (nothing, setting(StudyDescription="7.3.2019"), "(0008,1030)"),
    "type 1 gone": (nothing, setting(ImageType=""), "(0008,0008)"),
    "birth date filled in": (nothing, setting(PatientBirthDate="19610412"), "(0010,0030)"),
    "birth date kept in both": (*both(PatientBirthDate="19610412"), "(0010,0030)"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("instances")
    pairs = {}
    for number, (name, (before, after, _)) in enumerate(INSTANCES.items()):
        source, output = original(), cleaned()
        before(source)
        after(output)
        pairs[name] = (
            write(folder / f"{number}-original.dcm", source),
            write(folder / f"{number}-cleaned.dcm", output),
        )
    return pairs


Said = InstanceProof | tuple[str, str, str]


def said(prover: Prover, pair: Pair) -> Said:
    try:
        return prover.prove(examine(pair[0]), pair[1])
    except HeldError as error:
        return str(error.code), error.message, error.path


def fresh() -> Prover:
    return Prover(KNOWN, KEPT, canary_seed=b"exchange-1")


@pytest.fixture(scope="module")
def alone(files: dict[str, Pair]) -> dict[str, Said]:
    """What is said of each instance by a prover that knows no other."""
    return {name: said(fresh(), pair) for name, pair in files.items()}


@pytest.mark.parametrize("name", INSTANCES)
def test_each_instance_alone(name: str, alone: dict[str, Said]) -> None:
    found, path = alone[name], INSTANCES[name][2]
    assert (found[2] if isinstance(found, tuple) else "") == path


@pytest.mark.parametrize("name", INSTANCES)
def test_after_all_others_the_same_is_said(name: str, files: dict[str, Pair], alone: dict[str, Said]) -> None:
    prover = fresh()
    for other in INSTANCES:
        said(prover, files[other])
    assert said(prover, files[name]) == alone[name]


@pytest.mark.parametrize("seed", range(6))
def test_in_any_order_the_same_is_said(seed: int, files: dict[str, Pair], alone: dict[str, Said]) -> None:
    chance, prover = Chance(seed), fresh()
    for name in chance.choices(list(INSTANCES), k=120):
        assert said(prover, files[name]) == alone[name], name
