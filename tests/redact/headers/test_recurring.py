"""What is done again to recurring elements is what would be done to them afresh."""

from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

from agent.config.profiles import load_profile
from exchange.dicomio.elements import KnownElements
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.dicomio.payloads import CopyPayload
from exchange.dicomio.write import write_instance
from exchange.domain.errors import HeldError, InputError, LockgateError
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.headers import cleaner
from redact.headers.cleaner import clean_header
from redact.headers.outcome import HeaderContext, HeaderOutcome
from redact.headers.recurring import Recurring
from redact.identifiers.harvest import Harvester, harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from tests.exchange.dicomio.test_elements import real_files
from tests.redact.headers.studies import KEY, profile
from tests.support.ct_files import CtFiles

Cleaned = tuple[bytes, HeaderOutcome]


def clean(path: Path, context: HeaderContext, known: KnownElements, recurring: Recurring | None) -> Cleaned:
    layout = examine(path)
    ds = read_header_at(layout, known=known)
    outcome = clean_header(ds, context, recurring=recurring)
    written = BytesIO()
    write_instance(written, ds, layout.transfer_syntax_uid, None)
    return written.getvalue(), outcome


def cleaned_or_error(
    path: Path, context: HeaderContext, known: KnownElements, recurring: Recurring | None
) -> Cleaned | str:
    try:
        return clean(path, context, known, recurring)
    except (HeldError, InputError) as error:
        return f"{error.code} {getattr(error, 'path', '')} {error}"


@cache
def readable() -> list[Path]:
    """Once for all tests: each file is read for it."""
    found = []
    for path in real_files():
        try:
            read_header_at(examine(path))
        except LockgateError:
            continue
        found.append(path)
    return found


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # pydicom on odd files
@pytest.mark.parametrize("name", ["default", "hipaa-safe-harbor", "research", "teleradiology"])
def test_real_files_with_one_memory_for_all_are_cleaned_as_each_by_itself(name: str) -> None:
    """Files of many studies, makers and character sets, as if they were one study; each of them twice."""
    profile = load_profile(name)
    paths = readable()[:: 4 if name == "default" else 16]
    ids = HarvestedIdentifiers().union(harvest(read_header_at(examine(path))) for path in paths[:40])
    known, recurring = KnownElements(), Recurring()
    context, apart = (HeaderContext(profile, Pseudonymiser(KEY, "one"), ids) for _ in range(2))
    same = 0
    for path in [*paths, *reversed(paths)]:
        afresh = cleaned_or_error(path, apart, KnownElements(), None)
        again = cleaned_or_error(path, context, known, recurring)
        assert again == afresh, path.name
        same += not isinstance(again, str)
    assert same > len(paths)


@pytest.mark.filterwarnings("ignore")  # pydicom on odd files
def test_harvesting_with_one_memory_finds_the_same() -> None:
    known, harvester = KnownElements(), Harvester()
    for path in readable()[::4] * 2:
        layout = examine(path)
        found = harvester.harvest(read_header_at(layout, known=known))
        assert found == harvest(read_header_at(layout)), path.name


def study(tmp_path: Path, count: int = 3) -> list[Path]:
    return CtFiles(16).study(tmp_path / "study", count)


def changed(path: Path, target: Path, **values: object) -> Path:
    """The same file with other values of some attributes."""
    layout = examine(path)
    ds = read_header_at(layout)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    write_instance(target, ds, layout.transfer_syntax_uid, CopyPayload(layout))
    return target


@pytest.mark.parametrize(
    "values",
    [
        {"PatientID": "SOMEBODY-ELSE"},
        {"PatientID": "UNKNOWN", "StudyInstanceUID": "1.2.3"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"},  # an enhanced CT needs its DeviceSerialNumber
        {"SpecificCharacterSet": "ISO_IR 126"},
        {"PixelRepresentation": 0},
        {"Modality": "MR"},
    ],
    ids=lambda values: ",".join(values),
)
def test_other_circumstances_are_another_matter(tmp_path: Path, values: dict[str, object]) -> None:
    """Dates of another patient move by other days, another IOD needs other elements."""
    paths = [
        changed(path, tmp_path / f"{number}.dcm", DeviceSerialNumber="Zz4711")
        for number, path in enumerate(study(tmp_path))
    ]
    other = changed(paths[0], tmp_path / "other.dcm", **values)
    rule = {"keyword": "StudyID", "action": "replace", "value": "1", "when": {"Modality": "MR"}}
    with_rule = profile(rules=[rule])
    for chosen in (load_profile("research"), load_profile("default"), with_rule):
        context, apart = (
            HeaderContext(chosen, Pseudonymiser(KEY, "one"), HarvestedIdentifiers()) for _ in range(2)
        )
        known, recurring = KnownElements(), Recurring()
        for path in (*paths, other, *paths, other):
            assert clean(path, context, known, recurring) == clean(path, apart, KnownElements(), None)


def test_what_one_data_set_is_changed_to_afterwards_does_not_reach_the_next(tmp_path: Path) -> None:
    """The pixel room writes attributes of the cleaned header."""
    first, second = study(tmp_path, 2)
    context = HeaderContext(load_profile("default"), Pseudonymiser(KEY, "one"), HarvestedIdentifiers())
    known, recurring = KnownElements(), Recurring()
    for path in (first, first, second):
        before = clean(path, context, known, recurring)
        ds = read_header_at(examine(path), known=known)
        clean_header(ds, context, recurring=recurring)
        for element in [element for element in ds if element.VR in {"CS", "LO", "US"}]:
            if element.keyword != "SpecificCharacterSet":
                setattr(ds, element.keyword, 7 if element.VR == "US" else "CHANGED")
        ds.DeidentificationMethodCodeSequence[0].CodeMeaning = "CHANGED"
        assert clean(path, context, known, recurring) == before
        assert clean(path, context, KnownElements(), None) == before


def test_an_element_is_cleaned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is used: later slices treat only what differs in them."""
    treated: list[int] = []
    original = cleaner._Walker.apart

    def counting(self, place, element, decision):  # type: ignore[no-untyped-def]
        treated.append(place.tag)
        return original(self, place, element, decision)

    monkeypatch.setattr(cleaner._Walker, "apart", counting)
    paths = study(tmp_path, 4)
    context = HeaderContext(load_profile("default"), Pseudonymiser(KEY, "one"), HarvestedIdentifiers())
    known, recurring = KnownElements(), Recurring()
    counts = []
    for path in paths:
        treated.clear()
        clean(path, context, known, recurring)
        counts.append(len(treated))
    assert counts[0] > 20
    assert max(counts[1:]) < counts[0] / 2
