"""What every contestant's child process does: take a job, warm up, say ready, do the files, say how it went.

Runs in a peer's own environment: the standard library only. A job is one line of JSON on standard input:
`{"files": [[input, output], …], "out": folder, "options": {…}}`; outputs are names that are proposed
relative to `out`; a tool that names its own files ignores them. After `ready` a second line starts the clock.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

# (input, proposed output) to where it was written, relative to the job's folder; with an attribute `finish`,
# that is called before the clock stops
Clean = Callable[[str, str], str]


class Held(Exception):  # noqa: N818 - no error
    """A tool declines a file, with a reason."""


def run(prepare: Callable[[dict, list], Clean]) -> None:
    """Do one job; `prepare` gets the job and its files and returns what cleans one of them."""
    warnings.simplefilter("ignore")
    job = json.loads(sys.stdin.readline())
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries print
    _warm(prepare, job)
    print("ready", file=answers, flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    clean = prepare(job, job["files"])
    results = {}
    for source, proposed in job["files"]:
        results[source] = _one(clean, source, str(Path(job["out"]) / proposed), job["out"])
    getattr(clean, "finish", lambda: None)()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "files": results}), file=answers, flush=True)


def _warm(prepare: Callable[[dict, list], Clean], job: dict) -> None:
    """One file before the clock starts: what a tool loads once in its life is not its speed."""
    with tempfile.TemporaryDirectory() as scratch:
        first = [[job["files"][0][0], "warm.dcm"]] if job["files"] else []
        aside = {**job, "files": first, "out": scratch}
        clean = prepare(aside, first)
        for source, proposed in first:
            _one(clean, source, str(Path(scratch) / proposed), scratch)


def _one(clean: Clean, source: str, proposed: str, out: str) -> dict:
    try:
        written = clean(source, proposed)
    except Held as held:
        return {"status": "held", "output": None, "reason": str(held)}
    except Exception as error:  # noqa: BLE001 - a crash of a contestant is a result
        return {"status": "crashed", "output": None, "reason": type(error).__name__}
    return {"status": "out", "output": str(Path(written).relative_to(out)), "reason": ""}
