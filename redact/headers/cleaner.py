"""Cleaning one header by PS3.15 Table E.1-1, through all nested sequences.

Order at each level: site rules, groups that go whole, rows of the table, then the attributes that the table
does not list (`unlisted`), and last the private elements. Everything fails closed: what cannot be read as
what its VR says is disposed of as if it were listed.

Cleaning is not the identity on its own output: UIDs and dates are mapped again, as a cleaned file is an
original of its own. What remains of text, and which elements remain, does not change any more, save for a
content item that stayed only because one that went referred to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pydicom.dataset import Dataset

from exchange.dicomio.elements import KnownElement
from exchange.dicomio.quiet import quiet
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.findings import Finding, Severity
from redact.documents.rebuild import WRITTEN as DOCUMENT_ELEMENTS
from redact.documents.rebuild import NewDocument, TakenDocument
from redact.headers import listed, record, tables
from redact.headers.account import Account
from redact.headers.elements import strings, vr_of
from redact.headers.graphics import put_dummy_graphic
from redact.headers.identity import keep_own, own_identifiers
from redact.headers.outcome import ActionCounts, HeaderContext, HeaderOutcome
from redact.headers.patient import PATIENT_ID, PATIENT_NAME, PatientElements
from redact.headers.place import Place, Result, Run
from redact.headers.private import clean_private
from redact.headers.profile import Option
from redact.headers.recurring import Recurring, Treated, left_in, recurs
from redact.headers.rules import Decision, Handling, rule_book_for
from redact.headers.selectors import Trail
from redact.headers.site_actions import carry_out
from redact.headers.tables import TypeNode
from redact.headers.unlisted import clean_unlisted
from redact.structured.admission import admit, is_rebuilt
from redact.structured.content import CONTENT_SEQUENCES, ContentRule, ContentTree, take_out
from redact.structured.items import CONTENT_SEQUENCE

MAX_DEPTH = 64
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_STUDY_INSTANCE_UID = 0x0020000D
_HANDLERS: dict[Handling, Callable[[Run, Place], Result]] = {
    Handling.DISPOSE: lambda _run, place: place.dispose(),
    Handling.MAP_UID: listed.map_uid,
    Handling.SHIFT: listed.shift,
    Handling.KEEP_DATE: listed.keep_date,
    Handling.CLEAN: listed.clean_content,
    Handling.KEEP: listed.keep,
    Handling.UNLISTED: clean_unlisted,
    Handling.OWN: keep_own,
    Handling.DUMMY_GRAPHIC: put_dummy_graphic,
    Handling.DROP: lambda _run, place: place.remove(),
    # Below the top level these are pixels that nobody looks at.
    Handling.PIXELS: lambda _run, place: place.remove() if place.depth else Result.KEPT,
}


def clean_header(
    ds: Dataset,
    context: HeaderContext,
    account: Account | None = None,
    recurring: Recurring | None = None,
) -> HeaderOutcome:
    """Clean a data set in place.

    The pixel data element is left to the pixel room; the file meta is left to `dicomio.write_instance`, which
    writes a fresh one.

    Args:
        ds: Without or with pixel data; after an error it is half cleaned and must be thrown away.
        context: Profile, keys and identifiers of the whole study.
        account: Takes down what is done to each element and which rule says so; None where nobody asks.
        recurring: What was done to other instances of the study; None for this one alone.

    Raises:
        HeldError: The object is of a kind that cannot be cleaned completely (`redact.structured.admission`),
            an identifier stands where taking it out would break the object, or the nesting is too deep.
    """
    with quiet():  # pydicom's warnings quote the values that they complain about
        admit(ds, context.profile)
        if context.profile.retains_identity:
            context = context.less(own_identifiers(ds))
        return _clean(ds, context, account, recurring)


def _clean(
    ds: Dataset, context: HeaderContext, account: Account | None, recurring: Recurring | None
) -> HeaderOutcome:
    sop_class = next(iter(strings(ds, _SOP_CLASS_UID, "UI")), "") if _SOP_CLASS_UID in ds else ""
    bits = record.embedded_overlay_bits(ds)
    rules = rule_book_for(context.profile, ds)
    run = Run(context, rules, PatientElements(ds, context.pseudonymiser), account)
    taken = TakenDocument.of(ds) if is_rebuilt(ds, context.profile.documents) else None
    root = tables.type_root(sop_class)
    walker = _Walker(run, ContentTree(ds, run))
    # Where somebody takes it down, and where elements decide about each other, each is looked at by itself.
    if recurring is not None and account is None and taken is None and CONTENT_SEQUENCE not in ds:
        walker.known = recurring.under(ds, run, root)
    walker.walk(ds, root, "", ())
    document = _put_document(ds, taken, run) if taken is not None else None
    named = _STUDY_INSTANCE_UID in ds and not context.profile.retains_identity
    if account is not None:
        account.written(ds, record.written(context.profile), "PS3.15 E.1.1: what was done")
        if named:
            account.written(ds, (PATIENT_NAME, PATIENT_ID), "Table E.1-1: the patient's pseudonym")
    if named:
        run.patient.write(ds, run.patient.pseudonym)
    codes = record.write_method(ds, context.profile, run.done)
    findings = (*_findings(run, bits), *(document.findings() if document is not None else ()))
    return HeaderOutcome(walker.counts(), run.uids, run.patient.pseudonym, codes, findings, bits)


def _put_document(ds: Dataset, taken: TakenDocument, run: Run) -> NewDocument:
    """Put the rebuilt document where the walk left a dummy: what it says was cleaned as descriptors are."""
    document = taken.rebuild(run.context, next(iter(strings(ds, _SOP_INSTANCE_UID, "UI")), ""))
    document.put(ds)
    run.done.add(Option.CLEAN_DESCRIPTORS)
    if run.account is not None:
        run.account.written(ds, DOCUMENT_ELEMENTS, "documents: rebuild")
    return document


def _findings(run: Run, bits: tuple[int, ...]) -> tuple[Finding, ...]:
    found = []
    if run.patient.pseudonym.placeholder and not run.context.profile.retains_identity:
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
    """Goes through a data set and its items once.

    Attributes:
        known: What was done to elements of other instances; None where it says nothing about this one.
    """

    def __init__(self, run: Run, content: ContentTree) -> None:
        self._run = run
        self._content = content
        self._counts = dict.fromkeys(Result, 0)
        self.known: dict[KnownElement, Treated] | None = None

    def counts(self) -> ActionCounts:
        """What was done so far; a sequence that stayed counts as kept."""
        kept = self._counts[Result.KEPT] + self._counts[Result.DESCEND]
        names = {
            result.value: count for result, count in self._counts.items() if result is not Result.DESCEND
        }
        return ActionCounts(**{**names, "kept": kept})

    def walk(self, ds: Dataset, node: TypeNode, path: str, trail: Trail, *, last: bool = False) -> str:
        """Clean one level and the items below it.

        Args:
            ds: Data set or item.
            node: Where it stands in the IOD.
            path: Its path, ends with a point; "" of the data set itself.
            trail: Tags of the sequences that it stands in, from the root.
            last: Whether it is a content item after which none in its sequence stays.

        Returns:
            Why its sequence must lose this item, "" where it stays.
        """
        if len(trail) > MAX_DEPTH:
            raise HeldError(
                ReasonCode.LIMIT_EXCEEDED, "cannot clean the header: sequences are nested too deeply", path
            )
        item = self._content.item(ds, path, last=last)
        if item is not None and item.leaves:
            self._counts[Result.REMOVED] += 1
            return item.leaves
        pseudonym = self._run.patient.names(ds) if trail else self._run.patient.pseudonym
        private: list[int] = []
        patient: list[tuple[Place, Decision]] = []
        known = self.known if item is None and not trail else None
        for key, element in list(ds.items()):
            tag = int(key)
            if tag >> 16 & 1:
                private.append(tag)
                continue
            if known is not None and recurs(element) and element in known:
                self._repeat(ds, element, known[element])
                continue
            vr = vr_of(ds, tag)
            decision = self._run.rules.decision(tag, vr, trail)
            place = Place(ds, tag, vr, decision.base, node, path, len(trail))
            if tag in {PATIENT_NAME, PATIENT_ID} and decision.handling is Handling.DISPOSE:
                patient.append((place, decision))
            elif known is not None and recurs(element):
                known[element] = self._treat(place, element, decision)
            else:
                rule = item.rule(tag, decision.site, self._run) if item is not None else None
                self._element(place, decision, rule, trail)
        self._private(ds, private, path)
        for place, decision in patient:
            self._run.patient.replace(ds, place.tag, pseudonym)
            self._note(place, decision, Result.REPLACED)
        return item.leaves if item is not None else ""

    def _private(self, ds: Dataset, private: Sequence[int], path: str) -> None:
        """Clean the private elements of one level."""
        if self._run.account is None and not self._run.rules.keeps_private:
            for tag in private:
                del ds[tag]
            self._counts[Result.REMOVED] += len(private)
            return
        for place, decision, result in clean_private(self._run, ds, private, path):
            self._note(place, decision, result)

    def _treat(self, place: Place, element: KnownElement, decision: Decision) -> Treated:
        """Clean one top-level element so that it can be done again to those alike."""
        walker = _Walker(replace(self._run, uids={}, done=set()), self._content)
        treated = walker.apart(place, element, decision)
        self._repeat(place.ds, element, treated)
        return treated

    def apart(self, place: Place, element: KnownElement, decision: Decision) -> Treated:
        """Clean one top-level element and nothing else; what was done to it."""
        self._element(place, decision, None, ())
        counts = {result: count for result, count in self._counts.items() if count}
        return Treated(left_in(place.ds, element), counts, self._run.uids, frozenset(self._run.done))

    def _repeat(self, ds: Dataset, element: KnownElement, treated: Treated) -> None:
        """Leave of an element what was left of those alike, and count it."""
        if treated.left is None:
            ds.pop(element.tag, None)
        elif treated.left is not element:
            ds[element.tag] = treated.left
        for result, count in treated.counts.items():
            self._counts[result] += count
        if treated.uids:
            self._run.uids.update(treated.uids)
        if treated.done:
            self._run.done |= treated.done

    def _element(self, place: Place, decision: Decision, rule: ContentRule | None, trail: Trail) -> None:
        if rule is not None:
            result = rule.handler(self._run, place)
        elif decision.site is not None:
            result = carry_out(self._run, place, decision.site)
        else:
            result = _HANDLERS[decision.handling](self._run, place)
        self._note(place, decision, result, rule)
        if result is Result.DESCEND:
            self._items(place, (*trail, place.tag))

    def _items(self, place: Place, trail: Trail) -> None:
        items = place.ds[place.tag].value or ()
        inner = place.node.child(place.tag)
        if place.tag in CONTENT_SEQUENCES:
            self._content_items(place, items, inner, trail)
            return
        for number, item in enumerate(items):
            self.walk(item, inner, f"{place.name}[{number}].", trail)

    def _content_items(self, place: Place, items: Sequence[Dataset], inner: TypeNode, trail: Trail) -> None:
        """From the last to the first: an item may go where none after it stays."""
        gone = 0
        for number in reversed(range(len(items))):
            path = f"{place.name}[{number}]."
            why = self.walk(items[number], inner, path, trail, last=number == len(items) - 1 - gone)
            if why:
                gone += 1
                if self._run.account is not None:
                    self._run.account.item(path, place.tag, why)
        take_out(place.ds, place.tag, gone)

    def _note(
        self, place: Place, decision: Decision, result: Result, rule: ContentRule | None = None
    ) -> None:
        """Remember what was done; a content item's rule says itself which options it carried out."""
        self._counts[result] += 1
        if (
            rule is None
            and decision.option
            and (result is not Result.REMOVED or decision.handling is Handling.DROP)
        ):
            self._run.done.add(decision.option)
        if self._run.account is not None:
            self._run.account.element(place, decision, result, rule.reason if rule else "")
