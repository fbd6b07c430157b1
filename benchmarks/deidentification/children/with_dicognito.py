"""dicognito, as its command does: one anonymizer for all files, saved under the new SOP Instance UID."""

from pathlib import Path

import pydicom
from dicognito.anonymizer import Anonymizer
from runner import run


def prepare(_job, _files):
    anonymizer = Anonymizer(seed="benchmark")

    def clean(source, proposed):
        with pydicom.dcmread(source, force=False) as dataset:
            anonymizer.anonymize(dataset)
            target = Path(proposed).with_name(f"{dataset.SOPInstanceUID}.dcm")
            dataset.save_as(target, enforce_file_format=True)
        return target

    return clean


run(prepare)
