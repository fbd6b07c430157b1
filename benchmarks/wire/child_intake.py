"""Lockgate's intake and spool alone in a process: `python -m benchmarks.wire.child_intake FOLDER`.

Prints its port, ends at end of input.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes

from exchange.intake.dicom import DicomIntake
from exchange.intake.listener import DicomListener
from exchange.spool.store import Spool
from tests.support.ports import HOST


def main() -> None:
    spool = Spool(Path(sys.argv[1]), kek=token_bytes(32))
    intake = DicomIntake(
        [DicomListener(HOST, 0, frozenset({"BENCH"}))],
        spool,
        lambda: datetime.now(UTC),
        lambda *_: "",
        lambda _: None,
    )
    intake.start()
    print(intake.ports[0], flush=True)
    sys.stdin.read()
    intake.stop(5)


if __name__ == "__main__":
    main()
