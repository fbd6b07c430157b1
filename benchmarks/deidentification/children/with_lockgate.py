"""Lockgate's stages without the command around them: headers cleaned, with or without the proof.

Both passes of `lockgate clean` are timed: the survey, which reads every header and harvests identifiers by
patient, and the cleaning. Pixels are not read by OCR here, as no contestant does that.
"""

from collections import defaultdict
from pathlib import Path

from runner import Held, run

from agent.config.profiles import load_profile
from exchange.dicomio.elements import KnownElements
from exchange.dicomio.examine import examine
from exchange.dicomio.getters import text
from exchange.dicomio.header import read_header_at
from exchange.dicomio.payloads import CopyPayload
from exchange.dicomio.write import write_instance
from exchange.domain.errors import HeldError, InputError
from exchange.domain.identifiers import HarvestedIdentifiers
from exchange.durable import fsync_files
from redact.headers.cleaner import clean_header
from redact.headers.outcome import HeaderContext
from redact.headers.recurring import Recurring
from redact.identifiers.harvest import Harvester
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.stage import CleaningPlan, InstanceCleaner, Readers

KEY = bytes(range(1, 33))


def prepare(job, files):
    profile, pseudonymiser = load_profile("default"), Pseudonymiser(KEY, "benchmark")
    patients, found, known = {}, defaultdict(list), KnownElements()
    harvester = Harvester()
    for source, _ in files:
        try:
            ds = read_header_at(examine(Path(source)), known=known)
        except InputError:
            continue
        patients[source] = (text(ds, "IssuerOfPatientID"), text(ds, "PatientID"))
        found[patients[source]].append(harvester.harvest(ds))
    cleaners = {}

    def of_patient(source):
        key = patients.get(source, ("", source))
        if key not in cleaners:
            identifiers = HarvestedIdentifiers().union(found[key])
            if job["options"]["proof"]:
                plan = CleaningPlan(profile, pseudonymiser, identifiers, Readers(), canary_seed=b"benchmark")
                cleaners[key] = InstanceCleaner(plan).run
            else:
                context = HeaderContext(profile, pseudonymiser, identifiers), known, Recurring()
                cleaners[key] = lambda source, target: only_clean(context, source, target)
        return cleaners[key]

    written = []

    def clean(source, proposed):
        try:
            of_patient(source)(Path(source), Path(proposed))
        except (HeldError, InputError) as error:
            raise Held(f"{error.code} {getattr(error, 'path', '')}".strip()) from error
        written.append(Path(proposed))
        return proposed

    clean.finish = lambda: fsync_files(written)  # as the worker does at the end of a part
    return clean


def only_clean(study, source, target):
    context, known, recurring = study
    layout = examine(source)
    ds = read_header_at(layout, known=known)
    clean_header(ds, context, recurring=recurring)
    payload = CopyPayload(layout) if layout.pixels else None
    with target.open("wb+") as file:
        write_instance(file, ds, layout.transfer_syntax_uid, payload)


run(prepare)
