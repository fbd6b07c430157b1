"""A lossless JPEG encoder (ITU-T T.81 process 14, selection value 1), for frames that are written again.

Ours, because the encoders at hand are GPL or break on real input; GDCM reads back what it writes, so that
encoder and decoder check each other.
"""

import numpy as np
from numpy.typing import NDArray

# Huffman table K.3, continued to the 17 categories of lossless coding: codes of each length, 1-16 bits.
_COUNTS = (0, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0)
_CATEGORIES = 17
_BLOCK = 1 << 16  # samples packed at a time: memory stays far below that of the frame
_RED, _GREEN, _BLUE = 0x52, 0x47, 0x42


def encode_lossless(values: NDArray[np.integer], precision: int) -> bytes:
    """One frame as a JPEG stream that decodes to the same bits.

    Args:
        values: rows x columns x samples (1 or 3); of signed ones the low `precision` bits are coded.
        precision: Bits of a sample, 2-16.
    """
    rows, columns, samples = values.shape
    differences = _differences(values.astype(np.int64) & ((1 << precision) - 1), precision)
    components = [1] if samples == 1 else [_RED, _GREEN, _BLUE]  # these say: no colour transform
    frame = bytes([precision]) + rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + bytes([samples])
    frame += b"".join(bytes([name, 0x11, 0]) for name in components)
    scan = bytes([samples]) + b"".join(bytes([name, 0]) for name in components) + b"\x01\x00\x00"
    table = b"\x00" + bytes(_COUNTS) + bytes(range(_CATEGORIES))
    head = _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)
    return b"\xff\xd8" + head + _packed(differences).replace(b"\xff", b"\xff\x00") + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def _differences(values: NDArray[np.int64], precision: int) -> NDArray[np.int32]:
    """To the left neighbour, in the first column to the one above, modulo 2^16 (T.81 H.1.2.1)."""
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << (precision - 1)
    return ((((values - predicted) + 0x7FFF) & 0xFFFF) - 0x7FFF).astype(np.int32).ravel()


def _codes() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Code and length for each category (T.81 annex C)."""
    codes, lengths, code = [], [], 0
    for length, count in enumerate(_COUNTS, 1):
        for _ in range(count):
            codes.append(code)
            lengths.append(length)
            code += 1
        code <<= 1
    return np.asarray(codes), np.asarray(lengths)


def _packed(differences: NDArray[np.int32]) -> bytes:
    """Category and low bits of each difference, one behind the other, the last byte filled with ones."""
    codes, code_lengths = _codes()
    packed, rest = [], np.empty(0, np.uint8)
    for begin in range(0, differences.size, _BLOCK):
        block = differences[begin : begin + _BLOCK].astype(np.int64)
        category = np.frexp(np.abs(block).astype(np.float64))[1].astype(np.int64)
        extra = np.where(category == _CATEGORIES - 1, 0, category)  # 32768 has no low bits
        low = (block - (block < 0)) & ((1 << extra) - 1)
        words, lengths = (codes[category] << extra) | low, code_lengths[category] + extra
        ends = np.cumsum(lengths)
        shifts = np.repeat(ends - 1, lengths) - np.arange(ends[-1])
        bits = np.concatenate([rest, ((np.repeat(words, lengths) >> shifts) & 1).astype(np.uint8)])
        whole = bits.size - bits.size % 8
        packed.append(np.packbits(bits[:whole]).tobytes())
        rest = bits[whole:]
    if rest.size:
        packed.append(np.packbits(np.concatenate([rest, np.ones(8 - rest.size, np.uint8)])).tobytes())
    return b"".join(packed)
