"""A second opinion on the IOD: dciodvfy of dicom3tools, before and after, where it is installed.

Public files are full of errors, so an error says nothing; a new one does. It is shown the headers without
their pixels, in memory: an original never lies on a disk in clear. Instances of a study are mostly of one
form (the same elements, the same ones empty), and dciodvfy answers for a form: each is shown to it once.
"""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword

from exchange.dicomio.filemeta import encode_file_meta
from exchange.dicomio.header import header_bytes
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.syntaxes import EXPLICIT_LITTLE
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.walk import tag_text

NO_NEW_ERROR, NOT_RUN = "no new dciodvfy error", "dciodvfy not run"
_SECONDS = 60.0
_ANSWERS = frozenset({0, 1})  # another is a crash; the wrapper of PyPI makes a number of a signal
_MOST_FORMS = 4096
# Values and places; the names of elements and modules stay.
_VALUE = re.compile(
    r"(?<!Element=)(?<!Module=)(?<!attribute )<[^>]*>|\"[^\"]*\"|\[\d+\]|= .*|\b\d+(?:\.\d+){2,}"
)
_KEYWORD = re.compile(r"Element=<(\w+)>")
_NAME = re.compile(r"attribute <([^>]+)>")
_TAG = re.compile(r"\(0x([0-9a-f]{4}),0x([0-9a-f]{4})\)")
_IOD = re.compile(r"[A-Z][A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What dciodvfy says of a header: its errors without values, and whether it knows the IOD."""

    errors: Counter[str]
    recognised: bool


class Dciodvfy:
    """The program, and what it said of the forms that it was shown.

    Args:
        binary: The program.
        seconds: How long it may take for one header.
    """

    def __init__(self, binary: Path, seconds: float = _SECONDS) -> None:
        self._binary = binary
        self._seconds = seconds
        self._known: dict[bytes, str] = {}

    def compare(
        self,
        before: FileLayout,
        after: FileLayout,
        present: tuple[Mapping[str, bool], Mapping[str, bool]],
    ) -> str:
        """Compare an instance with its original.

        Args:
            before: Of the original.
            after: Of the cleaned file.
            present: Element paths of both, and whether they are filled: their form.

        Returns:
            `NO_NEW_ERROR`, or `NOT_RUN` where it gave no answer.

        Raises:
            HeldError: PROOF_IOD: a new error, with the element's path where it names one.
        """
        syntaxes = (before.sop_class_uid, before.transfer_syntax_uid, after.transfer_syntax_uid)
        form = sha256(repr((syntaxes, *(sorted(one.items()) for one in present))).encode()).digest()
        answer = self._known.get(form)
        if answer is None:
            answer = self._compare(before, after)
            if len(self._known) >= _MOST_FORMS:
                self._known.clear()
            self._known[form] = answer
        return answer

    def _compare(self, before: FileLayout, after: FileLayout) -> str:
        first = self._ask(before)
        second = self._ask(after) if first is not None else None
        if first is None or second is None:
            return NOT_RUN
        if first.recognised and not second.recognised:
            raise _held("dciodvfy does not recognise its IOD any more", "(0008,0016)")
        for error in second.errors - first.errors:
            raise _held("dciodvfy finds an error that the original does not have", _path(error))
        return NO_NEW_ERROR

    def _ask(self, layout: FileLayout) -> Verdict | None:
        """Its verdict; None when it cannot be run, crashes or takes too long."""
        syntax = EXPLICIT_LITTLE if layout.deflated else layout.transfer_syntax_uid
        data = encode_file_meta(layout.sop_class_uid, layout.sop_instance_uid, syntax) + header_bytes(layout)
        descriptor = os.memfd_create("header", os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            ran = subprocess.run(
                [str(self._binary), f"/proc/self/fd/{descriptor}"],
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=self._seconds,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        finally:
            os.close(descriptor)
        return _verdict(ran.stderr + ran.stdout) if ran.returncode in _ANSWERS else None


def _verdict(said: bytes) -> Verdict:
    lines = [line.strip() for line in said.decode("latin-1").splitlines()]
    errors = Counter(_VALUE.sub("", line).strip() for line in lines if line.startswith("Error"))
    # The IOD's name stands alone on a line when it was recognised.
    return Verdict(errors, any(_IOD.fullmatch(line) for line in lines))


def _path(error: str) -> str:
    """The element that an error names."""
    if tag := _TAG.search(error):
        return tag_text(int(tag[1] + tag[2], 16))
    keyword, name = _KEYWORD.search(error), _NAME.search(error)
    found = tag_for_keyword(keyword[1]) if keyword else _by_name().get(name[1]) if name else None
    return tag_text(found) if found is not None else ""


@cache
def _by_name() -> dict[str, int]:
    return {entry[2]: tag for tag, entry in DicomDictionary.items()}


def _held(why: str, path: str) -> HeldError:
    return HeldError(
        ReasonCode.PROOF_IOD,
        f"cannot prove that the object is no worse than before: {why}",
        path,
        "hold the instance and report the defect; a person may release it",
    )
