"""What hides beside the picture inside compressed frames goes; the picture stays as it is."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import encode_array

from exchange.dicomio.payloads import CopyPayload, EncapsulatedPayload, OffsetTable
from exchange.dicomio.write import write_instance
from redact.pixels.clean import remove_boxes
from redact.pixels.segments import is_irreversible, without_comments
from tests.redact.ocr.drawing import ground
from tests.redact.pixels.making import describe, opened, save_frames, written
from tests.redact.pixels.test_codecs import encoded, jpeg

BASELINE, LOSSLESS_J2K, LOSSY_J2K = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 90, 91))
JPEG_LS, NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
HIDDEN = b"HIDDEN^NAME!"
PICTURE = ground(96, 128)


def j2k(*, comment: bool = False) -> bytes:
    stream = without_comments(bytes(encode_array(PICTURE)), LOSSLESS_J2K)
    if not comment:
        return stream
    segment = b"\xff\x64" + (len(HIDDEN) + 4).to_bytes(2, "big") + b"\0\1" + HIDDEN
    data = stream.index(b"\xff\x93")
    start = stream.index(b"\xff\x90")
    length = int.from_bytes(stream[start + 6 : start + 10], "big") + len(segment)
    tile = stream[start : start + 6] + length.to_bytes(4, "big") + stream[start + 10 : data]
    return stream[:start] + tile + segment + stream[data:]


def deflated() -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(PICTURE.tobytes()) + packer.flush()


def hiding() -> dict[str, tuple[str, bytes, bytes]]:
    """Transfer syntax, the frame that hides something, and without."""
    values = PICTURE[np.newaxis, :, :, np.newaxis]
    plain, ls = jpeg(PICTURE), encoded(values, "MONOCHROME2", JPEG_LS)[0].rstrip(b"\0")
    scan = plain.index(b"\xff\xda")
    comment = b"\xff\xfe" + (len(HIDDEN) + 2).to_bytes(2, "big") + HIDDEN
    return {
        "behind a JPEG": (BASELINE, plain + HIDDEN, plain),
        "in a JPEG": (BASELINE, plain[:scan] + comment + plain[scan:], plain),
        "behind the scan": (BASELINE, plain[:-2] + comment + plain[-2:], plain),
        "behind a JPEG-LS": (JPEG_LS, ls + HIDDEN, ls),
        "behind a JPEG 2000": (LOSSLESS_J2K, j2k() + HIDDEN, j2k()),
        "in a tile of JPEG 2000": (LOSSLESS_J2K, j2k(comment=True), j2k()),
        "behind a deflated frame": (DEFLATED_FRAME, deflated() + HIDDEN, deflated()),
    }


@pytest.mark.parametrize("where", hiding())
def test_what_hides_in_a_frame_goes_and_the_picture_stays(where: str, tmp_path: Path) -> None:
    syntax, full, bare = hiding()[where]
    assert HIDDEN in full
    assert without_comments(full, syntax) == bare
    assert without_comments(bare, syntax) == bare
    ds = describe(PICTURE[np.newaxis, :, :, np.newaxis], "MONOCHROME2")
    made = save_frames(tmp_path / "in.dcm", ds, [full], syntax)
    after = written(made, remove_boxes(made.path, made.layout, made.header, []), tmp_path / "out.dcm")
    assert after.layout.transfer_syntax_uid == syntax
    assert HIDDEN not in after.path.read_bytes()
    assert np.array_equal(made.frames()[0], after.frames()[0])


def test_fragments_that_no_frame_has_are_not_copied(tmp_path: Path) -> None:
    ds = describe(np.stack([PICTURE, PICTURE])[..., np.newaxis], "MONOCHROME2")
    frames = [(jpeg(PICTURE),), (jpeg(PICTURE),), (HIDDEN,)]
    path = tmp_path / "in.dcm"
    write_instance(path, ds, BASELINE, EncapsulatedPayload(frames, OffsetTable.EXTENDED))
    ds = opened(path).header
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        setattr(ds, keyword, ds[keyword].value[:16])
    layout = opened(path).layout
    write_instance(tmp_path / "more.dcm", ds, BASELINE, CopyPayload(layout))
    made = opened(tmp_path / "more.dcm")
    assert HIDDEN in made.path.read_bytes()
    after = written(made, remove_boxes(made.path, made.layout, made.header, []), tmp_path / "out.dcm")
    assert HIDDEN not in after.path.read_bytes()
    assert all(np.array_equal(a, b) for a, b in zip(made.frames(), after.frames(), strict=True))


def test_a_stream_tells_whether_it_lost_something() -> None:
    values = PICTURE[np.newaxis, :, :, np.newaxis]
    assert is_irreversible(jpeg(PICTURE), BASELINE)
    assert not is_irreversible(j2k(), LOSSY_J2K)
    assert is_irreversible(bytes(encode_array(PICTURE, compression_ratios=[8])), LOSSY_J2K)
    lossless = encoded(values, "MONOCHROME2", JPEG_LS)[0]
    assert not is_irreversible(lossless, NEAR)
    place = lossless.index(b"\xff\xda") + 7  # NEAR behind one component
    assert is_irreversible(lossless[:place] + b"\2" + lossless[place + 1 :], NEAR)
