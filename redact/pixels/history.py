"""What a lossy transfer syntax says of its pixels, told by the header where that syntax is given up."""

from pydicom.dataset import Dataset

from exchange.dicomio.getters import text
from exchange.dicomio.layout import FileLayout
from redact.pixels.codecs import HTJ2K, JPEG_2000, JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS, JPEG_RETIRED
from redact.pixels.segments import is_irreversible

# LossyImageCompressionMethod (PS3.3 C.7.6.1.1.5.1) of the syntaxes that can lose.
_METHODS = {
    **dict.fromkeys((JPEG_BASELINE, JPEG_EXTENDED, *JPEG_RETIRED), "ISO_10918_1"),
    JPEG_LS[1]: "ISO_14495_1",
    JPEG_2000[1]: "ISO_15444_1",
    HTJ2K[2]: "ISO_15444_15",
}


def lossy_history(
    layout: FileLayout, header: Dataset, first: bytes, native_length: int
) -> dict[str, str | int]:
    """LossyImageCompression, ratio and method, where only the transfer syntax said that something was lost.

    Nothing where the header says so itself, or nothing was lost.

    Args:
        layout: Of the original.
        header: Of the original.
        first: Its first frame as it is encoded.
        native_length: Bytes of all its frames when decoded.
    """
    syntax = layout.transfer_syntax_uid
    told = text(header, "LossyImageCompression").strip() == "01"
    if told or syntax not in _METHODS or layout.pixels is None or not is_irreversible(first, syntax):
        return {}
    updates: dict[str, str | int] = {"LossyImageCompression": "01"}
    if not text(header, "LossyImageCompressionMethod").strip():
        compressed = sum(length for _, length in layout.pixels.fragments)
        updates["LossyImageCompressionMethod"] = _METHODS[syntax]
        updates["LossyImageCompressionRatio"] = f"{native_length / max(compressed, 1):.2f}"
    return updates
