"""What stands beside the picture in JPEG 2000 frames (ITU-T T.800): a file around it, comments, bytes behind.

PS3.5 A.4.4 has the bare codestream in a frame. Some writers put whole JP2 files there, whose boxes hold XML,
UUIDs and labels (T.800 annex I).
"""

from collections.abc import Callable

_JP2 = b"\0\0\0\x0cjP  "
_START, _END = b"\xff\x4f", b"\xff\xd9"
_CODESTREAM_BOX = b"jp2c"
_TILE, _DATA, _TILE_LENGTHS = 0x90, 0x93, 0x55
# SIZ, COD, COC, TLM, PLM, PLT, QCD, QCC, RGN, POC, PPM, PPT, CRG (table A.2); CAP, PRF, CPF of newer parts.
_KNOWN = frozenset({0x50, 0x51, 0x52, 0x53, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F})
_KNOWN |= {0x60, 0x61, 0x63}
_TILE_HEADER = 12  # SOT with its marker


def bare_codestream(frame: bytes) -> bytes:
    """The codestream without comments and what follows its end; as it is where there is nothing of that.

    Raises:
        ValueError: It is no codestream, and no file with one.
    """
    stream = _out_of_boxes(frame) if frame.startswith(_JP2) else frame
    if not stream.startswith(_START):
        raise ValueError("a JPEG 2000 frame has no codestream")
    head, position, _ = _without(stream, 2, _TILE, _is_needless)
    tiles: list[bytes] = []
    shortened = False
    while stream[position : position + 2] == b"\xff\x90":
        tile, position, fewer = _tile(stream, position)
        tiles.append(tile)
        shortened = shortened or fewer
    if not tiles:
        raise ValueError("a JPEG 2000 frame has no tile")
    if shortened:  # lengths of tile-parts told in advance are optional, and now wrong
        head, _, _ = _without(head + b"\xff\x90", 0, _TILE, lambda marker: marker == _TILE_LENGTHS)
    whole = stream[:2] + head + b"".join(tiles)
    if stream[position : position + 2] == _END:
        whole, position = whole + _END, position + 2
    elif stream[position:].strip(b"\0"):  # else it was cut off by its writer, and padded
        raise ValueError("a JPEG 2000 frame has something else than tiles")
    return whole + padding(stream, position)


def padding(frame: bytes, end: int) -> bytes:
    """What stands behind the end, where that is zeros."""
    return b"" if frame[end:].strip(b"\0") else frame[end:]


def _out_of_boxes(frame: bytes) -> bytes:
    """The codestream of a JP2 file (I.4)."""
    position = 0
    while position + 8 <= len(frame):
        length, kind = (
            int.from_bytes(frame[position : position + 4], "big"),
            frame[position + 4 : position + 8],
        )
        begin = position + 8
        if length == 1:
            length, begin = int.from_bytes(frame[begin : begin + 8], "big"), begin + 8
        end = position + length if length else len(frame)
        if not begin <= end <= len(frame):
            break
        if kind == _CODESTREAM_BOX:
            return frame[begin:end]
        position = end
    raise ValueError("a JP2 file has no codestream")


def _tile(stream: bytes, position: int) -> tuple[bytes, int, bool]:
    """One tile-part without comments, where it ends, and whether it became shorter."""
    length = int.from_bytes(stream[position + 6 : position + 10], "big")
    body, data, fewer = _without(stream, position + _TILE_HEADER, _DATA, _is_needless)
    end = position + length
    if not length:  # it reaches to the end; no coded data holds such a marker (A.1.3)
        ended = stream.find(_END, data)
        end = ended if ended >= 0 else len(stream)
    if not data <= end <= len(stream):
        raise ValueError("a tile-part does not end in its frame")
    told = (length - fewer if length else 0).to_bytes(4, "big")
    head = stream[position : position + 6] + told + stream[position + 10 : position + _TILE_HEADER]
    return head + body + stream[data:end], end, fewer > 0


def _is_needless(marker: int) -> bool:
    return marker not in _KNOWN


def _without(
    stream: bytes, position: int, last: int, unwanted: Callable[[int], bool]
) -> tuple[bytes, int, int]:
    """Segments from a position up to a marker without the unwanted ones; where it stands; bytes left out."""
    kept, fewer = [], 0
    while position + 4 <= len(stream) and stream[position] == 0xFF and stream[position + 1] != last:
        end = position + 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
        if unwanted(stream[position + 1]):
            fewer += end - position
        else:
            kept.append(stream[position:end])
        position = end
    return b"".join(kept), position, fewer
