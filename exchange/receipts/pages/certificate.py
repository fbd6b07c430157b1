"""A certificate of de-identification for one study: plain words, derived from one receipt and nothing else.

It says what was done, what was checked, and as plainly what was not. It claims no more than the receipt: the
signature shows who stated it and that nobody changed it, not that it is complete.
"""

from collections.abc import Iterator
from datetime import datetime

from exchange.receipts.pages.markup import (
    Cell,
    Content,
    Markup,
    Tone,
    bullets,
    document,
    facts,
    heading,
    paragraph,
    verdict,
)
from exchange.receipts.pages.parts import Opened, bundle, signer
from exchange.receipts.pages.reading import Group
from exchange.receipts.pages.wording import checked, cleaning_of, counted, done, not_checked

TITLE = "Certificate of de-identification"


def certifies(opened: Opened) -> bool:
    """Whether there is anything to certify: the receipt tells of cleaning of instances."""
    return bool(cleaning_of(opened.predicate)) and bool(opened.receipt.subjects)


def certificate_page(opened: Opened, now: datetime, version: str) -> str:
    """The certificate as HTML.

    Args:
        opened: A receipt that was verified, and found valid, by the caller.
        now: When that was; timezone-aware.
        version: Of the verifying program.
    """
    parts = [
        heading(TITLE, 1),
        paragraph(_lead(opened), "lead"),
        verdict(*_verdict(opened)),
        facts(_what(opened)),
        *_lists(opened.predicate),
        *_people(opened.predicate),
        heading("Where this comes from"),
        paragraph(_source(opened, now, version)),
        signer(opened),
        facts(bundle(opened)),
    ]
    return document(f"{TITLE}: {opened.receipt.study_instance_uid}", parts, _FOOT)


def certificate_text(opened: Opened, now: datetime, version: str) -> str:
    """The same for a terminal or a plain file."""
    _, word, texts = _verdict(opened)
    lines = [TITLE.upper(), "", _lead(opened), "", word, *texts, ""]
    lines += [f"{name}: {value.text if isinstance(value, Cell) else value}" for name, value in _what(opened)]
    for title, sentences in _sections(opened.predicate):
        lines += ["", title, *(f"  - {one}" for one in sentences)]
    lines += ["", _source(opened, now, version), "", _FOOT, ""]
    text = "\n".join(lines)
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


_FOOT = (
    "This certificate repeats what the receipt says and adds nothing to it. It is not signed itself: "
    "the receipt "
    "is, and goes with it. It states measures and their checks; it does not state that nobody can be "
    "recognised."
)


def _lead(opened: Opened) -> str:
    receipt = opened.receipt
    return (
        f"The appliance {receipt.agent_id} of {receipt.site} states, signed on "
        f"{receipt.issued_at:%Y-%m-%d at %H:%M:%S} UTC:"
    )


def _verdict(opened: Opened) -> tuple[Tone, str, list[str]]:
    """What may be said in one sentence; never more than was shown."""
    predicate = opened.predicate
    count = counted(len(opened.receipt.subjects), "instance")
    if predicate.group("identity").text("state") == "retained":
        return (
            "open",
            "REDUCED, IDENTITY KEPT",
            [f"{count}: what is not needed was removed; the patient's identity was kept on purpose."],
        )
    proof = cleaning_of(predicate).group("proof").text("passed")
    if proof == "yes":
        return (
            "good",
            "DE-IDENTIFIED, CHECKED",
            [
                f"{count}: identifying information was removed by the profile below, and a second "
                "program found none "
                "of what it looks for in what was written."
            ],
        )
    if proof == "overridden":
        return (
            "open",
            "DE-IDENTIFIED, RELEASED BY A PERSON",
            [
                f"{count}: identifying information was removed by the profile below. The check did not "
                "show all of "
                "them to be clean; a person released them and gave a reason."
            ],
        )
    return (
        "bad",
        "DE-IDENTIFIED, NOT CHECKED",
        [
            f"{count}: identifying information was removed by the profile below; no check of the result "
            "is on record."
        ],
    )


def _what(opened: Opened) -> list[tuple[str, Content]]:
    receipt, group = opened.receipt, cleaning_of(opened.predicate)
    codes = [f"{one.text('meaning')} ({one.text('value')})" for one in group.groups("profile")]
    return [
        ("Study as sent", Cell(receipt.study_instance_uid, "code")),
        ("Instances", f"{len(receipt.subjects):,}, each named in the receipt with its SHA-256"),
        ("Profile", f"{group.text('profileId')} (SHA-256 {group.text('profileSha256')[:16]}…)"),
        ("As DICOM calls it", "; ".join(codes) or "no method code applies"),
    ]


def _sections(predicate: Group) -> Iterator[tuple[str, list[str]]]:
    yield "What was done", list(done(predicate))
    yield "What was checked afterwards", list(checked(predicate)) or ["Nothing."]
    yield "What was not checked, or cannot be", list(not_checked(predicate))


def _lists(predicate: Group) -> Iterator[Markup]:
    for title, sentences in _sections(predicate):
        yield heading(title)
        yield bullets(sentences)


def _people(predicate: Group) -> Iterator[Markup]:
    review = predicate.groups("review")
    if not review:
        return
    yield heading("Who decided")
    yield bullets(
        f"{one.text('at').replace('T', ' ').replace('Z', ' UTC')}: {one.text('decision')}, reason "
        f"{one.text('meaning')}, in the role {one.text('role')}"
        + (f", by {one.text('person')}" if one.text("person") else "")
        for one in review
    )


def _source(opened: Opened, now: datetime, version: str) -> str:
    return (
        f"Derived from receipt {opened.receipt.receipt_id} ({opened.receipt.edition} edition), whose "
        "signature, "
        f"and that a trusted CA certified its signer, lockgate {version} verified on "
        f"{now:%Y-%m-%d %H:%M:%S} UTC. "
        "The files themselves were not compared with it for this certificate: lockgate verify --files "
        "does that."
    )
