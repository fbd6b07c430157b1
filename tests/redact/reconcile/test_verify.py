"""The check sees what the writer might do wrong; and properties over any header."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.reconcile.attributes import SWEPT_VRS, TABLE, is_swept
from redact.reconcile.verify import verify_quarantine
from tests.redact.reconcile.making import EXPLICIT, QUARANTINE, SYNTAXES, foreign, item, read, reconcile, save

Change = Callable[[Dataset], object]


def history(ds: Dataset) -> Dataset:
    found: Dataset = ds.OriginalAttributesSequence[-1]
    return found


def kept(ds: Dataset) -> Dataset:
    found: Dataset = history(ds).ModifiedAttributesSequence[0]
    return found


DAMAGE: dict[str, Change] = {
    "bare id": lambda ds: setattr(ds, "PatientID", "0815"),
    "prefix alone": lambda ds: setattr(ds, "PatientID", "from-telerad-"),
    "second bare id": lambda ds: setattr(ds, "PatientID", ["from-telerad-0815", "0815"]),
    "no id": lambda ds: ds.__delattr__("PatientID"),
    "no issuer": lambda ds: ds.__delattr__("IssuerOfPatientID"),
    "another issuer": lambda ds: setattr(ds, "IssuerOfPatientID", "LOCAL"),
    "accession": lambda ds: setattr(ds, "AccessionNumber", "A-1"),
    "other ids": lambda ds: setattr(ds, "OtherPatientIDs", "0815"),
    "request": lambda ds: setattr(ds, "RequestAttributesSequence", [item(RequestedProcedureID="RP-1")]),
    "id in comments": lambda ds: setattr(ds, "PatientComments", "0815"),
    "another comment": lambda ds: setattr(ds, "PatientComments", "invented"),
    "name": lambda ds: setattr(ds, "PatientName", "Else^Somebody"),
    "uid": lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3"),
    "series uid": lambda ds: setattr(ds, "SeriesInstanceUID", "1.2.3"),
    "private": lambda ds: ds.__delitem__(0x00411001),
    "institution": lambda ds: setattr(ds, "InstitutionName", ""),
    "pixels": lambda ds: setattr(ds, "PixelData", b"\1" + ds.PixelData[1:]),
    "no pixels": lambda ds: ds.__delattr__("PixelData"),
    "no history": lambda ds: ds.__delattr__("OriginalAttributesSequence"),
    "original lost": lambda ds: kept(ds).__delattr__("AccessionNumber"),
    "original changed": lambda ds: setattr(kept(ds), "PatientID", "0816"),
    "original invented": lambda ds: setattr(kept(ds), "PatientName", "Else^Somebody"),
    "reason": lambda ds: setattr(history(ds), "ReasonForTheAttributeModification", "CORRECT"),
    "system": lambda ds: setattr(history(ds), "ModifyingSystem", ""),
    "time": lambda ds: setattr(history(ds), "AttributeModificationDateTime", ""),
    "history twice": lambda ds: ds.OriginalAttributesSequence.append(history(ds)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_seen(name: str, tmp_path: Path) -> None:
    source, target = save(foreign(), tmp_path / "in.dcm"), tmp_path / "out.dcm"
    reconcile(source, target)
    verify_quarantine(source, target, QUARANTINE)
    ds = read(target)
    DAMAGE[name](ds)
    save(ds, target)
    with pytest.raises(HeldError) as held:
        verify_quarantine(source, target, QUARANTINE)
    assert held.value.code is ReasonCode.QUARANTINE
    assert "0815" not in str(held.value)


def test_an_earlier_record_that_was_changed_is_seen(tmp_path: Path) -> None:
    ds = foreign()
    ds.OriginalAttributesSequence = [
        item(ModifyingSystem="THEIRS", ReasonForTheAttributeModification="CORRECT")
    ]
    source, target = save(ds, tmp_path / "in.dcm"), tmp_path / "out.dcm"
    reconcile(source, target)
    damaged = read(target)
    damaged.OriginalAttributesSequence[0].ModifyingSystem = "OURS"
    save(damaged, target)
    with pytest.raises(HeldError, match="was changed"):
        verify_quarantine(source, target, QUARANTINE)


TEXT = st.text("0123456789ABCxyz-_ ", max_size=70)
SHORT = st.text("0123456789ABC-", max_size=16)


@st.composite
def headers(draw: st.DrawFn) -> Dataset:
    ds = foreign()
    ds.PatientID = draw(st.one_of(TEXT, SHORT, st.lists(SHORT, min_size=2, max_size=3)))
    ds.IssuerOfPatientID = draw(st.sampled_from(["", "telerad", "B"]))
    same = st.sampled_from([str(draw(SHORT)), ds.PatientID if isinstance(ds.PatientID, str) else "x"])
    for keyword in ("AccessionNumber", "StudyID", "PatientComments", "AdmissionID", "MedicalAlerts"):
        if draw(st.booleans()):
            setattr(ds, keyword, draw(same)[:16])
        elif keyword in ds:
            delattr(ds, keyword)
    for keyword in ("OtherPatientIDs", "OtherPatientIDsSequence", "RequestAttributesSequence", "PatientName"):
        if draw(st.booleans()) and keyword in ds:
            delattr(ds, keyword)
    return ds


@settings(max_examples=40, deadline=None)
@given(headers(), st.sampled_from(SYNTAXES))
def test_any_header(ds: Dataset, syntax: str) -> None:
    with TemporaryDirectory() as folder:
        source, target, again = (Path(folder) / name for name in ("in", "out", "again"))
        save(ds, source, syntax)
        done = reconcile(source, target)
        before, after = read(source), read(target)
        assert after.PatientID.startswith("from-telerad-")
        assert after.IssuerOfPatientID == "telerad"
        foreign_ids = {one.strip() for one in str(before.get("PatientID", "")).strip("[]").split(",")} - {""}
        for element in after:
            if is_swept(element.tag) and element.VR in SWEPT_VRS:
                assert str(element.value).strip() not in foreign_ids
        changed = {int(one[1:5] + one[6:10], 16) for one in done.changed}
        assert changed - set(TABLE) <= {0x00200010, 0x00104000, 0x00102000}
        for element in before:
            if element.tag in changed:
                assert kept(after)[element.tag] == element
            else:
                assert after[element.tag] == element
        assert reconcile(target, again).changed == ()
        assert again.read_bytes() == target.read_bytes()


def test_an_instance_that_is_quarantined_already_passes_as_it_is(tmp_path: Path) -> None:
    ds = foreign()
    source, target = save(ds, tmp_path / "in.dcm", EXPLICIT), tmp_path / "out.dcm"
    reconcile(source, target)
    shown = verify_quarantine(target, target, QUARANTINE)
    assert shown.changed == ()
