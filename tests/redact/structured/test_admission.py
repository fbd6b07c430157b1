"""Objects that cannot be cleaned completely are held with their reason; all others pass."""

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.profile import Documents, Option, Profile
from redact.structured.admission import admit

CLEANING = Profile(
    "cleaning",
    frozenset({Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_GRAPHICS, Option.CLEAN_DESCRIPTORS}),
)
REBUILDING = replace(CLEANING, documents=Documents.REBUILD)
BASIC = Profile("basic", frozenset())


def of_class(sop_class: str) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{sop_class}"
    return ds


def drawing(kind: str, points: list[float]) -> Dataset:
    graphic = Dataset()
    graphic.GraphicType, graphic.GraphicData = kind, points
    layer = Dataset()
    layer.GraphicObjectSequence = [graphic]
    ds = of_class("11.1")
    ds.GraphicAnnotationSequence = [layer]
    return ds


@pytest.mark.parametrize("sop_class", ["88.11", "88.22", "88.33", "88.34", "88.59", "88.67"])
def test_reports_and_key_objects_pass_where_content_is_cleaned(sop_class: str) -> None:
    admit(of_class(sop_class), CLEANING)
    with pytest.raises(HeldError) as caught:
        admit(of_class(sop_class), BASIC)
    assert (caught.value.code, caught.value.path) == (ReasonCode.STRUCTURED_CONTENT, "(0040,A730)")
    assert "113104" in str(caught.value)


def test_a_content_tree_in_any_object_passes_where_content_is_cleaned() -> None:
    ds = of_class("2")
    ds.ContentSequence = [Dataset()]
    admit(ds, CLEANING)
    with pytest.raises(HeldError, match="content tree"):
        admit(ds, BASIC)


@pytest.mark.parametrize("sop_class", ["104.1", "104.2", "104.3", "104.4"])
def test_documents_are_held_by_class(sop_class: str) -> None:
    with pytest.raises(HeldError) as caught:
        admit(of_class(sop_class), CLEANING)
    assert caught.value.code is ReasonCode.ENCAPSULATED_DOCUMENT


@pytest.mark.parametrize("sop_class", ["104.1", "104.2"])
def test_pdf_and_cda_pass_where_they_are_rebuilt(sop_class: str) -> None:
    admit(of_class(sop_class), REBUILDING)


@pytest.mark.parametrize("sop_class", ["104.3", "104.4", "104.5", "2"])
def test_no_other_document_passes_where_documents_are_rebuilt(sop_class: str) -> None:
    ds = of_class(sop_class)
    ds.EncapsulatedDocument = b"solid model"
    with pytest.raises(HeldError) as caught:
        admit(ds, REBUILDING)
    assert caught.value.code is ReasonCode.ENCAPSULATED_DOCUMENT


def test_a_drawing_for_a_plotter_is_held_beside_a_document() -> None:
    ds = of_class("104.1")
    ds.add_new(0x00686300, "OB", b"IN;SP1;")
    with pytest.raises(HeldError):
        admit(ds, REBUILDING)


def test_documents_are_held_wherever_they_are() -> None:
    ds = of_class("2")
    ds.EncapsulatedDocument = b"%PDF-1.4"
    with pytest.raises(HeldError) as caught:
        admit(ds, CLEANING)
    assert (caught.value.code, caught.value.path) == (ReasonCode.ENCAPSULATED_DOCUMENT, "(0042,0011)")
    assert "%PDF" not in str(caught.value)


@pytest.mark.parametrize("kind", ["POLYLINE", "INTERPOLATED"])
def test_free_hand_graphics_are_held(kind: str) -> None:
    with pytest.raises(HeldError) as caught:
        admit(drawing(kind, [1, 1, 2, 2, 3, 1]), CLEANING)
    assert caught.value.code is ReasonCode.COMPLEX_GRAPHICS
    assert caught.value.path == "(0070,0001)[0].(0070,0009)[0]"


@pytest.mark.parametrize(
    ("kind", "points"), [("POLYLINE", [1, 1, 2, 2]), ("CIRCLE", [1, 1, 2, 2]), ("POINT", [1, 1])]
)
def test_lines_circles_and_points_pass(kind: str, points: list[float]) -> None:
    admit(drawing(kind, points), CLEANING)


def test_compound_graphics_and_bitmap_shutters_are_held() -> None:
    layer = Dataset()
    layer.CompoundGraphicSequence = [Dataset()]
    ds = of_class("11.1")
    ds.GraphicAnnotationSequence = [layer]
    with pytest.raises(HeldError, match="free-hand"):
        admit(ds, CLEANING)
    shutter = of_class("2")
    shutter.ShutterShape = ["RECTANGULAR", "BITMAP"]
    with pytest.raises(HeldError, match="bitmap"):
        admit(shutter, CLEANING)


@pytest.mark.parametrize("sop_class", ["9.4.1", "9.4.2", "8", "9"])
def test_voice_and_stand_alone_planes_are_held(sop_class: str) -> None:
    with pytest.raises(HeldError):
        admit(of_class(sop_class), CLEANING)


@pytest.mark.parametrize("sop_class", ["2", "4", "66.4", "481.3", "481.5", "9.1.1", "11.1", "91.1", "7"])
def test_images_labels_plans_and_waveforms_pass(sop_class: str) -> None:
    admit(of_class(sop_class), CLEANING)
