"""`verify.html` in a real Chromium, used as a person uses it; and its own hashes against others."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from scripts import verify_page
from tests.vectors.mutants import Bench
from tests.vectors.statements import Author
from tests.vectors.studies import Instance
from tests.vectors.verifiers import browser
from tests.vectors.world import Case, Site, World, folder_of
from tests.vectors.zips import zipped

needs_chromium = pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium on this machine")


def test_the_committed_page_is_what_the_script_makes() -> None:
    assert browser.PAGE.read_text() == verify_page.build(), "run python -m scripts.verify_page"


def test_the_page_asks_nothing_of_any_network() -> None:
    text = browser.PAGE.read_text()
    assert "default-src 'none'" in text
    for word in (
        "http://",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "import(",
        "eval(",
        "innerHTML",
        "unsafe-",
    ):
        assert word not in text, word
    # The one address is the statement's type, which is compared and never opened.
    assert text.count("https://") == text.count("https://in-toto.io/Statement/v1") == 1


@contextmanager
def filled(case: Case, folder: Path) -> Iterator[Any]:
    """The page with a case's files chosen in its boxes, and its answer there."""
    case.write(folder)
    with browser.chromium() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url))
        page.set_input_files("#bundles-zone input >> nth=0", case.paths(folder))
        page.set_input_files("#trust-zone input >> nth=0", sorted((folder / "trust").iterdir()))
        if case.files is not None:
            page.set_input_files("#files-zone input >> nth=1", folder / "study")
        page.locator("#status", has_text="valid.").wait_for()
        yield page
        assert problems == []


@needs_chromium
def test_a_person_checks_a_whole_exchange(tmp_path: Path) -> None:
    with filled(World().good("x", range(4)), tmp_path) as page:
        page.locator("#status", has_text="4 of 4 receipts valid.").wait_for()
        first = page.locator("article").first.inner_text()
        for words in (
            "✓",
            "Valid",
            "Appliance edge-01 of general-hospital",
            "3 instances",
            "31 removed",
            "L1",
        ):
            assert words in first or words == "✓", words
        assert page.locator("tr.ok").count() == 16
        page.click("#again")
        page.locator("#nothing").wait_for()
        assert page.locator("article").count() == 0


@needs_chromium
def test_a_person_sees_what_is_wrong(tmp_path: Path) -> None:
    bench = Bench()
    files = bench.folder()
    files["series/2.25.1000.dcm"] = files["series/2.25.1000.dcm"][:-2] + b"XY"
    with filled(bench.study_case(files), tmp_path) as page:
        text = page.locator("article").inner_text()
        assert "Not valid" in text
        assert "the pixels of instance 2.25.1000 were changed" in text
        assert page.locator("tr.failed").count() == 1


@needs_chromium
def test_a_large_file_is_read_in_slices(tmp_path: Path) -> None:
    """Beyond one slice the page hashes with its own SHA-256; no slice is larger than 4 MiB."""
    site, item = Site(), Instance("2.25.1", pixels=bytes(range(256)) * (36 << 10))
    bundle = site.issue(Author().write("deidentified", [item]))
    case = Case("large", (zipped(bundle),), site.trust, folder_of([item]))
    with browser.chromium() as page:
        page.evaluate(
            """() => {
              const read = Blob.prototype.arrayBuffer;
              globalThis.largest = 0;
              Blob.prototype.arrayBuffer = function () {
                globalThis.largest = Math.max(globalThis.largest, this.size);
                return read.call(this);
              };
            }"""
        )
        (answers,) = browser.ask_all(page, [case])
        assert answers[0].ok, answers
        assert page.evaluate("() => globalThis.largest") == 4 << 20


@needs_chromium
def test_boxes_can_be_reached_and_are_named(tmp_path: Path) -> None:
    with browser.chromium() as page:
        names = []
        for _ in range(8):
            page.keyboard.press("Tab")
            names.append(
                page.evaluate(
                    "() => document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText"
                )
            )
        assert [name.strip() for name in names] == ["Files", "Folder"] * 3 + ["Start over", "Print"]
        assert page.get_attribute("#status", "aria-live") == "polite"


@needs_chromium
@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 1 << 20])
def test_own_sha256_is_that_of_others(size: int) -> None:
    data = bytes(at * 7 % 251 for at in range(size))
    with browser.chromium() as page:
        found = page.evaluate(
            """async ([size]) => {
              const data = Uint8Array.from({ length: size }, (_, at) => (at * 7) % 251);
              const hash = new lockgate.Sha256();
              for (let at = 0; at < size; at += 77) hash.update(data.subarray(at, at + 77));
              const other = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
              const text = (all) => Array.from(all, (one) => one.toString(16).padStart(2, "0")).join("");
              return [text(hash.digest()), text(other)];
            }""",
            [size],
        )
    assert found == [sha256(data).hexdigest()] * 2
