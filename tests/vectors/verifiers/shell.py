"""`verify.sh` under dash, as a process."""

import re
import subprocess
from pathlib import Path
from shutil import which

from tests.vectors.verifiers import LAYERS, NOT_CHECKED, Answer
from tests.vectors.world import Case

SCRIPT = Path(__file__).resolve().parents[3] / "deploy/verify/verify.sh"
SHELL = which("dash") or "sh"
_NAMES = {"S": "signature", "D": "digests", "C": "chain", "L": "log"}


def ask(case: Case, folder: Path) -> list[Answer]:
    """An answer for each bundle of a case that lies in `folder`."""
    command = [SHELL, str(SCRIPT), "--trust", str(folder / "trust"), "--at", str(int(case.now.timestamp()))]
    if case.files is not None:
        command += ["--files", str(folder / "study")]
    done = subprocess.run(
        [*command, *map(str, case.paths(folder))], capture_output=True, check=False, timeout=120
    )
    text = done.stdout.decode("utf-8", "replace")
    answers = [_answer(part) for part in re.split(r"^(?=VALID|NOT VALID)", text, flags=re.MULTILINE)[1:]]
    assert len(answers) == len(case.bundles), (case.name, text, done.stderr)
    assert (done.returncode == 0) == all(answer.ok for answer in answers), (case.name, done.returncode, text)
    return answers


def _answer(text: str) -> Answer:
    found = re.search(r"\[([a-z0-9-]+)\]$", text, re.MULTILINE)
    states = {letter: _state(text, name) for letter, name in _NAMES.items() if letter in LAYERS}
    return Answer(states, text.startswith("VALID"), found[1] if found else "")


def _state(text: str, name: str) -> str:
    found = re.search(rf"{name} (ok|failed|not-checked)", text)
    return found[1] if found else NOT_CHECKED
