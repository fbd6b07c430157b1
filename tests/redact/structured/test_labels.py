"""Identifiers in labels, annotations and presentation texts: cleaned by the general rules, and proved gone.

Drawings, voice and documents are not among them: see `test_admission`.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread  # noqa: TID251 - tests read what tests wrote
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from redact.stage import InstanceCleaner
from tests.redact.headers.studies import read
from tests.redact.structured.making import PATIENT, code, item, number, plan, report, save, text, through

NOTE = "Mass of Ottoline Quillfeather QF-471188, ask Wetherby"
SHORT = "Mass Ottoline"
LEFT = {"Mass of", "Mass of ask", "Mass"}
SECRETS = (b"quillfeather", b"ottoline", b"471188", b"wetherby")


def base(name: str) -> Dataset:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip("this pydicom does not ship the file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(str(found), force=True)
    ds.PatientName, ds.PatientID = PATIENT
    ds.ReferringPhysicianName = "Wetherby^Ann"
    return ds


def proved(folder: Path, ds: Dataset) -> Dataset:
    """Clean and prove but for pixels; the cleaned data set, of whose bytes nothing planted is left."""
    source = folder / "original.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(source)
        outcome = InstanceCleaner(plan(ds)).run(source, folder / "cleaned.dcm")
    assert outcome.proof is not None
    assert (outcome.proof.known_identifiers, outcome.proof.iod) == ("absent", "no worse")
    whole = outcome.path.read_bytes().lower()
    assert not [secret for secret in SECRETS if secret in whole]
    return read(outcome.path)


def structure_set(ds: Dataset) -> list[str]:
    ds.StructureSetLabel, ds.StructureSetName, ds.StructureSetDescription = SHORT, NOTE, NOTE
    for roi in ds.StructureSetROISequence:
        roi.ROIName, roi.ROIDescription = NOTE, NOTE
    for observed in ds.RTROIObservationsSequence:
        observed.ROIObservationLabel, observed.ROIInterpreter = SHORT, "Wetherby^Ann"
    return ["StructureSetLabel", "StructureSetName", "StructureSetDescription"]


def treatment_plan(ds: Dataset) -> list[str]:
    ds.RTPlanLabel, ds.RTPlanName, ds.RTPlanDescription = SHORT, NOTE, NOTE
    for beam in ds.BeamSequence:
        beam.BeamName, beam.BeamDescription = NOTE, NOTE
    return ["RTPlanLabel", "RTPlanName", "RTPlanDescription"]


def segmentation(ds: Dataset) -> list[str]:
    for segment in ds.SegmentSequence:
        segment.SegmentLabel, segment.SegmentDescription = NOTE, NOTE
        segment.TrackingID, segment.TrackingUID = NOTE, "1.2.276.99.8"
    ds.ContentDescription, ds.ContentCreatorName = NOTE, "Wetherby^Ann"
    return ["ContentDescription"]


def waveform(ds: Dataset) -> list[str]:
    annotation = item("TEXT", code("121071"), UnformattedTextValue=NOTE)
    identifying = item("TEXT", code("121022"), UnformattedTextValue="Head")
    free = Dataset()
    free.UnformattedTextValue, free.AnnotationGroupNumber = NOTE, 1
    free.ReferencedWaveformChannels = [1, 0]
    ds.WaveformAnnotationSequence = [annotation, identifying, free]
    for group in ds.WaveformSequence:
        group.MultiplexGroupLabel = SHORT
        for channel in group.ChannelDefinitionSequence:
            channel.ChannelLabel = SHORT
    return []


@pytest.mark.parametrize(
    ("name", "planting"),
    [
        ("rtstruct.dcm", structure_set),
        ("rtplan.dcm", treatment_plan),
        ("liver_1frame.dcm", segmentation),
        ("waveform_ecg.dcm", waveform),
    ],
)
def test_labels(name: str, planting: Callable[[Dataset], list[str]], tmp_path: Path) -> None:
    ds = base(name)
    keywords = planting(ds)
    cleaned = proved(tmp_path, ds)
    assert {str(cleaned[keyword].value) for keyword in keywords} <= LEFT
    for segment in cleaned.get("SegmentSequence", ()):
        assert segment.SegmentLabel in LEFT
        assert segment.TrackingUID.startswith("2.25.")
    annotations = cleaned.get("WaveformAnnotationSequence", ())
    assert [one.UnformattedTextValue for one in annotations] in ([], ["Mass of", "REMOVED", "Mass of"])


def presentation_state() -> Dataset:
    """A GSPS with text objects and a straight line."""
    said = Dataset()
    said.UnformattedTextValue, said.AnchorPoint = NOTE, [1.0, 2.0]
    said.AnchorPointVisibility, said.AnchorPointAnnotationUnits = "Y", "PIXEL"
    line = Dataset()
    line.GraphicType, line.GraphicData, line.NumberOfGraphicPoints = "POLYLINE", [1, 1, 2, 2], 2
    line.GraphicDimensions, line.GraphicAnnotationUnits = 2, "PIXEL"
    layer = Dataset()
    layer.GraphicLayer, layer.TextObjectSequence, layer.GraphicObjectSequence = "LAYER1", [said], [line]
    described = Dataset()
    described.GraphicLayer, described.GraphicLayerOrder = "LAYER1", 1
    described.GraphicLayerDescription = NOTE
    ds = report(sop_class="1.2.840.10008.5.1.4.1.1.11.1")
    ds.Modality = "PR"
    ds.GraphicAnnotationSequence, ds.GraphicLayerSequence = [layer], [described]
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = "QUILLFEATHER", NOTE, "Wetherby^Ann"
    return ds


def test_presentation_states(tmp_path: Path) -> None:
    cleaned = proved_report(tmp_path, presentation_state())
    (said,) = cleaned.GraphicAnnotationSequence[0].TextObjectSequence
    assert said.UnformattedTextValue in LEFT
    assert cleaned.GraphicLayerSequence[0].GraphicLayerDescription in LEFT
    assert cleaned.ContentDescription in LEFT
    assert "QUILLFEATHER" not in str(cleaned.get("ContentLabel", ""))
    assert cleaned.GraphicAnnotationSequence[0].GraphicObjectSequence[0].GraphicType == "POLYLINE"


def proved_report(folder: Path, ds: Dataset) -> Dataset:
    outcome = through(folder, ds)
    assert outcome.proved
    whole = outcome.path.read_bytes().lower()
    assert not [secret for secret in SECRETS if secret in whole]
    return read(outcome.path)


def test_acquisition_contexts(tmp_path: Path) -> None:
    """Items go from the end; what stays is compared with what it was."""
    ds = base("CT_small.dcm")
    ds.AcquisitionContextSequence = [
        item("TEXT", code("121022"), TextValue="Head"),
        item("DATE", code("111060"), Date="20040119"),
        item("TEXT", code("109054"), TextValue=NOTE),
        item("PNAME", code("121114"), PersonName="Wetherby^Ann"),
        item("NUMERIC", code("121033"), NumericValue="61"),
    ]
    cleaned = proved(tmp_path, ds)
    accession, date, state, physician = cleaned.AcquisitionContextSequence
    assert accession.TextValue == "REMOVED"
    assert date.Date not in {"20040119", "19000101"}
    assert state.TextValue in LEFT
    assert str(physician.PersonName) == "REMOVED"


def test_dose_reports(tmp_path: Path) -> None:
    """TID 10001: device observer, authorising person, comment and protocol of one event."""
    role = item(
        "CODE", code("113875"), ConceptCodeSequence=[code("113850", "DCM", "Irradiation Authorizing")]
    )
    event = item(
        "CONTAINER",
        code("113706"),
        item("UIDREF", code("113769"), UID="1.2.276.99.4"),
        text("125203", f"Thorax {SHORT}"),
        text("113605", NOTE),
        text("121106", NOTE),
        number("113738", "0.5", "Gy"),
    )
    ds = report(
        item("UIDREF", code("121012"), UID="1.2.276.99.7"),
        text("121013", "ottoline-ws"),
        text("121015", "Axiom"),
        text("121016", "SER-471188"),
        item("PNAME", code("113870"), role, PersonName="Wetherby^Ann"),
        text("113871", "QF-471188"),
        event,
        sop_class="1.2.840.10008.5.1.4.1.1.88.67",
    )
    cleaned = proved_report(tmp_path, ds)
    values = {
        str(one.ConceptNameCodeSequence[0].CodeValue): one
        for one in (*cleaned.ContentSequence, *cleaned.ContentSequence[-1].ContentSequence)
    }
    assert {one for one in values if values[one].get("TextValue") == "REMOVED"} == {
        "121013",
        "121016",
        "113871",
        "113605",
    }
    assert values["121015"].TextValue == "Axiom"
    assert values["125203"].TextValue == "Thorax Mass"
    assert values["113738"].MeasuredValueSequence[0].NumericValue == 0.5
    assert values["113870"].ContentSequence[0].ConceptCodeSequence[0].CodeValue == "113850"


def test_key_object_notes(tmp_path: Path) -> None:
    ds = report(text("113012", NOTE), sop_class="1.2.840.10008.5.1.4.1.1.88.59")
    ds.ConceptNameCodeSequence = [code("113000", "DCM", "Of Interest")]
    (described,) = proved_report(tmp_path, ds).ContentSequence
    assert described.TextValue in LEFT


def observers() -> Dataset:
    """A report whose header names people, organisations, requests and other documents."""
    ds = report(text("121071", "Nodule"))
    verifying = Dataset()
    verifying.VerifyingObserverName, verifying.VerifyingOrganization = "Wetherby^Ann", "Wetherby Clinic"
    verifying.VerificationDateTime = "20240517101500"
    verifying.VerifyingObserverIdentificationCodeSequence = [code("471188", "99HOSP", "Wetherby")]
    ds.VerifyingObserverSequence = [verifying]
    author = Dataset()
    author.ObserverType, author.PersonName = "PSN", "Wetherby^Ann"
    author.PersonIdentificationCodeSequence = [code("471188", "99HOSP", "Wetherby")]
    ds.AuthorObserverSequence = [author]
    participant = Dataset()
    participant.ParticipationType, participant.ParticipationDateTime = "ATTEST", "20240517101500"
    participant.PersonName = "Wetherby^Ann"
    ds.ParticipantSequence = [participant]
    request = Dataset()
    request.StudyInstanceUID, request.AccessionNumber = ds.StudyInstanceUID, "QX88123"
    request.PlacerOrderNumberImagingServiceRequest, request.RequestedProcedureID = "471188", "471188"
    request.FillerOrderNumberImagingServiceRequest, request.RequestedProcedureDescription = "471188", NOTE
    request.ReferencedStudySequence, request.RequestedProcedureCodeSequence = [], []
    ds.ReferencedRequestSequence = [request]
    ds.PredecessorDocumentsSequence = ds.CurrentRequestedProcedureEvidenceSequence
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = "99ACME", "Codes of ACME"
    scheme.CodingSchemeUID, scheme.CodingSchemeResponsibleOrganization = "1.2.276.5", "Wetherby Clinic"
    ds.CodingSchemeIdentificationSequence = [scheme]
    return ds


def test_people_requests_and_documents_around_a_report(tmp_path: Path) -> None:
    ds = observers()
    outcome = through(tmp_path, ds)
    cleaned = read(outcome.path)
    assert not [secret for secret in SECRETS if secret in outcome.path.read_bytes().lower()]
    (verifying,) = cleaned.VerifyingObserverSequence
    assert (str(verifying.VerifyingObserverName), verifying.VerifyingOrganization) == ("REMOVED", "REMOVED")
    assert len(verifying.VerifyingObserverIdentificationCodeSequence) == 0
    assert str(verifying.VerificationDateTime)[8:] == "101500"
    assert {"AuthorObserverSequence", "ParticipantSequence"}.isdisjoint(cleaned.dir())
    (request,) = cleaned.ReferencedRequestSequence
    assert (request.StudyInstanceUID, request.AccessionNumber) == (cleaned.StudyInstanceUID, "")
    (earlier,) = cleaned.PredecessorDocumentsSequence
    (evidence,) = cleaned.CurrentRequestedProcedureEvidenceSequence
    assert earlier.StudyInstanceUID == evidence.StudyInstanceUID == cleaned.StudyInstanceUID
    (scheme,) = cleaned.CodingSchemeIdentificationSequence
    assert (scheme.CodingSchemeDesignator, scheme.CodingSchemeUID) == ("99ACME", "1.2.276.5")
    assert "CodingSchemeResponsibleOrganization" not in scheme


def test_a_code_that_stands_for_a_person_becomes_unknown(tmp_path: Path) -> None:
    """Table E.1-1 gives PersonIdentificationCodeSequence a dummy; its sequence is kept by no other rule."""
    ds = report(text("121071", "Nodule"))
    person = Dataset()
    person.PersonIdentificationCodeSequence = [code("STAFF-471188", "99HOSP", "Wetherby")]
    ds.InstitutionCodeSequence = [code("471188", "99HOSP", "Wetherby Clinic")]
    ds.ProcedureStepDiscontinuationReasonCodeSequence = [person]
    path = save(tmp_path / "original.dcm", ds)
    outcome = InstanceCleaner(plan(ds)).run(path, tmp_path / "cleaned.dcm")
    cleaned = read(outcome.path)
    (holder,) = cleaned.ProcedureStepDiscontinuationReasonCodeSequence
    (kept,) = holder.PersonIdentificationCodeSequence
    assert (kept.CodeValue, kept.CodingSchemeDesignator, kept.CodeMeaning) == ("261665006", "SCT", "Unknown")
    assert not [secret for secret in SECRETS if secret in outcome.path.read_bytes().lower()]
