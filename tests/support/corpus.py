"""Where real DICOM files, and the tables of the standard, are found."""

import os
from pathlib import Path


def find_corpus() -> Path | None:
    """`$LOCKGATE_CORPUS`, or `../shared/corpus` beside the checkout; None when absent."""
    named = os.environ.get("LOCKGATE_CORPUS")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "corpus"
    return folder if (folder / "MANIFEST.csv").is_file() else None


def find_tables() -> Path | None:
    """`$LOCKGATE_TABLES`, or `../shared/data` beside the checkout; None when absent."""
    named = os.environ.get("LOCKGATE_TABLES")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "data"
    return folder if (folder / "ps3.15-table-e1-1.json").is_file() else None
