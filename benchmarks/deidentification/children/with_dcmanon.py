"""dcmanon (Rust) with its default settings; it returns bytes, so the name is ours."""

from pathlib import Path

from dcmanon import Anonymizer
from runner import run


def prepare(_job, _files):
    anonymizer = Anonymizer()

    def clean(source, proposed):
        Path(proposed).write_bytes(anonymizer.anonymize(source))
        return proposed

    return clean


run(prepare)
