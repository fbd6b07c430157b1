"""Objects whose content names people: reports, notes, presentation states, waveforms, labels, documents."""

from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from tests.hostile import documents
from tests.hostile.drafts import Draft, Spot, drop, put, tag_of
from tests.hostile.identity import mixed
from tests.hostile.key import Instance
from tests.hostile.people import Secret, around

REPORT_PHRASES = (
    "no evidence of pneumothorax",
    "normal liver",
    "fracture of the left femur",
    "no pleural effusion",
)
_SR_ROOT = "1.2.840.10008.5.1.4.1.1.88."


@dataclass(frozen=True, slots=True)
class Target:
    """An instance that others reference."""

    instance: Instance
    sop_class: str
    sop_uid: str
    series_uid: str
    study_uid: str


def content(draft: Draft, targets: list[Target]) -> None:
    """Plant what belongs to the kind of object at hand."""
    sop_class = str(draft.ds.SOPClassUID)
    if sop_class.startswith(_SR_ROOT):
        report(draft, targets)
    handler = _BY_MODALITY.get(draft.instance.modality)
    if handler:
        handler(draft, targets)


def image_references(draft: Draft, targets: list[Target]) -> None:
    """An image that references another one of its study, and the study before."""
    for target in targets[:1]:
        spot = draft.item(draft.top, "SourceImageSequence")
        draft.reference(spot, target.instance, target.sop_class, target.sop_uid)


def report(draft: Draft, targets: list[Target]) -> None:
    """Content items of every value type that can name somebody, appended to what the report says."""
    patient, chance = draft.patient, draft.chance
    top = draft.top
    put(draft.ds, tag_of("ValueType"), "CS", b"CONTAINER ")
    for _ in range(2):
        item = _item(draft, top, "TEXT", "Finding")
        phrase = chance.choice(REPORT_PHRASES)
        draft.text(item, "TextValue", phrase, around(" (", patient.next_name(), ")"), vr="UT", retain=True)
    item = _item(draft, top, "TEXT", "History")
    born, number = patient.next_date(patient.born), around(" ", patient.next_id())
    draft.text(item, "TextValue", born, number, vr="UT", required="none")
    item = _item(draft, top, "PNAME", "Person Observer Name")
    draft.text(
        item, "PersonName", Secret(patient.referrer, (patient.referrer.split("^")[0],)), required="REMOVED"
    )
    item = _item(draft, top, "DATE", "Date of examination")
    draft.date(item, "Date", draft.case.day)
    item = _item(draft, top, "DATETIME", "Time of examination")
    draft.date(item, "DateTime", draft.case.day, "1015")
    item = _item(draft, top, "CODE", "Observer")
    code = draft.item(item, "ConceptCodeSequence")
    put(code.ds, tag_of("CodeValue"), "SH", b"OBS1")
    put(code.ds, tag_of("CodingSchemeDesignator"), "SH", b"99SITE")
    draft.text(code, "CodeMeaning", patient.next_person(), required="Observer")
    for target in targets[:2]:
        _evidence(draft, "CurrentRequestedProcedureEvidenceSequence", target)
        item = _item(draft, top, "IMAGE", "Source image")
        draft.reference(
            draft.item(item, "ReferencedSOPSequence"), target.instance, target.sop_class, target.sop_uid
        )
        item = _item(draft, top, "UIDREF", "Series")
        draft.uid(item, "UID", target.series_uid)
    nested = _item(draft, _item(draft, top, "CONTAINER", "Findings"), "TEXT", "Finding")
    seen = around(", seen by ", patient.next_person())
    draft.text(nested, "TextValue", chance.choice(REPORT_PHRASES), seen, vr="UT", retain=True)


def _item(draft: Draft, spot: Spot, value_type: str, meaning: str) -> Spot:
    item = draft.item(spot, "ContentSequence")
    put(item.ds, tag_of("RelationshipType"), "CS", b"CONTAINS")
    put(item.ds, tag_of("ValueType"), "CS", value_type.encode())
    name = draft.item(item, "ConceptNameCodeSequence")
    put(name.ds, tag_of("CodeValue"), "SH", b"121071")
    put(name.ds, tag_of("CodingSchemeDesignator"), "SH", b"DCM")
    put(name.ds, tag_of("CodeMeaning"), "LO", meaning.encode())
    if value_type == "CONTAINER":
        put(item.ds, tag_of("ContinuityOfContent"), "CS", b"SEPARATE")
    return item


def _evidence(draft: Draft, keyword: str, target: Target) -> None:
    """Study, series and instance, as evidence sequences and references list them (PS3.3 C.17.2)."""
    study = draft.item(draft.top, keyword)
    draft.uid(study, "StudyInstanceUID", target.study_uid)
    series = draft.item(study, "ReferencedSeriesSequence")
    draft.uid(series, "SeriesInstanceUID", target.series_uid)
    draft.reference(
        draft.item(series, "ReferencedSOPSequence"), target.instance, target.sop_class, target.sop_uid
    )


def presentation(draft: Draft, targets: list[Target]) -> None:
    """Label, creator, layer names and text objects of a presentation state."""
    patient = draft.patient
    put(draft.ds, tag_of("ContentLabel"), "CS", b"MARKS ")
    draft.text(draft.top, "ContentDescription", *mixed(draft))
    draft.text(draft.top, "ContentCreatorName", Secret(patient.operator, (patient.operator.split("^")[0],)))
    for target in targets[:1]:
        series = draft.item(draft.top, "ReferencedSeriesSequence")
        draft.uid(series, "SeriesInstanceUID", target.series_uid)
        image = draft.item(series, "ReferencedImageSequence")
        draft.reference(image, target.instance, target.sop_class, target.sop_uid)
    drop(draft.ds, tag_of("GraphicAnnotationSequence"))
    layer = draft.item(draft.top, "GraphicLayerSequence")
    draft.text(layer, "GraphicLayer", "LAYER1", vr="CS")
    put(layer.ds, tag_of("GraphicLayerOrder"), "IS", b"1 ")
    draft.text(layer, "GraphicLayerDescription", patient.next_name())
    annotation = draft.item(draft.top, "GraphicAnnotationSequence")
    put(annotation.ds, tag_of("GraphicLayer"), "CS", b"LAYER1")
    text = draft.item(annotation, "TextObjectSequence")
    text.ds.AnchorPointAnnotationUnits, text.ds.AnchorPoint, text.ds.AnchorPointVisibility = (
        "PIXEL",
        [10.0, 10.0],
        "N",
    )
    draft.text(text, "UnformattedTextValue", *mixed(draft), required="REMOVED", retain=True)


def waveform(draft: Draft, _targets: list[Target]) -> None:
    """Annotations and channel labels."""
    note = draft.item(draft.top, "WaveformAnnotationSequence")
    draft.text(note, "UnformattedTextValue", draft.patient.next_name(), required="REMOVED")
    put(note.ds, tag_of("AnnotationGroupNumber"), "US", b"\1\0")
    group = draft.ds.WaveformSequence[0]
    channel = Spot(group.ChannelDefinitionSequence[0], "(5400,0100)[0].(003A,0200)[0].")
    draft.text(channel, "ChannelLabel", Secret(draft.patient.digits, (draft.patient.digits,)))


def structure_set(draft: Draft, targets: list[Target]) -> None:
    """Labels, names and descriptions of a structure set, and the images that it was drawn on."""
    patient, ds = draft.patient, draft.ds
    draft.text(draft.top, "StructureSetLabel", Secret(patient.digits, (patient.digits,)), required="REMOVED")
    draft.text(draft.top, "StructureSetName", patient.next_name())
    draft.text(draft.top, "StructureSetDescription", *mixed(draft), retain=True)
    for number, roi in enumerate(ds.get("StructureSetROISequence") or ()):
        spot = Spot(roi, f"(3006,0020)[{number}].")
        draft.text(spot, "ROIName", "LIVER ", patient.next_name(), retain=True)
        draft.text(spot, "ROIDescription", patient.anything())
    for number, observation in enumerate(ds.get("RTROIObservationsSequence") or ()):
        spot = Spot(observation, f"(3006,0080)[{number}].")
        draft.text(spot, "ROIInterpreter", Secret(patient.operator, (patient.operator.split("^")[0],)))
        draft.text(spot, "ROIObservationLabel", Secret(patient.digits, (patient.digits,)))
    drop(ds, tag_of("ReferencedFrameOfReferenceSequence"))
    frame = draft.item(draft.top, "ReferencedFrameOfReferenceSequence")
    draft.uid(frame, "FrameOfReferenceUID", draft.case.frame_of_reference)
    for target in targets[:1]:
        study = draft.item(frame, "RTReferencedStudySequence")
        put(study.ds, tag_of("ReferencedSOPClassUID"), "UI", b"1.2.840.10008.3.1.2.3.1")
        draft.uid(study, "ReferencedSOPInstanceUID", target.study_uid)
        series = draft.item(study, "RTReferencedSeriesSequence")
        draft.uid(series, "SeriesInstanceUID", target.series_uid)
        image = draft.item(series, "ContourImageSequence")
        draft.reference(image, target.instance, target.sop_class, target.sop_uid)


def plan(draft: Draft, _targets: list[Target]) -> None:
    """Label, name and description of a plan, and its beams."""
    patient = draft.patient
    draft.text(draft.top, "RTPlanLabel", Secret(patient.digits, (patient.digits,)), required="REMOVED")
    draft.text(draft.top, "RTPlanName", patient.next_name())
    draft.text(draft.top, "RTPlanDescription", *mixed(draft), retain=True)
    for number, beam in enumerate(draft.ds.get("BeamSequence") or ()):
        spot = Spot(beam, f"(300A,00B0)[{number}].")
        draft.text(spot, "BeamName", patient.next_name())
        draft.text(spot, "BeamDescription", patient.anything())


def segmentation(draft: Draft, targets: list[Target]) -> None:
    """Segment labels and descriptions, the creator, and what was segmented."""
    patient = draft.patient
    draft.text(draft.top, "ContentCreatorName", Secret(patient.operator, (patient.operator.split("^")[0],)))
    draft.text(draft.top, "ContentDescription", *mixed(draft))
    for number, segment in enumerate(draft.ds.get("SegmentSequence") or ()):
        spot = Spot(segment, f"(0062,0002)[{number}].")
        draft.text(spot, "SegmentLabel", "liver ", patient.next_name(), required="liver", retain=True)
        draft.text(spot, "SegmentDescription", patient.anything())
    for target in targets[:1]:
        series = draft.item(draft.top, "ReferencedSeriesSequence")
        draft.uid(series, "SeriesInstanceUID", target.series_uid)
        image = draft.item(series, "ReferencedInstanceSequence")
        draft.reference(image, target.instance, target.sop_class, target.sop_uid)


def key_note(draft: Draft, targets: list[Target]) -> None:
    """A key object note: a sentence, and the images that it is about."""
    item = _item(draft, draft.top, "TEXT", "Key Object Description")
    draft.text(item, "TextValue", "teaching ", draft.patient.next_name(), vr="UT", required="REMOVED")
    for target in targets[:2]:
        _evidence(draft, "CurrentRequestedProcedureEvidenceSequence", target)
        item = _item(draft, draft.top, "IMAGE", "Source image")
        draft.reference(
            draft.item(item, "ReferencedSOPSequence"), target.instance, target.sop_class, target.sop_uid
        )


def document(draft: Draft, _targets: list[Target]) -> None:
    """The document's title, and the document."""
    patient = draft.patient
    draft.text(draft.top, "DocumentTitle", "Letter ", patient.next_name())
    is_pdf = draft.ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    data = documents.pdf(patient) if is_pdf else documents.cda(patient)
    words = Secret(
        "",
        (patient.patient_id, patient.referrer.split("^")[0] if is_pdf else patient.name.family, patient.town),
    )
    draft.region("(0042,0011)", words)
    put(draft.ds, tag_of("EncapsulatedDocument"), "OB", b"%PDF-1.4\n%%EOF\n" if draft.answer else data)


_BY_MODALITY = {
    "PR": presentation, "ECG": waveform, "RTSTRUCT": structure_set, "RTPLAN": plan, "SEG": segmentation,
    "KO": key_note, "DOC": document,
}  # fmt: skip


def derived(modality: str) -> Dataset:
    """An object that a workstation makes of the patient's images: KO, PR, RTSTRUCT, DOC (PDF) or CDA."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(_CLASSES[modality])
    ds.Modality = "DOC" if modality == "CDA" else modality
    ds.StudyTime, ds.SeriesNumber, ds.InstanceNumber, ds.StudyID = "101500", "9", "1", "1"
    ds.PatientSex, ds.Manufacturer = "O", "GE"
    if modality == "KO":
        ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
        ds.ContentDate, ds.ContentTime = "20200101", "101500"
    elif modality == "PR":
        ds.PresentationCreationDate, ds.PresentationCreationTime = "20200101", "101500"
        ds.PresentationLUTShape = "IDENTITY"
    elif modality == "RTSTRUCT":
        ds.StructureSetDate, ds.StructureSetTime = "20200101", "101500"
        roi, observation = Dataset(), Dataset()
        roi.ROINumber, roi.ROIGenerationAlgorithm = 1, "MANUAL"
        observation.ObservationNumber, observation.ReferencedROINumber = 1, 1
        observation.RTROIInterpretedType = "ORGAN"
        ds.StructureSetROISequence, ds.RTROIObservationsSequence = [roi], [observation]
    else:
        ds.MIMETypeOfEncapsulatedDocument = "application/pdf" if modality == "DOC" else "text/XML"
        ds.ConversionType, ds.BurnedInAnnotation = "WSD", "YES"
        ds.ContentDate, ds.ContentTime, ds.AcquisitionDateTime = "20200101", "101500", "20200101"
    return ds


_CLASSES = {
    "KO": "1.2.840.10008.5.1.4.1.1.88.59",
    "PR": "1.2.840.10008.5.1.4.1.1.11.1",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "DOC": "1.2.840.10008.5.1.4.1.1.104.1",
    "CDA": "1.2.840.10008.5.1.4.1.1.104.2",
}
