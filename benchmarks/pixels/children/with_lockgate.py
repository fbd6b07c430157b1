"""Lockgate: `reader` reads the picture and takes all text; `whole` cleans and proves the DICOM file."""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
from answering import Held, answer

from agent.config.profiles import load_profile
from agent.inference.readers import open_reader, open_store
from exchange.dicomio.header import read_header
from exchange.domain.errors import HeldError
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.pixels.boxes import BoxRule, TextBox, merge
from redact.pixels.policy import PixelPolicy
from redact.stage import CleaningPlan, InstanceCleaner, Readers

KEY = bytes(range(1, 33))
what, threads = sys.argv[1], int(sys.argv[2])
store = open_store()


def reader(name):
    return open_reader(store, name, threads=threads)[0]


def pictures(name):
    """What the reader of this name would remove from a picture where all text goes."""
    weights, gate = reader(name), PixelPolicy().all_text_gate

    def work(question):
        picture = cv2.imread(question["picture"], cv2.IMREAD_UNCHANGED)
        picture = np.ascontiguousarray(picture[..., ::-1]) if picture.ndim == 3 else picture
        begun = time.perf_counter()
        lines = [line for line in weights.read(picture) if line.confidence >= gate]
        found = merge(
            TextBox(0, one.y0, one.x0, one.y1, one.x1, BoxRule.ALL_TEXT, one.confidence) for one in lines
        )
        spent = (time.perf_counter() - begun) * 1000
        padded = [box.padded(*picture.shape[:2]) for box in found]
        return {"boxes": places(padded), "texts": [one.text for one in lines], "milliseconds": spent}

    return work


def whole():
    """Clean and prove, as `lockgate clean` does with a study of one file."""
    profile, readers = load_profile("default"), Readers(reader("cleaner"), reader("prover"))

    def work(question):
        source, target = Path(question["dicom"]), Path(question["out"])
        begun = time.perf_counter()
        plan = CleaningPlan(
            profile=profile,
            pseudonymiser=Pseudonymiser(KEY, "benchmark"),
            identifiers=harvest(read_header(source)),
            readers=readers,
            canary_seed=b"benchmark",
        )
        try:
            cleaned = InstanceCleaner(plan).run(source, target)
        except HeldError as error:
            raise Held(str(error.code)) from error
        spent = (time.perf_counter() - begun) * 1000
        first = [box for box in cleaned.boxes if box.frame == 0]
        removed = len(cleaned.boxes)
        return {"boxes": places(first), "removed": removed, "output": str(target), "milliseconds": spent}

    return work


def places(boxes):
    return [[box.x0, box.y0, box.x1, box.y1] for box in boxes]


answer(whole() if what == "whole" else pictures(what))
