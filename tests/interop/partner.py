"""What a teleradiology partner makes of images that he was sent: a report and a GSPS, by highdicom."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
)
from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ImageContentItem,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom import Dataset
from pydicom.sequence import Sequence as Items

ORGANISATION = "Telerad GmbH"
REPORT = CodedConcept("18748-4", "LN", "Diagnostic Imaging Report")
FINDING = CodedConcept("121071", "DCM", "Finding")
SOURCE = CodedConcept("121112", "DCM", "Source of Measurement")
FRAME = CodedConcept("112227", "DCM", "Frame of Reference UID")


def report(images: Sequence[Dataset], text: str = "nothing to be seen") -> Dataset:
    """A Comprehensive SR about these images: a text that names the patient as he knows it, and references."""
    images = deepcopy(list(images))  # highdicom takes over their elements themselves
    first = images[0]
    content = ContainerContentItem(REPORT, relationship_type=None)
    contains = hd.sr.RelationshipTypeValues.CONTAINS
    items: list[Dataset] = [TextContentItem(FINDING, f"Patient {first.PatientID}: {text}.", contains)]
    items += [
        ImageContentItem(SOURCE, one.SOPClassUID, one.SOPInstanceUID, relationship_type=contains)
        for one in images
    ]
    items.append(UIDRefContentItem(FRAME, first.FrameOfReferenceUID, contains))
    content.ContentSequence = Items(items)
    return ComprehensiveSR(
        evidence=images,
        content=content,
        series_instance_uid=hd.UID(),
        series_number=900,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=ORGANISATION,
        institution_name=ORGANISATION,
        is_complete=True,
        is_verified=True,
        verifying_observer_name="Reader^Remote",
        verifying_organization=ORGANISATION,
    )


def presentation_state(images: Sequence[Dataset]) -> Dataset:
    """An arrow on the first of these images."""
    images = deepcopy(list(images))
    layer = GraphicLayer("ARROWS", order=1)
    arrow = GraphicObject("POLYLINE", np.array([[5.0, 5.0], [9.0, 9.0]]), units="PIXEL")
    annotation = GraphicAnnotation([images[0]], layer, graphic_objects=[arrow])
    return GrayscaleSoftcopyPresentationState(
        referenced_images=[images[0]],
        series_instance_uid=hd.UID(),
        series_number=901,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=ORGANISATION,
        manufacturer_model_name="Workstation",
        software_versions="1",
        device_serial_number="1",
        content_label="ARROW",
        content_creator_name="Reader^Remote",
        graphic_layers=[layer],
        graphic_annotations=[annotation],
    )


def saved(instances: Sequence[Dataset], folder: Path) -> list[Path]:
    """Written as files, numbered on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for ds in instances:
        paths.append(folder / f"{len(list(folder.iterdir())):03d}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths
