"""The second reading of the pixels: other weights, the same keep-policy.

What the first reader overlooked, a reader trained otherwise may see. A marker that the policy lets stay (an
«L») is no failure, because both readings are judged by the same policy.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from exchange.dicomio.header import read_header
from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers
from exchange.domain.source import Source
from redact.ocr.matching import IdentifierMatcher
from redact.ocr.reader import TextReader
from redact.pixels.boxes import TextBox
from redact.pixels.find import find_text
from redact.pixels.judging import Judge
from redact.pixels.own import OwnText
from redact.pixels.policy import PixelPolicy
from redact.verify.canary import Canary
from redact.verify.streams import check_streams


class SecondReading:
    """Reads cleaned pixels again; make one a worker, as models are slow to load.

    Args:
        reader: With other weights than the cleaner's.
        policy: The cleaner's.
        identifiers: Of the whole study and the patient's earlier exchanges.
        own: Makes of an original's header the identity that the profile retains; None where it does not.
    """

    def __init__(
        self,
        reader: TextReader,
        policy: PixelPolicy,
        identifiers: HarvestedIdentifiers,
        own: Callable[[Dataset], OwnText | None] = lambda _header: None,
    ) -> None:
        self._reader = reader
        self._own = own
        self._policy = policy
        self._identifiers = identifiers
        self._canaries: set[Canary] = set()

    def __call__(self, original: Source, cleaned: Path, layout: FileLayout) -> Sequence[TextBox]:
        """The boxes of text that the policy would remove from the cleaned file.

        Raises:
            HeldError: PROOF_TEXT, a frame holds more than its picture; `undecodable-pixels` or `video`;
                `identity-mismatch`.
            ModelError: A model failed.
        """
        header = read_header(cleaned)
        check_streams(layout, header)
        before = read_header(original)
        judge = Judge.of(self._policy.for_proof(), before, self._own(before) or self._identifiers)
        return find_text(cleaned, layout, header, self._reader, judge)

    def check_canary(self, canary: Canary) -> None:
        """Read a picture of the canary's name, once for each canary.

        Raises:
            HeldError: PROOF_TEXT, the reader missed it: this proof is void.
        """
        if canary in self._canaries:
            return
        matcher = IdentifierMatcher(canary.identifiers)
        if not any(matcher.matches(line.text) for line in self._reader.read(_picture(canary))):
            raise HeldError(
                ReasonCode.PROOF_TEXT,
                "cannot prove anything of the pixels: the planted canary was not read",
                "canary",
                "stop this appliance's outbound routes and check its models with `lockgate doctor`",
            )
        self._canaries.add(canary)


class RememberedReading:
    """A second reading, remembering what it found in the instance at hand."""

    def __init__(self, reading: SecondReading) -> None:
        self._reading = reading
        self.found: tuple[TextBox, ...] = ()

    def __call__(self, original: Source, cleaned: Path, layout: FileLayout) -> Sequence[TextBox]:
        """See SecondReading."""
        self.found = ()
        self.found = tuple(self._reading(original, cleaned, layout))
        return self.found

    def check_canary(self, canary: Canary) -> None:
        """See SecondReading."""
        self.found = ()
        self._reading.check_canary(canary)


def _picture(canary: Canary) -> NDArray[np.uint8]:
    """The canary's name as devices burn names in: light capitals on a grey ramp."""
    import cv2  # 0.2 s, and needed where pixels are read only

    ramp = np.linspace(10, 90, 512, dtype=np.uint8)
    picture = np.ascontiguousarray(np.repeat(ramp[np.newaxis, :], 160, axis=0))
    name = f"{canary.family} {canary.given}".upper()
    cv2.putText(picture, name, (16, 90), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 230, 2, cv2.LINE_AA)
    return picture
