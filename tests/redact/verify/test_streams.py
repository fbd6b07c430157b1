"""The proof reads the bytes of frames by itself: what the cleaner takes out it finds where it is left."""

from pathlib import Path

import numpy as np
import pytest

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.streams import check_streams
from tests.redact.pixels.forming import Form, forms, made_of
from tests.redact.pixels.making import describe, native, save_frames
from tests.redact.pixels.test_segments import HIDDEN, PICTURE, hiding


@pytest.mark.parametrize("where", hiding())
def test_what_hides_in_a_frame_is_found(where: str, tmp_path: Path) -> None:
    syntax, full, bare = hiding()[where]
    ds = describe(PICTURE[np.newaxis, :, :, np.newaxis], "MONOCHROME2", NumberOfFrames=2)
    clean = save_frames(tmp_path / "clean.dcm", ds, [bare, bare], syntax)
    check_streams(clean.layout, clean.header)
    made = save_frames(tmp_path / "in.dcm", ds, [bare, full], syntax)
    with pytest.raises(HeldError) as caught:
        check_streams(made.layout, made.header)
    assert (caught.value.code, caught.value.path) == (ReasonCode.PROOF_TEXT, "frame 1")
    assert HIDDEN.decode() not in str(caught.value)


@pytest.mark.parametrize("form", [*forms()], ids=str)
def test_frames_that_are_pictures_only_pass(form: Form, tmp_path: Path) -> None:
    made = made_of(form, tmp_path / "in.dcm")
    check_streams(made.layout, made.header)


def test_bytes_behind_native_frames_are_found(tmp_path: Path) -> None:
    made = native(tmp_path / "in.dcm", PICTURE[np.newaxis, :, :, np.newaxis], NumberOfFrames=1, Rows=90)
    with pytest.raises(HeldError) as caught:
        check_streams(made.layout, made.header)
    assert caught.value.path == "(7FE0,0010)"
