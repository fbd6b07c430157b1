"""`lockgate keys show|init|csr|install|revoke|rotate`."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file
from exchange.domain.errors import KeysError

if TYPE_CHECKING:
    from agent.config.models import Site
    from agent.pipeline.receipt_keys import KeyWork

app = typer.Typer(
    help="Show the appliance's keys; have the receipt key certified, revoke it, make it anew; rotate others.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="""\b
Examples:
  lockgate keys show
  lockgate keys csr --out edge-01.csr                 (send it to the hospital's CA)
  lockgate keys install edge-01-chain.pem --anchor hospital-ca.pem --by 'A. Berg'
  lockgate keys revoke 3f9a11c2 --from 2026-05-04T12:00Z --reason key-compromise
  lockgate keys init --by 'A. Berg'                   (a new key in the place of the revoked one)
""",
)

ByOption = Annotated[
    str | None, typer.Option(help="Your name as in the site file's `people:`; default: your login name.")
]


class Rotated(StrEnum):
    """What can be rotated."""

    PSEUDONYMS = "pseudonyms"


class Reason(StrEnum):
    """Why a key is revoked (RFC 5280, 5.3.1)."""

    KEY_COMPROMISE = "key-compromise"
    CA_COMPROMISE = "ca-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    UNSPECIFIED = "unspecified"


@app.callback()
def keys() -> None:
    """Keys of the appliance."""


@app.command(epilog="Examples: lockgate keys show · lockgate keys show --json")
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show each key: purpose, state, where its private half lives, its certificate and how long it lasts.

    Of secrets that are no key pairs (pseudonyms, crosswalk, storage) only is told that they are there.
    """
    from agent.pipeline.receipt_keys import show_keys

    answer = show_keys(_site(config), datetime.now(UTC)).model_dump(mode="json")
    if as_json:
        print_json(answer)
        return
    print(answer["folder"])
    for one in answer["keys"]:
        print(f"\n{one['purpose']}: {one['state']}, private half in: {one['protection']}")
        for name, value in _facts(one).items():
            if value:
                print(f"  {name:<12}{value}")


def _facts(key: Mapping[str, Any]) -> dict[str, str]:
    facts = {"key id": key["keyid"]}
    certificate = key["certificate"]
    if certificate:
        left = certificate["daysLeft"]
        facts |= {
            "subject": certificate["subject"],
            "issuer": certificate["issuer"],
            "fingerprint": certificate["sha256"],
            "valid": f"{certificate['notBefore'][:10]} to {certificate['notAfter'][:10]}, "
            + (f"{left} days left" if left >= 0 else f"over for {-left} days"),
        }
    if key["invalidFrom"]:
        facts["revoked"] = f"from {key['invalidFrom']}, {key['reason']}"
    return facts


@app.command(epilog="Example: lockgate keys init --by 'A. Berg'")
def init(by: ByOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Make a receipt key where there is none, or in the place of a revoked one; none in use is replaced.

    ECDSA P-256, PEM with mode 0600. The site CA certifies it where ca.key lies in the keys folder; otherwise
    have it certified: `lockgate keys csr`, then `lockgate keys install`.
    """
    name = by or getpass.getuser()

    def work(keys: KeyWork) -> dict[str, Any]:
        from agent.pipeline.receipt_keys import make_key

        return make_key(keys, name).model_dump(mode="json")

    answer = _done(config, "init", {"by": name}, work)
    if as_json:
        print_json(answer)
        return
    print(f"receipt key {answer['keyid']}")
    print("certified by the site CA" if answer["certified"] else "not certified yet: lockgate keys csr")


@app.command(
    epilog="Example: lockgate keys csr --out edge-01.csr && openssl req -in edge-01.csr -noout -text"
)
def csr(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Default: standard output.", show_default=False),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write a certificate request (PKCS#10, PEM) for the receipt key, for the hospital's CA.

    It asks for O = the site, CN = the appliance, and the uses that verifiers of receipts insist on; the CA
    must put all of them into the certificate.
    """
    from exchange.durable import write_file
    from exchange.keys.certifying import certificate_request
    from exchange.keys.signing import FileKeyStore

    site = _site(config)
    request = certificate_request(FileKeyStore(site.keys).uncertified(), (site.site, site.appliance))
    if out is None:
        print(request.decode("ascii"), end="")
    else:
        write_file(out, request, 0o644)
        print(f"{out}: have it certified, then: lockgate keys install CHAIN.pem --anchor CA.pem")


@app.command(epilog="Example: lockgate keys install chain.pem --anchor hospital-ca.pem --by 'A. Berg'")
def install(
    chain: Annotated[Path, typer.Argument(metavar="CHAIN.pem", help="The certificate, then intermediates.")],
    anchor: Annotated[
        Path | None,
        typer.Option(metavar="CA.pem", help="The CA's own certificate; goes into the site's trust folder."),
    ] = None,
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the certificate that a CA issued for the receipt key in use; new receipts carry it at once.

    Checked first: key, names, uses, validity, and that a known CA vouches for it. The former certificate is
    kept. Partners need the CA's certificate in their trust folders before they can verify new receipts.
    """
    given = _text_of(chain)
    anchors = _text_of(anchor) if anchor is not None else ""
    name = by or getpass.getuser()

    def work(keys: KeyWork) -> dict[str, Any]:
        from agent.pipeline.receipt_keys import install as installed

        return installed(keys, name, given.encode(), anchors.encode()).model_dump(mode="json")

    answer = _done(config, "install", {"by": name, "chain": given, "anchors": anchors}, work)
    if as_json:
        print_json(answer)
        return
    certificate = answer["certificate"]
    print(f"{certificate['subject']}, valid until {certificate['notAfter'][:10]}, is in use")
    print(f"{answer['anchor']}: give this certificate to your partners")
    print(f"  SHA-256 {answer['anchorSha256']} (compare it by telephone)")
    if answer["former"]:
        print(f"{answer['former']}: the former certificate")


@app.command(
    epilog="Example: lockgate keys revoke 3f9a11c2 --from 2026-05-04T12:00Z --reason key-compromise --by sam"
)
def revoke(
    keyid: Annotated[
        str, typer.Argument(metavar="KEYID", help="At least its first 8 digits; keys show has it.")
    ],
    since: Annotated[
        datetime,
        typer.Option(
            "--from",
            metavar="TIME",
            formats=["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z"],
            help="From when it is not to be believed, with time zone: 2026-05-04T12:00Z.",
        ),
    ],
    reason: Annotated[Reason, typer.Option(help="Why.")],
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key for good: it signs nothing any more, and receipts under it fail.

    Only a third party's time (a time stamp, or a quorum of witnesses) before --from can save an older
    receipt; one that is merely signed or logged fails whatever its date, for a thief can backdate. Nothing
    leaves until there is a new key: `lockgate keys init`.
    """
    name = by or getpass.getuser()
    body = {"by": name, "keyid": keyid, "invalidFrom": since.isoformat(), "reason": reason.value}

    def work(keys: KeyWork) -> dict[str, Any]:
        from agent.pipeline.receipt_keys import revoke as revoked
        from exchange.keys.revoking import RevocationReason

        return revoked(keys, name, keyid, since, RevocationReason(reason.value)).model_dump(mode="json")

    answer = _done(config, "revoke", body, work)
    if as_json:
        print_json(answer)
        return
    print(f"{answer['keyid']} is revoked from {answer['invalidFrom']} on ({answer['reason']})")
    print(f"{answer['file']}: give it to your partners for their trust folders, at once")


@app.command(epilog="Example: lockgate keys rotate pseudonyms --by 'A. Berg'")
def rotate(
    which: Annotated[Rotated, typer.Argument(help="Which keys.")],
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new epoch: new patients get pseudonyms of new keys; who has one keeps it.

    Back up the keys folder afterwards: no epoch's key can be replaced.
    """
    from agent.cli.asking import Daemon

    answer = Daemon(config).post(f"/keys/{which.value}/rotate", {"by": by or getpass.getuser()})
    if as_json:
        print_json(answer)
    else:
        print(f"epoch {answer['epoch']} of the pseudonym keys has begun; back up the keys folder")


def _site(config: Path | None) -> Site:
    from agent.config.load import load_site

    return load_site(site_file(config)).site


def _done(
    config: Path | None, verb: str, body: Mapping[str, str], work: Callable[[KeyWork], dict[str, Any]]
) -> dict[str, Any]:
    """Have the running daemon do it, or do it here where none runs."""
    from agent.cli.asking import Daemon
    from agent.daemon.audit import served
    from agent.pipeline.receipt_keys import alone

    site = _site(config)
    if served(site.control_socket):
        answer: dict[str, Any] = Daemon(config).post(f"/keys/receipts/{verb}", body)
        return answer
    with alone(site) as keys:
        return work(keys)


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("ascii")
    except (OSError, ValueError) as error:
        raise KeysError(
            f"cannot read {path}", "name a PEM file; openssl x509 -inform DER makes PEM"
        ) from error
