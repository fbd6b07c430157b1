"""Drawings in Graphic Annotation Sequence (PS3.3 C.10.5) where 113103 does not ask to clean them.

Table E.1-1 gives the sequence a `D`: what is drawn in it is replaced by a dummy, one point in a corner.
With 113103 lines stay; free-hand drawings are held (`redact.structured.admission`).
"""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from redact.headers.place import Place, Result, Run

_GRAPHIC_OBJECTS = 0x00700009


def put_dummy_graphic(_run: Run, place: Place) -> Result:
    """Replace graphic objects, which an item without text must have; compound graphics go."""
    if place.tag != _GRAPHIC_OBJECTS:
        return place.remove()
    point = Dataset()
    point.GraphicAnnotationUnits = "DISPLAY"
    point.GraphicDimensions, point.NumberOfGraphicPoints = 2, 1
    point.GraphicData, point.GraphicType = [0.0, 0.0], "POINT"
    place.ds[Tag(_GRAPHIC_OBJECTS)].value = Sequence([point])
    return Result.REPLACED
