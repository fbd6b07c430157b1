"""The generated tables: complete, small, and reproducible from the standard's own."""

import re
import subprocess
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

import pytest
from pydicom.datadict import keyword_for_tag

from redact.headers import tables
from redact.headers._generated import safe_private
from redact.headers._generated.confidentiality import PATTERNS, ROWS
from redact.headers.profile import Option
from scripts import generate_tables as made
from scripts.docbook import OPTION_HEADINGS, UnreadableTable, read_part15
from tests.support.corpus import find_tables

ROOT = Path(__file__).parents[3]
CT, SEG = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.66.4"


def test_generating_again_gives_the_committed_files() -> None:
    folder = find_tables()
    if folder is None:
        pytest.skip("the standard's tables are not beside this checkout ($LOCKGATE_TABLES)")
    read = made.read_json(folder / "ps3.15-table-e1-1.json", folder / "ps3.15-table-e3.10-1.json")
    files = made.generate(*read)
    assert sum(len(text) for text in files.values()) < 600_000
    for name, text in files.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, name
    assert all(line.endswith(": unchanged") for line in made.review(ROOT, files, made.names(read[0])))


Rows = Mapping[str, tuple[str, str]]
HEADINGS = ("Attribute Name", "Tag", "Retd. (from PS3.6)", "In Std. Comp. IOD (from PS3.3)", "Basic Prof.")


def listed_rows() -> dict[str, tuple[str, str]]:
    """The committed rows as DocBook names them."""
    patterns = {name: PATTERNS[key] for name, key in made.PATTERNS.items()}
    return {f"({tag >> 16:04X},{tag & 0xFFFF:04X})": row for tag, row in ROWS.items()} | patterns


def document(
    folder: Path, rows: Rows, *, subtitle: str = "DICOM PS3.15 2027a - Security", headings: str = ""
) -> Path:
    """A part15.xml with these rows, in the form in which NEMA publishes it."""

    def row(tag: str, cells: tuple[str, str]) -> str:
        match = re.fullmatch(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)", tag)
        name = keyword_for_tag(int(match[1] + match[2], 16)) if match else "Pattern"
        letters = ["" if letter == "." else letter for letter in cells[1]]
        values = [f"{name[:4]}\u200b{name[4:]}", tag, "N", "Y", cells[0], *letters]
        return (
            "<tr>"
            + "".join(f'<td align="center"><para>{escape(one)}</para></td>' for one in values)
            + "</tr>"
        )

    safe = "".join(
        f"<tr><td><para>({group:04X},xx{element:02X})</para></td><td><para>{escape(creator)}</para></td>"
        f"<td><para>{vr}</para></td><td><para>1</para></td><td><para>Meaning</para></td></tr>"
        for (creator, group, element), vr in safe_private.ROWS.items()
    )
    ths = headings or "".join(f"<th><para>{escape(one)}</para></th>" for one in (*HEADINGS, *OPTION_HEADINGS))
    safe_ths = "".join(
        f"<th><para>{one}</para></th>" for one in ("Data Element", "Private Creator", "VR", "VM", "Meaning")
    )
    body = "".join(row(tag, cells) for tag, cells in rows.items())
    text = (
        '<?xml version="1.0"?><book xmlns="http://docbook.org/ns/docbook"><title>PS3.15</title>'
        f"<subtitle>{subtitle}</subtitle><chapter>"
        f'<table xml:id="table_E.1-1"><thead><tr>{ths}</tr></thead><tbody>{body}</tbody></table>'
        f'<table xml:id="table_E.3.10-1"><thead><tr>{safe_ths}</tr></thead><tbody>{safe}</tbody></table>'
        "</chapter></book>"
    )
    (folder / "part15.xml").write_text(text, encoding="utf-8")
    return folder / "part15.xml"


def test_docbook_and_json_give_the_same_tables(tmp_path: Path) -> None:
    listed, safe = read_part15(document(tmp_path, listed_rows()))
    committed = (ROOT / made.FOLDER / "confidentiality.py").read_text(encoding="utf-8")
    assert made.literals(made.confidentiality(listed)) == {**made.literals(committed), "EDITION": "2027a"}
    assert made.literals(made.safe_private(safe))["ROWS"] == safe_private.ROWS


def test_an_update_is_one_command_that_tells_every_row(tmp_path: Path) -> None:
    rows = listed_rows()
    del rows["(0008,0050)"]
    rows["(0008,1030)"] = ("X/D", rows["(0008,1030)"][1])
    rows["(0010,FFFE)"] = ("Z", ".K........")
    source = document(tmp_path, rows)
    command = [sys.executable, "scripts/generate_tables.py", "--part15", str(source), "--dry-run"]
    before = (ROOT / made.FOLDER / "confidentiality.py").read_bytes()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert "  removed  (0008,0050) AccessionNumber: Z" in said
    assert "  changed  (0008,1030) StudyDescription: X (cleanDescOpt C) -> X/D (cleanDescOpt C)" in said
    assert "  added    (0010,FFFE): Z (rtnUIDsOpt K)" in said
    assert [line for line in said if line.startswith("  ")] == sorted(
        (line for line in said if line.startswith("  ")), key=lambda line: line[11:]
    )
    assert sum(line.startswith("  ") for line in said) == 3
    assert (ROOT / made.FOLDER / "confidentiality.py").read_bytes() == before
    target = tmp_path / "out"
    command = [*command[:-1], "--out", str(target)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    new = made.literals((target / made.FOLDER / "confidentiality.py").read_text(encoding="utf-8"))
    assert new["EDITION"] == "2027a"
    assert new["ROWS"][0x0010FFFE] == ("Z", ".K........")


@pytest.mark.parametrize(
    ("tag", "cells", "complaint"),
    [
        ("(0008,0050)", ("Q", "." * 10), "no known action"),
        ("(0008,0050)", ("Z", "Z........."), "no known action"),
        ("(0008,005)", ("Z", "." * 10), "neither a tag nor a known pattern"),
    ],
)
def test_a_row_that_nobody_understands_is_refused(
    tmp_path: Path, tag: str, cells: tuple[str, str], complaint: str
) -> None:
    with pytest.raises(UnreadableTable, match=complaint):
        made.generate(*read_part15(document(tmp_path, {**listed_rows(), tag: cells})))


def test_another_document_or_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTable, match="does not call itself"):
        read_part15(document(tmp_path, listed_rows(), subtitle="DICOM PS3.16 2027a - Content"))
    with pytest.raises(UnreadableTable, match="cells for 1 columns"):
        read_part15(document(tmp_path, listed_rows(), headings="<th>Attribute Name</th>"))
    headings = "".join(
        f"<th>{one}</th>" for one in (*HEADINGS, *list(OPTION_HEADINGS)[:-1], "Clean Sound Opt.")
    )
    with pytest.raises(UnreadableTable, match="no column Clean Graph"):
        read_part15(document(tmp_path, listed_rows(), headings=headings))
    with pytest.raises(UnreadableTable, match="rows only"):
        made.generate(*read_part15(document(tmp_path, {})))


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
