"""Many like files for measuring speed: one series of one patient, with identifiers in the usual places."""

import warnings
from pathlib import Path

from tests.hostile import places, private
from tests.hostile.bases import GE_CT, Base, Loaded, load
from tests.hostile.chance import Chance
from tests.hostile.drafts import Draft
from tests.hostile.generate import case_of, write
from tests.hostile.identity import identify
from tests.hostile.key import Instance
from tests.hostile.people import patients
from tests.support.corpus import find_corpus

LARGE = Base(
    "CT",
    f"{GE_CT}_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
    "CT_small.dcm",
)
SMALL = Base("MR", "mr-ge-2series/axial_epi_fmri_interleaved_i_to_s-00005.dcm", "MR_small.dcm")
_SIDE = 512


def series(folder: Path, base: Base, count: int) -> tuple[list[str], str]:
    """Write `count` instances of a series; returns their names and what they were made from."""
    names, origin = [], ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in range(count):
            # Made anew for each file: the slices of a series repeat their texts. Other forms of the telephone
            # number are held, see test_defects.
            patient = patients(Chance("series"), 1)[0].with_one_phone()
            loaded = load(base, find_corpus())
            if base is LARGE:
                _enlarge(loaded)
            origin = loaded.origin
            instance = Instance(f"{index:05}.dcm", patient.key, "0", base.modality, origin, "", "", "latin-1")
            case = case_of(patient, 0, index, loaded, telling=False)
            draft = Draft(loaded, case, patient.charset, Chance("series"), answer=False, instance=instance)
            identify(draft)
            for plant in (places.free_text, places.nested, private.flat, places.others):
                plant(draft)
            write(draft, folder / instance.file)
            names.append(instance.file)
    return names, origin


def _enlarge(loaded: Loaded) -> None:
    """Pydicom's own CT blown up to 512 x 512, where there is no corpus."""
    ds = loaded.dataset
    if ds.Rows != _SIDE:
        pixels = ds.pixel_array.repeat(_SIDE // ds.Rows, 0).repeat(_SIDE // ds.Columns, 1)
        ds.Rows, ds.Columns, ds.PixelData = _SIDE, _SIDE, pixels.tobytes()
