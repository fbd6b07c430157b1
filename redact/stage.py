"""The clean and prove stages of one instance, as the daemon and `lockgate clean` both run them.

1. structure: what cannot be cleaned yet is held before anything is written;
2. pixels are read, boxes decided; 3. the header is cleaned; 4. the file is written, durably;
5. the proof re-reads it. If the second reader finds text that the first one missed, those boxes are removed
as well and the proof runs again, once; what it still finds is held.
"""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset

from exchange.dicomio.elements import KnownElements
from exchange.dicomio.examine import examine
from exchange.dicomio.getters import text, uid
from exchange.dicomio.header import read_header_at
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.payloads import CopyPayload, PixelPayload
from exchange.dicomio.write import WrittenInstance, write_instance
from exchange.domain.codes import PIXEL_CODES, PROOF_CODES, ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.findings import Finding
from exchange.domain.identifiers import HarvestedIdentifiers
from exchange.domain.source import Source
from redact.headers.cleaner import clean_header
from redact.headers.identity import exact_identity
from redact.headers.outcome import HeaderContext, HeaderOutcome
from redact.headers.profile import Option, Profile
from redact.headers.record import add_method_codes
from redact.headers.recurring import Recurring
from redact.identifiers.names import NameRecogniser
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.ocr.reader import TextReader
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.clean import PixelOutcome, clean_pixels, remove_boxes
from redact.pixels.elsewhere import drop_offsets_of_nothing, refuse_pixels_elsewhere
from redact.pixels.own import OwnText
from redact.pixels.patients import OwnTexts
from redact.pixels.policy import PixelPolicy
from redact.pixels.rules import TextMode
from redact.pixels.spot_check import SpotRule, size_of, stop_for_spot_check
from redact.structured.admission import admit
from redact.verify.dciodvfy import Dciodvfy
from redact.verify.expectations import Expectations
from redact.verify.pixels import RememberedReading, SecondReading
from redact.verify.proof import InstanceProof, Prover


@dataclass(frozen=True)
class Readers:
    """What reads pixels and texts.

    Attributes:
        cleaner, prover: The two readers of pixels, with different weights; None where the profile does not
            clean pixels.
        names: Finds names in free text; None where the profile does not ask for it.
    """

    cleaner: TextReader | None = None
    prover: TextReader | None = None
    names: NameRecogniser | None = None


@dataclass(frozen=True)
class CleaningPlan:
    """Everything that cleaning and proving the instances of one study on one route needs.

    Attributes:
        identifiers: Harvested over the whole study and the patient's earlier exchanges.
        released: Codes of holds that a person with the role for it has released.
        redacted: Codes of holds of which a person wants what was found removed.
        canary_seed: Belongs to this run; the same seed plants the same canary.
        dciodvfy: Asked by the proof for its opinion on the IOD; None where it is not installed.
        iod_required: Whether what has no such opinion is held.
        spot_checks: Which clean instances a person looks at before they pass.
    """

    profile: Profile
    pseudonymiser: Pseudonymiser
    identifiers: HarvestedIdentifiers = field(repr=False)
    readers: Readers
    released: frozenset[ReasonCode] = frozenset()
    redacted: frozenset[ReasonCode] = frozenset()
    canary_seed: bytes = b""
    dciodvfy: Dciodvfy | None = None
    iod_required: bool = False
    spot_checks: tuple[SpotRule, ...] = ()

    @property
    def cleans_pixels(self) -> bool:
        """Whether the profile has 113101 Clean Pixel Data."""
        return Option.CLEAN_PIXEL_DATA in self.profile.options

    @property
    def pixel_policy(self) -> PixelPolicy:
        """The profile's, with what a person decided."""
        return PixelPolicy(rules=self.profile.pixels).decided(self.released, self.redacted)

    def reading_with(self, readers: Readers) -> "CleaningPlan":
        """This plan with these readers."""
        return replace(self, readers=readers)


@dataclass(frozen=True, slots=True)
class CleanedInstance:
    """A written instance and what was done to it; no values.

    Attributes:
        sop_instance_uid: New; so are the study's and the series'.
        actions: Counts as in the report of `lockgate clean`.
        boxes: Text regions removed.
        pixels: `examined`; `not examined` where the profile does not ask for it; `released` where it does
            and a person let them pass; `none` where the object has none.
        original_patient: IssuerOfPatientID and PatientID as they were, for the crosswalk.
        proof: None when the proof failed and a person had released it.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    written: WrittenInstance
    header: HeaderOutcome
    boxes: tuple[TextBox, ...]
    method_codes: tuple[str, ...]
    pixels: str
    decoder: str
    findings: tuple[Finding, ...]
    original_patient: tuple[str, str] = field(repr=False)
    proof: InstanceProof | None = None

    @property
    def proved(self) -> bool:
        """Whether the proof passed, relative to the profile; what a person let pass unexamined is not."""
        return self.proof is not None and self.pixels != "released"


class InstanceCleaner:
    """Cleans and proves the instances of one study; compiles what it searches for once.

    Raises:
        ModelError: The profile asks for a recogniser of names, and the plan has none.
    """

    def __init__(self, plan: CleaningPlan) -> None:
        self._plan = plan
        self._context = HeaderContext(plan.profile, plan.pseudonymiser, plan.identifiers, plan.readers.names)
        profile = plan.profile
        expectations = Expectations.of(
            profile.options, plan.pseudonymiser, rules=profile.rules, retained=profile.retains_identity
        )
        self._prover = Prover(
            plan.identifiers,
            expectations,
            canary_seed=plan.canary_seed,
            dciodvfy=plan.dciodvfy,
            iod_required=plan.iod_required,
        )
        held = ReasonCode.IDENTITY_MISMATCH not in plan.released
        self._own_texts = OwnTexts(profile, plan.identifiers, hold=held)
        self._reading: RememberedReading | None = None
        if plan.readers.prover is not None:
            second = SecondReading(plan.readers.prover, plan.pixel_policy, plan.identifiers, self._own_text)
            self._reading = RememberedReading(second)
        self._known = KnownElements()
        self._recurring = Recurring()
        self._sink: BinaryIO | None = None

    def run(self, source: Source, target: Path, sink: BinaryIO | None = None) -> CleanedInstance:
        """Clean `source` into `target` and prove it.

        What is written is not durable yet: whoever cleans many syncs them together (`durable.fsync_files`).

        Args:
            source: The original.
            target: The file to write; an existing one is overwritten.
            sink: The same, opened, where it has no name on a disk: `target` then leads to it.

        Raises:
            HeldError: It must not pass; nothing is left at `target`.
            InputError: The source cannot be read.
            ModelError: A model failed.
            OSError: Writing failed; nothing is left.
        """
        self._sink = sink
        layout = examine(source)
        header = self._read(layout)
        refuse_pixels_elsewhere(layout, header)
        admit(header, self._plan.profile)
        asked, size = self._asked(header), size_of(header)
        try:
            cleaned = self._clean_and_prove(layout, header, target)
            stop_for_spot_check(
                asked, self._plan.pseudonymiser, cleaned.study_instance_uid, cleaned.boxes, size
            )
            return cleaned
        except BaseException:
            if sink is None:
                target.unlink(missing_ok=True)
            raise

    def _clean_and_prove(self, layout: FileLayout, header: Dataset, target: Path) -> CleanedInstance:
        try:
            cleaned = self._clean(layout, header, target, ())
            proof = self._prove(layout, cleaned)
            if proof is None and self._reading is not None:
                missed = tuple(replace(box, rule=BoxRule.ORDERED) for box in self._reading.found)
                cleaned = self._clean(layout, self._read(layout), target, (*cleaned.boxes, *missed))
                proof = self._prove(layout, cleaned)
                if proof is None:
                    raise _text_left(self._reading.found)
        except HeldError as error:
            if error.code in PROOF_CODES & self._plan.released:
                return self._clean(layout, self._read(layout), target, (), claim=False)
            raise
        return replace(cleaned, proof=proof)

    def _asked(self, header: Dataset) -> tuple[SpotRule, ...]:
        """The spot checks that a header, as it came, is of a kind for; none once a person has looked."""
        if ReasonCode.SPOT_CHECK in self._plan.released:
            return ()
        return tuple(rule for rule in self._plan.spot_checks if rule.asks(header))

    def _own_text(self, header: Dataset) -> OwnText | None:
        """The identity of an original that the profile retains; None where it removes it."""
        return self._own_texts.of(header) if self._plan.profile.retains_identity else None

    def _read(self, layout: FileLayout) -> Dataset:
        """The original's header; what converted in one instance of the study is not tried in the next."""
        return read_header_at(layout, known=self._known)

    def _clean(
        self,
        layout: FileLayout,
        header: Dataset,
        target: Path,
        ordered: Sequence[TextBox],
        *,
        claim: bool = True,
    ) -> CleanedInstance:
        """Clean the original's header in place, and write it with what the pixel room made of its pixels."""
        patient = text(header, "IssuerOfPatientID"), text(header, "PatientID")
        pixels = self._pixels(layout, header, ordered)
        drop_offsets_of_nothing(layout, header)
        exact = exact_identity(layout.source, header, self._plan.profile)
        outcome = clean_header(header, self._context, recurring=self._recurring)
        codes = outcome.method_codes
        payload: PixelPayload | None = CopyPayload(layout) if layout.pixels else None
        syntax = layout.transfer_syntax_uid
        if pixels is not None:
            payload, syntax = pixels.payload, pixels.transfer_syntax_uid
            for keyword, value in pixels.header_updates.items():
                setattr(header, keyword, value)
            if claim and pixels.mode is not TextMode.IDENTITY_ONLY:  # there other text may stand, unjudged
                if not self._plan.profile.retains_identity:  # else the patient's may stand there still
                    header.BurnedInAnnotation = "NO"
                    add_method_codes(header, (Option.CLEAN_PIXEL_DATA,))
                codes = (*codes, Option.CLEAN_PIXEL_DATA)
        with nullcontext(self._sink) if self._sink else _opened(target) as file:
            written = write_instance(file, header, syntax, payload, exact=exact)
        return CleanedInstance(
            path=target,
            sop_class_uid=uid(header, "SOPClassUID"),
            sop_instance_uid=uid(header, "SOPInstanceUID"),
            study_instance_uid=uid(header, "StudyInstanceUID"),
            series_instance_uid=uid(header, "SeriesInstanceUID"),
            transfer_syntax_uid=syntax,
            written=written,
            header=outcome,
            boxes=pixels.boxes if pixels else (),
            method_codes=codes,
            pixels=self._state(layout, pixels),
            decoder=pixels.decoder if pixels else "",
            findings=outcome.findings,
            original_patient=patient,
        )

    def _state(self, layout: FileLayout, pixels: PixelOutcome | None) -> str:
        if layout.pixels is None:
            return "none"
        if pixels is not None:
            return "examined"
        return "released" if self._plan.cleans_pixels else "not examined"

    def _pixels(self, layout: FileLayout, header: Dataset, ordered: Sequence[TextBox]) -> PixelOutcome | None:
        """The pixel room's outcome; None where there is nothing to examine, or a person let it pass."""
        plan = self._plan
        if layout.pixels is None or not plan.cleans_pixels or plan.readers.cleaner is None:
            return None
        try:
            if ordered:
                return remove_boxes(layout.source, layout, header, ordered, plan.pixel_policy)
            return clean_pixels(
                layout.source,
                layout,
                header,
                plan.readers.cleaner,
                plan.pixel_policy,
                self._own_text(header) or plan.identifiers,
            )
        except HeldError as error:
            if error.code in PIXEL_CODES & plan.released:
                return None
            raise

    def _prove(self, layout: FileLayout, cleaned: CleanedInstance) -> InstanceProof | None:
        """The proof; None when a second reading found text, which is then in `self._reading.found`.

        Raises:
            HeldError: The proof failed for another reason.
        """
        examined = cleaned.pixels == "examined"
        self._prover.pixel_proof = self._reading if examined else None
        try:
            return self._prover.prove(layout, cleaned.path)
        except HeldError as error:
            if error.code is ReasonCode.PROOF_TEXT and self._reading is not None and self._reading.found:
                return None
            raise


def _opened(target: Path) -> BinaryIO:
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb+")


def _text_left(found: Sequence[TextBox]) -> HeldError:
    box = min(found)
    return HeldError(
        ReasonCode.PROOF_TEXT,
        "cannot release the instance: a second reading still finds text in its pixels",
        f"frame {box.frame}: {box.x0},{box.y0},{box.x1},{box.y1}",
        "look at the preview; release or reject the hold",
    )
