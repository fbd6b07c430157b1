"""A folder as destination: `<study>/<series>/<instance>.dcm`, receipts in `<study>/receipts/`."""

import errno
import os
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from exchange.dimse.frozen import PIECE, FrozenBytesError, frozen_outcome, frozen_pieces
from exchange.domain.delivery import DeliveryReport, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import PeerRefused, PeerUnavailable
from exchange.domain.uid import is_uid
from exchange.durable import fsync_folder, make_folder, write_file

_RECEIPT_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_RECEIPT_SUFFIX = ".receipt.zip"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FolderDestination:
    """Writes durable files below a folder that must exist (an unmounted share is not filled by mistake).

    Attributes:
        protocol: `folder`.
        path: The folder.
    """

    protocol = "folder"

    def __init__(self, path: Path, mode: int = 0o640, folder_mode: int = 0o750) -> None:
        self.path = path
        self._mode = mode
        self._folder_mode = folder_mode

    def send(
        self, instances: Sequence[OutgoingInstance], on_outcome: Callable[[InstanceOutcome], None]
    ) -> DeliveryReport:
        """Write these instances; a file that is there already with the same bytes counts as confirmed."""
        outcomes: list[InstanceOutcome] = []
        if not self.path.is_dir():
            return DeliveryReport((), reachable=False, error="cannot write: the folder does not exist")
        error = ""
        for instance in instances:
            try:
                outcome = self._put(instance)
            except OSError as failure:
                outcome = InstanceOutcome(
                    instance.sop_instance_uid, InstanceState.PENDING, _code(failure), _describe(failure)
                )
                if failure.errno in _FULL or failure.errno in (errno.EROFS, errno.EIO, errno.ESTALE):
                    error = _describe(failure)  # of the disk, not of this file: the others would fail alike
            outcomes.append(outcome)
            on_outcome(outcome)
            if error:
                break
        return DeliveryReport(tuple(outcomes), reachable=True, error=error)

    def probe(self, timeout_seconds: float) -> str:  # noqa: ARG002 - a folder answers at once or not at all
        """Whether the folder exists and takes a file.

        Raises:
            PeerUnavailable: It does not.
        """
        if not self.path.is_dir():
            raise PeerUnavailable(
                f"cannot write to {self.path}: no such folder", "create it, or mount its disk"
            )
        probe = self.path / f".lockgate-probe-{os.getpid()}"
        try:
            write_file(probe, b"")
            probe.unlink()
        except OSError as error:
            raise PeerUnavailable(
                f"cannot write to {self.path}: {error.strerror}", "let the daemon's user write there"
            ) from error
        return f"folder {self.path} is writable"

    def put_receipt(self, study_instance_uid: str, name: str, bundle: bytes) -> bool:
        """Write `<study>/receipts/<name>.receipt.zip` durably; True.

        Raises:
            PeerRefused: Study or name cannot be a path, or another receipt has that name.
            PeerUnavailable: The folder cannot be written now.
        """
        if not is_uid(study_instance_uid) or not _RECEIPT_NAME.fullmatch(name):
            raise PeerRefused("cannot write the receipt: its study or name cannot be a path")
        name = name if name.endswith(_RECEIPT_SUFFIX) else name + _RECEIPT_SUFFIX
        target = self.path / study_instance_uid / "receipts" / name
        try:
            if not self.path.is_dir():
                raise PeerUnavailable("cannot write the receipt: the folder does not exist")
            if target.exists():
                if target.read_bytes() != bundle:
                    raise PeerRefused("cannot write the receipt: another one has its name")
                return True
            make_folder(target.parent, self._folder_mode)
            write_file(target, bundle, self._mode)
        except OSError as error:
            raise PeerUnavailable(f"cannot write the receipt: {_describe(error)}") from error
        return True

    def _put(self, instance: OutgoingInstance) -> InstanceOutcome:
        uids = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
        if not all(map(is_uid, uids)):
            return InstanceOutcome(
                instance.sop_instance_uid, InstanceState.REFUSED, "", "one of its UIDs is no UID, so no path"
            )
        study, series, sop = uids
        target = self.path / study / series / f"{sop}.dcm"
        try:
            if os.path.lexists(target):
                return self._compare(instance, target)
            make_folder(target.parent, self._folder_mode)
            write_file(target, frozen_pieces(instance, with_file_meta=True), self._mode)
        except FrozenBytesError as error:
            return frozen_outcome(instance, error)
        return InstanceOutcome(sop, InstanceState.SENT, "written", "written")

    def _compare(self, instance: OutgoingInstance, target: Path) -> InstanceOutcome:
        ours, theirs = sha256(), sha256()
        for piece in frozen_pieces(instance, with_file_meta=True):
            ours.update(piece)
        if target.is_file() and not target.is_symlink():
            with target.open("rb") as file:
                for piece in iter(lambda: file.read(PIECE), b""):
                    theirs.update(piece)
                # Whoever wrote it may have been killed before it was durable, and now it is confirmed.
                os.fsync(file.fileno())
            fsync_folder(target.parent)
        if ours.digest() == theirs.digest():
            return InstanceOutcome(
                instance.sop_instance_uid, InstanceState.SENT, "present", "it was there already"
            )
        return InstanceOutcome(
            instance.sop_instance_uid, InstanceState.REFUSED, "conflict", "another file has its name"
        )


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")


def _describe(error: OSError) -> str:
    """Without the file name, which an OSError's text carries."""
    return f"cannot write: {(error.strerror or 'input/output error').lower()}"
