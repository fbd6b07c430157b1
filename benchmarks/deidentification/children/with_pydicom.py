"""The floor for everything that stands on pydicom: read and write."""

import pydicom
from runner import run


def prepare(_job, _files):
    def clean(source, proposed):
        pydicom.dcmread(source).save_as(proposed)
        return proposed

    return clean


run(prepare)
