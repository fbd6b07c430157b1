"""The page of a verification: verdict first, then layer by layer, then what the receipts say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA256

from exchange.receipts.pages.markup import (
    Cell,
    Content,
    Markup,
    Tone,
    document,
    facts,
    heading,
    paragraph,
    table,
    verdict,
)
from exchange.receipts.pages.parts import (
    Opened,
    bundle,
    cleaning,
    decisions,
    delivery,
    ended,
    findings,
    occasion,
    open_for_page,
    overview,
    signer,
)
from exchange.receipts.pages.wording import SLOTS, counted
from exchange.receipts.verify.envelope import keyid_of
from exchange.receipts.verify.trust import Trust
from exchange.receipts.verify.verifier import Layer, LayerState, Report

_LEVELS = {0: "L0, signed", 1: "L1, in the log", 2: "L2, witnessed", 3: "L3, stamped with time"}
_LAYERS: dict[Layer, tuple[str, dict[LayerState, str]]] = {
    Layer.SIGNATURE: (
        "Signature",
        {
            LayerState.OK: "An appliance that a CA of the trust folder certified signed exactly these words.",
            LayerState.FAILED: "The signature, or who vouches for its key, does not hold.",
            LayerState.NOT_CHECKED: "Nothing was checked.",
        },
    ),
    Layer.DIGESTS: (
        "Files",
        {
            LayerState.OK: (
                "The files given are those of the receipt, bit for bit; none is missing, none is extra."
            ),
            LayerState.FAILED: "The files given are not those of the receipt.",
            LayerState.NOT_CHECKED: "No files were given to compare with.",
        },
    ),
    Layer.CHAIN: (
        "Chain",
        {
            LayerState.OK: "It follows, or is followed by, the other receipts given.",
            LayerState.FAILED: "The receipts given do not follow one another.",
            LayerState.NOT_CHECKED: "Its neighbours were not given.",
        },
    ),
    Layer.LOG: (
        "Log",
        {
            LayerState.OK: (
                "It stands in the appliance's log, whose signed head the trust folder's key confirms."
            ),
            LayerState.FAILED: "It is not shown to stand in the appliance's log.",
            LayerState.NOT_CHECKED: "Whether it stands in the appliance's log was not checked.",
        },
    ),
    Layer.WITNESS: (
        "Witnesses",
        {
            LayerState.OK: "Enough witnesses saw the same log.",
            LayerState.FAILED: "Too few witnesses saw the same log.",
            LayerState.NOT_CHECKED: "No witness was asked.",
        },
    ),
    Layer.TIME: (
        "Time",
        {
            LayerState.OK: "A time stamping authority vouches for the time.",
            LayerState.FAILED: "The time stamp does not hold.",
            LayerState.NOT_CHECKED: "The time is the appliance's own; no authority vouched for it.",
        },
    ),
}
_WORST_FIRST = (LayerState.FAILED, LayerState.NOT_CHECKED, LayerState.OK)
_COLUMNS = 5
_UNVOUCHED = "This is what the receipt says; nobody in the trust folder vouches for it."
_STATES: dict[LayerState, tuple[str, Tone]] = {
    LayerState.OK: ("holds", "good"),
    LayerState.FAILED: ("FAILED", "bad"),
    LayerState.NOT_CHECKED: ("not checked", "plain"),
}


@dataclass(frozen=True, slots=True)
class Examined:
    """One bundle that was verified.

    Attributes:
        name: File name.
        report: What the verifier found.
        data: The zip that it found it in; None where it could not be read.
    """

    name: str
    report: Report
    data: bytes | None = field(repr=False)


def verification_page(
    examined: Sequence[Examined], trust: Trust | None, now: datetime, version: str, *, files: bool
) -> str:
    """The page.

    Args:
        examined: Bundles with their reports.
        trust: Whom the verifier trusts; None where the folder could not be read.
        now: When it was verified; timezone-aware.
        version: Of the verifying program.
        files: Whether the receipts were compared with files.
    """
    shown = [(one, _opened(one)) for one in examined]
    opened = [found for _, found in shown if found is not None]
    vouched = {one.name for one in examined if one.report.level is not None}
    parts = [
        heading("Verification of exchange receipts", 1),
        paragraph(_lead(trust, now, version, files=files), "lead"),
        _verdict([one.report for one in examined]),
        *_layers([one.report for one in examined]),
        *(part for latest in _latest(opened) for part in _study(latest, vouched=latest.name in vouched)),
        *(part for number, (one, found) in enumerate(shown, 1) for part in _receipt(number, one, found)),
        *_signers(opened),
    ]
    return document("Verification of exchange receipts", parts, _FOOT)


_FOOT = (
    "This page was made from the receipts above, which it carries inside; it is not signed itself. Whoever "
    "doubts it takes a receipt out by its link and verifies it again: by lockgate verify, or by openssl as "
    "the README in the receipt says."
)


def _opened(one: Examined) -> Opened | None:
    """The bundle for showing, only if it is the very one that was verified."""
    opened = None if one.data is None or one.report.receipt is None else open_for_page(one.name, one.data)
    if opened is None or one.report.receipt is None:
        return None
    return opened if opened.receipt.pae_sha256 == one.report.receipt.pae_sha256 else None


def _lead(trust: Trust | None, now: datetime, version: str, *, files: bool) -> str:
    anchors = 0 if trust is None else len(trust.authorities)
    source = "nowhere" if trust is None else trust.source or "nowhere"
    compared = "compared with the files given" if files else "not compared with any files"
    return (
        f"Verified on {now:%Y-%m-%d %H:%M:%S} UTC by lockgate {version}, offline, against "
        f"{counted(anchors, 'trust anchor')} from {source}; {compared}."
    )


def _verdict(reports: Sequence[Report]) -> Markup:
    bad = [one for one in reports if not one.ok]
    if not bad:
        level = min(one.level or 0 for one in reports)
        return verdict(
            "good",
            "VALID",
            [
                f"{counted(len(reports), 'receipt')}, level {_LEVELS[level]}. What each layer means "
                "stands below."
            ],
        )
    error = bad[0].first_error
    unknown = all(one.first_error is not None and one.first_error.code == "signer-unknown" for one in bad)
    count = "" if len(reports) == 1 else f"{len(bad)} of {len(reports)} receipts. First: "
    texts = [f"{count}{error.message}." if error else ""]
    texts.append(f"What to do: {error.hint}." if error and error.hint else "")
    return verdict("open" if unknown else "bad", "SIGNER UNKNOWN" if unknown else "NOT VALID", texts)


def _layers(reports: Sequence[Report]) -> Iterator[Markup]:
    yield heading("What was checked")
    rows: list[tuple[Content, ...]] = []
    for layer, (title, meanings) in _LAYERS.items():
        states = [one.layers[layer] for one in reports]
        told = " ".join(meanings[state] for state in _WORST_FIRST if state in states)
        columns = states if len(states) <= _COLUMNS else [next(one for one in _WORST_FIRST if one in states)]
        rows.append((title, *(Cell(*_STATES[state]) for state in columns), told))
    names = [f"Receipt {number}" for number in range(1, len(reports) + 1)]
    yield table(("Layer", *(names if len(names) <= _COLUMNS else ["Worst of all"]), "What that means"), rows)


def _study(opened: Opened, *, vouched: bool) -> Iterator[Markup]:
    """What the last receipt of a study says of it."""
    yield heading(f"The study, as the last receipt says ({opened.receipt.edition} edition)")
    if not vouched:
        yield paragraph(_UNVOUCHED)
    yield overview(opened)
    yield from cleaning(opened)
    yield from decisions(opened)
    yield from findings(opened)
    yield ended(opened)


def _receipt(number: int, one: Examined, opened: Opened | None) -> Iterator[Markup]:
    receipt = one.report.receipt
    yield heading(f"Receipt {number}: {SLOTS[receipt.stage] if receipt else one.name}")
    error = one.report.first_error
    if error is not None:
        yield verdict("bad", error.code, [error.message, error.hint])
    if opened is None:
        yield paragraph("It cannot be shown: its signatures do not hold together.")
        return
    if one.report.level is None:
        yield paragraph(_UNVOUCHED)
    yield facts([*occasion(opened), *delivery(opened), *bundle(opened)])


def _signers(opened: Sequence[Opened]) -> Iterator[Markup]:
    found = {keyid_of(one.leaf) + one.leaf.fingerprint(SHA256()).hex(): one for one in opened}
    for one in found.values():
        yield heading("Who signed")
        yield signer(one)


def _latest(opened: Sequence[Opened]) -> list[Opened]:
    """Of each study and edition the receipt that tells most: the last one."""
    found: dict[tuple[str, str, str], Opened] = {}
    for one in sorted(opened, key=lambda each: each.receipt.issued_at):
        found[(one.receipt.site, one.receipt.study_instance_uid, one.receipt.edition)] = one
    return list(found.values())
