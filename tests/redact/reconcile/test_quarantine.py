"""The id under quarantine: always behind its prefix, always an id of VR LO, one for each foreign patient."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from redact.reconcile.quarantine import (
    LONGEST,
    ForeignPatient,
    Quarantine,
    is_quarantined,
    quarantined_id,
)

PREFIXES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\"), min_size=1, max_size=32
)
IDS = st.one_of(
    st.text(max_size=90),
    st.text("0123456789", max_size=8),
    st.from_regex(r"[0-9]{1,4}~[0-9a-f]{16}", fullmatch=True),
)
PATIENTS = st.builds(ForeignPatient, IDS, st.sampled_from(["", "A", "B"]), st.sampled_from(["1.2", "1.3"]))


def quarantine(prefix: str) -> Quarantine:
    return Quarantine("partner", prefix, "lockgate", datetime(2026, 1, 1, tzinfo=UTC))


@given(PREFIXES, PATIENTS)
def test_it_is_behind_the_prefix_and_a_value_of_vr_lo(prefix: str, patient: ForeignPatient) -> None:
    written = quarantined_id(prefix, patient)
    assert written.startswith(prefix)
    assert len(prefix) < len(written) <= LONGEST
    assert "\\" not in written
    assert written.isprintable() or patient.patient_id in written
    assert written != patient.patient_id.strip(" \0")
    assert is_quarantined("partner", written, quarantine(prefix))
    assert not is_quarantined("another", written, quarantine(prefix))


@given(PREFIXES, PATIENTS, PATIENTS)
def test_two_patients_never_become_one(prefix: str, one: ForeignPatient, other: ForeignPatient) -> None:
    def key(patient: ForeignPatient) -> tuple[str, str]:
        bare = patient.patient_id.strip(" \0")
        return (bare, patient.issuer) if bare else ("", patient.study_instance_uid)

    same = quarantined_id(prefix, one) == quarantined_id(prefix, other)
    assert same == (key(one) == key(other))


@given(PREFIXES, st.text("0123456789ABC-", min_size=1, max_size=30))
def test_an_ordinary_id_is_kept_to_the_letter(prefix: str, patient_id: str) -> None:
    assert quarantined_id(prefix, ForeignPatient(patient_id, "", "1.2")) == prefix + patient_id


def test_a_repr_shows_nobody() -> None:
    assert "0815" not in repr(ForeignPatient("0815", "HOSPITAL", "1.2.3"))


def test_the_moment_is_told_in_utc() -> None:
    assert quarantine("x-").provenance.modified_at_text == "20260101000000.000000+0000"
