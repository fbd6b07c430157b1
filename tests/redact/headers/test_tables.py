"""The generated tables: complete, small, and reproducible from the standard's own."""

import importlib.util
import sys
from pathlib import Path

import pytest

from redact.headers import tables
from redact.headers._generated.confidentiality import PATTERNS, ROWS
from redact.headers.profile import Option

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"
CT, SEG = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.66.4"


def test_generating_again_gives_the_committed_files() -> None:
    if not (SHARED / "ps3.15-table-e1-1.json").is_file():
        pytest.skip("the standard's tables are not beside this checkout")
    spec = importlib.util.spec_from_file_location("generate_tables", ROOT / "scripts" / "generate_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_tables"] = module
    spec.loader.exec_module(module)
    made = module.generate(SHARED / "ps3.15-table-e1-1.json", SHARED / "ps3.15-table-e3.10-1.json")
    assert sum(len(text) for text in made.values()) < 600_000
    for name, text in made.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, name


def test_the_whole_table_is_there() -> None:
    assert len(ROWS) == 652
    assert set(PATTERNS) == {"CURVE", "OVERLAY_DATA", "OVERLAY_COMMENTS", "PRIVATE"}
    assert tables.edition().startswith("2026a")
    assert all(set(cells) <= set("KC.") and len(cells) == 10 for _, cells in ROWS.values())


def test_cells() -> None:
    assert tables.basic_action(0x00080080) == "X/Z/D"
    assert tables.basic_action(0x00080060) == ""
    assert tables.option_action(0x00081030, Option.CLEAN_DESCRIPTORS) == "C"
    assert tables.option_action(0x00081030, Option.RETAIN_UIDS) == ""
    assert tables.option_action(0x00081030, Option.CLEAN_PIXEL_DATA) == ""


def test_types_by_sop_class_and_place() -> None:
    root = tables.type_root(CT)
    assert [root.type_of(tag) for tag in (0x00080060, 0x00100010, 0x00081030)] == ["1", "2", "3"]
    assert root.child(0x00081140).type_of(0x00081155) == "1"
    assert tables.type_root(SEG).child(0x00620002).type_of(0x00620005) == "1"
    assert not tables.type_root("1.2.3").known
    assert tables.type_root("1.2.3").child(0x00081140).type_of(0x00081155) == ""


def test_safe_private_elements() -> None:
    assert tables.safe_private_vr("ELSCINT1", 0x01F11007) == "DS"
    assert tables.safe_private_vr("ELSCINT1", 0x01F11008) is None
    assert tables.safe_private_vr("", 0x01F11007) is None
