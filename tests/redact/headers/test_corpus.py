"""Real files: no harvested identifier survives in any text, references stay whole, one patient one shift."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from exchange.domain.errors import HeldError
from exchange.domain.identifiers import IdentifierKind
from redact.headers.cleaner import clean_header
from redact.headers.outcome import HeaderContext
from redact.identifiers.harvest import harvest
from redact.identifiers.matcher import Matcher
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.identifiers.vocabulary import code_terms, is_known_word
from tests.redact.headers.studies import KEY, corpus_files, default_profile, every_value, read, reread

TEXT = (IdentifierKind.PATIENT_NAME, IdentifierKind.PATIENT_ID, IdentifierKind.PERSON)


def studies(corpus: Path) -> dict[str, list[Path]]:
    grouped: dict[str, list[Path]] = defaultdict(list)
    for path in corpus_files(corpus):
        try:
            ds = read(path)
        except Exception:  # noqa: BLE001, S112 - files that are no DICOM are the intake's business
            continue
        if "SOPClassUID" in ds:
            grouped[str(ds.get("StudyInstanceUID", path.name))].append(path)
    return grouped


@pytest.mark.timeout(180)
def test_every_real_study(corpus: Path) -> None:
    shifts: dict[tuple[str, str], set[int]] = defaultdict(set)
    cleaned = 0
    for paths in studies(corpus).values():
        chosen = paths[:6]
        harvests = [harvest(read(path)) for path in chosen]
        context = HeaderContext.of(default_profile(), Pseudonymiser(KEY, "corpus"), harvests)
        uids = {item.value for item in context.identifiers.of(IdentifierKind.UID)}
        for path in chosen:
            ds, original = read(path), read(path)
            try:
                outcome = clean_header(ds, context)
            except HeldError:
                continue
            cleaned += 1
            assert survivors(ds, context.matcher, uids) == []
            assert set(outcome.uid_map) <= uids
            if not outcome.patient.placeholder:
                patient = (
                    str(original.get("IssuerOfPatientID", "")),
                    str(original.get("PatientID", "")).strip(),
                )
                shifts[patient].add(outcome.patient.shift_days)
    assert cleaned > 100
    assert {len(days) for days in shifts.values()} == {1}
    assert len({frozenset(days) for days in shifts.values()}) > 1


def survivors(ds: Dataset, matcher: Matcher, uids: set[str]) -> list[str]:
    """Paths of texts in which an identifier is left; terms of the standard are none."""
    found: list[str] = []
    for path, value in every_value(reread(ds)):
        singles = value if isinstance(value, (list, tuple, MultiValue)) else [value]
        found.extend(path for single in singles if is_left(single, matcher, uids))
    return found


def is_left(value: Any, matcher: Matcher, uids: set[str]) -> bool:
    text = str(value)
    if text in uids:
        return True
    if (
        not isinstance(value, str)
        or text in code_terms()
        or is_known_word(text.lower())
        or text.startswith("LG")
    ):
        return False
    words = [word for word in text.split() if not is_known_word(word.lower())]
    return not text.replace(".", "").isdigit() and matcher.found(" ".join(words))
