"""What every contestant's child does: load, say ready, then one line of JSON for each question.

Runs in a peer's own environment: the standard library only. A question is `{"picture": PNG, "dicom": file,
"out": where to write, …}`, an answer `{"status", "reason", "boxes": [[x0, y0, x1, y1]], "texts": […],
"milliseconds", "output"}`; boxes are what it would remove, half-open, in the picture's pixels.
"""

import json
import math
import sys
import time
import warnings
from collections.abc import Callable


class Held(Exception):  # noqa: N818 - no error
    """Not removed but kept from going out, with a reason."""


def box_of(points: object) -> list[int]:
    """The upright box around the corners, themselves pixels of it, of a quadrilateral."""
    xs, ys = [float(point[0]) for point in points], [float(point[1]) for point in points]
    return [math.floor(min(xs)), math.floor(min(ys)), math.floor(max(xs)) + 1, math.floor(max(ys)) + 1]


def answer(work: Callable[[dict], dict]) -> None:
    """Answer until the input ends; `work` returns what it found of `boxes`, `texts` and `output`."""
    warnings.simplefilter("ignore")
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries print
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        found = {"status": "out", "reason": "", "boxes": [], "texts": [], "output": None}
        begun = time.perf_counter()
        try:
            found |= work(json.loads(line))
        except Held as held:
            found |= {"status": "held", "reason": str(held)}
        except Exception as error:  # noqa: BLE001 - a crash of a contestant is a result
            found |= {"status": "crashed", "reason": type(error).__name__}
        found.setdefault("milliseconds", (time.perf_counter() - begun) * 1000)
        print(json.dumps(found), file=answers, flush=True)
