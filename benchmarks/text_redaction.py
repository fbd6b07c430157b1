"""Text reading per 512 x 512 frame against rapidocr's default pipeline, in one run on the same frames.

Prints medians and their ratio; no thresholds. Frames are made here (half with burned-in lines, half without),
so that the benchmark runs anywhere: absolute figures depend on the machine, the ratio much less.

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
    threads = int(argv[2]) if len(argv) > 2 else 2
    frames = [frame(index) for index in range(count)]
    store = open_store(ROOT / "config" / "models.yaml")
    gate = PixelPolicy().all_text_gate
    runs: dict[str, Callable[[np.ndarray[Any, Any]], int]] = {"rapidocr-default": rapidocr_default(threads)}
    for name in ("cleaner", "prover"):
        reader, _ = open_reader(store, name, threads=threads)
        runs[f"lockgate-{name}"] = lambda picture, reader=reader: sum(  # type: ignore[misc]
            line.confidence >= gate for line in reader.read(picture)
        )
    results = {name: measure(run, frames) for name, run in runs.items()}
    base = results["rapidocr-default"]["medianMilliseconds"]
    for result in results.values():
        result["timesFaster"] = round(base / result["medianMilliseconds"], 2)
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


def measure(run: Callable[[np.ndarray[Any, Any]], int], frames: list[np.ndarray[Any, Any]]) -> dict[str, Any]:
    for picture in frames[:2]:
        run(picture)
    times, lines = [], 0
    for picture in frames:
        start = time.perf_counter()
        lines += run(picture)
        times.append((time.perf_counter() - start) * 1000)
    return {"medianMilliseconds": round(statistics.median(times), 1), "linesRead": lines}


if __name__ == "__main__":
    sys.exit(main(sys.argv))
