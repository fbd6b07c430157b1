"""The scorer itself: a perfect answer gets all points, an identity copy none, and each leak is seen."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - tests spoil what tests wrote
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from tests.hostile.generate import Generator
from tests.hostile.key import FRAMES, Action, AnswerKey, Instance
from tests.hostile.outcome import Outcome, Outcomes, Status
from tests.hostile.reading import Opened
from tests.hostile.scorer import Score, score

pytestmark = pytest.mark.filterwarnings("ignore")

PATIENTS = 4

# An identity copy keeps everything: that is what these ask for.
KEEPING = {
    Action.TAG_RETAINED,
    Action.TEXT_NOT_NULL,
    Action.TEXT_RETAINED,
    Action.UID_CONSISTENT,
    Action.PIXELS_RETAINED,
}


class Set:
    """A generated set with its model answer, which a test may spoil a copy of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = Generator(folder / "files", people=PATIENTS, small=True).run()
        answers = Generator(folder / "answer", people=PATIENTS, small=True, answer=True).run()
        pairs = zip(self.key.instances, answers.instances, strict=True)
        self.answers: Outcomes = {one.file: Outcome(Status.OUT, answer.file) for one, answer in pairs}

    def score(self, outputs: Path | None = None, outcomes: Outcomes | None = None) -> Score:
        return score(
            self.key, self.folder / "files", outputs or self.folder / "answer", outcomes or self.answers
        )

    def path(self, one: Instance, outputs: Path) -> Path:
        return outputs / str(self.answers[one.file].output)

    def first(self, wanted: Callable[[Instance], bool]) -> Instance:
        return next(one for one in self.key.instances if wanted(one))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return Set(tmp_path_factory.mktemp("set"))


@pytest.fixture
def spoiled(made: Set, tmp_path: Path) -> Path:
    """A copy of the model answer."""
    return Path(shutil.copytree(made.folder / "answer", tmp_path / "answer"))


def test_the_model_answer_has_every_point(made: Set) -> None:
    found = made.score()
    assert found.failures == []
    assert found.surviving == []
    assert found.total.of_all == 100
    assert all(tally.total for tally in found.actions.values())
    related = found.relations
    assert (related.resolved, related.kept) == (related.references, related.intervals)
    assert related.references > 10
    assert not +related.merged
    assert not +related.split


def test_an_identity_copy_hides_nothing(made: Set) -> None:
    same = {one.file: Outcome(Status.OUT, one.file) for one in made.key.instances}
    found = made.score(made.folder / "files", same)
    for action, tally in found.actions.items():
        assert tally.passed == (tally.total if action in KEEPING else 0), action
    assert len(found.surviving) == found.planted > 300


def test_a_missing_file_fails_all_its_actions(made: Set) -> None:
    lost, held = made.key.instances[3], made.key.instances[7]
    outcomes = dict(made.answers)
    del outcomes[lost.file]
    outcomes[held.file] = Outcome(Status.HELD, reason="structured-content (0040,A730)")
    found = made.score(outcomes=outcomes)
    assert found.statuses == {Status.OUT: len(made.key.instances) - 2, Status.MISSING: 1, Status.HELD: 1}
    assert found.total.total - found.total.passed == len(lost.checks) + len(held.checks)
    assert found.total.of_came_out == 100
    assert found.reasons == {"missing": 1, "structured-content (0040,A730)": 1}


def test_an_output_that_nobody_can_read_is_no_output(made: Set, spoiled: Path) -> None:
    one = made.key.instances[0]
    made.path(one, spoiled).write_bytes(b"no DICOM at all")
    found = made.score(spoiled)
    assert found.statuses[Status.CRASHED] == 1
    assert found.total.total - found.total.passed >= len(one.checks)


def places(one: Instance, action: Action) -> list[str]:
    return [check.place for check in one.checks if check.action is action]


def edit(path: Path, change: Callable[[Dataset], None]) -> None:
    ds = dcmread(path)
    change(ds)
    ds.save_as(path, enforce_file_format=False)


def set_value(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


def without(keyword: str) -> Callable[[Dataset], None]:
    return lambda ds: delattr(ds, keyword)


def is_plain(one: Instance) -> bool:
    """An image without a character set's troubles, and with pixels as they are."""
    return (
        one.modality == "CT" and one.charset == "ISO_IR 100" and one.transfer_syntax == "1.2.840.10008.1.2.1"
    )


SPOILERS: dict[str, tuple[Callable[[Dataset], None], set[Action]]] = {
    "a technical element goes": (
        without("KVP"),
        {Action.TAG_RETAINED, Action.TEXT_NOT_NULL, Action.TEXT_RETAINED},
    ),
    "a required value goes": (set_value("Modality", ""), {Action.TEXT_NOT_NULL, Action.TEXT_RETAINED}),
    "a clinical phrase goes": (set_value("StudyDescription", "image"), {Action.TEXT_RETAINED}),
    "one date moves otherwise": (set_value("StudyDate", "19991231"), {Action.DATE_SHIFTED}),
    "a date is emptied": (set_value("StudyDate", ""), {Action.DATE_SHIFTED}),
    "one series UID differs": (set_value("SeriesInstanceUID", "2.25.1"), {Action.UID_CONSISTENT}),
    "another patient's id": (set_value("PatientID", "SUBJECT03"), {Action.PATIENT_ID_CONSISTENT}),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_each_mistake_costs_its_own_action(name: str, made: Set, spoiled: Path) -> None:
    change, actions = SPOILERS[name]
    one = made.first(is_plain)
    edit(made.path(one, spoiled), change)
    found = made.score(spoiled)
    assert {failure.action for failure in found.failures} == actions
    if actions != {Action.PATIENT_ID_CONSISTENT}:  # two patients under one id are both wrong
        assert {failure.file for failure in found.failures} == {one.file}


def test_the_original_uid_is_seen(made: Set, spoiled: Path) -> None:
    one = made.first(is_plain)
    original = next(check.value for check in one.checks if check.place == "(0020,000E)")
    edit(made.path(one, spoiled), set_value("SeriesInstanceUID", original))
    actions = {failure.action for failure in made.score(spoiled).failures}
    assert actions == {Action.UID_CHANGED, Action.UID_CONSISTENT}


def leak_in_preamble(path: Path, word: bytes) -> None:
    path.write_bytes(word.ljust(128, b"\0") + path.read_bytes()[128:])


def leak_in_text(path: Path, word: bytes) -> None:
    edit(path, lambda ds: ds.add(DataElement(Tag("StudyDescription"), "LO", word.decode())))


def leak_in_private(path: Path, word: bytes) -> None:
    edit(path, lambda ds: ds.add_new(0x7FE1EE10, "OB", b"\1\2" + word + b"\3"))


def leak_after(path: Path, word: bytes) -> None:
    edit(path, lambda ds: ds.add_new(0xFFFCFFFC, "OB", word + b" " * (len(word) % 2)))


def leak_as_wide_text(path: Path, word: bytes) -> None:
    edit(path, lambda ds: ds.add_new(0x7FE1EE11, "OB", word.decode().encode("utf-16-le")))


@pytest.mark.parametrize(
    "leak",
    [leak_in_preamble, leak_in_text, leak_in_private, leak_after, leak_as_wide_text],
    ids=lambda one: one.__name__,
)
def test_a_leak_anywhere_in_the_bytes_is_found(
    leak: Callable[[Path, bytes], None], made: Set, spoiled: Path
) -> None:
    one = made.first(lambda one: is_plain(one) and "envelope" in one.plants)
    word = next(check.value for check in one.checks if check.action is Action.PATIENT_ID_CONSISTENT)
    leak(made.path(one, spoiled), word.encode())
    found = made.score(spoiled)
    assert [(failure.file, failure.words[0].upper()) for failure in found.surviving] == [(one.file, word)]


def test_every_place_is_looked_at(made: Set, tmp_path: Path) -> None:
    """One hostile file at a time among perfect ones: all its planted places are found, nothing else."""
    chosen = made.key.instances[::4]
    for one in chosen:
        outputs = tmp_path / one.file.rpartition("-")[2]
        shutil.copytree(made.folder / "answer", outputs)
        shutil.copyfile(made.folder / "files" / one.file, made.path(one, outputs))
        found = made.score(outputs)
        places_found = {
            failure.place for failure in found.failed(Action.TEXT_REMOVED) if failure.file == one.file
        }
        assert places_found == set(places(one, Action.TEXT_REMOVED)) - {"file name"}


def test_an_output_name_that_names_the_patient_is_found(made: Set, spoiled: Path) -> None:
    one = made.key.instances[0]
    path = made.path(one, spoiled)
    path.rename(path.with_name(Path(one.file).name))
    outcomes = {**made.answers, one.file: Outcome(Status.OUT, Path(one.file).name)}
    found = made.score(spoiled, outcomes)
    assert [(failure.file, failure.place) for failure in found.failures] == [(one.file, "file name")]


def test_burned_in_text_and_lost_pixels_are_seen(made: Set, spoiled: Path) -> None:
    one = made.first(lambda one: FRAMES in places(one, Action.PIXELS_HIDDEN))
    before = Opened(made.folder / "files" / one.file).ds.PixelData
    edit(made.path(one, spoiled), set_value("PixelData", before))
    assert {failure.action for failure in made.score(spoiled).failures} == {Action.PIXELS_HIDDEN}
    edit(made.path(one, spoiled), set_value("PixelData", bytes(len(before))))
    assert {failure.action for failure in made.score(spoiled).failures} == {Action.PIXELS_RETAINED}


def test_a_broken_reference_is_seen(made: Set, spoiled: Path) -> None:
    one = made.first(lambda one: bool(one.references))
    target = made.first(lambda other: other.file == one.references[0].target)
    edit(made.path(target, spoiled), set_value("SOPInstanceUID", "2.25.77"))
    found = made.score(spoiled)
    assert (one.file, one.references[0].place) in found.relations.broken
    assert found.relations.resolved < found.relations.references


def test_merged_and_split_patients_and_lost_intervals_are_counted(made: Set, spoiled: Path) -> None:
    key: AnswerKey = made.key
    for one in key.instances:
        if one.patient == "p00":
            edit(made.path(one, spoiled), set_value("PatientID", "SUBJECT01"))
        if one.patient == "p02" and one.study == "p02.0":
            edit(made.path(one, spoiled), set_value("PatientID", "SOMEBODY"))
        if one.study == "p03.1":
            edit(made.path(one, spoiled), set_value("StudyDate", "20010101"))
    related = made.score(spoiled).relations
    assert related.merged["patients"] == 1
    assert related.split["patients"] == 1
    assert related.kept == related.intervals - 1
