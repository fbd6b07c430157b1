"""What the evidence of a settled exchange means: findings that stand on its receipts."""

from agent.custody.records import ExchangeRecord
from exchange.domain.findings import Finding, Severity


def completeness_findings(one: ExchangeRecord) -> tuple[Finding, ...]:
    """Of a study that is known to lack something, or to have come before; in a stable order."""
    evidence = one.evidence
    expected, received = evidence.get("expected"), evidence.get("received")
    found = []
    if evidence.get("missing"):
        text = f"{evidence['missing']} instances are missing: expected {expected}, received {received}"
        found.append(Finding("completeness.study-incomplete", Severity.FLAG, text))
    elif evidence.get("stepOpen"):
        text = f"a procedure step is still said to be in progress; received {received}"
        found.append(Finding("completeness.study-incomplete", Severity.FLAG, text))
    elif isinstance(expected, int) and isinstance(received, int) and received > expected:
        text = f"expected {expected}, received {received}"
        found.append(Finding("completeness.more-than-expected", Severity.NOTE, text))
    if evidence.get("conflicting"):
        text = "the sources of the expected count contradict each other; the larger one was waited for"
        found.append(Finding("completeness.conflicting-evidence", Severity.NOTE, text))
    if one.resend_of is not None:
        text = f"all {one.instance_count} instances came before; the same bytes leave again"
        found.append(Finding("completeness.resend", Severity.NOTE, text))
    return tuple(found)
