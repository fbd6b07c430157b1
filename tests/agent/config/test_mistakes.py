"""Seeded mistakes: each is refused before start at its line and column, with what to write instead."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.load import load_site
from agent.config.problems import MistakesError, Problem
from tests.support.sites import NOW, running_as_root, site_folder

GOOD = """\
site: general-hospital
appliance: edge-01
listen:
  dicom: {ae_titles: [LOCKGATE], host: 127.0.0.1, port: 11112}
  dicom_tls: {port: 2762, cert: tls/edge.pem, key: tls/edge.key, client_ca: tls/ca.pem}
peers:
  pacs: {dicom: {ae_title: PACS, host: 10.1.2.3, port: 104}}
  telerad: {dicomweb: {url: "https://partner.example/dicom-web"}}
  registry: {folder: {path: outgoing}}
routes:
  - name: second-opinion
    direction: outbound
    match: {called_ae: TELERAD, peer: pacs}
    settle: {quiet_seconds: 20}
    deidentify: {profile: default, pseudonym_domain: telerad}
    deliver: [telerad]
  - name: registry
    direction: outbound
    match: {called_ae: REGISTRY, modality: "CT|MR"}
    deidentify: {profile: default}
    deliver: [registry]
people:
  sam: {roles: [privacy]}
"""


@dataclass(frozen=True)
class Mistake:
    """Replace `good` by `bad` in the good file; what must be said, and where."""

    name: str
    good: str
    bad: str
    line: int
    column: int
    message: str
    instead: str


MISTAKES = [
    Mistake(
        "misspelt top key",
        "appliance:",
        "aplliance:",
        2,
        1,
        "unknown key aplliance",
        "did you mean appliance?",
    ),
    Mistake(
        "misspelt nested key",
        "client_ca:",
        "clientca:",
        5,
        66,
        "unknown key clientca",
        "did you mean client_ca?",
    ),
    Mistake(
        "misspelt route key", "    settle:", "    setle:", 14, 5, "unknown key setle", "did you mean settle?"
    ),
    Mistake(
        "duplicate key", "site: general", "site: x\nsite: general", 2, 1, "site is given twice", "leave one"
    ),
    Mistake("missing key", "site: general-hospital\n", "", 1, 1, "site is missing", "add site: …"),
    Mistake(
        "missing deidentify",
        "    deidentify: {profile: default}\n",
        "",
        17,
        5,
        "deidentify is missing",
        "profile: default",
    ),
    Mistake(
        "text for a number",
        "port: 11112",
        'port: "11112"',
        4,
        57,
        "must be a whole number",
        "leave the quotes out",
    ),
    Mistake("fraction of a port", "port: 104", "port: 104.5", 7, 56, "port must be a whole number", ""),
    Mistake(
        "port out of range",
        "port: 11112",
        "port: 70000",
        4,
        57,
        "port 70000 is out of range",
        "at most 65535",
    ),
    Mistake(
        "negative seconds", "quiet_seconds: 20", "quiet_seconds: -1", 14, 29, "out of range", "at least 0.1"
    ),
    Mistake(
        "unknown peer to be asked",
        "{quiet_seconds: 20}",
        "{quiet_seconds: 20, query: pax}",
        14,
        40,
        "unknown peer pax",
        "allowed are pacs",
    ),
    Mistake(
        "a folder to be asked",
        "{quiet_seconds: 20}",
        "{quiet_seconds: 20, query: registry}",
        14,
        40,
        "registry cannot be asked",
        "a peer with dicom:, such as pacs",
    ),
    Mistake(
        "boolean AE title",
        "ae_title: PACS",
        "ae_title: NO",
        7,
        28,
        "YAML reads NO as true or false",
        'quotes: "NO"',
    ),
    Mistake(
        "numeric AE title",
        "ae_title: PACS",
        "ae_title: 0123",
        7,
        28,
        "YAML reads 0123 as a number",
        'quotes: "0123"',
    ),
    Mistake(
        "long AE title",
        "ae_title: PACS",
        "ae_title: A234567890123456X",
        7,
        28,
        "has 17 characters",
        "1 to 16",
    ),
    Mistake(
        "backslash in AE title", "[LOCKGATE]", "['LOCK\\GATE']", 4, 23, "DICOM does not allow", "no backslash"
    ),
    Mistake("bad address", "host: 10.1.2.3", "host: 10.1.2.300", 7, 40, "no IPv4 address", "0 to 255"),
    Mistake(
        "host with scheme",
        "host: 10.1.2.3",
        'host: "http://x"',
        7,
        40,
        "is no host",
        "without port or scheme",
    ),
    Mistake(
        "unknown peer",
        "deliver: [telerad]",
        "deliver: [telerda]",
        16,
        15,
        "unknown peer telerda",
        "did you mean telerad?",
    ),
    Mistake(
        "unknown peer in match", "peer: pacs", "peer: pcas", 13, 39, "unknown peer pcas", "did you mean pacs?"
    ),
    Mistake(
        "unknown profile",
        "{profile: default,",
        "{profile: defualt,",
        15,
        27,
        "unknown profile defualt",
        "did you mean default?",
    ),
    Mistake(
        "unknown direction",
        "direction: outbound",
        "direction: outbond",
        12,
        16,
        "is no direction",
        "did you mean outbound?",
    ),
    Mistake("unknown role", "[privacy]", "[privcy]", 23, 17, "'privcy' is no", "did you mean privacy?"),
    Mistake(
        "unknown also",
        "    deliver: [telerad]",
        "    also: [regstry]\n    deliver: [telerad]",
        16,
        12,
        "unknown route regstry",
        "did you mean registry?",
    ),
    Mistake(
        "clash of ports",
        "port: 2762",
        "port: 11112",
        5,
        21,
        "port 11112 is used by dicom too",
        "its own port",
    ),
    Mistake(
        "repeated route", "name: registry", "name: second-opinion", 17, 11, "is there twice", "another name"
    ),
    Mistake(
        "two protocols",
        "{folder: {path: outgoing}}",
        "{folder: {path: outgoing}, dicom: {ae_title: X, host: x, port: 1}}",
        9,
        13,
        "exactly one of",
        "a peer of its own",
    ),
    Mistake("no protocol", "{folder: {path: outgoing}}", "{}", 9, 13, "here: none", "leave one"),
    Mistake(
        "own AE title", "ae_title: PACS", "ae_title: LOCKGATE", 7, 28, "the appliance's own", "rename one"
    ),
    Mistake(
        "dead certificate",
        "tls/edge.pem, key: tls/edge.key",
        "tls/dead.pem, key: tls/dead.key",
        5,
        33,
        "expired on 2026-11-19",
        "renew it",
    ),
    Mistake(
        "certificate of the future",
        "tls/edge.pem, key: tls/edge.key",
        "tls/future.pem, key: tls/future.key",
        5,
        33,
        "is valid from 2026-11-22 only",
        "check the clock",
    ),
    Mistake(
        "no certificate",
        "cert: tls/edge.pem",
        "cert: tls/text.pem",
        5,
        33,
        "no readable PEM certificate",
        "BEGIN CERTIFICATE",
    ),
    Mistake(
        "key of another",
        "key: tls/edge.key",
        "key: tls/other.key",
        5,
        52,
        "not the key of the certificate",
        "the key made for it",
    ),
    Mistake(
        "missing file",
        "client_ca: tls/ca.pem",
        "client_ca: tls/ac.pem",
        5,
        77,
        "there is no file",
        "did you mean ca.pem?",
    ),
    Mistake(
        "missing program",
        "routes:",
        "proof: {dciodvfy: /nowhere/dciodvfy}\nroutes:",
        10,
        19,
        "there is no program",
        "dicom3tools",
    ),
    Mistake("missing folder", "path: outgoing", "path: outgone", 9, 29, "there is no folder", "mkdir"),
    Mistake(
        "pin format", 'dicom-web"}', 'dicom-web"}, pin: abc', 8, 72, "the pin must be sha256:", "openssl"
    ),
    Mistake(
        "pin without TLS",
        "port: 104}",
        f"port: 104}}, pin: 'sha256:{'0' * 64}'",
        7,
        62,
        "a pin needs TLS",
        "https",
    ),
    Mistake("broken pattern", '"CT|MR"', '"CT|(MR"', 19, 44, "is no regular expression", "backslash"),
    Mistake(
        "inline secret",
        'dicom-web"}',
        'dicom-web", password: geheim}',
        8,
        66,
        "a secret never stands in the site file",
        "token_file",
    ),
    Mistake(
        "secret in URL",
        "https://partner",
        "https://me:geheim@partner",
        8,
        29,
        "carries a user name or password",
        "token_file",
    ),
    Mistake(
        "no reason", "{profile: default}", "none", 20, 17, "deidentify: none has no reason", "add reason:"
    ),
    Mistake(
        "mistyped none", "{profile: default}", "non", 20, 17, "deidentify is 'non'", "none with a reason"
    ),
    Mistake(
        "shared pseudonyms",
        "deliver: [registry]",
        "deliver: [registry, telerad]",
        21,
        14,
        "several recipients",
        "pseudonym_domain",
    ),
    Mistake(
        "not a list",
        "deliver: [registry]",
        "deliver: registry",
        21,
        14,
        "deliver must be a list",
        "write [registry]",
    ),
    Mistake("empty list", "deliver: [registry]", "deliver: []", 21, 14, "deliver is empty", "at least one"),
    Mistake(
        "sealed route",
        "    deliver: [registry]",
        "    seal: {recipients: [x]}\n    deliver: [registry]",
        21,
        5,
        "not available in this version",
        "leave seal out",
    ),
    Mistake(
        "inbound route that de-identifies",
        "direction: outbound\n    match: {called_ae: R",
        "direction: inbound\n    match: {called_ae: R",
        20,
        17,
        "would remove the identity that a person must reconcile",
        "deidentify: none and a reason",
    ),
    Mistake(
        "active triage",
        "    deliver: [registry]",
        "    triage: {mode: active}\n    deliver: [registry]",
        21,
        5,
        "not available in this version",
        "leave triage out",
    ),
    Mistake(
        "HTTP header",
        'modality: "CT|MR"',
        "http_header: {x: y}",
        19,
        34,
        "not available in this version",
        "leave it out",
    ),
    Mistake(
        "DICOMweb listener without doors",
        "peers:\n",
        "  dicomweb: {port: 80}\npeers:\n",
        6,
        3,
        "doors",
        "",
    ),
    Mistake(
        "DICOMweb in the clear",
        "peers:\n",
        "  dicomweb: {host: 10.0.0.1, doors: [{called_ae: TELERAD, token_file: tls/edge.key}]}\npeers:\n",
        6,
        3,
        "unencrypted",
        "add cert:",
    ),
    Mistake(
        "DICOMweb port taken",
        "peers:\n",
        "  dicomweb: {port: 11112, doors: [{called_ae: TELERAD, peer: pacs}]}\npeers:\n",
        6,
        20,
        "used by dicom too",
        "its own port",
    ),
    Mistake(
        "merge key",
        "{roles: [privacy]}",
        "{<<: {roles: [privacy]}}",
        23,
        9,
        "merge keys",
        "write the keys out",
    ),
    Mistake("boolean key", "  sam:", "  on:", 23, 3, "YAML reads the key on as a bool", '"on"'),
    Mistake("tab", "  dicom: {ae", "\tdicom: {ae", 4, 1, "a tab cannot indent", "use spaces"),
    Mistake("unclosed", "[LOCKGATE]", "[LOCKGATE", 4, 61, "this is not YAML", ""),
    Mistake(
        "password in database",
        "listen:\n",
        "database: postgresql://me:geheim@db/x\nlisten:\n",
        3,
        11,
        "carries a password",
        "passfile",
    ),
    Mistake(
        "unknown firmware",
        "listen:\n",
        "firmware_profile: x86-cpus\nlisten:\n",
        3,
        19,
        "unknown firmware profile",
        "did you mean x86-cpu?",
    ),
]


def problems_of(folder: Path, text: str) -> list[str]:
    """Every error of a site file with this text, as it is printed."""
    file = folder / "site.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(MistakesError) as refused:
        load_site(file, NOW)
    return [str(problem) for problem in refused.value.problems if problem.severity == "error"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site_folder(tmp_path_factory.mktemp("site") / "s")


def test_the_file_that_the_mistakes_are_seeded_into_is_good(folder: Path) -> None:
    (folder / "site.yaml").write_text(GOOD)
    loaded = load_site(folder / "site.yaml", NOW)
    assert loaded.warnings == ()
    assert loaded.site.accepted_ae_titles == {"LOCKGATE", "TELERAD", "REGISTRY"}
    assert loaded.site.state == folder / "state"
    assert loaded.site.database_url == f"sqlite:///{folder}/state/lockgate.db"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_seeded_mistake_is_told_at_its_place(folder: Path, mistake: Mistake) -> None:
    text = GOOD.replace(mistake.good, mistake.bad, 1)
    assert text != GOOD
    told = problems_of(folder, text)
    place = f"{folder / 'site.yaml'}:{mistake.line}:{mistake.column}: "
    fitting = [line for line in told if line.startswith(place)]
    assert fitting, told
    assert any(mistake.message in line and mistake.instead in line for line in fitting), fitting
    assert not any("geheim" in line for line in told)


def test_at_least_thirty_mistakes_are_seeded() -> None:
    assert len({mistake.name for mistake in MISTAKES}) >= 30


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    text = GOOD
    chosen = [
        one for one in MISTAKES if one.name in {"misspelt route key", "port out of range", "bad address"}
    ]
    chosen += [one for one in MISTAKES if one.name in {"unknown peer in match", "missing file", "no reason"}]
    for mistake in chosen:
        text = text.replace(mistake.good, mistake.bad, 1)
    told = problems_of(folder, text)
    for mistake in chosen:
        assert any(
            f":{mistake.line}:{mistake.column}: " in line and mistake.message in line for line in told
        ), mistake
    assert told == sorted(
        told, key=lambda line: [int(part) for part in line.split("site.yaml:")[1].split(":")[:2]]
    )


def test_a_route_that_keeps_identity_is_said_to(folder: Path) -> None:
    named = GOOD.replace("{profile: default}", "{profile: teleradiology}")
    (folder / "site.yaml").write_text(named)
    (warning,) = load_site(folder / "site.yaml", NOW).warnings
    assert (warning.line, warning.column) == (20, 27)
    assert "identity: retained" in warning.message
    told = problems_of(folder, named.replace("teleradiology}", "teleradiology, pseudonym_domain: x}"))
    assert len(told) == 1
    assert ":20:42: profile teleradiology retains identity: there are no pseudonyms" in told[0]


def test_a_route_with_a_mistake_is_still_a_name_that_others_may_use(folder: Path) -> None:
    text = GOOD.replace("    deliver: [telerad]", "    also: [registry]\n    deliver: [telerad]")
    told = problems_of(folder, text.replace('"CT|MR"', '"CT|("'))
    assert len(told) == 1


@pytest.mark.skipif(running_as_root(), reason="modes do not stop root")
def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    (folder / "outgoing").chmod(0o500)
    try:
        assert any("is not writable" in line for line in problems_of(folder, GOOD))
    finally:
        (folder / "outgoing").chmod(0o700)


def test_a_missing_file_is_told_without_position(tmp_path: Path) -> None:
    with pytest.raises(MistakesError, match="cannot use"):
        load_site(tmp_path / "none.yaml", NOW)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\0", b"", b"- a", b"x", b"a: &a [*a]", b"[" * 2000])
def test_what_is_no_site_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "site.yaml").write_bytes(data)
    with pytest.raises(MistakesError) as refused:
        load_site(tmp_path / "site.yaml", NOW)
    assert refused.value.problems


WORDS = st.sampled_from(
    [
        "[",
        "]",
        "{",
        "}",
        ":",
        " ",
        "\n",
        "- ",
        "null",
        "no",
        "12",
        "1.5",
        "2026-01-01",
        "'",
        '"',
        "&a ",
        "*a",
        "x",
        "none",
    ]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.lists(WORDS | st.text(max_size=3), max_size=3))
def test_any_mistake_is_told_or_harmless(folder: Path, start: int, length: int, put: list[str]) -> None:
    file = folder / "fuzzed.yaml"
    file.write_text(GOOD[:start] + "".join(put) + GOOD[start + length :], "utf-8", "surrogatepass")
    problems: tuple[Problem, ...] = ()
    try:
        load_site(file, NOW)
    except MistakesError as error:
        problems = error.problems
        refused = True
    else:
        refused = False
    assert any(problem.severity == "error" for problem in problems) is refused
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in problems)
