"""The second reading: another reader, the same policy, and a canary of its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from exchange.dicomio.examine import examine
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.pixels.policy import PixelPolicy
from redact.verify.canary import Canary
from redact.verify.pixels import SecondReading
from redact.verify.proof import prove_instance
from tests.redact.ocr.drawing import reader
from tests.redact.verify.studies import EXPECTATIONS, IDENTIFIERS, cleaned, original, write

SIDE = 256


def image(text: str) -> bytes:
    picture: NDArray[np.uint8] = np.full((SIDE, SIDE), 20, dtype=np.uint8)
    cv2.putText(picture, text, (20, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 240, 2, cv2.LINE_AA)
    return (picture.astype(np.uint16) * 8).tobytes()


def sized(ds: Dataset) -> Dataset:
    ds.Rows = ds.Columns = SIDE
    ds.WindowCenter, ds.WindowWidth = 1000, 2000
    return ds


def pair(folder: Path, text: str) -> tuple[Path, Path]:
    source = write(folder / "a.dcm", sized(original()), data=image(text))
    return source, write(folder / "b.dcm", sized(cleaned()), data=image(text))


@pytest.fixture(scope="module")
def reading() -> SecondReading:
    return SecondReading(reader("prover"), PixelPolicy(), IDENTIFIERS)


@pytest.mark.parametrize("seed", [b"", b"a", b"b", b"c"])
def test_canary_picture_is_read(reading: SecondReading, seed: bytes) -> None:
    reading.check_canary(Canary.of(seed))


def test_reader_that_sees_nothing_voids_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = SecondReading(reader("prover"), PixelPolicy(), IDENTIFIERS)
    monkeypatch.setattr(blind._reader, "read", lambda _: ())
    with pytest.raises(HeldError) as caught:
        blind.check_canary(Canary.of(b"x"))
    assert (caught.value.code, caught.value.path) == (ReasonCode.PROOF_TEXT, "canary")


def test_name_left_in_the_pixels_is_held_with_a_box(reading: SecondReading, tmp_path: Path) -> None:
    source, output = pair(tmp_path, "DOERING J")
    with pytest.raises(HeldError) as caught:
        prove_instance(
            source, output, identifiers=IDENTIFIERS, expectations=EXPECTATIONS, pixel_proof=reading
        )
    assert caught.value.code is ReasonCode.PROOF_TEXT
    assert caught.value.path.startswith("frame 0: ")


def test_pixels_without_text_pass(reading: SecondReading, tmp_path: Path) -> None:
    source, output = pair(tmp_path, "")
    proof = prove_instance(
        source, output, identifiers=IDENTIFIERS, expectations=EXPECTATIONS, pixel_proof=reading
    )
    assert proof.text_detection == "none found"


def test_original_decides_how_hard_is_looked(reading: SecondReading, tmp_path: Path) -> None:
    """The cleaner writes BurnedInAnnotation NO; the original said YES, so all text goes, and «L» with it."""
    source, output = sized(original()), sized(cleaned())
    source.BurnedInAnnotation, output.BurnedInAnnotation = "YES", "NO"
    write(tmp_path / "a.dcm", source, data=image("AGFA"))
    write(tmp_path / "b.dcm", output, data=image("AGFA"))
    boxes = reading(tmp_path / "a.dcm", tmp_path / "b.dcm", examine(tmp_path / "b.dcm"))
    assert [box.rule for box in boxes] == ["all-text"]
