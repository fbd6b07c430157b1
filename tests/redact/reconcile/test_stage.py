"""An inbound instance under its quarantine identity, in every encoding, as another reader sees it."""

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from redact.reconcile.attributes import TABLE, Action
from redact.reconcile.stage import reconcile_instance
from redact.reconcile.verify import verify_quarantine
from tests.exchange.dicomio.build import element
from tests.redact.reconcile.making import (
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    QUARANTINE,
    RLE,
    SYNTAXES,
    foreign,
    item,
    read,
    reconcile,
    save,
    to,
)
from tests.support.corpus import find_corpus


@pytest.fixture(params=SYNTAXES)
def syntax(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.dcm"


def test_the_identity_is_the_partners_and_everything_else_is_as_it_was(
    syntax: str, tmp_path: Path, target: Path
) -> None:
    source = save(foreign(), tmp_path / "in.dcm", syntax)
    done = reconcile(source, target)
    before, after = read(source), read(target)
    assert (after.PatientID, after.IssuerOfPatientID) == ("from-telerad-0815", "telerad")
    assert after["AccessionNumber"].is_empty
    assert after["StudyID"].is_empty  # it repeated the accession number
    assert after["PatientComments"].is_empty  # it was the foreign id alone
    assert after.PatientName == before.PatientName
    assert after.InstitutionName == "0815"  # nobody finds a patient by it
    assert not [tag for tag, action in TABLE.items() if action is Action.REMOVE and tag in after]
    changed = {int(one[1:5] + one[6:10], 16) for one in done.changed}
    same = [element for element in before if element.tag not in changed]
    assert len(same) > 30
    assert all(after[element.tag] == element for element in same)
    assert done.actions == {"replaced": 2, "emptied": 3, "removed": 7}


def test_every_original_can_be_had_back(syntax: str, tmp_path: Path, target: Path) -> None:
    source = save(foreign(), tmp_path / "in.dcm", syntax)
    reconcile(source, target)
    before = read(source)
    (record,) = read(target).OriginalAttributesSequence
    assert record.ModifyingSystem == "lockgate edge-01"
    assert record.SourceOfPreviousValues == "telerad"
    assert record.ReasonForTheAttributeModification == "COERCE"
    assert record.AttributeModificationDateTime == "20261120123000.000000+0000"
    (kept,) = record.ModifiedAttributesSequence
    for one in kept:
        assert before[one.tag] == one
    assert kept.OtherPatientIDsSequence[0].PatientID == "4711"
    assert kept.RequestAttributesSequence[0].RequestedProcedureID == "RP-1"


def test_what_is_said_of_it_is_true(syntax: str, tmp_path: Path, target: Path) -> None:
    source = save(foreign(), tmp_path / "in.dcm", syntax)
    done = reconcile(source, target)
    layout = examine(target)
    assert done.sha256 == dataset_sha256(target)
    assert done.byte_count == layout.dataset_length
    assert (done.sop_instance_uid, done.transfer_syntax_uid) == (layout.sop_instance_uid, syntax)
    assert done.pixel_sha256 == verify_quarantine(source, target, QUARANTINE).pixel_sha256
    assert layout.dataset_length % 2 == 0


def test_the_same_again_gives_the_same_bytes(syntax: str, tmp_path: Path, target: Path) -> None:
    source = save(foreign(), tmp_path / "in.dcm", syntax)
    reconcile(source, target)
    first = target.read_bytes()
    reconcile(source, target)
    assert target.read_bytes() == first
    twice = tmp_path / "twice.dcm"
    assert reconcile(target, twice).changed == ()
    assert twice.read_bytes() == first


def test_earlier_records_are_kept_and_ours_is_added(syntax: str, tmp_path: Path, target: Path) -> None:
    ds = foreign()
    ds.OriginalAttributesSequence = Sequence(
        [
            item(
                ModifiedAttributesSequence=Sequence([item(PatientID="before-0815")]),
                AttributeModificationDateTime="20200101000000",
                ModifyingSystem="THEIR GATEWAY",
                SourceOfPreviousValues="",
                ReasonForTheAttributeModification="CORRECT",
            )
        ]
    )
    ds["OriginalAttributesSequence"].is_undefined_length = True
    reconcile(save(ds, tmp_path / "in.dcm", syntax), target)
    theirs, ours = read(target).OriginalAttributesSequence
    assert theirs == ds.OriginalAttributesSequence[0]
    assert ours.ModifiedAttributesSequence[0].PatientID == "0815"


def test_an_earlier_record_of_unknown_vr_is_kept_as_well(tmp_path: Path, target: Path) -> None:
    """A gateway that does not know the sequence passes it on as UN with implicit VR items (PS3.5 6.2.2)."""
    ds = foreign()
    record = item(
        ModifiedAttributesSequence=Sequence([item(PatientID="before-0815")]),
        ModifyingSystem="THEIR GATEWAY",
        ReasonForTheAttributeModification="CORRECT",
    )
    ds.OriginalAttributesSequence = Sequence([record])
    plain = save(ds, tmp_path / "in.dcm", IMPLICIT).read_bytes()
    at = plain.rindex(b"\x00\x04\x61\x05")
    length = int.from_bytes(plain[at + 4 : at + 8], "little")
    value = plain[at + 8 : at + 8 + length]
    source = save(foreign(), tmp_path / "un.dcm", EXPLICIT)
    insert(source, element(0x04000561, b"UN", value), before=element(0x7FE00010, b"OW", b"")[:6])
    reconcile(source, target)
    theirs, ours = read(target).OriginalAttributesSequence
    assert theirs == record
    assert ours.ModifiedAttributesSequence[0].PatientID == "0815"


def without(*keywords: str) -> Dataset:
    ds = foreign()
    for keyword in keywords:
        delattr(ds, keyword)
    return ds


def test_without_any_id_each_study_is_a_patient_of_its_own(tmp_path: Path, target: Path) -> None:
    reconcile(save(without("PatientID", "IssuerOfPatientID"), tmp_path / "in.dcm"), target)
    first = read(target)
    other = without("PatientID", "IssuerOfPatientID")
    other.StudyInstanceUID = "1.2.3.4"
    reconcile(save(other, tmp_path / "other.dcm"), target)
    assert first.PatientID.startswith("from-telerad-unknown~")
    assert read(target).PatientID != first.PatientID
    assert "PatientID" not in first.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]


def test_several_ids_in_one_value_never_stand_bare(tmp_path: Path, target: Path) -> None:
    ds = foreign()
    ds.PatientID = ["0815", "4711"]
    ds.PatientComments = "4711"
    reconcile(save(ds, tmp_path / "in.dcm"), target)
    after = read(target)
    assert isinstance(after.PatientID, str)
    assert after.PatientID.startswith("from-telerad-08154711~")
    assert after["PatientComments"].is_empty


@pytest.mark.parametrize(
    ("charset", "patient_id"),
    [
        ("ISO_IR 100", "Müller-7"),
        ("ISO_IR 192", "患者-7"),
        ("GB18030", "患者誠-7"),
        (["", "ISO 2022 IR 87"], "山田-7"),
        ("ISO_IR 144", "Люкceмбypг-7"),
    ],
)
def test_an_id_in_another_character_set_stays_readable(
    charset: str | list[str], patient_id: str, tmp_path: Path, target: Path
) -> None:
    ds = foreign()
    ds.SpecificCharacterSet, ds.PatientID = charset, patient_id
    del ds.OtherPatientIDs
    reconcile(save(ds, tmp_path / "in.dcm"), target)
    after = read(target)
    assert after.PatientID == f"from-telerad-{patient_id}"
    assert after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientID == patient_id


def test_the_partners_own_issuer_keeps_two_people_apart(tmp_path: Path, target: Path) -> None:
    seen = set()
    for issuer in ("", "HOSPITAL-A", "HOSPITAL-B"):
        ds = foreign()
        ds.IssuerOfPatientID = issuer
        reconcile(save(ds, tmp_path / "in.dcm"), target)
        seen.add(str(read(target).PatientID))
    assert len(seen) == 3
    assert all(one.startswith("from-telerad-0815") for one in seen)


def test_an_issuer_known_from_the_rest_of_the_study_counts(tmp_path: Path, target: Path) -> None:
    told = foreign()
    told.IssuerOfPatientID = "HOSPITAL-A"
    reconcile(save(told, tmp_path / "told.dcm"), target)
    expected = read(target).PatientID
    source = save(foreign(), tmp_path / "in.dcm")
    reconcile_instance(source, QUARANTINE, {"0815": "HOSPITAL-A"}, to(target))
    assert read(target).PatientID == expected


def insert(path: Path, raw: bytes, before: bytes) -> None:
    data = path.read_bytes()
    at = data.index(before)
    path.write_bytes(data[:at] + raw + data[at:])


def test_group_lengths_that_would_lie_are_left_out(tmp_path: Path, target: Path) -> None:
    source = save(foreign(), tmp_path / "in.dcm")
    insert(source, element(0x00100000, b"UL", bytes(4)), before=b"\x10\x00\x10\x00PN")
    insert(source, element(0x00280000, b"UL", bytes(4)), before=b"\x28\x00\x02\x00US")
    reconcile(source, target)
    raw = target.read_bytes()
    assert b"\x10\x00\x00\x00UL\x04\x00" not in raw
    assert b"\x28\x00\x00\x00UL\x04\x00" in raw


def test_pixels_that_are_fragments_are_copied_with_their_table(tmp_path: Path, target: Path) -> None:
    source = save(foreign(), tmp_path / "in.dcm", RLE)
    reconcile(source, target)
    pixels = examine(source).pixels
    assert pixels is not None
    whole = source.read_bytes()[pixels.element_offset : pixels.element_end]
    assert target.read_bytes().endswith(whole)


def test_elements_that_stand_twice_are_refused(tmp_path: Path, target: Path) -> None:
    source = save(foreign(), tmp_path / "in.dcm")
    insert(source, element(0x00100020, b"LO", b"4712"), before=b"\x10\x00\x20\x00LO")
    with pytest.raises(InputError, match="stands in it twice") as refused:
        reconcile(source, target)
    assert refused.value.code is ReasonCode.NOT_DICOM
    assert not target.exists()


def test_signed_objects_are_told(tmp_path: Path, target: Path) -> None:
    ds = foreign()
    ds.DigitalSignaturesSequence = Sequence([item(MACIDNumber=1)])
    (finding,) = reconcile(save(ds, tmp_path / "in.dcm"), target).findings
    assert finding.finding_id == "reconcile.digital-signature"
    assert "DigitalSignaturesSequence" in read(target)


def test_a_deflated_data_set_is_deflated_again(tmp_path: Path, target: Path) -> None:
    source = save(foreign(), tmp_path / "in.dcm", DEFLATED)
    reconcile(source, target)
    assert examine(target).deflated
    assert target.stat().st_size < 12_000


def test_real_files(target: Path, tmp_path: Path) -> None:
    """Whatever can be read at all can be brought under quarantine, and a second time changes nothing."""
    corpus = find_corpus()
    if corpus is None:
        pytest.skip("no corpus here")
    files = [one for one in sorted(corpus.rglob("*")) if one.is_file() and one.stat().st_size < 600_000]
    done = 0
    for source in files[::6]:
        try:
            examine(source)
        except InputError:
            continue
        reconcile(source, target)
        assert reconcile(target, tmp_path / "twice.dcm").changed == ()
        done += 1
    assert done > 20
