"""Parts of pages: what one receipt says, group by group, and who signed it."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from exchange.receipts.pages.markup import (
    Cell,
    Content,
    Markup,
    bullets,
    download,
    facts,
    heading,
    paragraph,
    table,
)
from exchange.receipts.pages.reading import Group
from exchange.receipts.pages.wording import STAGES, checked, cleaning_of, counted, done, not_checked
from exchange.receipts.verify.claims import Receipt
from exchange.receipts.verify.container import parse_bundle
from exchange.receipts.verify.envelope import keyid_of
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.verifier import check_consistent, guarded


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle's bytes and what they say; its signatures hold, whoever made them.

    Attributes:
        name: File name, for the download.
        data: The zip.
        leaf: The signer's certificate.
    """

    name: str
    data: bytes = field(repr=False)
    receipt: Receipt
    leaf: x509.Certificate

    @property
    def predicate(self) -> Group:
        """All that it says."""
        return Group(self.receipt.predicate)


def open_for_page(name: str, data: bytes) -> Opened | None:
    """A bundle for showing; None where its signatures do not hold together."""
    try:
        consistent = guarded(lambda: check_consistent(parse_bundle(data)))
    except VerificationError:
        return None
    return Opened(name, data, consistent.receipt, consistent.leaf)


def overview(opened: Opened) -> Markup:
    """Who, what, how many: what all receipts of a study have in common."""
    receipt, predicate = opened.receipt, opened.predicate
    study, agent, policy = (predicate.group(name) for name in ("study", "agent", "policy"))
    count = counted(len(receipt.subjects), "instance")
    series = counted(study.number("series"), "series", "series")
    return facts(
        [
            ("Site and appliance", f"{receipt.site}, appliance {receipt.agent_id}"),
            ("Direction", receipt.direction),
            ("How many", f"{count}, {series}, {study.number('bytes'):,} bytes"),
            ("Study as sent", Cell(receipt.study_instance_uid, "code")),
            ("Study as it came", Cell(study.text("sourceStudyInstanceUID"), "code")),
            ("Reference to the original", Cell(study.text("sourceRef"), "code")),
            ("Route", f"{policy.text('id')}; decision: {policy.text('decision')}"),
            ("Edition", f"{receipt.edition}: {_EDITIONS[receipt.edition]}"),
            ("Late instances of", Cell(predicate.group("id").text("follows"), "code")),
            ("In place of", Cell(predicate.group("id").text("supersedes"), "code")),
            ("Made by", f"Lockgate {agent.text('version')}, profile {agent.text('firmwareProfile')}"),
            ("Its configuration", Cell(agent.text("configSha256"), "code")),
        ]
    )


def occasion(opened: Opened) -> list[tuple[str, Content]]:
    """What one receipt was issued for, and when."""
    receipt, clock = opened.receipt, opened.predicate.group("agent").text("clock")
    return [
        ("What happened", STAGES.get(receipt.stage, receipt.stage)),
        ("When", f"{receipt.issued_at:%Y-%m-%d %H:%M:%S} UTC, by the appliance's clock ({clock})"),
        ("Receipt", Cell(receipt.receipt_id, "code")),
    ]


_EDITIONS = {
    "partner": "no names, no original identifiers",
    "site": "for the site's own files; it may name persons and original identifiers",
}


def cleaning(opened: Opened) -> Iterator[Markup]:
    """De-identification in plain words; or that there was none."""
    predicate = opened.predicate
    identity, group = predicate.group("identity"), cleaning_of(predicate)
    yield heading("Identity")
    state = identity.text("state")
    yield paragraph(_IDENTITY.get(state, f"Identity: {state or 'nothing is said'}."))
    if reason := identity.text("reason"):
        yield paragraph(f"Reason that the site gives: {reason}")
    if not group:
        return
    profile = f"{group.text('profileId')} (SHA-256 {group.text('profileSha256')[:16]}…)"
    codes = [f"{one.text('meaning')} ({one.text('value')})" for one in group.groups("profile")]
    yield facts([("Profile", profile), ("As DICOM calls it", "; ".join(codes))])
    for title, sentences in (
        ("What was done", done(predicate)),
        ("What was checked afterwards", checked(predicate)),
        ("What was not checked", not_checked(predicate)),
    ):
        if listed := list(sentences):
            yield heading(title, 3)
            yield bullets(listed)


_IDENTITY = {
    "removed": "The site states that identity was removed from what left; a pseudonym stands in its place.",
    "retained": "The study left with the patient's identity; nothing here hides whose it is.",
    "reidentified": "The study came back from a partner and goes on under its own patient's identity.",
}


def delivery(opened: Opened) -> list[tuple[str, Content]]:
    """One delivery, of an R2."""
    group = opened.predicate.group("delivery")
    if not group:
        return []
    answers = (f"{one.number('count')} × {one.text('status')}" for one in group.groups("responses"))
    return [
        ("Receiver", f"{group.text('destination')}, by {group.text('protocol')}"),
        ("Its answers", ", ".join(answers)),
        ("Attempts", group.text("attempts")),
        ("Storage commitment", group.text("storageCommitment")),
        ("Encryption of the line", group.text("tls")),
        ("Its key (SHA-256)", Cell(group.text("peerSpkiSha256"), "code")),
        ("Sent in another encoding", _without_loss(group.group("transcoded"))),
    ]


def ended(opened: Opened) -> Markup:
    """How all deliveries ended: only the site's edition of R3 lists them by name."""
    rows = [
        (one.text("name"), one.text("stage"), one.text("sent"))
        for one in opened.predicate.groups("destinations")
    ]
    return table(("Destination", "Ended as", "Instances taken"), rows)


def _without_loss(transcoded: Group) -> str:
    if not transcoded:
        return ""
    return (
        f"{counted(transcoded.number('count'), 'instance')}, without loss: "
        f"{', '.join(transcoded.texts('to'))}"
    )


def decisions(opened: Opened) -> Iterator[Markup]:
    """Why it was held, and who decided what."""
    predicate = opened.predicate
    held, review = predicate.group("policy").texts("rules"), predicate.groups("review")
    yield heading("Holds and decisions")
    if not held and not review:
        yield paragraph("Nothing stopped this study, and nobody had to decide about it.")
        return
    if held:
        yield paragraph(f"It was held for: {', '.join(held)}.")
    yield table(
        ("When", "Decision", "Reason", "Role", "Person"),
        [
            (
                one.text("at").replace("T", " ").replace("Z", " UTC"),
                one.text("decision"),
                " — ".join(filter(None, (one.text("meaning"), one.text("reasonText")))),
                one.text("role"),
                one.text("person") or Cell(f"{one.text('userRef')[:24]}…", "code"),
            )
            for one in review
        ],
    )


def findings(opened: Opened) -> Iterator[Markup]:
    """Completeness, checks and models."""
    predicate = opened.predicate
    complete = predicate.group("completeness")
    yield heading("Completeness, checks, models")
    if complete:
        yield facts(
            [
                ("Instances expected", complete.text("expected")),
                ("Known by", complete.text("evidence")),
                ("Sent", complete.text("sent")),
                ("Not sent", complete.text("missing")),
            ]
        )
    checks = [
        (one.text("id"), one.text("severity"), one.text("evidence")) for one in predicate.groups("checks")
    ]
    yield (
        table(("Check", "Severity", "What was seen"), checks)
        if checks
        else paragraph("No check had anything to tell.")
    )
    models = [
        (f"{one.text('id')} {one.text('version')}", one.text("mode"), one.text("status"), one.text("result"))
        for one in predicate.groups("models")
    ]
    yield (
        table(("Model", "Mode", "Status", "Result"), models)
        if models
        else paragraph("No model judged the images.")
    )


def signer(opened: Opened) -> Markup:
    """Whose key signed, and what vouches for it."""
    leaf = opened.leaf
    protection = opened.predicate.group("agent").text("keyProtection")
    return facts(
        [
            ("Signed by", leaf.subject.rfc4514_string()),
            ("Certified by", leaf.issuer.rfc4514_string()),
            (
                "Certificate valid",
                f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}",
            ),
            ("Certificate (SHA-256)", Cell(leaf.fingerprint(hashes.SHA256()).hex(), "code")),
            ("Key id", Cell(keyid_of(leaf), "code")),
            ("Key kept in", protection),
        ]
    )


def bundle(opened: Opened) -> list[tuple[str, Content]]:
    """The bundle itself, in the page, and its digests."""
    link = download(opened.name, opened.name, b64encode(opened.data).decode("ascii"))
    return [
        ("The receipt itself", link),
        ("Its SHA-256", Cell(sha256(opened.data).hexdigest(), "code")),
        ("What the next one repeats", Cell(opened.receipt.pae_sha256, "code")),
    ]
