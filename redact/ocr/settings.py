"""Settings of the reader; the figures come from the models' own files and from measured trials."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How the detector and the recogniser are driven. Lengths in pixels.

    Attributes:
        pixel_threshold: A pixel of the detector's map counts as text from here (the model's own figure).
        box_threshold: Mean of the map inside a box from which the box is a candidate (the model's own).
        grow: Unclip ratio: the detector draws shrunk boxes, each side moves out by area x grow / perimeter.
        smallest_side: Size gate, before growing: boxes thinner than this at detector scale are noise.
        largest_side: Size gate, before growing: boxes thicker than this at detector scale are huge; of text
            about twice this high.
        huge_share: Huge boxes up to this share of the picture's smaller side are read, too; thicker ones are
            organs.
        huge_length: A huge line must be so much longer than thick: organs are round.
        huge_characters: The letters and digits that it must have: rings read as an O.
        coarse_side: Longest side of a small copy in which letters as high as organs are looked for.
        coarse_least: Lines thinner than this at detector scale are not taken from it.
        trace: From this value on the map of the normal view, where nothing was found, is a trace of
            something that may have been overlooked.
        around: Pixels, at detector scale, that are looked at again around a trace.
        closer: How much such a part is enlarged.
        closer_below: Lines lower than this, at detector scale and grown, may be a piece of one.
        closer_height: At a second, closer look beside surely read lines these are made about this high.
        closer_sure: Confidence from which a line is looked at more closely.
        small_picture: Pictures with a smaller side below this are enlarged, at most twice.
        tile: Longest side that the detector sees at once; larger pictures are tiled.
        overlap: Of neighbouring tiles.
        full_scale: Up to this longest side nothing is ever shrunk.
        smallest_scale: Never shrink below this: downscaling is the main cause of missed text.
        floor: Lines read with less confidence than this are not reported at all.
        crop_height: The recogniser's input height.
        longest_crop: The recogniser's input width is cut into this at most (very long lines are squeezed).
        most_candidates: Per pass; what lies beyond it is dropped in order of falling score.
    """

    pixel_threshold: float = 0.2
    box_threshold: float = 0.4
    grow: float = 1.4
    smallest_side: float = 3.0
    largest_side: float = 48.0
    huge_share: float = 0.4
    huge_length: float = 2.5
    huge_characters: int = 2
    coarse_side: int = 512
    coarse_least: float = 64.0
    trace: float = 0.005
    around: int = 48
    closer: float = 1.5
    closer_below: float = 16.0
    closer_height: int = 24
    closer_sure: float = 0.6
    small_picture: int = 512
    tile: int = 2048
    overlap: int = 160
    full_scale: int = 2048
    smallest_scale: float = 0.5
    floor: float = 0.3
    crop_height: int = 48
    longest_crop: int = 1600
    most_candidates: int = 1000
