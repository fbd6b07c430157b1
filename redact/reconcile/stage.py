"""The reconcile stage of one instance: written under the identity that it is to have, then checked apart."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset

from exchange.dicomio.examine import examine
from exchange.dicomio.getters import uid
from exchange.dicomio.header import read_header, read_header_at
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.splice import Extent, Splice, require_single, top_level
from exchange.domain.findings import Finding, Severity
from exchange.domain.source import Source
from redact.reconcile import attributes, restored
from redact.reconcile.coerce import coerce
from redact.reconcile.history import Coercion
from redact.reconcile.quarantine import Quarantine
from redact.reconcile.restore import restore
from redact.reconcile.returned import Restoration
from redact.reconcile.verify import verify_quarantine
from redact.reconcile.verify_restored import verify_restored

Store = Callable[[Iterator[bytes], str], Source]
"""Makes the bytes of a Part 10 file durable, under the SHA-256 of their data set; where they can be read."""

_SIGNATURES = 0xFFFAFFFA


@dataclass(frozen=True, slots=True)
class ReconciledInstance:
    """A written instance; no values but UIDs.

    Attributes:
        sha256: Over the data set bytes after the file meta.
        changed: Top-level elements that were changed, as `(gggg,eeee)`.
        actions: How many were replaced, emptied, removed.
        findings: What a person should know of it.
        left: Of a returned one, what still has the form of a pseudonym, with its path: nothing that the
            crosswalk knows.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    pixel_sha256: str
    byte_count: int
    changed: tuple[str, ...]
    actions: Mapping[str, int]
    findings: tuple[Finding, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)


def reconcile_instance(
    source: Source, quarantine: Quarantine, issuers: Mapping[str, str], store: Store
) -> ReconciledInstance:
    """Write `source` under its quarantine identity and check what was written.

    Args:
        source: The instance as it came.
        quarantine: Its identity in the PACS.
        issuers: Of the study: foreign PatientID to the one issuer that its instances name with it.
        store: Takes the file.

    Raises:
        HeldError: `quarantine`: the check failed; what was stored must not be used.
        InputError: The source cannot be read.
        OSError: Reading or writing failed.
    """
    opened = _opened(source, frozenset(attributes.TABLE))
    coercion = coerce(opened.layout, opened.extents, opened.header, quarantine, issuers)
    splice = Splice(opened.layout, opened.extents, coercion.edits)
    written = store(splice.chunks(), splice.digest())
    shown = verify_quarantine(source, written, quarantine)
    return _instance(opened, coercion, splice, shown.pixel_sha256)


def restore_instance(
    source: Source, restoration: Restoration, reference: Source | None, store: Store
) -> ReconciledInstance:
    """Write `source` as the original patient's and check what was written.

    Args:
        source: The instance as it came back.
        restoration: Whose it is.
        reference: An instance of the original study, or of another one of the patient where this is the
            partner's own; None where none is here any more.
        store: Takes the file.

    Raises:
        HeldError: `reidentify`: it cannot be said, or the check failed; what was stored must not be used.
        InputError: The source cannot be read.
        OSError: Reading or writing failed.
    """
    opened = _opened(source, restored.CHANGED)
    original = None if reference is None else read_header(reference)
    coercion, findings = restore(opened.layout, opened.extents, opened.header, restoration, original)
    splice = Splice(opened.layout, opened.extents, coercion.edits)
    written = store(splice.chunks(), splice.digest())
    shown = verify_restored(source, written, restoration, reference)
    made = _instance(opened, coercion, splice, shown.pixel_sha256)
    uids = restoration.uids
    return replace(
        made,
        study_instance_uid=uids.get(made.study_instance_uid, made.study_instance_uid),
        series_instance_uid=uids.get(made.series_instance_uid, made.series_instance_uid),
        findings=(*made.findings, *findings),
        left=shown.left,
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """An instance as it came, read."""

    layout: FileLayout
    extents: tuple[Extent, ...]
    header: Dataset


def _opened(source: Source, changed: frozenset[int]) -> _Opened:
    layout = examine(source)
    extents = top_level(layout)
    require_single(extents, changed | {attributes.ORIGINAL_ATTRIBUTES, restored.SPECIFIC_CHARACTER_SET})
    return _Opened(layout, extents, read_header_at(layout))


def _instance(opened: _Opened, coercion: Coercion, splice: Splice, pixel_sha256: str) -> ReconciledInstance:
    layout = opened.layout
    signed = any(one.tag == _SIGNATURES for one in opened.extents) and coercion.changed
    return ReconciledInstance(
        sop_class_uid=layout.sop_class_uid,
        sop_instance_uid=layout.sop_instance_uid,
        study_instance_uid=uid(opened.header, "StudyInstanceUID"),
        series_instance_uid=uid(opened.header, "SeriesInstanceUID"),
        transfer_syntax_uid=layout.transfer_syntax_uid,
        sha256=splice.sha256,
        pixel_sha256=pixel_sha256,
        byte_count=splice.byte_count,
        changed=tuple(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in coercion.changed),
        actions=coercion.actions,
        findings=(_signed(),) if signed else (),
    )


def _signed() -> Finding:
    return Finding(
        "reconcile.digital-signature",
        Severity.NOTE,
        "instances carry digital signatures (FFFA,FFFA); those over changed attributes no longer verify",
    )
