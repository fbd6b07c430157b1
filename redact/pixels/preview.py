"""Before and after of one frame as PNG, for a person at the console; never stored by the product itself."""

from collections.abc import Sequence

import numpy as np

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.pixels.boxes import TextBox
from redact.pixels.render import Picture

_OUTLINE = (255, 64, 64)  # RGB


def preview(before: Picture, after: Picture, boxes: Sequence[TextBox]) -> tuple[bytes, bytes]:
    """Two PNG files of one frame: before, with the removed boxes outlined, and after.

    Args:
        before: Rendering of the source frame (`find.renderings`).
        after: The same rendering of the cleaned frame.
        boxes: Those of this frame.

    Raises:
        HeldError: `internal`: a picture cannot be encoded.
    """
    import cv2  # 0.2 s at the start of everybody who never shows a preview

    outlined = _rgb(before).copy()
    for box in boxes:
        cv2.rectangle(outlined, (box.x0, box.y0), (box.x1 - 1, box.y1 - 1), _OUTLINE, 1)
    return _png(outlined), _png(_rgb(after))


def _rgb(picture: Picture) -> Picture:
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, np.newaxis], 3, axis=2)


def _png(picture: Picture) -> bytes:
    import cv2

    done, encoded = cv2.imencode(".png", picture[:, :, ::-1])
    if not done:
        raise HeldError(ReasonCode.INTERNAL, "cannot encode a preview picture")
    return encoded.tobytes()
