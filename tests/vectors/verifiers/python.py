"""The product's verifier, called as `lockgate verify` calls it."""

from pathlib import Path

from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Report, Request, verify_bundles
from tests.vectors.verifiers import LAYERS, Answer
from tests.vectors.world import Case


def ask(case: Case, folder: Path) -> list[Answer]:
    """An answer for each bundle of a case that lies in `folder`."""
    paths = case.paths(folder)
    try:
        files = None if case.files is None else folder / "study"
        reports = verify_bundles(paths, Request(read_trust(folder / "trust"), case.now, files))
    except VerificationError as error:
        reports = [Report(str(path), first_error=error) for path in paths]
    return [_answer(report) for report in reports]


def _answer(report: Report) -> Answer:
    layers = {layer.value: state.value for layer, state in report.layers.items() if layer.value in LAYERS}
    return Answer(layers, report.ok, "" if report.first_error is None else report.first_error.code)
