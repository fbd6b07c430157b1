"""Where real DICOM files are found."""

import os
from pathlib import Path


def find_corpus() -> Path | None:
    """`$LOCKGATE_CORPUS`, or `../shared/corpus` beside the checkout; None when absent."""
    named = os.environ.get("LOCKGATE_CORPUS")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "corpus"
    return folder if (folder / "MANIFEST.csv").is_file() else None
