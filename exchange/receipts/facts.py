"""What a receipt says, group by group, before it becomes JSON.

Field names become camelCase; values are strings and integers only, so a decimal is a string and a truth
value is `yes` or `no`. A field marked `SITE` stands only in the site edition: the partner edition is made by
leaving these out, never by editing text, and no other field may hold a name, free text or an original UID.
A group that is None is left out: the receipt says nothing of what was not done here.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from exchange.domain.exchange import Direction
from exchange.receipts.inbound import ReconciliationFacts, ReidentificationFacts

SITE: Final[dict[str, Any]] = {"edition": "site"}


class Edition(StrEnum):
    """For whom a receipt is: the partner who receives the study, or the site's own files."""

    PARTNER = "partner"
    SITE = "site"


class Stage(StrEnum):
    """What a receipt attests."""

    ACCEPTED = "accepted"  # R1, identity is retained: nothing was cleaned, or what `minimisation` says
    DEIDENTIFIED = "deidentified"  # R1
    QUARANTINED = "quarantined"  # R1, inbound without a certain patient
    REIDENTIFIED = "reidentified"  # R1, inbound under the identity that the crosswalk gives back
    FORWARDED = "forwarded"  # R2, the peer took the study
    COMMITTED = "committed"  # R2, the peer confirmed storage commitment
    REJECTED = "rejected"  # R2, the peer or a person refused it
    CLOSED = "closed"  # R3


R1_STAGES: Final = frozenset({Stage.ACCEPTED, Stage.DEIDENTIFIED, Stage.QUARANTINED, Stage.REIDENTIFIED})
R2_STAGES: Final = frozenset({Stage.FORWARDED, Stage.COMMITTED, Stage.REJECTED})


@dataclass(frozen=True, slots=True)
class Subject:
    """One instance as it was sent.

    Attributes:
        sop_instance_uid: As sent.
        sha256: Over the data set bytes after the file meta, lower-case hex.
        transfer_syntax: UID; the digest holds for this encoding only.
        byte_count: Length of those bytes.
        sop_class: UID.
        pixel_sha256: Over the PixelData value, encapsulated: the fragments after the basic offset table
            joined without item headers; "" without pixels.
    """

    sop_instance_uid: str
    sha256: str
    transfer_syntax: str
    byte_count: int
    sop_class: str
    pixel_sha256: str = ""


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """Who signed: the appliance and what it ran. Digests are lower-case hex, "" when not known.

    Attributes:
        sbom_sha256: Of the installed distributions: sorted `name==version` lines, joined by newlines.
    """

    id: str
    site: str
    version: str
    sbom_sha256: str = ""
    config_sha256: str = ""
    firmware_profile: str = ""
    clock: str = "system"  # synchronised, unsynchronised; system: whether it is kept right is not known


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """The study as sent; `source_ref` is a keyed HMAC of the original Study Instance UID.

    Attributes:
        study_instance_uid: As sent; of a re-identified study as it came, for the partner edition holds no
            original.
        source_study_instance_uid: As it came.
        restored_study_instance_uid: Of a re-identified study, as sent; None for others.
    """

    study_instance_uid: str
    series: int
    instances: int
    bytes: int
    source_ref: str
    source_study_instance_uid: str = field(default="", metadata=SITE, repr=False)
    restored_study_instance_uid: str | None = field(default=None, metadata=SITE, repr=False)


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """Which route policy decided: its digest, the rules that applied and, keyed, who overrode it."""

    id: str
    sha256: str
    rules: tuple[str, ...] = ()
    mode: str = "enforce"
    decision: str = "pass"
    overridden_by: str = ""


@dataclass(frozen=True, slots=True)
class MethodCode:
    """A code of (0012,0064) DeidentificationMethodCodeSequence."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class OcrModel:
    """Weights that read the pixels; `sha256` of the weights file."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class NameRecogniserFacts:
    """What looked for names in free text; `sha256` of what decides its answers, threshold as a decimal."""

    name: str
    version: str
    sha256: str
    threshold: str


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """What was done to pixels: regions removed, in how many instances, read by which models.

    Attributes:
        golden_sha256: Of the set of golden pictures that the readers read correctly before they were used.
    """

    regions: int
    instances: int
    reviewed_by_human: str = "no"
    ocr_models: tuple[OcrModel, ...] = ()
    golden_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ProofFacts:
    """The independent re-read of the output: how, and whether it passed (`yes`, `no`, `overridden`)."""

    method: str
    passed: str
    instances: int = 0
    canary: str = ""  # found | not found
    dciodvfy: str = ""  # no new dciodvfy error | dciodvfy not run | not shown
    ocr_models: tuple[OcrModel, ...] = ()


@dataclass(frozen=True, slots=True)
class DeidentificationFacts:
    """What cleaning did, in counts. `pixel` None is written as `pixels: "not examined"`.

    Free text is cleaned by identifiers and vocabulary; `name_recognisers` is there where something else read
    it besides.

    Where identity is retained the same is said as `minimisation`; its `profile` claims no removal.
    """

    profile: tuple[MethodCode, ...]
    profile_id: str
    profile_sha256: str
    table_edition: str
    removed: int
    emptied: int
    replaced: int
    kept: int
    uids_mapped: int
    date_shift: str  # yes | no
    pixel: PixelFacts | None = None
    proof: ProofFacts | None = None
    name_recognisers: tuple[NameRecogniserFacts, ...] | None = None


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """A finding: its id, severity and evidence (keywords, counts, element paths; never a value)."""

    id: str
    severity: str
    evidence: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A triage model's run; decimals as strings, `reason` when not `ok`."""

    id: str
    version: str
    sha256: str
    runtime: str
    mode: str
    status: str  # ok | degraded | skipped
    result: str = ""
    confidence: str = ""
    outputs: tuple[str, ...] = ()
    latency_ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """A person's decision. Partners see role, reason code and a keyed reference, the site who and why.

    Attributes:
        item_sha256: Of what was decided about: the hold, as JSON (sorted keys, no spaces, ASCII) of
            its exchange, code, path, detail, stage, instance, attempt and openedAt.
    """

    user_ref: str
    role: str
    decision: str
    meaning: str  # the reason code
    at: str  # RFC 3339
    item_sha256: str = ""
    person: str = field(default="", metadata=SITE, repr=False)
    local_user: str = field(default="", metadata=SITE, repr=False)
    reason_text: str = field(default="", metadata=SITE, repr=False)


@dataclass(frozen=True, slots=True)
class ResponseCount:
    """How many instances the peer answered with this status (`0x0000`, `200`)."""

    status: str
    count: int


@dataclass(frozen=True, slots=True)
class RenditionFacts:
    """An instance that went in another transfer syntax than R1 attests: what went, by its digest."""

    sop_instance_uid: str
    transfer_syntax: str
    sha256: str


@dataclass(frozen=True, slots=True)
class TranscodedFacts:
    """What the destination could not take as attested; without loss: header and decoded frames are the same.

    Attributes:
        count: Instances.
        to: Transfer syntax UIDs that they went in.
        instances: Which, in the order of their UIDs.
    """

    count: int
    to: tuple[str, ...]
    instances: tuple[RenditionFacts, ...]


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One delivery, in R2; a partner edition is only ever made for the destination it names.

    Attributes:
        storage_commitment: `not requested`, `not offered`, `not answered`, `refused` or `committed`.
        transcoded: None when everything went as R1 attests it.
    """

    destination: str
    protocol: str
    attempts: int
    responses: tuple[ResponseCount, ...] = ()
    peer_spki_sha256: str = ""
    tls: str = ""
    storage_commitment: str = "not requested"
    transcoded: TranscodedFacts | None = None


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """One source of what is known of a study's completeness; the site edition names the peer.

    Attributes:
        kind: `c-find`, `ian` or `mpps`.
        outcome: `counted`, `not-found`, `unreachable`, `refused`; `named`, `in-progress`.
        at: RFC 3339.
        count: Instances that it names; None where it names none.
    """

    kind: str
    outcome: str
    at: str
    count: int | None = None
    peer: str = field(default="", metadata=SITE)


@dataclass(frozen=True, slots=True)
class CompletenessFacts:
    """Whether the study is whole, by which evidence; a quiet timer alone leaves `expected` unknown.

    Attributes:
        sent: Instances that were sent.
        evidence: The rule by which the study settled.
        expected: Instances that the study should have.
        missing: Members of this exchange that were not sent.
        received: Instances of the study that had come; late ones follow in an exchange of their own.
        lacking: Instances that were known to be missing when it settled.
        sources: What `expected` rests on.
    """

    sent: int
    evidence: str
    expected: int | str = "unknown"
    missing: int = 0
    received: int | None = None
    lacking: int = 0
    sources: tuple[EvidenceFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """`removed`, `retained` or `reidentified`, and what was shown of it; never the word anonymous.

    Attributes:
        reason: Why it is retained, as the site's route or profile says of all studies alike.
        kept: Keywords of the identity that a profile retains; None where nothing was cleaned.
    """

    state: str
    known_identifiers: str = ""
    text_detection: str = ""
    reason: str | None = None
    kept: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    """How one delivery of a closed exchange ended; the site edition lists them by name."""

    name: str
    stage: str
    sent: int


@dataclass(frozen=True, slots=True)
class ReceiptBody:
    """All that one receipt says beside who signed it, when, and what it follows."""

    direction: Direction
    subjects: tuple[Subject, ...]
    study: StudyFacts
    policy: PolicyFacts
    identity: IdentityFacts
    deidentification: DeidentificationFacts | None = None
    minimisation: DeidentificationFacts | None = None
    reconciliation: ReconciliationFacts | None = None
    reidentification: ReidentificationFacts | None = None
    checks: tuple[CheckFacts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    review: tuple[ReviewFacts, ...] = ()
    delivery: DeliveryFacts | None = None
    completeness: CompletenessFacts | None = None
    destinations: tuple[DestinationFacts, ...] = field(default=(), metadata=SITE)


@dataclass(frozen=True, slots=True)
class DeliveryLink:
    """An R2 that R3 closes over: its stage and PAE hash in the same edition, and no name."""

    stage: Stage
    pae_sha256: str


@dataclass(frozen=True, slots=True)
class Links:
    """What a receipt follows. R2: `previous` is R1; R3: `previous` is the last R2, `deliveries` all of them.

    Attributes:
        previous: SHA-256 of the prior receipt's PAE in the same edition, "" for the first.
        supersedes: Receipt id of the R1 that a new revision replaces.
        follows: Receipt id of the exchange that late instances belong to.
    """

    previous: str = ""
    supersedes: str = ""
    follows: str = ""
    deliveries: tuple[DeliveryLink, ...] = ()
