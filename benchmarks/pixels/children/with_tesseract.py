"""Tesseract's binary: `--psm 11`, every word that it is at all sure of; of one line `--psm 7`.

A line is read in its own language where Debian's package for it is installed, else in English.
"""

import os
import subprocess
import sys

from answering import answer

_LEFT, _CONFIDENCE, _TEXT = 6, 10, 11  # columns of a TSV row
os.environ["OMP_THREAD_LIMIT"] = sys.argv[1]
_listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=True)
INSTALLED = frozenset(_listed.stdout.split())


def work(question):
    mode = "7" if question.get("line") else "11"
    language = question.get("language", "eng")
    language = language if language in INSTALLED else "eng"
    command = ["tesseract", question["picture"], "-", "-l", language, "--psm", mode, "tsv"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    boxes, texts = [], []
    for row in ran.stdout.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) > _TEXT and float(cells[_CONFIDENCE]) >= 0 and cells[_TEXT].strip():
            x, y, width, height = map(int, cells[_LEFT:_CONFIDENCE])
            boxes.append([x, y, x + width, y + height])
            texts.append(cells[_TEXT])
    if question.get("line"):
        return {"texts": [" ".join(texts)]}
    return {"boxes": boxes, "texts": texts}


answer(work)
