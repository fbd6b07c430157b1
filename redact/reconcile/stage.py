"""The reconcile stage of one instance: written under its quarantine identity, then checked apart."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from exchange.dicomio.examine import examine
from exchange.dicomio.getters import uid
from exchange.dicomio.header import read_header_at
from exchange.dicomio.splice import Splice, require_single, top_level
from exchange.domain.findings import Finding, Severity
from exchange.domain.source import Source
from redact.reconcile import attributes
from redact.reconcile.coerce import coerce
from redact.reconcile.quarantine import Quarantine
from redact.reconcile.verify import verify_quarantine

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
    layout = examine(source)
    extents = top_level(layout)
    require_single(extents, frozenset({*attributes.TABLE, attributes.ORIGINAL_ATTRIBUTES, 0x00080005}))
    header = read_header_at(layout)
    coercion = coerce(layout, extents, header, quarantine, issuers)
    splice = Splice(layout, extents, coercion.edits)
    written = store(splice.chunks(), splice.digest())
    shown = verify_quarantine(source, written, quarantine)
    signed = any(one.tag == _SIGNATURES for one in extents) and coercion.changed
    return ReconciledInstance(
        sop_class_uid=layout.sop_class_uid,
        sop_instance_uid=layout.sop_instance_uid,
        study_instance_uid=uid(header, "StudyInstanceUID"),
        series_instance_uid=uid(header, "SeriesInstanceUID"),
        transfer_syntax_uid=layout.transfer_syntax_uid,
        sha256=splice.sha256,
        pixel_sha256=shown.pixel_sha256,
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
