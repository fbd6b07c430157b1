"""Cleaning one header by PS3.15 Table E.1-1, through all nested sequences.

Order at each level: site rules, groups that go whole, rows of the table, then the attributes that the table
does not list (`unlisted`), and last the private elements. Everything fails closed: what cannot be read as
what its VR says is disposed of as if it were listed.

Cleaning is not the identity on its own output: UIDs and dates are mapped again, as a cleaned file is an
original of its own. What remains of text, and which elements remain, does not change any more.
"""

from collections.abc import Callable

from pydicom.dataset import Dataset

from exchange.dicomio.quiet import quiet
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.findings import Finding, Severity
from redact.headers import listed, record, tables
from redact.headers.elements import strings, vr_of
from redact.headers.outcome import ActionCounts, HeaderContext, HeaderOutcome
from redact.headers.patient import PATIENT_ID, PATIENT_NAME, PatientElements
from redact.headers.place import Place, Result, Run
from redact.headers.private import clean_private
from redact.headers.profile import Option
from redact.headers.rules import Decision, Handling, rule_book
from redact.headers.tables import TypeNode
from redact.headers.unlisted import clean_unlisted
from redact.structured.admission import admit

MAX_DEPTH = 64
_SOP_CLASS_UID = 0x00080016
_STUDY_INSTANCE_UID = 0x0020000D
_HANDLERS: dict[Handling, Callable[[Run, Place], Result]] = {
    Handling.DISPOSE: lambda _run, place: place.dispose(),
    Handling.MAP_UID: listed.map_uid,
    Handling.SHIFT: listed.shift,
    Handling.KEEP_DATE: listed.keep_date,
    Handling.CLEAN: listed.clean_content,
    Handling.KEEP: listed.keep,
    Handling.UNLISTED: clean_unlisted,
}


def clean_header(ds: Dataset, context: HeaderContext) -> HeaderOutcome:
    """Clean a data set in place.

    The pixel data element is left to the pixel room; the file meta is left to `dicomio.write_instance`, which
    writes a fresh one.

    Args:
        ds: Without or with pixel data; after an error it is half cleaned and must be thrown away.
        context: Profile, keys and identifiers of the whole study.

    Raises:
        HeldError: The object is of a kind that cannot be cleaned completely (`redact.structured.admission`),
            an identifier stands where taking it out would break the object, or the nesting is too deep.
    """
    with quiet():  # pydicom's warnings quote the values that they complain about
        admit(ds)
        return _clean(ds, context)


def _clean(ds: Dataset, context: HeaderContext) -> HeaderOutcome:
    sop_class = next(iter(strings(ds, _SOP_CLASS_UID, "UI")), "") if _SOP_CLASS_UID in ds else ""
    bits = record.embedded_overlay_bits(ds)
    run = Run(context, rule_book(context.profile), PatientElements(ds, context.pseudonymiser))
    walker = _Walker(run)
    walker.walk(ds, tables.type_root(sop_class), "", 0)
    if _STUDY_INSTANCE_UID in ds:
        run.patient.write(ds, run.patient.pseudonym)
    codes = record.write_method(ds, context.profile, run.done)
    return HeaderOutcome(walker.counts(), run.uids, run.patient.pseudonym, codes, _findings(run, bits), bits)


def _findings(run: Run, bits: tuple[int, ...]) -> tuple[Finding, ...]:
    found = []
    if run.patient.pseudonym.placeholder:
        found.append(
            Finding(
                "identity.placeholder-patient-id", Severity.FLAG, "PatientID names nobody: a key per study"
            )
        )
    if bits:
        found.append(
            Finding("graphics.embedded-overlay", Severity.NOTE, f"{len(bits)} planes in unused pixel bits")
        )
    return tuple(found)


class _Walker:
    """Goes through a data set and its items once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._counts = dict.fromkeys(Result, 0)

    def counts(self) -> ActionCounts:
        """What was done so far; a sequence that stayed counts as kept."""
        kept = self._counts[Result.KEPT] + self._counts[Result.DESCEND]
        names = {
            result.value: count for result, count in self._counts.items() if result is not Result.DESCEND
        }
        return ActionCounts(**{**names, "kept": kept})

    def walk(self, ds: Dataset, node: TypeNode, path: str, depth: int) -> None:
        """Clean one level and the items below it."""
        if depth > MAX_DEPTH:
            raise HeldError(
                ReasonCode.LIMIT_EXCEEDED, "cannot clean the header: sequences are nested too deeply", path
            )
        pseudonym = self._run.patient.names(ds) if depth else self._run.patient.pseudonym
        private = patient = False
        for key in list(ds.keys()):
            tag = int(key)
            decision = self._run.rules.decision(tag)
            if decision.handling is Handling.PRIVATE:
                private = True
            elif tag in {PATIENT_NAME, PATIENT_ID} and decision.handling is Handling.DISPOSE:
                patient = True
            else:
                self._element(Place(ds, tag, vr_of(ds, tag), decision.base, node, path, depth), decision)
        if private:
            self._private(ds)
        if patient:
            self._counts[Result.REPLACED] += self._run.patient.replace(ds, pseudonym)

    def _element(self, place: Place, decision: Decision) -> None:
        result = self._treat(place, decision)
        self._counts[result] += 1
        if decision.option and (result is not Result.REMOVED or decision.handling is Handling.DROP):
            self._note(decision.option)
        if result is Result.DESCEND:
            inner = place.node.child(place.tag)
            for number, item in enumerate(place.ds[place.tag].value or ()):
                self.walk(item, inner, f"{place.name}[{number}].", place.depth + 1)

    def _treat(self, place: Place, decision: Decision) -> Result:
        if decision.handling is Handling.PIXELS:
            # Below the top level these are pixels that nobody looks at.
            return place.remove() if place.depth else Result.KEPT
        if decision.handling is Handling.DROP:
            return place.remove()
        if decision.handling is Handling.SITE:
            return listed.site_rule(self._run, place, decision)
        return _HANDLERS[decision.handling](self._run, place)

    def _note(self, option: Option) -> None:
        if self._run.rules.on(option):
            self._run.done.add(option)

    def _private(self, ds: Dataset) -> None:
        keep_safe = self._run.rules.on(Option.RETAIN_SAFE_PRIVATE)
        removed, kept = clean_private(ds, self._run.context.matcher if keep_safe else None)
        self._counts[Result.REMOVED] += removed
        self._counts[Result.KEPT] += kept
        if kept:
            self._note(Option.RETAIN_SAFE_PRIVATE)
