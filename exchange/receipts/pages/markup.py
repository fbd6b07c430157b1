"""The markup of a page: one file, readable on screen and on A4; every text is escaped here."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "bad", "open", "plain"]
_CSP = "default-src 'none'; style-src 'unsafe-inline'"
_MOST = 4000  # characters of one text: a page is for reading

_STYLE = """\
:root{color-scheme:light}
*{box-sizing:border-box}
body{font:14px/1.45 system-ui,-apple-system,"Segoe UI","Liberation Sans",Arial,sans-serif;color:#1b1f24;
 background:#eef0f2;margin:0;overflow-wrap:break-word}
main{background:#fff;max-width:210mm;margin:16px auto;padding:14mm 15mm;box-shadow:0 1px 4px #0003}
h1{font-size:22px;margin:0 0 2px}
h2{font-size:16px;margin:22px 0 6px;border-bottom:1px solid #c9ced4;padding-bottom:3px}
h3{font-size:14px;margin:14px 0 4px}
p{margin:5px 0}
.lead{color:#4a525b;margin-bottom:12px}
.verdict{border-left:8px solid;padding:10px 14px;margin:12px 0;font-size:15px}
.verdict b{font-size:19px;display:block}
.verdict.good{border-color:#1a7f37;background:#e9f6ec}.verdict.bad{border-color:#b42318;background:#fdecea}
.verdict.open{border-color:#9a6700;background:#fff5d9}.verdict.plain{border-color:#6b7480;background:#f3f4f6}
td.good,td.bad,td.open,td.plain{font-weight:600}
td.good{color:#1a7f37}td.bad{color:#b42318}td.open{color:#9a6700}td.plain{color:#6b7480}
table{border-collapse:collapse;width:100%;margin:6px 0}
th,td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-bottom:1px solid #e3e6ea}
thead th{color:#4a525b;font-weight:600;border-bottom-color:#9aa2ab}
tbody th{font-weight:600;width:30%;color:#343b43}
.code{font-family:ui-monospace,"Liberation Mono",monospace;font-size:12px;overflow-wrap:anywhere}
ul{margin:5px 0;padding-left:20px}li{margin:2px 0}
.foot{color:#4a525b;font-size:12px;margin-top:22px;border-top:1px solid #c9ced4;padding-top:6px}
section{break-inside:auto}tr,.verdict{break-inside:avoid}h2,h3{break-after:avoid}
@page{size:A4;margin:16mm 15mm}
@media print{body{background:#fff;font-size:10.5pt}main{box-shadow:none;margin:0;padding:0;max-width:none}
 *{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML already."""

    html: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table with a tone, or in the type of code."""

    text: str
    tone: Tone | Literal["code"] = "plain"


Content = str | Markup | Cell


def escaped(text: str) -> str:
    """Text as HTML; what cannot be printed, or turns the direction of writing, becomes a question mark."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:_MOST])
    return html.escape(shown + ("…" if len(text) > _MOST else ""), quote=True)


def document(title: str, parts: Iterable[Markup], foot: str) -> str:
    """A whole page."""
    body = "\n".join(part.html for part in parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{_STYLE}</style></head>\n<body><main>\n{body}\n"
        f'<p class="foot">{escaped(foot)}</p>\n</main></body></html>\n'
    )


def heading(text: str, level: int = 2) -> Markup:
    """A heading."""
    return Markup(f"<h{level}>{escaped(text)}</h{level}>")


def paragraph(text: str, kind: str = "") -> Markup:
    """A paragraph."""
    return Markup(f'<p class="{kind}">{escaped(text)}</p>' if kind else f"<p>{escaped(text)}</p>")


def verdict(tone: Tone, word: str, texts: Sequence[str]) -> Markup:
    """What is found, in one word, and what it means."""
    lines = "".join(f"<p>{escaped(text)}</p>" for text in texts if text)
    return Markup(f'<div class="verdict {tone}"><b>{escaped(word)}</b>{lines}</div>')


def facts(rows: Iterable[tuple[str, Content]]) -> Markup:
    """Names and values; empty values are left out."""
    shown = [
        f'<tr><th scope="row">{escaped(name)}</th>{_cell(value)}</tr>'
        for name, value in rows
        if _there(value)
    ]
    return Markup(f"<table><tbody>{''.join(shown)}</tbody></table>" if shown else "")


def table(head: Sequence[str], rows: Iterable[Sequence[Content]]) -> Markup:
    """A table with a heading row; nothing without rows."""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    titles = "".join(f'<th scope="col">{escaped(title)}</th>' for title in head)
    return Markup(f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>" if body else "")


def bullets(texts: Iterable[str]) -> Markup:
    """A list; nothing without texts."""
    items = "".join(f"<li>{escaped(text)}</li>" for text in texts if text)
    return Markup(f"<ul>{items}</ul>" if items else "")


def download(text: str, name: str, base64: str) -> Markup:
    """A link that holds a zip itself."""
    link = f'<a download="{escaped(name)}" href="data:application/zip;base64,{base64}">{escaped(text)}</a>'
    return Markup(link)


def _there(value: Content) -> bool:
    return bool(value.html if isinstance(value, Markup) else value.text if isinstance(value, Cell) else value)


def _cell(value: Content) -> str:
    if isinstance(value, Markup):
        return f"<td>{value.html}</td>"
    if isinstance(value, Cell):
        return f'<td class="{value.tone}">{escaped(value.text)}</td>'
    return f"<td>{escaped(value)}</td>"
