"""The real files that identifiers are planted in, by modality: of the corpus where it is, else pydicom's own.

Of pydicom's own test files there are eleven modalities; KO, PR, RTSTRUCT and documents are then made from a
real image of the same patient (`structured`), as a workstation would.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate, generate_frames

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_REFERENCES = (
    "ReferencedImageSequence", "SourceImageSequence", "ReferencedStudySequence",
    "ReferencedSeriesSequence", "ReferencedPerformedProcedureStepSequence",
    "CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence",
    "StudiesContainingOtherReferencedInstancesSequence", "ReferencedInstanceSequence",
    "IconImageSequence", "PredecessorDocumentsSequence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Base:
    """A real file.

    Attributes:
        corpus: Path in the corpus; "" where there is none.
        own: Name of pydicom's own file; "" where there is none.
        frames: Keep this many frames of a cine.
        small: Whether it takes part in the reduced set.
        text: Whether there is text in its pixels already, which may go.
    """

    modality: str
    corpus: str = ""
    own: str = ""
    frames: int = 0
    small: bool = True
    text: bool = False


GE_CT = "codec-ct-ge-all-ts/CTImage.dcm"
_US = "ruby-misc/implicit_us_jpeg2k-lossless-mono2"
_DEFLATED = "DeflatedExplicitVRLittleEndianTransferSyntax"
IMAGES = (
    Base("CT", own="CT_small.dcm"),
    Base("MR", "mr-ge-2series/axial_epi_fmri_interleaved_i_to_s-00005.dcm", "MR_small.dcm"),
    Base("CR", "charset-fodicom/chrKoreanMulti.dcm", "dicomdirtests/77654033/CR2/6247"),
    Base("US", own="ExplVR_BigEnd.dcm"),
    Base("DX", "seg-sm-highdicom/dx_image.dcm"),
    Base("XC", "google-dicomweb/example.dcm", text=True),
    Base("PT", "suyash-pt-ect/2.dcm"),
    Base("OT", "charset-fodicom/chrX1.dcm", "SC_rgb_small_odd.dcm"),
    Base("NM", "dcm4che-misc/NM-MONO2-16-13x-heart", "JPEG2000.dcm", frames=2, text=True),
    Base("SM", "seg-sm-highdicom/sm_image_grayscale.dcm"),
    Base("RTDOSE", own="rtdose_1frame.dcm"),
    Base("MR", own="MR_small_bigendian.dcm"),
    Base("XA", "xa-rubo-cine96/jpeg8bit.dcm", frames=2),
    Base("CT", own="693_J2KI.dcm"),
    Base("MG", "google-dicomweb/example-mg.dcm", text=True),
    Base("US", f"{_US}-multiframe.dcm", "examples_rgb_color.dcm", 2, text=True),
    Base("OT", own="SC_rgb_rle.dcm"),
    Base("RF", "orthanc-us-rf-misc/KarstenHilbertRF.dcm", small=False),
    Base("CT", f"{GE_CT}_{_DEFLATED}_1.2.840.10008.1.2.1.99.dcm", "image_dfl.dcm"),
    Base("CT", f"{GE_CT}_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm", small=False),
    Base("OP", "dcmjs-misc/sample-op.dcm", small=False),
    Base("CT", "rt-dicompyler/ct.0.dcm", small=False),
    Base("PT", "fodicom-misc/GH184.dcm", small=False),
)  # fmt: skip
OBJECTS = (
    Base("SR", "dcmjs-misc/sample-sr.dcm", "test-SR.dcm"),
    Base("PR", "pr-weasis/prLUTs.dcm"),
    Base("SEG", "sr-seg-dcmqi/label.seg", "liver_1frame.dcm"),
    Base("ECG", "dicomparser-deflate-encap/wave_dfl", "waveform_ecg.dcm"),
    Base("RTPLAN", own="rtplan.dcm"),
    Base("RTSTRUCT", "rt-dicompyler/rtss.dcm"),
    Base("RWV", "sr-seg-dcmqi/rwvm.dcm"),
    Base("SR", "sr-tid1500-dwv/sr-arrow.dcm", "reportsi.dcm"),
    Base("ANN", "seg-sm-highdicom/sm_annotations.dcm"),
    Base("SR", "dose-openrem-a/DX-RDSR-Canon_CXDI_noDAP.dcm"),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A base file in memory, without the references and the text of its own that another charset garbles."""

    base: Base
    origin: str
    dataset: Dataset


def available(bases: tuple[Base, ...], corpus: Path | None, *, small: bool) -> list[Base]:
    """Those that are to be had here."""
    return [
        base
        for base in bases
        if (base.small or not small) and (base.own or (corpus is not None and base.corpus))
    ]


def load(base: Base, corpus: Path | None) -> Loaded:
    """Read a base file."""
    if corpus is not None and base.corpus:
        path, origin = corpus / base.corpus, f"corpus:{base.corpus}"
    else:
        path, origin = Path(str(get_testdata_file(base.own))), f"pydicom:{base.own}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(path, force=True)
        for keyword in _REFERENCES:
            if keyword in ds:
                del ds[keyword]
        _drop_foreign_text(ds)
        _shorten(ds, base.frames)
        if base.modality == "RTSTRUCT":
            _shorten_contours(ds)
    return Loaded(base, origin, ds)


def _drop_foreign_text(ds: Dataset) -> None:
    """Real text in the file's own character set would be noise in another one."""
    for tag in list(ds.keys()):
        element: object = ds.get_item(tag)
        if isinstance(element, RawDataElement):
            if element.VR in _TEXT_VRS and not (element.value or b"").isascii():
                del ds[tag]
                continue
            if element.VR not in {"SQ", None} or (element.VR is None and tag.is_private):
                continue
        if ds[tag].VR == "SQ":
            for item in ds[tag].value or ():
                _drop_foreign_text(item)
        elif ds[tag].VR in _TEXT_VRS and not str(ds[tag].value).isascii():
            del ds[tag]


def _shorten(ds: Dataset, frames: int) -> None:
    count = int(ds.get("NumberOfFrames", 1) or 1)
    if not frames or count <= frames:
        return
    if ds.file_meta.TransferSyntaxUID.is_compressed:
        every = generate_frames(ds.PixelData, number_of_frames=count)
        kept = [frame for frame, _ in zip(every, range(frames), strict=False)]
        ds.PixelData = encapsulate(kept)
        ds["PixelData"].is_undefined_length = True
    else:
        ds.PixelData = ds.PixelData[: len(ds.PixelData) // count * frames]
    ds.NumberOfFrames = frames
    for keyword in (
        "FrameTimeVector",
        "EnergyWindowVector",
        "DetectorVector",
        "TimeSlotVector",
        "RRIntervalVector",
    ):
        if keyword in ds:
            del ds[keyword]


def _shorten_contours(ds: Dataset) -> None:
    ds.ROIContourSequence = ds.ROIContourSequence[:2]
    ds.StructureSetROISequence = ds.StructureSetROISequence[:2]
    ds.RTROIObservationsSequence = ds.RTROIObservationsSequence[:2]
    for contour in ds.ROIContourSequence:
        contour.ContourSequence = (contour.get("ContourSequence") or [])[:2]
