"""A process of its own that has busy workers, to be killed or left without closing its pool."""

import sys
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from agent.workers.errors import WorkerCrashed
from agent.workers.pool import Pool

TASKS = "tests.agent.workers.tasks"


def submit(pool: Pool, file: str) -> None:
    """Until the worker is killed at exit: nothing may be printed then.

    A thread that is at it when the interpreter flushes its streams aborts the process (CPython's
    `_enter_buffered_busy`), and neither the pool nor the test has to do with that.
    """
    with suppress(WorkerCrashed):
        pool.submit(f"{TASKS}:hang", file, seconds=300)


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    folder, how = Path(sys.argv[1]), sys.argv[2]
    pool = Pool(2)
    for number in range(2):
        file = str(folder / f"worker-{number}")
        threading.Thread(target=submit, args=(pool, file), daemon=True).start()
    both = [folder / f"worker-{number}" for number in range(2)]
    while not all(one.exists() and one.read_text("ascii") for one in both):
        threading.Event().wait(0.02)
    (folder / "busy").touch()
    if how == "wait":
        threading.Event().wait(300)


if __name__ == "__main__":
    main()
