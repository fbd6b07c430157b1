"""Tables of PS3.15 Annex E out of the standard's DocBook source (part15.xml), in the form of the JSON files.

The columns are found by their headings and every cell must say what such a cell may say: a table that has
changed its form is refused, never half read.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

DOCBOOK, XML_ID = "{http://docbook.org/ns/docbook}", "{http://www.w3.org/XML/1998/namespace}id"
OPTION_HEADINGS = {
    "Rtn. Safe Priv. Opt.": "rtnSafePrivOpt",
    "Rtn. UIDs Opt.": "rtnUIDsOpt",
    "Rtn. Dev. Id. Opt.": "rtnDevIdOpt",
    "Rtn. Inst. Id. Opt.": "rtnInstIdOpt",
    "Rtn. Pat. Chars. Opt.": "rtnPatCharsOpt",
    "Rtn. Long. Full Dates Opt.": "rtnLongFullDatesOpt",
    "Rtn. Long. Modif. Dates Opt.": "rtnLongModifDatesOpt",
    "Clean Desc. Opt.": "cleanDescOpt",
    "Clean Struct. Cont. Opt.": "cleanStructContOpt",
    "Clean Graph. Opt.": "cleanGraphOpt",
}
_ACTION = re.compile(r"[XZDU]\*?(?:/[XZDU]\*?)*")
_SUBTITLE = re.compile(r"DICOM PS3\.15 (\d{4}[a-z]?)\b")
_SAFE = re.compile(r"\(([0-9A-Fa-f]{4}),xx([0-9A-Fa-f]{2})\)")


class UnreadableTable(Exception):  # noqa: N818 - reads as what it reports
    """The document is not PS3.15, or the table is not what it was."""


def read_part15(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tables E.1-1 and E.3.10-1, each with `edition` and `rows`."""
    root = ElementTree.parse(path).getroot()  # noqa: S314 - a file that the maintainer names
    subtitle = _SUBTITLE.search(_text(root.find(f"{DOCBOOK}subtitle")))
    if subtitle is None:
        raise UnreadableTable(f"{path.name} does not call itself DICOM PS3.15 and an edition")
    listed = list(_confidentiality(_table(root, "table_E.1-1")))
    safe = list(_safe_private(_table(root, "table_E.3.10-1")))
    return {"edition": subtitle[1], "rows": listed}, {"edition": subtitle[1], "rows": safe}


def _table(root: ElementTree.Element, name: str) -> list[dict[str, str]]:
    """The rows of a table, each cell by the heading of its column."""
    table = next((one for one in root.iter(f"{DOCBOOK}table") if one.get(XML_ID) == name), None)
    if table is None:
        raise UnreadableTable(f"there is no {name}")
    headings = [_text(cell) for cell in table.iter(f"{DOCBOOK}th")]
    rows = []
    for row in table.iter(f"{DOCBOOK}tr"):
        cells = [_text(cell) for cell in row.findall(f"{DOCBOOK}td")]
        if not cells:
            continue  # the headings
        if len(cells) != len(headings):
            raise UnreadableTable(
                f"{name}: a row has {len(cells)} cells for {len(headings)} columns: {cells[:2]}"
            )
        rows.append(dict(zip(headings, cells, strict=True)))
    return rows


def _text(element: ElementTree.Element | None) -> str:
    text = "".join(element.itertext()) if element is not None else ""
    return " ".join(text.replace("\u200b", "").split())


def _confidentiality(rows: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        missing = {"Attribute Name", "Tag", "Basic Prof.", *OPTION_HEADINGS} - row.keys()
        if missing:
            raise UnreadableTable(f"table_E.1-1 has no column {min(missing)}")
        basic = row["Basic Prof."].replace(" ", "")
        options = {name: row[heading] for heading, name in OPTION_HEADINGS.items() if row[heading]}
        if not _ACTION.fullmatch(basic) or not set(options.values()) <= {"K", "C"}:
            raise UnreadableTable(f"table_E.1-1: {row['Tag']} has a cell that says no known action")
        tag = (
            row["Tag"].upper()
            if re.fullmatch(r"\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)", row["Tag"])
            else row["Tag"]
        )
        yield {"tag": tag, "name": row["Attribute Name"], "basicProfile": basic, "options": options}


def _safe_private(rows: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        missing = {"Data Element", "Private Creator", "VR"} - row.keys()
        if missing:
            raise UnreadableTable(f"table_E.3.10-1 has no column {min(missing)}")
        match = _SAFE.fullmatch(row["Data Element"])
        if match is None:
            raise UnreadableTable(f"table_E.3.10-1: {row['Data Element']} is no private element")
        group, element = match[1].upper(), match[2].upper()
        yield {"creator": row["Private Creator"], "group": group, "element": f"xx{element}", "vr": row["VR"]}
