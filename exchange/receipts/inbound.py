"""What a receipt says of an inbound study: under which identity it goes to the PACS, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotRunFacts:
    """A stage that did not run on an inbound study, and why."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReconciliationFacts:
    """Under which identity an inbound study goes to the PACS.

    Attributes:
        identity: `quarantined`: under the partner's issuer, behind a prefix, without accession number.
        issuer: IssuerOfPatientID.
        prefix: What stands before each PatientID.
        patient_match: `none` or `certain`; `reason` says why.
        method: How the written files were checked; all of them passed.
        replaced, emptied, removed: Elements changed, over all instances; the originals stand in
            OriginalAttributesSequence.
        task: Of the hold for the person who reconciles: `open` (also before it is opened) or `decided`.
        not_run: Stages that did not run.
    """

    identity: str
    issuer: str
    prefix: str
    patient_match: str
    reason: str
    method: str
    instances: int
    replaced: int
    emptied: int
    removed: int
    task: str = "open"
    not_run: tuple[NotRunFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class ReidentificationFacts:
    """That a returned study goes to the PACS as its own patient's; counts, and no original.

    Attributes:
        domain: The pseudonym domain.
        method: How the written files were checked; all of them passed.
        header: Where attributes of patient and study came from: `original`, or `ids-only` where the original
            is no longer here, `mixed` where instances differ.
        replaced, emptied, removed: Elements changed, over all instances; the earlier values stand in
            OriginalAttributesSequence.
        uids: Pseudonyms of UIDs that became originals, over all instances.
        left_out: Instances that came and had left here, and are not delivered.
        not_run: Stages that did not run.
    """

    domain: str
    method: str
    header: str
    instances: int
    replaced: int
    emptied: int
    removed: int
    uids: int
    left_out: int = 0
    not_run: tuple[NotRunFacts, ...] = ()
