"""Lockgate, by what is asked for on the command line.

`cleaner` or `prover`: that reader on the picture, where all text goes; `pixels`: reading and deciding of the
DICOM file; `whole`: cleaned and proved; `unread`: that without the proof's second reading.
"""

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from answering import Held, answer

from agent.config.profiles import load_profile
from agent.inference.readers import open_reader, open_store
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header, read_header_at
from exchange.domain.errors import HeldError
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.pixels.boxes import BoxRule, TextBox, merge
from redact.pixels.clean import clean_pixels
from redact.pixels.policy import PixelPolicy
from redact.pixels.rules import TextMode
from redact.stage import CleaningPlan, InstanceCleaner, Readers
from tests.support.process import peak_mib

KEY = bytes(range(1, 33))
what, threads = sys.argv[1], int(sys.argv[2])
store = open_store()


def reader(name):
    return open_reader(store, name, threads=threads)[0]


def pictures(name):
    """What the reader of this name would remove from a picture where all text goes."""
    weights, policy = reader(name), PixelPolicy()

    def work(question):
        picture = cv2.imread(question["picture"], cv2.IMREAD_UNCHANGED)
        picture = np.ascontiguousarray(picture[..., ::-1]) if picture.ndim == 3 else picture
        begun = time.perf_counter()
        lines = [one for one in weights.read(picture) if policy.gate(one, TextMode.ALL_TEXT).rule is not None]
        found = merge(
            TextBox(0, one.y0, one.x0, one.y1, one.x1, BoxRule.ALL_TEXT, one.confidence) for one in lines
        )
        spent = (time.perf_counter() - begun) * 1000
        padded = [box.padded(*picture.shape[:2]) for box in found]
        return {"boxes": places(padded), "texts": [one.text for one in lines], "milliseconds": spent}

    return work


def deciding():
    """Read and decide, without writing anything."""
    weights = reader("cleaner")

    def work(question):
        source = Path(question["dicom"])
        begun = time.perf_counter()
        layout = examine(source)
        header = read_header_at(layout)
        try:
            found = clean_pixels(source, layout, header, weights, PixelPolicy(), harvest(header))
        except HeldError as error:
            raise Held(str(error.code)) from error
        spent = (time.perf_counter() - begun) * 1000
        first = [box for box in found.boxes if box.frame == 0]
        return {"boxes": places(first), "removed": len(found.boxes), "milliseconds": spent}

    return work


def whole(*, proof):
    """Clean and prove, as a worker of `lockgate clean` does; what a study's files share is compiled once."""
    profile = load_profile("default")
    readers = Readers(reader("cleaner"), reader("prover") if proof else None)
    cleaners = {}

    def work(question):
        source, target = Path(question["dicom"]), Path(question["out"])
        begun = time.perf_counter()
        header = read_header(source)
        study = str(header.get("StudyInstanceUID", source))
        if study not in cleaners:
            cleaners.clear()
            plan = CleaningPlan(
                profile=profile,
                pseudonymiser=Pseudonymiser(KEY, "benchmark"),
                identifiers=harvest(header),
                readers=readers,
                canary_seed=b"benchmark",
            )
            cleaners[study] = InstanceCleaner(plan)
        try:
            cleaned = cleaners[study].run(source, target)
        except HeldError as error:
            raise Held(str(error.code)) from error
        spent = (time.perf_counter() - begun) * 1000
        first = [box for box in cleaned.boxes if box.frame == 0]
        return {
            "boxes": places(first),
            "removed": len(cleaned.boxes),
            "output": str(target),
            "milliseconds": spent,
            "peakMiB": peak_mib(os.getpid()),
        }

    return work


def places(boxes):
    return [[box.x0, box.y0, box.x1, box.y1] for box in boxes]


if what == "pixels":
    answer(deciding())
elif what in {"whole", "unread"}:
    answer(whole(proof=what == "whole"))
else:
    answer(pictures(what))
