"""rapidocr as it comes: of the package named on the command line, with so many threads."""

import logging
import sys
import time

import cv2
from answering import answer, box_of

package, threads = sys.argv[1], int(sys.argv[2])


def engine():
    logging.disable(logging.WARNING)
    if package == "rapidocr":
        from rapidocr import RapidOCR

        return RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": threads})
    from rapidocr_onnxruntime import RapidOCR

    return RapidOCR(intra_op_num_threads=threads)


ocr = engine()


def lines(picture):
    """Corners and texts."""
    if package == "rapidocr":
        found = ocr(picture)
        return [] if found.txts is None else list(zip(found.boxes, found.txts, strict=True))
    found, _ = ocr(picture)
    return [(one[0], one[1]) for one in found or ()]


def recognised(picture):
    """The text of a picture that holds one line."""
    if package == "rapidocr":
        return list(ocr(picture, use_det=False, use_cls=False, use_rec=True).txts or ())
    found, _ = ocr(picture, use_det=False, use_cls=False, use_rec=True)
    return [one[0] for one in found or ()]


def work(question):
    picture = cv2.imread(question["picture"], cv2.IMREAD_COLOR)
    begun = time.perf_counter()
    if question.get("line"):
        return {"texts": recognised(picture)}
    found = lines(picture)
    spent = (time.perf_counter() - begun) * 1000
    boxes, texts = [box_of(corners) for corners, _ in found], [text for _, text in found]
    return {"boxes": boxes, "texts": texts, "milliseconds": spent}


answer(work)
