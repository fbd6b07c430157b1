"""The `screen` stage's study checks: identity, completeness, uniformity, character sets.

Everything is decided from headers. What they cannot show is not claimed: lost end slices, for one, leave no
gap.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from pydicom.dataset import Dataset

from exchange.domain.findings import Finding, Severity
from triage.quality.geometry import check_slices
from triage.quality.summary import IDENTITY_KEYWORDS, REQUIRED_UIDS, InstanceSummary, summarise

_KEBAB = {
    "PatientID": "patient-id",
    "PatientName": "patient-name",
    "PatientBirthDate": "patient-birth-date",
    "PatientSex": "patient-sex",
    "AccessionNumber": "accession-number",
    "StudyInstanceUID": "study-instance-uid",
}
_MAJORITY = 0.6


def screen_study(instances: Iterable[Dataset | InstanceSummary]) -> tuple[Finding, ...]:
    """Check one study.

    Args:
        instances: Headers or, so that memory stays bounded, their summaries.

    Returns:
        Findings in a stable order, whatever the order of the instances; keywords and counts only, no values.
    """
    study = [item if isinstance(item, InstanceSummary) else summarise(item) for item in instances]
    if not study:
        return (Finding("completeness.empty-study", Severity.BLOCK, "no instances"),)
    findings = [*_required(study), *_identity(study), *_duplicates(study), *_charsets(study)]
    series: dict[str, list[InstanceSummary]] = defaultdict(list)
    for instance in _without_repeats(study):
        series[instance.series].append(instance)
    for number, key in enumerate(sorted(series), start=1):
        label = f"series {number} of {len(series)}"
        findings += _check_series(label, series[key])
    order = {Severity.BLOCK: 0, Severity.FLAG: 1, Severity.NOTE: 2}
    return tuple(sorted(findings, key=lambda f: (order[f.severity], f.finding_id, f.evidence)))


def _required(study: Sequence[InstanceSummary]) -> list[Finding]:
    missing = Counter(keyword for instance in study for keyword in instance.missing_uids)
    return [
        Finding(
            "conformance.missing-uid",
            Severity.BLOCK,
            f"{keyword} is absent in {missing[keyword]} of {len(study)} instances",
        )
        for keyword in REQUIRED_UIDS
        if missing[keyword]
    ]


def _identity(study: Sequence[InstanceSummary]) -> list[Finding]:
    """One study is of one patient and one order; where a value is only missing, nothing contradicts it."""
    findings = []
    for keyword in IDENTITY_KEYWORDS:
        values = Counter(instance.identity[keyword] for instance in study)
        empty = values.pop("", 0)
        name = f"identity.{_KEBAB[keyword]}"
        if len(values) > 1:
            counts = ", ".join(str(count) for count in sorted(values.values(), reverse=True)[:8])
            evidence = f"{keyword}: {len(values)} different values in {counts} instances"
            findings.append(Finding(f"{name}-differs", Severity.BLOCK, evidence))
        elif values and empty and keyword != "StudyInstanceUID":
            evidence = f"{keyword} is empty in {empty} of {len(study)} instances"
            findings.append(Finding(f"{name}-partial", Severity.NOTE, evidence))
    return findings


def _duplicates(study: Sequence[InstanceSummary]) -> list[Finding]:
    contents: dict[str, list[str]] = defaultdict(list)
    for instance in study:
        if instance.sop_instance:
            contents[instance.sop_instance].append(instance.content)
    differing = sum(1 for digests in contents.values() if len(set(digests)) > 1)
    repeated = sum(1 for digests in contents.values() if len(digests) > len(set(digests)))
    findings = []
    if differing:
        evidence = f"SOPInstanceUID: {differing} used for different contents"
        findings.append(Finding("completeness.uid-conflict", Severity.BLOCK, evidence))
    if repeated:
        evidence = f"SOPInstanceUID: {repeated} sent more than once with the same content"
        findings.append(Finding("completeness.duplicate-instance", Severity.NOTE, evidence))
    return findings


def _charsets(study: Sequence[InstanceSummary]) -> list[Finding]:
    faults = Counter(instance.charset_fault for instance in study if instance.charset_fault)
    return [
        Finding("conformance.character-set", Severity.NOTE, f"{fault}, in {count} of {len(study)} instances")
        for fault, count in sorted(faults.items())
    ]


def _without_repeats(study: Sequence[InstanceSummary]) -> list[InstanceSummary]:
    """Each instance once: the same instance sent twice is no second slice at one place."""
    first: dict[tuple[str, str], InstanceSummary] = {}
    for instance in study:
        first.setdefault((instance.sop_instance, instance.content), instance)
    return list(first.values())


def _check_series(label: str, series: Sequence[InstanceSummary]) -> list[Finding]:
    """The checks inside one series; localizers stand at any angle and are judged apart from the slices."""
    slices = [instance for instance in series if not instance.localizer]
    single = [instance for instance in slices if instance.frames == 1]
    return [*_numbers(label, series), *_mixtures(label, slices), *check_slices(label, single)]


def _numbers(label: str, series: Sequence[InstanceSummary]) -> list[Finding]:
    numbers = {instance.instance_number for instance in series if instance.instance_number is not None}
    if len(numbers) < 2:
        return []
    missing = max(numbers) - min(numbers) + 1 - len(numbers)
    # Numbers that jump (1, 101, 201) count something else than instances; a gap is a hole in a dense run.
    if 0 < missing <= len(numbers):
        evidence = f"{label}: InstanceNumber lacks {missing} of {len(numbers) + missing}"
        return [Finding("completeness.instance-number-gap", Severity.NOTE, evidence)]
    return []


def _mixtures(label: str, slices: Sequence[InstanceSummary]) -> list[Finding]:
    checks: tuple[tuple[str, str, Callable[[InstanceSummary], Hashable]], ...] = (
        ("mixed-rows", "Rows and Columns", lambda one: (one.rows, one.columns) if one.rows else None),
        ("mixed-spacing", "PixelSpacing", lambda one: _rounded(one.spacing, 3)),
        (
            "mixed-thickness",
            "SliceThickness",
            lambda one: None if one.thickness is None else round(one.thickness, 2),
        ),
        ("mixed-kernel", "ConvolutionKernel", lambda one: one.kernel or None),
        ("mixed-frame-of-reference", "FrameOfReferenceUID", lambda one: one.frame_of_reference or None),
    )
    findings = []
    for name, keyword, of in checks:
        values = {value for value in map(of, slices) if value is not None}
        if len(values) > 1:
            evidence = f"{label}: {len(values)} values of {keyword} in {len(slices)} instances"
            findings.append(Finding(f"uniformity.{name}", Severity.FLAG, evidence))
    return findings + _orientations(label, slices)


def _orientations(label: str, slices: Sequence[InstanceSummary]) -> list[Finding]:
    """Flag strays from a common orientation; radial and three-plane series have no common one by design."""
    turned = Counter(_rounded((*one.row, *one.column), 2) for one in slices if one.row and one.column)
    if len(turned) < 2 or turned.most_common(1)[0][1] < _MAJORITY * turned.total():
        return []
    strays = turned.total() - turned.most_common(1)[0][1]
    evidence = f"{label}: ImageOrientationPatient differs in {strays} of {turned.total()} instances"
    return [Finding("uniformity.mixed-orientation", Severity.FLAG, evidence)]


def _rounded(values: Sequence[float], digits: int) -> tuple[float, ...] | None:
    """Values without float jitter (and without a negative zero)."""
    return tuple(round(value, digits) + 0.0 for value in values) or None
