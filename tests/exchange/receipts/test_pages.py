"""Pages of receipts: verdict first, everything escaped and inside, no word too much for a partner."""

import re
import shutil
import subprocess
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from exchange.receipts.facts import (
    DeidentificationFacts,
    Edition,
    IdentityFacts,
    PixelFacts,
    ReceiptBody,
    Stage,
)
from exchange.receipts.issuer import IssuedReceipt
from exchange.receipts.pages.certificate import certificate_page, certificate_text, certifies
from exchange.receipts.pages.markup import escaped
from exchange.receipts.pages.parts import Opened, open_for_page
from exchange.receipts.pages.verification import Examined, verification_page
from exchange.receipts.verify.trust import Trust, read_trust
from exchange.receipts.verify.verifier import Report, Request, verify_bundles
from tests.exchange.receipts.making import NOW, PHI, Site, Study, body, full_chain, save, write_study

CHROMIUM = shutil.which("chromium")
VOID = {"meta", "br", "link"}


class Reader(HTMLParser):
    """Checks that elements nest, and keeps text, links and tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def checked(
    site: Site, receipts: list[IssuedReceipt], folder: Path, trust: Trust | None = None
) -> list[Report]:
    paths = [save(one, folder) for one in receipts]
    return verify_bundles(paths, Request(read_trust(site.trust) if trust is None else trust, site.now))


def page_of(
    site: Site, receipts: list[IssuedReceipt], folder: Path, trust: Trust | None = None
) -> tuple[str, Reader]:
    reports = checked(site, receipts, folder, trust)
    examined = [
        Examined(Path(report.bundle).name, report, one.bundle_bytes)
        for report, one in zip(reports, receipts, strict=True)
    ]
    page = verification_page(examined, read_trust(site.trust), site.now, "1.2.3", files=False)
    return page, Reader(page)


def opened(site: Site, made: ReceiptBody, edition: Edition = Edition.PARTNER) -> Opened:
    issued = site.issuer.issue(Stage.DEIDENTIFIED, edition, made)
    found = open_for_page(issued.file_name, issued.bundle_bytes)
    assert found is not None
    return found


def test_verdict_first_then_everything(site: Site, study: Study, tmp_path: Path) -> None:
    receipts = full_chain(site, study)
    page, read = page_of(site, receipts, tmp_path)
    assert read.text.index("VALID") < read.text.index("What was checked") < read.text.index("The study")
    for words in (
        "4 receipts, level L0, signed", "general-hospital, appliance edge-01", "4 instances",
        "31 elements removed, 12 emptied, 9 replaced", "14 unique identifiers",
        "3 regions removed in 1 instance",
        "4 instances passed", "A planted test identifier was found", "quality.slice-gap", "release",
        "reviewed-no-identity", "telerad, by dimse", "TLSv1.3", "CN=edge-01,O=general-hospital",
        "quiet-timer",
        "Whether it stands in the appliance's log was not checked",
    ):  # fmt: skip
        assert words in read.text
    inside = {b64decode(link.partition("base64,")[2]) for link in read.links}
    assert inside == {one.bundle_bytes for one in receipts}
    assert site.key.keyid in page


def test_a_page_fetches_nothing_and_runs_nothing(site: Site, study: Study, tmp_path: Path) -> None:
    page, read = page_of(site, full_chain(site, study), tmp_path)
    assert all(link.startswith("data:application/zip;base64,") for link in read.links)
    assert not read.tags & {"script", "img", "iframe", "link", "object", "form", "base"}
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(|@import", page)


def test_a_partners_page_names_nobody(site: Site, study: Study, tmp_path: Path) -> None:
    receipts = [one for one in full_chain(site, study) if PHI["other"].encode() not in one.payload]
    _, read = page_of(site, receipts, tmp_path)
    for word in (*PHI.values(), "Kowalska", "Weiss"):
        assert word not in read.text
    _, read = page_of(site, full_chain(site, study, Edition.SITE), tmp_path / "site")
    for name in ("person", "reason", "study", "other"):
        assert PHI[name] in read.text


def test_no_page_calls_a_study_anonymous(site: Site, study: Study, tmp_path: Path) -> None:
    page, _ = page_of(site, full_chain(site, study), tmp_path)
    one = opened(site, body(study))
    for text in (page, certificate_page(one, NOW, "1"), certificate_text(one, NOW, "1")):
        assert "anonym" not in text.lower()


def test_an_unknown_signer_is_told_so(site: Site, study: Study, tmp_path: Path) -> None:
    _, read = page_of(site, full_chain(site, study), tmp_path, Trust())
    assert "SIGNER UNKNOWN" in read.text
    assert "VALID" not in read.text
    assert "nobody in the trust folder vouches for it" in read.text


def test_a_changed_receipt_is_not_shown(site: Site, study: Study, tmp_path: Path) -> None:
    first = full_chain(site, study)[0]
    forged = replace(first, bundle_bytes=first.bundle_bytes.replace(b'"removed":31', b'"removed":99'))
    _, read = page_of(site, [forged], tmp_path)
    assert "NOT VALID" in read.text
    assert "It cannot be shown: its signatures do not hold together." in read.text
    assert "99 elements" not in read.text
    assert read.links == []


def test_what_was_swapped_after_the_check_is_not_shown(site: Site, study: Study, tmp_path: Path) -> None:
    first, second, *_ = full_chain(site, study)
    (report,) = checked(site, [first], tmp_path)
    page = verification_page(
        [Examined("a.zip", report, second.bundle_bytes)], None, site.now, "1", files=False
    )
    assert Reader(page).links == []


def test_unreadable_is_told_by_name(site: Site, tmp_path: Path) -> None:
    (report,) = verify_bundles([tmp_path / "<b>x"], Request(read_trust(site.trust), site.now))
    page = verification_page([Examined("<b>x", report, None)], None, site.now, "1", files=False)
    assert "&lt;b&gt;x" in page
    assert "bundle-unreadable" in Reader(page).text


def test_hostile_words_stay_words(site: Site, study: Study) -> None:
    hostile = '<script>alert(1)</script>"\u202eevil\u2028'
    made = body(study)
    assert made.deidentification is not None
    made = replace(
        made,
        identity=IdentityFacts("removed", hostile, hostile),
        deidentification=replace(made.deidentification, profile_id=hostile),
    )
    page = certificate_page(opened(site, made), NOW, "1")
    assert "script" not in Reader(page).tags
    assert "\u202e" not in page + certificate_text(opened(site, made), NOW, "1")


@given(st.text())
def test_escaped_text_is_inert(text: str) -> None:
    made = escaped(text)
    assert not set(made) & set("<>\"'")
    assert all(char.isprintable() for char in made)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
GROUPS = (
    "study", "agent", "policy", "identity", "deidentification", "minimisation", "delivery", "completeness",
    "checks", "models", "review", "destinations", "id",
)  # fmt: skip
NAMES = st.sampled_from(
    (
        "pixel",
        "proof",
        "profile",
        "rules",
        "removed",
        "pixels",
        "ocrModels",
        "responses",
        "transcoded",
        "state",
        "kept",
    )
)


@given(
    st.dictionaries(
        st.sampled_from(GROUPS), JSON | st.dictionaries(NAMES, JSON, max_size=5) | st.lists(JSON), max_size=8
    )
)
def test_any_predicate_can_be_shown(
    tmp_path_factory: pytest.TempPathFactory, predicate: dict[str, Any]
) -> None:
    one = any_receipt(tmp_path_factory)
    shown = Opened(one.name, one.data, replace(one.receipt, predicate=predicate), one.leaf)
    Reader(certificate_page(shown, NOW, "1"))
    certificate_text(shown, NOW, "1")


_made: list[Opened] = []


def any_receipt(factory: pytest.TempPathFactory) -> Opened:
    """One for all examples: keys take time."""
    if not _made:
        root = factory.mktemp("pages")
        _made.append(opened(Site(root / "site"), body(write_study(root / "study"))))
    return _made[0]


def cleaning(study: Study, **changes: Any) -> ReceiptBody:
    made = body(study)
    assert made.deidentification is not None
    return replace(made, deidentification=replace(made.deidentification, **changes))


def test_a_certificate_says_what_was_not_checked(site: Site, study: Study) -> None:
    text = certificate_text(opened(site, cleaning(study, pixel=None)), NOW, "1")
    assert "The pixels were not examined" in text
    assert "regions removed" not in text
    text = certificate_text(opened(site, cleaning(study, date_shift="no")), NOW, "1")
    assert "Dates: none was moved" in text
    assert "The pixels were not examined" not in text
    seen = PixelFacts(regions=1, instances=1, reviewed_by_human="yes")
    assert "a person looked at them" in certificate_text(opened(site, cleaning(study, pixel=seen)), NOW, "1")


@pytest.mark.parametrize(
    ("passed", "word"),
    [("yes", "DE-IDENTIFIED, CHECKED"), ("overridden", "RELEASED BY A PERSON"), ("no", "NOT CHECKED")],
)
def test_a_certificate_claims_no_more_than_was_shown(
    site: Site, study: Study, passed: str, word: str
) -> None:
    facts: DeidentificationFacts | None = body(study).deidentification
    assert facts is not None
    assert facts.proof is not None
    made = cleaning(study, proof=replace(facts.proof, passed=passed))
    assert word in Reader(certificate_page(opened(site, made), NOW, "1")).text


def test_retained_identity_is_no_de_identification(site: Site, study: Study) -> None:
    made = body(study)
    made = replace(
        made,
        deidentification=None,
        minimisation=made.deidentification,
        identity=IdentityFacts("retained", reason="clinical", kept=("PatientName",)),
    )
    issued = site.issuer.issue(Stage.ACCEPTED, Edition.PARTNER, made)
    found = open_for_page(issued.file_name, issued.bundle_bytes)
    assert found is not None
    assert certifies(found)
    text = certificate_text(found, NOW, "1")
    assert "REDUCED, IDENTITY KEPT" in text
    assert "kept on purpose: PatientName." in text
    assert not certifies(opened(site, replace(made, minimisation=None)))


@pytest.mark.interop
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_prints_it_on_a4(site: Site, study: Study, tmp_path: Path) -> None:
    page, _ = page_of(site, full_chain(site, study), tmp_path)
    (tmp_path / "page.html").write_text(page)
    subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={tmp_path / 'page.pdf'}",
            f"file://{tmp_path / 'page.html'}",
        ],
        check=True, capture_output=True, timeout=50,
    )  # fmt: skip
    printed = PdfReader(tmp_path / "page.pdf")
    width, height = (float(side) for side in printed.pages[0].mediabox[2:])
    assert (round(width), round(height)) in {(595, 842), (594, 841), (595, 841), (594, 842)}
    assert 2 <= len(printed.pages) <= 6
    assert "VALID" in printed.pages[0].extract_text()
