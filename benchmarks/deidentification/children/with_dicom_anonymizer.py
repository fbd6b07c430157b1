"""dicom-anonymizer, as its command does: default rules, private tags removed, the input's own file name."""

from pathlib import Path

from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file
from runner import run


def prepare(_job, _files):
    def clean(source, proposed):
        target = Path(proposed).with_name(Path(source).name)
        anonymize_dicom_file(source, str(target))
        return target

    return clean


run(prepare)
