"""A process of its own that has busy workers, to be killed or left without closing its pool."""

import sys
import threading
from pathlib import Path

from agent.workers.pool import Pool

TASKS = "tests.agent.workers.tasks"


def main() -> None:
    folder, how = Path(sys.argv[1]), sys.argv[2]
    pool = Pool(2)
    for number in range(2):
        file = str(folder / f"worker-{number}")
        work = threading.Thread(
            target=pool.submit, args=(f"{TASKS}:hang", file), kwargs={"seconds": 300}, daemon=True
        )
        work.start()
    both = [folder / f"worker-{number}" for number in range(2)]
    while not all(one.exists() and one.read_text("ascii") for one in both):
        threading.Event().wait(0.02)
    (folder / "busy").touch()
    if how == "wait":
        threading.Event().wait(300)


if __name__ == "__main__":
    main()
