"""Layer D: does a study's folder hold exactly the instances that a receipt covers?"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exchange.receipts.verify.claims import Receipt, Subject
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.part10 import FileDigest, digest_file, walk_file

# What is told first: changed content weighs more than what is merely absent or too much.
_ORDER: Final = (
    "pixels-changed", "file-changed", "header-changed", "transcoded", "meta-differs", "renamed",
    "file-unreadable", "missing", "duplicate", "extra",
)  # fmt: skip
TOLERATED: Final = frozenset({"duplicate", "extra"})


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """One entry of the folder: its relative name, and its digest or why there is none."""

    name: str
    path: Path
    digest: FileDigest | None = None
    problem: str = ""


@dataclass(slots=True)
class _Match:
    receipt: Receipt
    problems: list[VerificationError] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    def add(self, code: str, message: str, hint: str = "") -> None:
        self.problems.append(VerificationError(code, message, hint))


def scan_folder(folder: Path) -> tuple[ScannedFile, ...]:
    """Digest every DICOM file below a folder; links are never followed, other files are left out.

    Raises:
        VerificationError: `files-unreadable`: the folder cannot be listed.
    """
    return tuple(_scan(folder))


def check_files(receipt: Receipt, files: tuple[ScannedFile, ...], *, allow_extra: bool) -> None:
    """Compare a receipt's subjects with a scanned folder.

    Raises:
        VerificationError: The first of `compare_files`.
    """
    problems = compare_files(receipt, files, allow_extra=allow_extra)
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise VerificationError(first.code, first.message + more, first.hint)


def compare_files(
    receipt: Receipt, files: tuple[ScannedFile, ...], *, allow_extra: bool
) -> list[VerificationError]:
    """All that differs between a receipt's subjects and a folder, the gravest first.

    Args:
        receipt: Its claims, their signature already checked.
        files: Of `scan_folder`.
        allow_extra: Tolerate DICOM files that are not subjects, and exact copies of subjects.
    """
    if not receipt.subjects:
        return [VerificationError("no-subjects", "the receipt covers no instance, so no file can match it")]
    match = _Match(receipt)
    by_digest = {subject.sha256: subject for subject in (*receipt.subjects, *receipt.renditions)}
    rest: list[ScannedFile] = []
    for file in files:
        if file.digest is None:
            match.add(
                "file-unreadable" if file.problem != "link" else "extra", f"{file.name}: {file.problem}"
            )
        elif (subject := by_digest.get(file.digest.sha256)) is not None:
            _same_dataset(match, file, file.digest, subject)
        else:
            rest.append(file)
    for file in rest:
        _other_dataset(match, file)
    for subject in receipt.subjects:
        if subject.sop_instance_uid not in match.seen | match.answered:
            match.add("missing", f"instance {subject.sop_instance_uid} is missing", "fetch the whole study")
    problems = [item for item in match.problems if not (allow_extra and item.code in TOLERATED)]
    return sorted(problems, key=lambda item: _ORDER.index(item.code))


def _same_dataset(match: _Match, file: ScannedFile, digest: FileDigest, subject: Subject) -> None:
    uid = subject.sop_instance_uid
    if digest.transfer_syntax != subject.transfer_syntax or digest.meta_sop_instance_uid not in ("", uid):
        # The digest does not cover the file meta; read under another transfer syntax it is another image.
        match.answered.add(uid)
        match.add("meta-differs", f"{file.name}: the file meta does not fit instance {uid}")
    elif uid in match.seen:
        match.add(
            "duplicate", f"{file.name} is a second copy of instance {uid}", "remove it or --allow-extra"
        )
    else:
        match.seen.add(uid)


def _other_dataset(match: _Match, file: ScannedFile) -> None:
    assert file.digest is not None  # noqa: S101 - `compare_files` sorted the others out
    try:
        content = walk_file(file.path, file.digest)
    except VerificationError as error:
        match.add("file-unreadable", f"{file.name}: {error.message}")
        return
    syntax = file.digest.transfer_syntax
    for subject in match.receipt.subjects:
        if subject.sop_instance_uid == content.sop_instance_uid:
            match.answered.add(subject.sop_instance_uid)
            _changed(match, file.name, subject, content.pixel_sha256, syntax)
            return
    for subject in match.receipt.subjects:
        if _same_pixels(subject, content.pixel_sha256, syntax) and subject.sop_instance_uid not in match.seen:
            match.answered.add(subject.sop_instance_uid)
            match.add(
                "renamed", f"{file.name} has the pixels of {subject.sop_instance_uid} under another UID"
            )
            return
    match.add("extra", f"{file.name} is not covered by the receipt", "remove it or --allow-extra")


def _changed(match: _Match, name: str, subject: Subject, pixels: str, syntax: str) -> None:
    uid = subject.sop_instance_uid
    if syntax != subject.transfer_syntax:
        match.add("transcoded", f"{name}: instance {uid} is encoded in another transfer syntax than was sent")
    elif _same_pixels(subject, pixels, syntax):
        match.add(
            "header-changed",
            f"{name}: pixels match, header changed in instance {uid}",
            "a system on the way edited attributes; ask for the file as it was sent",
        )
    elif subject.pixel_sha256:
        match.add("pixels-changed", f"{name}: the pixels of instance {uid} were changed")
    else:
        match.add("file-changed", f"{name}: the content of instance {uid} was changed")


def _same_pixels(subject: Subject, pixels: str, syntax: str) -> bool:
    # Pixel digests can be compared under equal transfer syntaxes only.
    return bool(pixels) and pixels == subject.pixel_sha256 and syntax == subject.transfer_syntax


def _scan(folder: Path) -> Iterator[ScannedFile]:
    def fail(error: OSError) -> None:
        raise VerificationError("files-unreadable", f"the folder cannot be listed: {error.strerror}")

    for root, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in sorted(names + links):
            path = Path(root, name)
            scanned = _scan_one(path, _printable(path.relative_to(folder)))
            if scanned is not None:
                yield scanned


def _scan_one(path: Path, name: str) -> ScannedFile | None:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return ScannedFile(name, path, problem="link")
        digest = digest_file(path)
    except OSError:
        return ScannedFile(name, path, problem="the system refuses to read it")
    except VerificationError as error:
        return ScannedFile(name, path, problem=error.message)
    return None if digest is None else ScannedFile(name, path, digest)


def _printable(path: Path) -> str:
    """A file name for a terminal: a hostile one must not be able to move the cursor."""
    return "".join(char if char.isprintable() else "?" for char in str(path))
