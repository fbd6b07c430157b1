"""Pictures for reading show what a viewer could show."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from exchange.dicomio.write import write_instance
from redact.pixels.boxes import BoxRule, TextBox, merge
from redact.pixels.clean import remove_boxes
from redact.pixels.decode import Frame, FrameReader
from redact.pixels.fill import clear_unused_bits, remove
from redact.pixels.form import PixelForm
from redact.pixels.policy import PixelPolicy
from redact.pixels.render import Renderer, find_window, meaningful
from redact.pixels.rules import TextMode
from tests.redact.pixels.making import describe, native


def form(values: NDArray[Any], photometric: str = "MONOCHROME2", stored: int = 0) -> PixelForm:
    bits = values.dtype.itemsize * 8
    rows, columns, samples = values.shape
    signed, stored = values.dtype.kind == "i", stored or bits
    return PixelForm(rows, columns, samples, bits, stored, stored - 1, signed, photometric, 0, False, True)


def ramp(dtype: Any = np.uint16, top: int = 4095) -> NDArray[Any]:
    return np.linspace(0, top, 64 * 64).reshape(64, 64, 1).astype(dtype)


def test_a_window_that_differs_from_the_full_range_gives_two_pictures() -> None:
    values = ramp()
    header = Dataset()
    header.WindowCenter, header.WindowWidth = 200, 100
    pictures = Renderer(form(values), header).render(Frame(values, "MONOCHROME2", bytearray()), 0)
    assert list(pictures) == ["window", "full range"]
    windowed, full = pictures.values()
    assert (windowed == 255).mean() > 0.9
    assert 0.4 < (full < 128).mean() < 0.6


def test_monochrome1_is_shown_inverted() -> None:
    values = ramp()
    shown = [
        next(
            iter(Renderer(form(values, kind), Dataset()).render(Frame(values, kind, bytearray()), 0).values())
        )
        for kind in ("MONOCHROME1", "MONOCHROME2")
    ]
    assert np.array_equal(shown[0], 255 - shown[1])


def test_windows_of_functional_groups_are_used_per_frame() -> None:
    header, per_frame = Dataset(), []
    for centre in (10, 20):
        voi, transformation, group = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = centre, 4
        transformation.RescaleSlope, transformation.RescaleIntercept = 2, -4
        group.FrameVOILUTSequence = Sequence([voi])
        group.PixelValueTransformationSequence = Sequence([transformation])
        per_frame.append(group)
    header.PerFrameFunctionalGroupsSequence = Sequence(per_frame)
    first, second = find_window(header, 0), find_window(header, 1)
    assert first is not None
    assert second is not None
    assert (first.low, first.high, second.low, second.high) == (6, 8, 11, 13)


def test_unused_bits_never_show_and_signs_are_extended() -> None:
    values = np.array([[[0x7FFF], [0x0801]]], dtype=np.int16)
    shown = meaningful(values[:, :, 0], form(values, stored=12))
    assert shown.tolist() == [[-1, -2047]]


def test_a_palette_is_applied(tmp_path: Path) -> None:
    values = np.zeros((1, 16, 16, 1), np.uint8)
    values[0, 4:8] = 1
    ds = describe(values, "PALETTE COLOR")
    for colour, entries in (("Red", [0, 255]), ("Green", [0, 128]), ("Blue", [0, 0])):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [2, 0, 16])
        data = np.array(entries, "<u2") << 8
        setattr(ds, f"{colour}PaletteColorLookupTableData", data.astype("<u2").tobytes())
    changes = {element.keyword: element.value for element in ds if "Palette" in element.keyword}
    made = native(tmp_path / "in.dcm", values, "PALETTE COLOR", **changes)
    frames = FrameReader(made.path, made.layout, made.header)
    picture = Renderer(frames.form, made.header).render(frames.frame(0), 0)["palette"]
    assert picture[5, 5].tolist() == [255, 128, 0]


def test_luminance_and_chrominance_are_shown_as_colour() -> None:
    values = np.zeros((8, 8, 3), np.uint8)
    values[:] = (76, 85, 255)  # red
    pictures = Renderer(form(values, "YBR_FULL"), Dataset()).render(Frame(values, "YBR_FULL", bytearray()), 0)
    picture = pictures["colour"]
    assert picture[0, 0, 0] > 250
    assert picture[0, 0, 1:].max() < 5


@given(
    arrays.arrays(np.uint16, (24, 31, 1)),
    st.integers(0, 30),
    st.integers(0, 23),
    st.integers(1, 31),
    st.integers(1, 24),
)
def test_removal_changes_only_the_padded_box_and_leaves_it_flat(
    values: NDArray[np.uint16], x: int, y: int, width: int, height: int
) -> None:
    box = TextBox(0, y, x, min(24, y + height), min(31, x + width), BoxRule.ORDERED, 1.0)
    after = values.copy()
    remove(Frame(after, "MONOCHROME2", bytearray()), [box], form(values))
    padded = box.padded(24, 31)
    inside = np.zeros((24, 31), bool)
    inside[padded.y0 : padded.y1, padded.x0 : padded.x1] = True
    assert np.array_equal(after[~inside], values[~inside])
    assert len(np.unique(after[inside])) == 1


@given(arrays.arrays(np.int16, (6, 7, 1)), st.integers(1, 16))
def test_clearing_unused_bits_keeps_every_pixel_value(values: NDArray[np.int16], stored: int) -> None:
    kind = form(values, stored=stored)
    after = values.copy()
    clear_unused_bits(Frame(after, "MONOCHROME2", bytearray()), kind)
    assert np.array_equal(meaningful(after[:, :, 0], kind), meaningful(values[:, :, 0], kind))


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 40), st.integers(1, 30)), max_size=12
    )
)
def test_merging_never_uncovers_a_pixel(places: list[tuple[int, int, int, int]]) -> None:
    boxes = [
        TextBox(frame, y, x, y + size, x + size, BoxRule.ALL_TEXT, size / 40) for frame, x, y, size in places
    ]
    covered, merged = np.zeros((2, 3, 80, 80), bool)
    for target, source in ((covered, boxes), (merged, merge(boxes))):
        for box in source:
            target[box.frame, box.y0 : box.y1, box.x0 : box.x1] = True
    assert not (covered & ~merged).any()


@pytest.mark.parametrize(
    ("keywords", "mode"),
    [
        ({"Modality": "US"}, TextMode.ALL_TEXT),
        ({"Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, TextMode.STRICT),
        ({"Modality": "CT", "BurnedInAnnotation": "YES"}, TextMode.ALL_TEXT),
        ({"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, TextMode.ALL_TEXT),
        ({"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}, TextMode.ALL_TEXT),
        ({"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, TextMode.STRICT),
        ({"Modality": "CT", "ConversionType": "WSD"}, TextMode.ALL_TEXT),
    ],
)
def test_the_mode_follows_modality_class_and_image_type(keywords: dict[str, Any], mode: TextMode) -> None:
    header = Dataset()
    for keyword, value in keywords.items():
        setattr(header, keyword, value)
    assert PixelPolicy().mode(header) is mode


def test_floating_point_pixels_are_rendered(tmp_path: Path) -> None:
    values = ramp(np.float32, 1)
    kind = PixelForm(64, 64, 1, 32, 32, 31, True, "MONOCHROME2", 0, True, True)
    values[0, 0] = np.nan
    pictures = Renderer(kind, Dataset()).render(Frame(values, "MONOCHROME2", bytearray()), 0)
    assert all(picture.dtype == np.uint8 and picture.max() == 255 for picture in pictures.values())


def test_memory_is_bounded_by_a_few_frames(tmp_path: Path) -> None:
    """120 frames of 1 MiB are written while a few MiB are held."""
    values = np.zeros((120, 512, 1024, 1), np.uint16)
    made = native(tmp_path / "in.dcm", values)
    box = TextBox(7, 10, 10, 30, 60, BoxRule.ORDERED, 1.0)
    outcome = remove_boxes(made.path, made.layout, made.header, [box])
    tracemalloc.start()
    write_instance(tmp_path / "out.dcm", made.header, outcome.transfer_syntax_uid, outcome.payload)
    for index in range(3):
        FrameReader(made.path, made.layout, made.header).frame(index)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 1024 * 1024
