"""`verify.html` in a real Chromium: one browser for many cases, or None where there is none."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

from tests.vectors.verifiers import LAYERS, Answer
from tests.vectors.world import Case, Files

PAGE = Path(__file__).resolve().parents[3] / "deploy/verify/verify.html"
CHROMIUM = which("chromium") or which("chromium-browser")
_ASK = """async ([cases]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const map = (files, wrap) =>
    new Map(Object.entries(files).map(([name, data]) => [name, wrap(bytes(data))]));
  const blob = (data) => new Blob([data]);
  const answers = [];
  for (const { bundles, trust, files, now } of cases) {
    const given = bundles.map((bundle, at) => typeof bundle === "string"
      ? { name: String(at), zip: blob(bytes(bundle)) } : { name: String(at), parts: map(bundle, blob) });
    const study = files && [...map(files, blob)].map(([name, data]) => ({ name, blob: data }));
    const reports = await lockgate.verifyBundles(given, map(trust, (data) => data), study, new Date(now));
    answers.push(
      reports.map(({ layers, ok, error }) => [layers, ok, error?.code ?? "", error?.message ?? ""]));
  }
  return answers;
}"""


@contextmanager
def chromium() -> Iterator[Any]:
    """A page of a headless Chromium, with `verify.html` loaded from its file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(PAGE.as_uri())
            yield page
        finally:
            browser.close()


def ask_all(page: Any, cases: list[Case], *, at_once: int = 50) -> list[list[Answer]]:
    """An answer for each bundle of each case."""
    found: list[list[Answer]] = []
    for start in range(0, len(cases), at_once):
        given = [_case(case) for case in cases[start : start + at_once]]
        found += [[_answer(*report) for report in reports] for reports in page.evaluate(_ASK, [given])]
    return found


def _answer(layers: dict[str, str], ok: bool, code: str, message: str) -> Answer:
    if code == "internal":
        code = f"internal ({message})"
    return Answer({layer: layers[layer] for layer in LAYERS}, ok, code)


def _case(case: Case) -> dict[str, object]:
    return {
        "bundles": [_base64(item) if isinstance(item, bytes) else _files(item) for item in case.bundles],
        "trust": _files(case.trust),
        "files": None if case.files is None else _files(case.files),
        "now": case.now.isoformat().replace("+00:00", "Z"),
    }


def _files(files: Files) -> dict[str, str]:
    return {name: _base64(data) for name, data in files.items()}


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
