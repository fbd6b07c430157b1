"""The proof: an independent re-read of a cleaned instance, on the exact bytes that will be sent.

Steps, in this order (numbers repeated beside the code):
(0) the planted canary is found, or nothing below counts;
(1) the file is a well-formed Part 10 file with an empty preamble and a file meta of our own making;
(2) scan 1 and scan 2: no identifier stands where the profile does not let it remain, packed documents
    included, which hold nothing but words;
(3) no private element but those that the profile keeps; PatientIdentityRemoved is YES; or, where the profile
    retains identity, it and the UIDs are the original's, and no removal is claimed (`retained`);
(4) every date is the shifted original, every identifying UID the mapped one; content items (SR) hold nothing
    under an identifying name, and their references are intact;
(5) the IOD is no worse than before, through the whole content tree; dciodvfy, where it is asked, agrees;
(6) no picture is left that nobody reads, and a second reader finds no identity in the pixels;
(7) the digest of what was examined is that of the file after the examination.

What it cannot show is held. It never changes a file, and says nothing of identifiers that nobody harvested.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Protocol

from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.stream import open_binary
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier
from exchange.domain.source import Source
from redact.headers.profile import Option
from redact.pixels.boxes import TextBox
from redact.verify import forms
from redact.verify.attribute_types import types_of
from redact.verify.canary import Canary, check_block, check_stream
from redact.verify.dates import check_dates, shifted_day
from redact.verify.dciodvfy import NOT_RUN, Dciodvfy
from redact.verify.document_scan import document_leaks
from redact.verify.envelope import envelope_elements
from redact.verify.expectations import Expectations
from redact.verify.inventory import Inventory, dataset_walk, opened, syntax_of
from redact.verify.iod import check_iod
from redact.verify.memory import Memory, Shelf
from redact.verify.pictures import check_pictures
from redact.verify.reading import Search, read_dataset, read_original
from redact.verify.relations import check_content
from redact.verify.retained import check_identity, own_identifiers, own_values
from redact.verify.scan import Leak, Scanner
from redact.verify.tokens import Tokens, compile_tokens


class PixelProof(Protocol):
    """Reads cleaned pixels with another reader than the cleaner's (`redact.verify.pixels.SecondReading`)."""

    def __call__(self, original: Source, cleaned: Path, layout: FileLayout) -> Sequence[TextBox]:
        """The boxes of text that should not be there; `layout` is the cleaned file's."""

    def check_canary(self, canary: Canary) -> None:
        """Raise HeldError unless a picture of the canary is read."""


_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_PATIENT_ID, _ISSUER, _IDENTITY_REMOVED = 0x00100020, 0x00100021, 0x00120062
_MAX_COMPILED = 16
_OUTSIDE = "bytes outside the elements"


@dataclass(frozen=True, slots=True)
class InstanceProof:
    """What was shown of one instance, in the words of the receipt; no values.

    Attributes:
        sha256: Of the data set bytes that were examined.
        tokens_searched: Forms of identifiers searched for, the canary's among them.
        bytes_scanned: Of scan 1, file meta and preamble included.
        elements_read: Of scan 2, at every depth.
        known_identifiers: `absent`, or `as declared`: but the identity that the profile retains.
        text_detection: `none found`, `as declared` (no text but the retained identity and known words) or
            `not examined`.
        iod: `no worse` or `unknown SOP class`.
        dciodvfy: Whether dciodvfy agrees, in the words of `redact.verify.dciodvfy`.
        canary: `found`.
    """

    sha256: str
    tokens_searched: int
    bytes_scanned: int
    elements_read: int
    known_identifiers: str
    text_detection: str
    iod: str
    canary: str
    dciodvfy: str = NOT_RUN


@dataclass(frozen=True, slots=True)
class _Sought:
    """What tokens are compiled of, besides what is the same for all instances of a prover."""

    character_sets: frozenset[str]
    shift_days: int
    unknown: frozenset[Identifier] = field(repr=False)
    own: frozenset[Identifier] = field(repr=False)


@dataclass
class Prover:
    """Proves the instances of one patient's study; compiles what it searches once.

    Attributes:
        identifiers: Of the whole study and the patient's earlier exchanges.
        expectations: What the profile lets remain, and the pseudonyms.
        pixel_proof: The second reading, None where pixels are not examined.
        canary_seed: Anything that belongs to this run; the same seed gives the same canary.
        dciodvfy: The second opinion on the IOD, None where it is not asked.
        iod_required: Whether an instance is held for which there is no second opinion.
    """

    identifiers: HarvestedIdentifiers = field(repr=False)
    expectations: Expectations
    pixel_proof: PixelProof | None = None
    canary_seed: bytes = b""
    dciodvfy: Dciodvfy | None = None
    iod_required: bool = False
    _compiled: dict[_Sought, Tokens] = field(default_factory=dict, init=False, repr=False)
    _shifts: dict[tuple[str, str, str], int] = field(default_factory=dict, init=False, repr=False)
    _memory: Memory = field(default_factory=Memory, init=False, repr=False)
    _known: frozenset[str] = field(default=frozenset(), init=False, repr=False)

    def __post_init__(self) -> None:
        self._canary = Canary.of(self.canary_seed)
        self._known = frozenset(forms.squeezed(item.value) for item in self.identifiers.items)

    def prove(self, original: FileLayout, cleaned: Path) -> InstanceProof:
        """Prove one cleaned file against its original.

        Args:
            original: As it was examined; its bytes are read again.
            cleaned: The file as it will be sent.

        Raises:
            HeldError: PROOF_IDENTIFIER, PROOF_TEXT or PROOF_IOD, with the element path or box.
            InputError: The original cannot be read.
            OSError: A file cannot be read.
        """
        digest, layout = _examine_cleaned(cleaned)
        before = read_original(original, self._memory)
        shift_days = self._shift_days(before)
        sought = self._sought(before, shift_days)
        tokens = self._tokens(sought)
        shelf = self._memory.shelf(("canary", sought))
        canary = check_stream(self._canary, tokens, self.expectations, shelf)  # (0)
        sop_class = before.values.get(_SOP_CLASS, "")
        scanner = Scanner(
            tokens, self.expectations, little_endian=layout.little_endian, types=types_of(sop_class)
        )
        shelf = self._memory.shelf(("cleaned", sought, sop_class, syntax_of(layout)))
        after = _scan(scanner, layout, shelf)  # (1) (2)
        self._check_marks(before, after)  # (3)
        self._check_uids(before, after)  # (4)
        spared = own_values(before) if self.expectations.retained else frozenset()
        check_content(before.content, after.content, self.expectations, spared)
        check_dates(before, after, self.expectations, shift_days)
        iod = check_iod(before, after)  # (5)
        agrees = self._ask_dciodvfy(original, layout, before, after)
        check_pictures(after.pictures, layout)  # (6)
        text_detection = self._check_pixels(original.source, cleaned, layout)
        if dataset_sha256(cleaned) != digest:  # (7)
            raise _held(ReasonCode.PROOF_IDENTIFIER, "the file changed while it was examined", "")
        return InstanceProof(
            sha256=digest,
            tokens_searched=tokens.searched,
            bytes_scanned=scanner.scanned_bytes,
            elements_read=scanner.elements,
            known_identifiers="as declared" if self.expectations.retained else "absent",
            text_detection=text_detection,
            iod=iod,
            canary=canary,
            dciodvfy=agrees,
        )

    def _shift_days(self, before: Inventory) -> int:
        get = before.values.get
        patient = get(_ISSUER, ""), get(_PATIENT_ID, ""), get(_STUDY, "")
        days = self._shifts.get(patient)
        if days is None:
            if len(self._shifts) >= _MAX_COMPILED:
                self._shifts.clear()
            days = self._shifts[patient] = self.expectations.pseudonymiser.patient(*patient).shift_days
        return days

    def _sought(self, before: Inventory, shift_days: int) -> _Sought:
        """What to search for besides the harvest and the canary: what this instance names and it missed."""
        own = frozenset(own_identifiers(before)) if self.expectations.retained else frozenset()
        return _Sought(frozenset(before.character_sets), shift_days, before.unknown_to(self._known), own)

    def _tokens(self, sought: _Sought) -> Tokens:
        tokens = self._compiled.get(sought)
        if tokens is None:
            if len(self._compiled) >= _MAX_COMPILED:
                self._compiled.clear()
            tokens = self._compiled[sought] = self._compile(sought)
        return tokens

    def _compile(self, sought: _Sought) -> Tokens:
        missed = HarvestedIdentifiers(sought.unknown)
        shift = partial(shifted_day, days=sought.shift_days) if self.expectations.shifts_dates else None
        tokens = compile_tokens(
            self.identifiers.union([missed, self._canary.identifiers]),
            specific_character_sets=sorted(sought.character_sets),
            expected_dates=shift,
            own=sorted(sought.own),
        )
        check_block(self._canary, tokens, self.expectations)  # (0)
        return tokens

    def _check_marks(self, before: Inventory, after: Inventory) -> None:
        for one in after.private:
            if not self.expectations.private_allowed(one.creator, one.tag, one.vr):
                raise _held(ReasonCode.PROOF_IDENTIFIER, "a private element is left", one.path)
        if self.expectations.retained:
            check_identity(before, after, self.expectations)
        elif after.values.get(_IDENTITY_REMOVED) != "YES":
            raise _held(ReasonCode.PROOF_IOD, "PatientIdentityRemoved is not YES", "(0012,0062)")

    def _check_uids(self, before: Inventory, after: Inventory) -> None:
        if Option.RETAIN_UIDS in self.expectations.options:
            return
        for tag, path in ((_SOP_INSTANCE, "(0008,0018)"), (_STUDY, "(0020,000D)"), (_SERIES, "(0020,000E)")):
            old, new = before.values.get(tag, ""), after.values.get(tag, "")
            if old and new != self.expectations.pseudonymiser.uid(old):
                raise _held(ReasonCode.PROOF_IDENTIFIER, "a UID is not the mapped one", path)

    def _ask_dciodvfy(self, came: FileLayout, made: FileLayout, before: Inventory, after: Inventory) -> str:
        said = NOT_RUN
        if self.dciodvfy is not None:
            said = self.dciodvfy.compare(came, made, (before.present, after.present))
        if said == NOT_RUN and self.iod_required:
            raise _held(ReasonCode.PROOF_IOD, "dciodvfy has not checked it, and the route wants that", "")
        return said

    def _check_pixels(self, original: Source, cleaned: Path, layout: FileLayout) -> str:
        if self.pixel_proof is None or layout.pixels is None:
            return "not examined"
        self.pixel_proof.check_canary(self._canary)
        boxes = self.pixel_proof(original, cleaned, layout)
        if boxes:
            box = min(boxes)
            where = f"frame {box.frame}: {box.x0},{box.y0},{box.x1},{box.y1}"
            raise _held(ReasonCode.PROOF_TEXT, "a second reading found text in the pixels", where)
        return "as declared" if self.expectations.retained else "none found"


def prove_instance(
    original: Source,
    cleaned: Path,
    *,
    identifiers: HarvestedIdentifiers,
    expectations: Expectations,
    pixel_proof: PixelProof | None = None,
    canary_seed: bytes = b"",
) -> InstanceProof:
    """Prove one instance; for a study make one `Prover` and keep it.

    Raises:
        HeldError: PROOF_IDENTIFIER, PROOF_TEXT or PROOF_IOD, with the element path or box.
        InputError: The original cannot be read.
    """
    return Prover(identifiers, expectations, pixel_proof, canary_seed).prove(examine(original), cleaned)


def _examine_cleaned(cleaned: Path) -> tuple[str, FileLayout]:
    try:
        return dataset_sha256(cleaned), examine(cleaned)
    except InputError as error:
        raise _held(ReasonCode.PROOF_IOD, "the cleaned file does not re-read", "") from error


def _scan(scanner: Scanner, layout: FileLayout, shelf: Shelf) -> Inventory:
    """Both scans over every byte of the file, and over the inflated data set; the first leak is the hold."""
    after = Inventory.like(layout)
    scanner.content = after.content
    with open_binary(layout.source) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as whole:
        envelope = envelope_elements(whole, layout)
        search = Search(scanner, scanner.raw(whole, 0, len(whole)))
        leaks = list(chain.from_iterable(scanner.judge(whole, one, search.hits) for one in envelope))
        with opened(layout) if layout.deflated else nullcontext(whole) as buffer:
            if layout.deflated:
                _raise_first([*leaks, *scanner.judge_rest(search.hits, _OUTSIDE)])
                leaks, search = [], Search(scanner, scanner.raw(buffer, 0, len(buffer)))
            leaks += read_dataset(buffer, dataset_walk(layout, buffer), after, shelf, search)
        _raise_first([*leaks, *scanner.judge_rest(search.hits, _OUTSIDE)])
    documents = document_leaks(scanner, after.documents, after.values.get(_SOP_CLASS, ""))
    _raise_first(list(islice(documents, 1)))
    return after


def _raise_first(leaks: Sequence[Leak]) -> None:
    if leaks:
        kinds = ", ".join(sorted(leaks[0].kinds))
        raise _held(ReasonCode.PROOF_IDENTIFIER, f"an identifier is left ({kinds})", leaks[0].path)


def _held(code: ReasonCode, why: str, path: str) -> HeldError:
    return HeldError(
        code,
        f"cannot prove that the instance names no one: {why}",
        path,
        "have a person with the role privacy look at it, or correct the profile and clean again",
    )
