"""Whose a returned study is: its pseudonyms are opened in the crosswalk, and must agree with each other.

Everything fails closed: a patient of whom nothing is known, two patients, or a study that is not shown to be
this patient's is nobody's here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.custody.originals import originals_of
from agent.custody.records import HoldReason, Member
from agent.pipeline.appliance import Appliance
from agent.pipeline.returned_work import READ_PATIENT
from agent.pipeline.sources import member_source
from agent.policy.routes import EffectiveRoute
from exchange.crosswalk.reader import Opened, Reader, RouteOpening
from exchange.crosswalk.rows import Dates, PatientEntry
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError, SpoolError
from exchange.domain.source import Source
from exchange.keys.signing import read_private_file
from exchange.keys.site import CROSSWALK_KEY
from redact.identifiers.pseudonymiser import Pseudonymiser, normalised_patient_id
from redact.reconcile.history import Provenance
from redact.reconcile.quarantine import ForeignPatient
from redact.reconcile.returned import Restoration, Returned

_STUDY = "(0020,000D)"


@dataclass(frozen=True, slots=True)
class Belonging:
    """What is known of a returned study.

    Attributes:
        restoration: Whose it is; None where that could not be shown.
        reference: An original of the study, or of another one of the patient; None where none is here.
        own: Identities of instances that left here: their originals are in the PACS.
        unknown: Whether the patient of every instance is unknown in the domain.
        reasons: Why it could not be shown whose it is.
    """

    restoration: Restoration | None = None
    reference: Source | None = None
    own: frozenset[str] = frozenset()
    unknown: bool = False
    reasons: tuple[HoldReason, ...] = ()


@dataclass(frozen=True, slots=True)
class _Patient:
    """A patient of the crosswalk, in the words in which patients are told apart."""

    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)
    epoch: int = 0


@dataclass(frozen=True)
class _Question:
    """A returned study, what was opened for it, and what is asked of it."""

    appliance: Appliance
    domain: str
    study_uid: str
    surveyed: Mapping[str, Returned]
    opened: Opened

    @property
    def site(self) -> str:
        """Stands for an absent IssuerOfPatientID."""
        return self.appliance.configuration.site.site

    def patient(self, entry: PatientEntry) -> _Patient:
        issuer = normalised_patient_id(entry.issuer) or self.site
        return _Patient(issuer, normalised_patient_id(entry.patient_id), entry.epoch)

    def is_same(self, patient: _Patient, foreign: ForeignPatient) -> bool:
        """Whether an original's header names this patient."""
        issuer = normalised_patient_id(foreign.issuer) or self.site
        said = (issuer, normalised_patient_id(foreign.patient_id))
        return said == (patient.issuer, patient.patient_id)

    def known_studies(self) -> dict[str, str]:
        """Pseudonym to original, of each study that left here and is named; the exchange's own first."""
        named = {uid for one in self.surveyed.values() for uid in one.studies} - {self.study_uid}
        linked = {study for study, _ in self.opened.studies}
        found = {}
        for uid in (self.study_uid, *sorted(named)):
            if uid in self.opened.uids:
                found[uid] = self.opened.uids[uid].original
            elif uid in linked:
                found[uid] = uid  # a profile that retains UIDs
        return found


def belonging(
    appliance: Appliance,
    route: EffectiveRoute,
    exchange_id: str,
    surveyed: Mapping[str, Returned],
    provenance: Provenance,
) -> Belonging:
    """Whose a returned study is.

    Args:
        appliance: The running appliance.
        route: The return route.
        exchange_id: Of the exchange.
        surveyed: By identity, what stands in each instance.
        provenance: For the record of what will be changed.

    Raises:
        CustodyError: The crosswalk cannot be used.
        LogError: The opening cannot be recorded, so nothing is opened.
        KeysError: The crosswalk's key cannot be used.
    """
    study_uid = next(iter(surveyed.values())).study_instance_uid
    opened = _open(appliance, route, exchange_id, surveyed)
    asked = _Question(appliance, route.pseudonym_domain, study_uid, surveyed, opened)
    entries = [opened.patients.get(one.patient_id) for one in surveyed.values()]
    if not any(entries):
        return Belonging(unknown=True, reasons=(_reason("its patient is unknown here", "(0010,0020)"),))
    patients = {asked.patient(one) for one in entries if one is not None}
    if None in entries or len(patients) > 1:
        return Belonging(reasons=(_reason("its instances belong to different patients", "(0010,0020)"),))
    (patient,) = patients
    if others := _others(asked, patient):
        return Belonging(reasons=others)
    return _shown(asked, patient, provenance)


def _open(
    appliance: Appliance, route: EffectiveRoute, exchange_id: str, surveyed: Mapping[str, Returned]
) -> Opened:
    """One opening for all that stands in the study, logged before it is answered."""
    every = surveyed.values()
    opening = RouteOpening(
        domain=route.pseudonym_domain,
        route=route.name,
        exchange=exchange_id,
        patients=frozenset(name for one in every for name in one.patients),
        uids=frozenset(uid for one in every for uid in one.uids),
        studies=frozenset(uid for one in every for uid in (*one.studies, one.study_instance_uid)),
    )
    site = appliance.configuration.site
    key = read_private_file(site.keys / CROSSWALK_KEY)
    with Reader.open(site.crosswalk_file, key, appliance.log) as reader:
        return reader.for_route(opening)


def _others(asked: _Question, patient: _Patient) -> tuple[HoldReason, ...]:
    """Where other patients of ours are named in it."""
    paths = {
        one.patients[name]: None
        for one in asked.surveyed.values()
        for name in one.patients
        if name in asked.opened.patients and asked.patient(asked.opened.patients[name]) != patient
    }
    return tuple(_reason("it names another patient", path) for path in paths)


def _shown(asked: _Question, patient: _Patient, provenance: Provenance) -> Belonging:
    """The patient is one and known: show that the studies are this patient's, too."""
    pseudonyms = frozenset(asked.opened.patients)
    if not _is_of_key(asked, patient, pseudonyms):
        return Belonging(reasons=(_reason("the crosswalk and the domain's key disagree", "(0010,0020)"),))
    studies = asked.known_studies()
    reference: tuple[Source, ForeignPatient] | None = None
    left: set[str] = set()
    for uid, original in studies.items():
        originals = originals_of(asked.appliance.custody, original, asked.domain)
        left.update(one.sop_instance_uid for one in originals)
        found = _readable(asked.appliance, originals)
        linked = any((uid, name) in asked.opened.studies for name in pseudonyms)
        if found is None and not linked:
            return Belonging(reasons=(_reason("a study in it is not shown to be this patient's", _STUDY),))
        if found is not None and not asked.is_same(patient, found[1]):
            return Belonging(reasons=(_reason("a study in it is another patient's", _STUDY),))
        reference = reference or found
    issuer = "" if patient.issuer == asked.site else patient.issuer
    restoration = Restoration(
        patient_id=patient.patient_id,
        issuer=reference[1].issuer if reference else issuer,
        pseudonyms=pseudonyms,
        uids={pseudonym: one.original for pseudonym, one in asked.opened.uids.items()},
        study_instance_uid=studies.get(asked.study_uid, ""),
        shift_days=_days(asked, patient, pseudonyms),
        provenance=provenance,
    )
    own = frozenset(
        identity
        for identity, one in asked.surveyed.items()
        if one.sop_instance_uid in asked.opened.uids or one.sop_instance_uid in left
    )
    return Belonging(restoration, reference[0] if reference else None, own)


def _pseudonymiser(asked: _Question, epoch: int) -> Pseudonymiser:
    return Pseudonymiser(asked.appliance.domain_keys.key(asked.domain, epoch), asked.site)


def _is_of_key(asked: _Question, patient: _Patient, pseudonyms: Iterable[str]) -> bool:
    """Whether each pseudonym is what the domain's key makes of this patient."""
    made = _pseudonymiser(asked, patient.epoch).patient(patient.issuer, patient.patient_id, "")
    return all(name == made.patient_id for name in pseudonyms)


def _days(asked: _Question, patient: _Patient, pseudonyms: Iterable[str]) -> int | None:
    """By how many days StudyDate was moved; None where the ways in which it left differ or are not known."""
    ways = {
        way for name in pseudonyms for way in asked.opened.studies.get((asked.study_uid, name), frozenset())
    }
    if ways == {Dates.SHIFTED}:
        key = _pseudonymiser(asked, patient.epoch)
        return key.patient(patient.issuer, patient.patient_id, "").shift_days
    return 0 if ways == {Dates.KEPT} else None


def _readable(appliance: Appliance, originals: Sequence[Member]) -> tuple[Source, ForeignPatient] | None:
    """The first original that can still be read, and whose it says it is."""
    seconds = appliance.configuration.site.limits.stage_seconds
    for one in originals:
        if one.wrapped_key and appliance.spool.holds(one.identity):
            try:
                source = member_source(appliance, one)
                patient: ForeignPatient = appliance.pool.submit(READ_PATIENT, source, seconds=seconds)
            except (InputError, SpoolError):
                continue  # erased meanwhile, or damaged
            return source, patient
    return None


def _reason(why: str, path: str) -> HoldReason:
    return HoldReason(ReasonCode.REIDENTIFY, "reconcile", path, f"cannot tell whose the study is: {why}")
