"""The doors of the STOW-RS server: what `check` says of them."""

from pathlib import Path

import pytest

from agent.config.load import load_site
from agent.config.problems import MistakesError
from tests.support.sites import NOW, site_folder

SITE = """\
site: general-hospital
appliance: edge-01
listen:
  dicom: {{ae_titles: [LOCKGATE{titles}], host: 127.0.0.1, port: 11112}}
  dicomweb:
    host: {host}
    port: 8042
{tls}    doors:
{doors}
peers:
  telerad: {{dicomweb: {{url: "https://partner.example/dicom-web"}}}}
  registry: {{folder: {{path: outgoing}}}}
routes:
  - name: from-telerad
    direction: outbound
    match: {{called_ae: INBOX, peer: telerad}}
    deidentify: {{profile: default}}
    deliver: [registry]
"""
TLS = "    cert: tls/edge.pem\n    key: tls/edge.key\n"
CLIENTS = TLS + "    client_ca: tls/ca.pem\n"
PIN = "sha256:" + "0" * 64
TOKEN_DOOR = "{called_ae: INBOX, token_file: tls/token, peer: telerad}"


def site(*doors: str, host: str = "127.0.0.1", tls: str = "", titles: str = "") -> str:
    listed = "\n".join(f"      - {door}" for door in doors)
    return SITE.format(doors=listed, host=host, tls=tls, titles=titles)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site_folder(tmp_path)
    token = tmp_path / "tls" / "token"
    token.write_text("secret")
    token.chmod(0o600)
    return tmp_path


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong, with its line; warnings too."""
    file = folder / "site.yaml"
    file.write_text(text)
    try:
        found = load_site(file, NOW).warnings
    except MistakesError as error:
        found = error.problems
    return [f"{one.line}: {one.severity}: {one.message}" for one in found]


def test_good_doors(folder: Path) -> None:
    assert problems(folder, site(TOKEN_DOOR)) == []
    assert problems(folder, site(TOKEN_DOOR, host="10.0.0.1", tls=TLS)) == []
    pinned = f'{{called_ae: INBOX, pin: "{PIN}", peer: telerad}}'
    assert problems(folder, site(pinned, host="10.0.0.1", tls=CLIENTS)) == []
    assert problems(folder, site("{called_ae: INBOX, peer: telerad}")) == []  # loopback only


MISTAKES = {
    "nobody asked for anything": (
        site("{called_ae: INBOX, peer: telerad}", host="10.0.0.1", tls=TLS),
        "11: error: everybody may use door INBOX",
    ),
    "in the clear": (site(TOKEN_DOOR, host="10.0.0.1"), "5: error: studies and tokens would come in"),
    "a certificate alone": (
        site(TOKEN_DOOR, tls="    cert: tls/edge.pem\n"),
        "5: error: cert and key belong together",
    ),
    "a key of another": (
        site(TOKEN_DOOR, tls=TLS.replace("edge.key", "other.key")),
        "9: error: other.key is not the key",
    ),
    "client certificates without TLS": (
        site(TOKEN_DOOR, tls="    client_ca: tls/ca.pem\n"),
        "8: error: client certificates need TLS",
    ),
    "a pin without client certificates": (
        site(f'{{called_ae: INBOX, pin: "{PIN}", peer: telerad}}', tls=TLS),
        "11: error: a pin needs client certificates",
    ),
    "twice": (site(TOKEN_DOOR, TOKEN_DOOR), "10: error: door INBOX is there twice"),
    "no address": (
        site("{called_ae: IN/BOX, peer: telerad}"),
        "9: error: the title cannot stand in an address",
    ),
    "unknown peer": (site("{called_ae: INBOX, peer: telerat}"), "9: error: unknown peer telerat"),
    "no such token": (
        site("{called_ae: INBOX, token_file: tls/tokn, peer: telerad}"),
        "9: error: there is no file",
    ),
    "leads nowhere": (site("{called_ae: OTHER, peer: telerad}"), "9: warning: no route takes"),
    "a peer that no route names": (site("{called_ae: INBOX, peer: registry}"), "9: warning: no route takes"),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(folder: Path, text: str, said: str) -> None:
    found = problems(folder, text)
    assert any(one.startswith(said) for one in found), found


def test_a_token_that_others_may_read_is_an_error(folder: Path) -> None:
    (folder / "tls" / "token").chmod(0o640)
    assert any("9: error: others may read" in one for one in problems(folder, site(TOKEN_DOOR)))


def test_a_doors_title_is_not_accepted_over_dicom_unless_listed(folder: Path) -> None:
    def titles(text: str) -> frozenset[str]:
        (folder / "site.yaml").write_text(text)
        return load_site(folder / "site.yaml", NOW).site.accepted_ae_titles

    assert titles(site(TOKEN_DOOR)) == {"LOCKGATE"}
    assert titles(site(TOKEN_DOOR, titles=", INBOX")) == {"LOCKGATE", "INBOX"}
