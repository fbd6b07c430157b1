"""No worse than before: what the original only seemed to hold need not be there after."""

from pathlib import Path
from struct import pack

import pytest

from agent.config.profiles import profile_of
from exchange.dicomio.header import read_header
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.identifiers.harvest import harvest
from redact.stage import CleaningPlan, InstanceCleaner, Readers
from redact.verify.inventory import Inventory
from redact.verify.iod import check_iod
from redact.verify.walk import EXPLICIT_LITTLE, Walk
from tests.redact.verify.studies import PSEUDONYMISER, original, write

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
POINTER = 0x00280009


def pointer(value: bytes) -> bytes:
    return pack("<HH2sH", POINTER >> 16, POINTER & 0xFFFF, b"AT", len(value)) + value


def dose(path: Path, value: bytes) -> Path:
    """An RT Dose whose Frame Increment Pointer (Type 1C) has these bytes, which no library would write."""
    ds = original()
    ds.SOPClassUID, ds.Modality, ds.NumberOfFrames = RT_DOSE, "RTDOSE", 1
    ds.GridFrameOffsetVector, ds.DoseUnits, ds.DoseType = [0.0], "GY", "PHYSICAL"
    ds.DoseSummationType, ds.DoseGridScaling = "PLAN", 1
    ds.FrameIncrementPointer = 0x30040000
    written = write(path, ds).read_bytes()
    whole = pointer(pack("<2H", 0x3004, 0))
    assert whole in written
    path.write_bytes(written.replace(whole, pointer(value)))
    return path


@pytest.mark.parametrize(
    "value", [b"\xbc\x0b", b"", pack("<2H", 0x3004, 0x000C), pack("<3H", 0x3004, 0x0C, 1)]
)
def test_a_pointer_that_is_cut_is_no_value(value: bytes, tmp_path: Path) -> None:
    source = dose(tmp_path / "x.dcm", value)
    plan = CleaningPlan(
        profile_of({"profile": "test", "options": ["113107"], "rules": []}),
        PSEUDONYMISER,
        harvest(read_header(source)),
        Readers(),
        canary_seed=b"iod",
    )
    done = InstanceCleaner(plan).run(source, tmp_path / "out.dcm")
    assert done.proved
    assert bool(read_header(done.path)[POINTER].value) is (len(value) >= 4)


def inventory(vr: bytes, value: bytes) -> Inventory:
    found = Inventory(values={0x00080016: RT_DOSE})
    element = pointer(value).replace(b"AT", vr)
    for one in Walk(element, 0, len(element), EXPLICIT_LITTLE):
        found.note(element, one)
    return found


@pytest.mark.parametrize(("vr", "unit"), [(b"AT", 4), (b"US", 2), (b"UL", 4), (b"FD", 8)])
def test_a_value_that_was_there_may_not_go(vr: bytes, unit: int) -> None:
    assert check_iod(inventory(vr, bytes(unit)), inventory(vr, bytes(unit))) == "no worse"
    assert check_iod(inventory(vr, bytes(unit - 1)), inventory(vr, b"")) == "no worse"
    with pytest.raises(HeldError) as held:
        check_iod(inventory(vr, bytes(unit)), inventory(vr, b""))
    assert (held.value.code, held.value.path) == (ReasonCode.PROOF_IOD, "(0028,0009)")
