"""What comes back from a partner: the pseudonyms in it, and what is to stand in their place."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exchange.dicomio.examine import examine
from exchange.dicomio.getters import text, uid
from exchange.dicomio.header import read_header_at
from exchange.dicomio.layout import PIXEL_TAGS
from exchange.dicomio.rewrite import Value, rewrite
from exchange.dicomio.splice import element_value, raw_elements, syntax_of, top_level
from exchange.domain.source import Source
from redact.identifiers.pseudonym_forms import patients_in, uids_in
from redact.reconcile.history import Provenance
from redact.reconcile.quarantine import stripped
from redact.reconcile.restored import NOT_LOOKED_AT, SPECIFIC_CHARACTER_SET, STUDY_INSTANCE_UID


@dataclass(frozen=True, slots=True)
class Restoration:
    """Whose study it is after all, and what its pseudonyms stand for; from the crosswalk.

    Attributes:
        patient_id: PatientID of the original.
        issuer: IssuerOfPatientID; "" where the original has none.
        pseudonyms: What the partner calls this patient.
        uids: Pseudonym to original, of everything that stands in the study and is known.
        study_instance_uid: The original's; "" where the study is one that the partner made.
        shift_days: Whole days that StudyDate goes forward where the original is no longer here; 0 where it
            was kept, None where that is not known.
        provenance: For the record of what is changed.
    """

    patient_id: str = field(repr=False)
    issuer: str = field(repr=False)
    pseudonyms: frozenset[str]
    uids: Mapping[str, str] = field(repr=False)
    study_instance_uid: str = field(repr=False)
    shift_days: int | None
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Returned:
    """What a returned instance says, in the partner's words.

    Attributes:
        patient_id: PatientID.
        patients: What may be patients' pseudonyms, each with the path where it stands first.
        uids: What may be pseudonyms of UIDs, likewise.
        studies: Those of the UIDs that stand in a StudyInstanceUID, at any level.
    """

    sop_instance_uid: str
    study_instance_uid: str
    patient_id: str
    patients: Mapping[str, str]
    uids: Mapping[str, str]
    studies: frozenset[str]


def survey_returned(source: Source) -> Returned:
    """Collect everything in an instance that has the form of a pseudonym, at every level.

    Raises:
        InputError: It cannot be read.
        OSError: Likewise.
    """
    layout = examine(source)
    header = read_header_at(layout)
    extents = [one for one in top_level(layout) if one.tag not in NOT_LOOKED_AT | PIXEL_TAGS]
    raw = raw_elements(layout, extents)
    encoding = syntax_of(layout)
    declared = raw.get(SPECIFIC_CHARACTER_SET)
    charset = element_value(declared, encoding) if declared else b""
    patients: dict[str, str] = {}
    uids: dict[str, str] = {}
    studies: set[str] = set()

    def note(value: Value) -> None:
        for one in patients_in(value.content):
            patients.setdefault(one, value.path)
        found = uids_in(value.content)
        for one in found:
            uids.setdefault(one, value.path)
        if value.tag == STUDY_INSTANCE_UID:
            studies.update(found)

    for element in raw.values():
        rewrite(element, encoding, charset, note)
    return Returned(
        sop_instance_uid=layout.sop_instance_uid,
        study_instance_uid=uid(header, "StudyInstanceUID"),
        patient_id=stripped(text(header, "PatientID")),
        patients=patients,
        uids=uids,
        studies=frozenset(studies),
    )
