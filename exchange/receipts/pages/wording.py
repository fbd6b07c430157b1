"""What a receipt says of cleaning, in plain sentences; careful ones: what was not looked at is said, too.

Nowhere is a study called anonymous: a receipt shows what was removed and what was looked for, not that nobody
could ever tell whose images these are.
"""

from collections.abc import Iterator

from exchange.receipts.pages.reading import Group

STAGES = {
    "accepted": "taken into custody; it leaves with the identity that it came with",
    "deidentified": "de-identified before it left",
    "quarantined": "taken in from a partner under a quarantine identity",
    "reidentified": "taken back under its own patient's identity",
    "forwarded": "delivered: the receiver took it",
    "committed": "delivered, and the receiver confirmed that it keeps it (storage commitment)",
    "rejected": "not delivered: refused by the receiver or by a person",
    "closed": "exchange closed",
}
SLOTS = {
    **dict.fromkeys(("accepted", "deidentified", "quarantined", "reidentified"), "R1, before anything left"),
    **dict.fromkeys(("forwarded", "committed", "rejected"), "R2, the end of one delivery"),
    "closed": "R3, the end of the exchange",
}


NOT_RUN = "dciodvfy not run"


def cleaning_of(predicate: Group) -> Group:
    """The group that tells of cleaning; empty where nothing was cleaned."""
    return predicate.group("deidentification") or predicate.group("minimisation")


def counted(number: int, one: str, many: str = "") -> str:
    """`1 instance`, `2 instances`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def done(predicate: Group) -> Iterator[str]:
    """What was done to the study."""
    cleaning = cleaning_of(predicate)
    yield (
        f"Header: {counted(cleaning.number('removed'), 'element')} removed, "
        f"{cleaning.number('emptied'):,} emptied, {cleaning.number('replaced'):,} replaced by other values, "
        f"{cleaning.number('kept'):,} kept, over all instances (tables of DICOM PS3.15, edition "
        f"{cleaning.text('tableEdition').partition(' (')[0] or 'not stated'})."
    )
    if mapped := cleaning.number("uidsMapped"):
        yield f"Identifiers: {counted(mapped, 'unique identifier')} (UIDs) replaced by others."
    yield (
        "Dates: moved by an interval that is kept from the receiver, the same for all studies of a patient."
        if cleaning.text("dateShift") == "yes"
        else "Dates: none was moved; those that the profile does not keep were removed or emptied."
    )
    pixel = cleaning.group("pixel")
    if pixel:
        regions, touched = pixel.number("regions"), pixel.number("instances")
        looked = ", and a person looked at them" if pixel.text("reviewedByHuman") == "yes" else ""
        yield (
            f"Pixels: read for text by {_models(pixel) or 'a reader'}{looked}; "
            f"{counted(regions, 'region')} removed in {counted(touched, 'instance')}."
        )
    for one in cleaning.groups("nameRecognisers"):
        name = f"{one.text('name')} {one.text('version')}".strip()
        yield f"Free text: also read by {name}, which looks for names (threshold {one.text('threshold')})."


def checked(predicate: Group) -> Iterator[str]:
    """What was looked for afterwards, and what came of it."""
    cleaning, identity = cleaning_of(predicate), predicate.group("identity")
    proof = cleaning.group("proof")
    if not proof:
        return
    count = counted(proof.number("instances"), "instance")
    verdict = {
        "yes": f"{count} passed.",
        "overridden": (
            f"{count} passed; the rest was released by a person although it was not shown to be clean."
        ),
    }.get(proof.text("passed"), "it did not pass.")
    yield f"Each written file was read again by a second program ({proof.text('method')}): {verdict}"
    if known := identity.text("knownIdentifiers"):
        yield f"Identifiers that were known from the originals, looked for in the result: {known}."
    if detection := identity.text("textDetection"):
        yield f"Text in the pixels of the result, read by other weights: {detection}."
    if readers := _models(proof):
        yield f"Read by {readers}."
    if canary := proof.text("canary"):
        yield f"A planted test identifier was {canary} by the same check (it must be found)."
    if (opinion := proof.text("dciodvfy")) and opinion != NOT_RUN:
        yield f"Form of the DICOM objects, by an outside checker: {opinion}."


def not_checked(predicate: Group) -> Iterator[str]:
    """What nobody looked at, or nobody can."""
    cleaning, identity = cleaning_of(predicate), predicate.group("identity")
    if cleaning.text("pixels") == "not examined":
        yield "The pixels were not examined: text that is part of the images may still be there."
    if not cleaning.group("proof"):
        yield "The result was not read again by a second program."
    if cleaning.group("proof").text("dciodvfy") in ("", NOT_RUN):
        yield "No outside checker of the form of DICOM objects looked at the result."
    if identity.text("state") == "retained":
        kept = identity.texts("kept")
        yield "The patient's identity was kept on purpose" + (f": {', '.join(kept)}." if kept else ".")
    if not cleaning.groups("nameRecognisers"):
        yield (
            "Names in free text were removed where they were known identifiers or no allowed words; "
            "no language model looked for others."
        )
    yield "Handwriting, and text that neither reader can read, may have remained in the images."
    yield (
        "Whether features of the body itself (a face in head images, implants, rare findings), or the study "
        "together with other knowledge, point to a person was not examined."
    )
    yield (
        "The site keeps keys and records by which it can find the patient again; the data are pseudonymised, "
        "and remain personal data where the law says so."
    )


def _models(group: Group) -> str:
    named = (f"{one.text('name')} {one.text('version')}".strip() for one in group.groups("ocrModels"))
    return ", ".join(one for one in named if one)
