"""Palettes as files have them: whole and in segments, bytes and words, either byte order."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.pixels.processing import _expand_segmented_lut

from exchange.dicomio.payloads import NativePayload
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.pixels.decode import FrameReader
from redact.pixels.palette import expanded
from redact.pixels.render import Picture, Renderer
from tests.redact.pixels.making import describe, opened

LITTLE, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def shown(path: Path, indices: NDArray[Any], syntax: str = LITTLE, **palette: Any) -> tuple[Picture, ...]:
    """Pictures of an instance with the same palette for each colour."""
    ds = describe(indices[np.newaxis, :, :, np.newaxis], "PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", palette["descriptor"])
        prefix = "Segmented" if "segments" in palette else ""
        value = palette.get("segments", palette.get("data"))
        setattr(ds, f"{prefix}{colour}PaletteColorLookupTableData", value)
    raw = indices.astype(indices.dtype.newbyteorder(">" if syntax == BIG else "<")).tobytes()
    write_instance(path, ds, syntax, NativePayload("OB" if indices.itemsize == 1 else "OW", len(raw), [raw]))
    made = opened(path)
    frames = FrameReader(made.path, made.layout, made.header)
    return tuple(Renderer(frames.form, made.header).render(frames.frame(0), 0).values())


INDICES = np.arange(64, dtype=np.uint8).reshape(8, 8)
LEVELS = np.arange(64) * 3 + 5


@pytest.mark.parametrize("syntax", [LITTLE, BIG])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("claimed", [8, 16])
def test_whole_palettes_show_the_same_colours_whatever_their_width(
    syntax: str, bits: int, claimed: int, tmp_path: Path
) -> None:
    order = ">" if syntax == BIG else "<"
    data = (LEVELS << (bits - 8)).astype(f"{order}u{bits // 8}").tobytes()
    if bits == 8 and syntax == BIG:  # two entries to a word
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    picture = shown(tmp_path / "in.dcm", INDICES, syntax, descriptor=[64, 0, claimed], data=data)[0]
    assert np.array_equal(picture[:, :, 0].ravel(), LEVELS)


def test_low_levels_in_a_wide_palette_are_not_black(tmp_path: Path) -> None:
    data = LEVELS.astype("<u2").tobytes()
    picture = shown(tmp_path / "in.dcm", INDICES, descriptor=[64, 0, 16], data=data)[0]
    assert np.array_equal(picture[:, :, 1].ravel(), LEVELS)


def test_indices_below_and_above_the_palette_have_its_end_colours(tmp_path: Path) -> None:
    data = np.arange(10, 20).astype("<u2").tobytes()
    picture = shown(tmp_path / "in.dcm", INDICES.astype(np.uint16) * 8, descriptor=[10, 100, 16], data=data)[
        0
    ]
    wanted = np.clip(np.arange(64) * 8 - 100, 0, 9) + 10
    assert np.array_equal(picture[:, :, 2].ravel(), wanted)


def test_text_that_the_palette_hides_is_a_picture_of_its_own(tmp_path: Path) -> None:
    data = np.full(64, 9).astype("<u2").tobytes()
    colours, indices = shown(tmp_path / "in.dcm", INDICES, descriptor=[64, 0, 16], data=data)
    assert np.ptp(colours) == 0
    assert np.ptp(indices) == 255


SEGMENTS = [0, 4, 3, 9, 200, 7, 1, 6, 40, 1, 3, 2, 0, 2, 250, 251]


@pytest.mark.parametrize("syntax", [LITTLE, BIG])
@pytest.mark.parametrize("bits", [8, 16])
def test_segments_are_expanded_as_another_reader_does(syntax: str, bits: int, tmp_path: Path) -> None:
    """Discrete, linear, and those that the indirect segment at the end repeats."""
    offset = [0, 0, 0, 0] if bits == 8 else [0, 0]
    words = [*SEGMENTS, 2, 2, *offset]
    form = f"<{len(words)}{'B' if bits == 8 else 'H'}"
    wanted = _expand_segmented_lut(tuple(words), form)
    assert expanded(words, bits) == pytest.approx(wanted, abs=1)
    order = ">" if syntax == BIG else "<"
    data = struct.pack(f"{order}{form[1:]}", *words)
    if bits == 8 and syntax == BIG:
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    indices = INDICES[:3, :7]
    descriptor = [len(wanted), 0, bits]
    picture = shown(tmp_path / "in.dcm", indices, syntax, descriptor=descriptor, segments=data)[0]
    table = np.asarray(expanded(words, bits))
    assert np.array_equal(picture[:, :, 0], table[np.minimum(indices, len(table) - 1)])


@pytest.mark.parametrize(
    "words",
    [[1, 4, 9, 0], [0, 9, 1, 2], [5, 1, 1, 1], [2, 1, 0, 0], [0, 0xFFFF, 1, 1], [0, 1, 5, 2, 1, 60, 0]],
)
def test_broken_segments_are_held(words: list[int], tmp_path: Path) -> None:
    data = struct.pack(f"<{len(words)}H", *words)
    with pytest.raises(HeldError) as caught:
        shown(tmp_path / "in.dcm", INDICES, descriptor=[64, 0, 16], segments=data)
    assert caught.value.code is ReasonCode.UNDECODABLE_PIXELS


@given(st.lists(st.integers(0, 6), max_size=60), st.sampled_from([8, 16]))
def test_expanding_ends_and_stays_in_its_bounds(words: list[int], bits: int) -> None:
    try:
        entries = expanded(words, bits)
    except (ValueError, IndexError):
        return
    assert len(entries) <= 1 << 16
