"""Findings: what a stage saw."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters: told, shown to a person, or stopping the exchange."""

    NOTE = "note"
    FLAG = "flag"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a stage saw.

    Attributes:
        finding_id: Stable name of the check, e.g. `identity.patient-id-differs`.
        severity: What it does to the exchange.
        evidence: Keywords, counts and element paths; never a value from the study.
    """

    finding_id: str
    severity: Severity
    evidence: str
