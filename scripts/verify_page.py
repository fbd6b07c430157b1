"""Builds deploy/verify/verify.html, one offline file, from the modules beside it; same input, same bytes.

python scripts/verify_page.py [--check]

Each module becomes a function of its own that returns what it exports, in this order; what one uses of
another is looked up when it runs. The page's policy names the hashes of its one script and its one style.
"""

import re
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "deploy/verify"
MODULES = (
    "errors", "bytes", "sha256", "strictjson", "container", "der", "certificates", "signature", "claims",
    "trust", "chain", "dicom", "files", "log", "mldsa", "verifier", "summary", "page",
)  # fmt: skip
_EXPORT = re.compile(r"^export ((?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)


def build() -> str:
    """The page."""
    script = '"use strict";\n' + "".join(_module(name) for name in MODULES)
    style = (FOLDER / "page/page.css").read_text()
    text = (FOLDER / "page/page.html").read_text()
    parts = {
        "{script-sha256}": _hash(script),
        "{style-sha256}": _hash(style),
        "{style}": style,
        "{script}": script,
    }
    for place, part in parts.items():
        assert text.count(place) == 1, place
        text = text.replace(place, part)
    return text


def _module(name: str) -> str:
    text = (FOLDER / f"page/{name}.js").read_text()
    assert "</script" not in text, name
    exports = [found[2] for found in _EXPORT.finditer(text)]
    body = _EXPORT.sub(r"\1", text)
    if not exports:
        return f"(() => {{\n{body}}})();\n"
    names = ", ".join(exports)
    return f"const {{ {names} }} = (() => {{\n{body}return {{ {names} }};\n}})();\n"


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


if __name__ == "__main__":
    page = FOLDER / "verify.html"
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if page.read_text() == build() else f"{page} is stale: run python scripts/verify_page.py")
    page.write_text(build())
    print(f"{page.name}: {page.stat().st_size} bytes")
