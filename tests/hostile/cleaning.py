"""`lockgate clean` over a set, as a user runs it: the one place here that knows our own command."""

import json
from pathlib import Path

from tests.hostile.outcome import Outcome, Outcomes, Status
from tests.support.appliance import lockgate

KEY = bytes(range(1, 33))
_SECONDS = 3600.0


def clean_folder(inputs: Path, out: Path, *, profile: str = "default", jobs: int = 1) -> Outcomes:
    """Clean every file below `inputs` into `out`, which must not exist yet.

    Returns:
        The outcome of every input file; one that the report does not name is missing. A failed file counts as
        held: it was not written, and the report says why.

    Raises:
        AssertionError: The command itself failed.
    """
    key, report = out.parent / f"{out.name}.key", out.parent / f"{out.name}.json"
    key.write_bytes(KEY)
    key.chmod(0o600)
    ran = lockgate(
        "clean", inputs, out, "--profile", profile, "--key", key, "--report", report, "--jobs", str(jobs),
        timeout_seconds=_SECONDS,
    )  # fmt: skip
    assert ran.returncode in {0, 1}, ran.stderr
    return {entry["input"]: _outcome(entry) for entry in json.loads(report.read_text())["files"]}


def _outcome(entry: dict[str, object]) -> Outcome:
    if entry["status"] == "clean":
        return Outcome(Status.OUT, str(entry["output"]))
    reasons = entry["reasons"]
    assert isinstance(reasons, list)
    return Outcome(Status.HELD, None, " ".join(f"{one['code']} {one['path']}".strip() for one in reasons))
