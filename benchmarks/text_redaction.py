"""Text reading per 512 x 512 frame against rapidocr's default pipeline, in one run on the same frames.

Prints medians of wall and processor time and their ratio (above 1: less time than rapidocr's default); no
thresholds. Frames are made here (half with burned-in lines, half without), so that the benchmark runs
anywhere: absolute figures depend on the machine, the ratio much less.

    python benchmarks/text_redaction.py [frames] [threads]
"""

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from agent.inference.readers import open_reader, open_store
from redact.pixels.policy import PixelPolicy

ROOT = Path(__file__).resolve().parents[1]
LINES = ("DOE^JANE 1962-03-14", "MRN 4821305", "General Hospital", "Acc 90113 12:04:55")


def main(argv: list[str]) -> int:
    count = int(argv[1]) if len(argv) > 1 else 12
    threads = int(argv[2]) if len(argv) > 2 else 1
    frames = [frame(index) for index in range(count)]
    store = open_store(ROOT / "config" / "models.yaml")
    gate = PixelPolicy().all_text_gate
    runs: dict[str, Callable[[np.ndarray[Any, Any]], int]] = {"rapidocr-default": rapidocr_default(threads)}
    for name in ("cleaner", "prover"):
        reader, _ = open_reader(store, name, threads=threads)
        runs[f"lockgate-{name}"] = lambda picture, reader=reader: sum(  # type: ignore[misc]
            line.confidence >= gate for line in reader.read(picture)
        )
    results = measure(runs, frames)
    for kind in ("Milliseconds", "CpuMilliseconds"):
        base = results["rapidocr-default"][f"median{kind}"]
        for result in results.values():
            result[f"ratio{kind}"] = round(base / result[f"median{kind}"], 2)
    print(json.dumps({"frames": count, "size": 512, "threads": threads, "results": results}, indent=2))
    return 0


def frame(index: int) -> np.ndarray[Any, Any]:
    """An anatomy-like ground; every second one with four lines of text."""
    y, x = np.mgrid[0:512, 0:512]
    ring = 90 * np.exp(-(((np.hypot(x - 256, y - 256) - 120 - 4 * index) / 25.0) ** 2))
    noise = np.random.default_rng(index).normal(0, 6, (512, 512))
    picture = np.clip(30 + ring + noise, 0, 255).astype(np.uint8)
    if index % 2:
        for row, text in enumerate(LINES):
            cv2.putText(picture, text, (10, 24 + 22 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 235, 1)
    return np.asarray(picture)


def rapidocr_default(threads: int) -> Callable[[np.ndarray[Any, Any]], int]:
    from rapidocr import RapidOCR

    logging.disable(logging.WARNING)
    engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": threads})

    def run(picture: np.ndarray[Any, Any]) -> int:
        return len(getattr(engine(picture), "txts", None) or ())

    return run


def measure(
    runs: dict[str, Callable[[np.ndarray[Any, Any]], int]], frames: list[np.ndarray[Any, Any]]
) -> dict[str, dict[str, Any]]:
    """Wall and processor time per frame; the contestants take turns, so that load falls on all of them."""
    for run in runs.values():
        run(frames[-1])
    wall: dict[str, list[float]] = {name: [] for name in runs}
    busy: dict[str, list[float]] = {name: [] for name in runs}
    lines = dict.fromkeys(runs, 0)
    for picture in frames:
        for name, run in runs.items():
            start, start_busy = time.perf_counter(), time.process_time()
            lines[name] += run(picture)
            wall[name].append((time.perf_counter() - start) * 1000)
            busy[name].append((time.process_time() - start_busy) * 1000)
    return {
        name: {
            "medianMilliseconds": round(statistics.median(wall[name]), 1),
            "medianCpuMilliseconds": round(statistics.median(busy[name]), 1),
            "boxesRead": lines[name],
        }
        for name in runs
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv))
