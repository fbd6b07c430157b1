"""A patient's identity that a profile keeps: whose it is, and what of a study's identifiers is not it.

What stays is `profile.IDENTITY`, of the data set itself to the byte; below the top level such an element
stays only where it repeats the patient's own value. Everything else that identifies is an identifier as
ever: other ids and names of the patient, other people, addresses.
"""

from collections.abc import Mapping

from pydicom.dataset import Dataset

from exchange.dicomio.examine import survey
from exchange.domain.identifiers import HarvestedIdentifiers, IdentifierKind
from exchange.domain.source import Source
from redact.headers.place import Place, Result, Run
from redact.headers.profile import IDENTITY, Profile
from redact.headers.rules import Handling, rule_book_for
from redact.identifiers.harvest import harvest


def own_identifiers(ds: Dataset) -> HarvestedIdentifiers:
    """The identifiers in the object's own `IDENTITY`; days are left out, as others may be the same."""
    own = Dataset()
    for tag in IDENTITY:
        if tag in ds:
            own.add(ds[tag])
    items = harvest(own).items
    return HarvestedIdentifiers(frozenset(one for one in items if one.kind is not IdentifierKind.DATE))


def keep_own(run: Run, place: Place) -> Result:
    """Keep the data set's own identity, and in items what repeats it; another's there is disposed of."""
    if not place.depth or run.patient.owns(place.ds, place.tag, place.tag, place.vr):
        return Result.KEPT
    return place.dispose()


def exact_identity(source: Source, ds: Dataset, profile: Profile) -> Mapping[int, bytes]:
    """The encoded values that stay as they are: pydicom would write them anew, in its own form.

    Args:
        source: The original.
        ds: Its header, before it is cleaned.
        profile: What retains it.

    Returns:
        By tag, of those that the profile's rules leave alone; none where it retains no identity.

    Raises:
        InputError: The file changed.
        OSError: It cannot be read.
    """
    if not profile.retains_identity:
        return {}
    rules = rule_book_for(profile, ds)
    _, captured = survey(source, capture=frozenset(IDENTITY))
    return {
        tag: found.value + b" " * (len(found.value) % 2)
        for tag, found in captured.items()
        if found.vr in {b"", IDENTITY[tag].encode()}
        and rules.decision(tag, IDENTITY[tag]).handling is Handling.OWN
    }
