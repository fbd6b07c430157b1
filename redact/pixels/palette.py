"""Palettes of PALETTE COLOR pixels (PS3.3 C.7.6.3.1.5 and 6, C.7.9.2), whole or in segments."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from redact.pixels.codecs import Pixels
from redact.pixels.form import PixelForm, undecodable

_COLOURS = ("Red", "Green", "Blue")
_MOST_ENTRIES = 1 << 16
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2
_BYTE = 0xFF


def coloured(indices: Pixels, header: Dataset, form: PixelForm) -> NDArray[np.uint8]:
    """Indices (rows x columns) as RGB in 8 bits (rows x columns x 3).

    Raises:
        HeldError: `undecodable-pixels`: the palette is missing or broken.
    """
    try:
        planes = [_plane(indices, header, form, colour) for colour in _COLOURS]
    except (AttributeError, ValueError, TypeError, LookupError, OverflowError) as error:
        raise undecodable("their palette is missing or broken", "(0028,1201)") from error
    return np.stack(planes, axis=2)


def _plane(indices: Pixels, header: Dataset, form: PixelForm, colour: str) -> NDArray[np.uint8]:
    entries, first, bits = (
        int(value) for value in getattr(header, f"{colour}PaletteColorLookupTableDescriptor")
    )
    if form.signed and first >= 1 << 15:  # read as unsigned
        first -= 1 << 16
    entries = entries or _MOST_ENTRIES
    data = header.get(f"{colour}PaletteColorLookupTableData")
    if data:
        table = _table(bytes(data), entries, bits, form)
    else:
        segments = bytes(getattr(header, f"Segmented{colour}PaletteColorLookupTableData"))
        table = np.asarray(expanded(_words(segments, bits, form).tolist(), bits), dtype=np.int64)
    table = table[:entries]
    if not len(table):
        raise ValueError("the palette is empty")
    # 8-bit colours in tables that claim 16 bits are met: shifted they would all be black.
    shown = (table >> 8 if table.max() > _BYTE else table).astype(np.uint8)
    return np.asarray(shown[np.clip(indices.astype(np.int64) - first, 0, len(table) - 1)])


def _table(data: bytes, entries: int, bits: int, form: PixelForm) -> NDArray[np.int64]:
    """A whole palette; its entries are bytes or words by what there are, whatever the descriptor says."""
    if len(data) >= 2 * entries:
        bits = 16
    elif len(data) in (entries, entries + 1):
        bits = 8
    return _words(data, bits, form).astype(np.int64)


def _words(data: bytes, bits: int, form: PixelForm) -> NDArray[np.unsignedinteger]:
    """Bytes or words of an OW value in the byte order of the file."""
    if bits not in (8, 16):
        raise ValueError("entries are neither of 8 nor of 16 bits")
    words = np.frombuffer(data[: len(data) // 2 * 2], dtype="<u2" if form.little_endian else ">u2")
    return words if bits == 16 else np.frombuffer(words.astype("<u2").tobytes(), dtype=np.uint8)


def expanded(words: Sequence[int], bits: int) -> list[int]:
    """The entries of a palette in segments (PS3.3 C.7.9.2.1-3).

    Args:
        words: Bytes or 16-bit words.
        bits: 8 or 16: of a word.

    Raises:
        ValueError: A segment is unknown, out of place, or there are too many entries.
        IndexError: One ends behind the data.
    """
    entries: list[int] = []
    position, end = 0, len(words) - (1 if bits == 8 and len(words) % 2 else 0)
    while position + 1 < end and (words[position], words[position + 1]) != (0, 0):
        if words[position] != _INDIRECT:
            position = _segment(words, position, entries)
            continue
        parts = words[position + 2 : position + 2 + 32 // bits]
        place = sum(part << bits * index for index, part in enumerate(parts)) // (bits // 8)
        for _ in range(words[position + 1]):
            place = _segment(words, place, entries)
        position += 2 + 32 // bits
    return entries


def _segment(words: Sequence[int], position: int, entries: list[int]) -> int:
    """Append one discrete or linear segment; where the next one begins."""
    kind, count = words[position], words[position + 1]
    if len(entries) + count > _MOST_ENTRIES:
        raise ValueError("the palette has too many entries")
    if kind == _DISCRETE:
        values = words[position + 2 : position + 2 + count]
        if len(values) < count:
            raise IndexError("a segment ends behind the palette")
        entries += values
        return position + 2 + count
    if kind != _LINEAR or not entries or not count:
        raise ValueError("a segment of the palette is unknown or out of place")
    first, last = entries[-1], words[position + 2]
    entries += [round(first + (last - first) * step / count) for step in range(1, count + 1)]
    return position + 3
