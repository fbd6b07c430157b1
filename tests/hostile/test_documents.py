"""`lockgate clean` over hostile objects with documents: rebuilt, and nothing planted is left in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.hostile.bases import Base
from tests.hostile.cleaning import clean_folder
from tests.hostile.generate import Generator
from tests.hostile.key import Action, Instance
from tests.hostile.outcome import Status
from tests.hostile.people import Patient
from tests.hostile.scorer import score

pytestmark = [pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore")]


class _Documents(Generator):
    """A set of documents only."""

    def _object_bases(self) -> list[Base | str]:
        return ["DOC", "CDA"]

    def _patient(self, patient: Patient) -> Iterator[Instance]:
        for number in range(2):
            yield self._instance(patient, number, next(self._objects), [])


def test_nothing_planted_is_left_in_a_rebuilt_document(tmp_path: Path) -> None:
    key = _Documents(tmp_path / "files", people=10, small=True).run()
    profile = {"profile": "documents", "options": ["113104", "113105", "113107"], "documents": "rebuild"}
    (tmp_path / "documents.yaml").write_text(yaml.safe_dump(profile))
    outcomes = clean_folder(tmp_path / "files", tmp_path / "out", profile=str(tmp_path / "documents.yaml"))
    found = score(key, tmp_path / "files", tmp_path / "out", outcomes)
    # Some are held for what is planted elsewhere (tables of bytes, lying character sets), no document is.
    held = [one.reason for one in outcomes.values() if one.status is not Status.OUT]
    assert [reason for reason in held if "(0042,0011)" in reason] == []
    assert len(held) < len(outcomes) / 2
    left = [*found.surviving, *found.failed(Action.TEXT_REMOVED)]
    assert left == []
    assert found.planted > 100
