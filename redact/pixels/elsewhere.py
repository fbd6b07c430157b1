"""What says where pixels lie: a URL outside the file, or offsets into fragments.

Pixel data of the JPIP referenced transfer syntaxes (PS3.5 A.6-A.9) is not in the file. It names a URL, Pixel
Data Provider URL (0028,7FE0), at which the pixels lie as they were taken. The URL may hold an identity, and
whoever opens it sees the pixels that nobody cleaned; without it the object shows nothing. So such an object
never passes, and no release lets it: there is nothing to release.
"""

from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout
from exchange.dicomio.syntaxes import is_referenced
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError

PROVIDER_PATH = "(0028,7FE0)"
_PROVIDER_URL = 0x00287FE0
_OF_FRAGMENTS = (0x7FE00001, 0x7FE00002, 0x7FE00003)  # extended offset table, its lengths, total length


def refuse_pixels_elsewhere(layout: FileLayout, header: Dataset) -> None:
    """Let pass what has its pixels with it, or none.

    Args:
        layout: Of the original.
        header: Of the original.

    Raises:
        HeldError: `transfer-syntax`.
    """
    if is_referenced(layout.transfer_syntax_uid) or _PROVIDER_URL in header:
        raise HeldError(
            ReasonCode.TRANSFER_SYNTAX,
            "cannot clean the pixels: they are not in the file, which only names where they lie",
            PROVIDER_PATH,
            "have the sender send the object with its pixels in it, or reject it",
        )


def drop_offsets_of_nothing(layout: FileLayout, header: Dataset) -> None:
    """Remove what describes fragments (PS3.3 C.7.6.3.1.8) where pixels are none: there it is any bytes."""
    if layout.pixels is None or not layout.pixels.encapsulated:
        for tag in _OF_FRAGMENTS:
            header.pop(tag, None)
