"""The hostile set is what it says: repeatable, of real files, with every place and character set."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.hostile.charsets import CHARSETS
from tests.hostile.generate import GROUPS, IMAGE_GROUPS, Generator
from tests.hostile.key import Action, AnswerKey
from tests.hostile.reading import Opened
from tests.support.corpus import find_corpus

PATIENTS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@pytest.fixture(scope="module")
def key(folder: Path) -> AnswerKey:
    return Generator(folder / "a", people=PATIENTS, small=True).run()


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files(folder)}


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_same_seed_gives_the_same_bytes_and_key(key: AnswerKey, folder: Path) -> None:
    again = Generator(folder / "b", people=PATIENTS, small=True).run()
    assert again == key
    assert digests(folder / "a") == digests(folder / "b")


def test_another_seed_gives_other_patients(key: AnswerKey, folder: Path) -> None:
    other = Generator(folder / "c", seed=2, people=2, small=True).run()
    assert {one.file for one in other.instances}.isdisjoint(one.file for one in key.instances)


def test_the_key_survives_its_file(key: AnswerKey, folder: Path) -> None:
    key.write(folder / "key.json")
    assert AnswerKey.read(folder / "key.json") == key


def test_every_place_and_character_set_takes_part(key: AnswerKey) -> None:
    used = {group for one in key.instances for group in one.plants}
    assert used == {*GROUPS, *IMAGE_GROUPS, "lying charset"}
    assert {one.charset.split(":")[0] for one in key.instances} == {charset.name for charset in CHARSETS}
    assert {check.action for one in key.instances for check in one.checks} == set(Action)


def test_it_stands_on_real_files_of_many_modalities(key: AnswerKey) -> None:
    modalities = {one.modality for one in key.instances if not one.origin.startswith("derived")}
    assert len(modalities) >= (12 if find_corpus() else 11)
    assert len({one.modality for one in key.instances}) >= 12


@pytest.mark.filterwarnings("ignore")
def test_without_the_corpus_pydicoms_own_files_serve(folder: Path) -> None:
    made = Generator(folder / "own", people=PATIENTS, small=True, corpus=None).run()
    assert {one.origin.split(":")[0] for one in made.instances} == {"pydicom", "derived"}
    assert len({one.modality for one in made.instances}) >= 12
    assert {action for one in made.instances for action in {check.action for check in one.checks}} == set(
        Action
    )


@pytest.mark.filterwarnings("ignore")
def test_every_file_can_be_read_and_holds_its_references(key: AnswerKey, folder: Path) -> None:
    opened = {one.file: Opened(folder / "a" / one.file) for one in key.instances}
    references = [(one, each) for one in key.instances for each in one.references]
    assert len(references) > 40
    for one, each in references:
        assert opened[one.file].text(each.place) == opened[each.target].text("(0008,0018)")
