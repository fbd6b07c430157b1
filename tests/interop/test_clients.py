"""DCMTK's clients against the running appliance: plain and mutual TLS, several virtual AE titles."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exchange.dicomio.examine import examine
from tests.interop.studies import HEADERS_ONLY, bare_study, build, paths
from tests.support import dcmtk
from tests.support.appliance import Appliance, folder_peer, outbound
from tests.support.certificates import Certificates, make_certificates
from tests.support.outgoing import example

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed (apt install dcmtk)"),
]

TITLES = ("TELERAD", "REGISTRY", "ARCHIVE")
"""The first two by the profile without pixels, the third by the default one."""


@dataclass
class House:
    box: Appliance
    certificates: Certificates
    folder: Path

    def ids(self) -> set[str]:
        """The exchanges that there are now."""
        return {one["exchange_id"] for one in self.box.exchanges()}

    def closed_since(self, before: set[str], count: int) -> list[dict[str, object]]:
        """The `count` exchanges that were opened after `before`, once they are closed."""

        def done(box: Appliance) -> list[dict[str, object]]:
            found = [one for one in box.exchanges() if one["exchange_id"] not in before]
            assert not [one for one in found if one["state"] == "held"], box.holds()
            return found if len(found) == count and all(one["state"] == "closed" for one in found) else []

        return self.box.wait_for(done, f"{count} closed exchanges")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    certificates = make_certificates(folder / "tls")
    box = Appliance(
        folder / "site",
        certificates=certificates,
        profiles={"headers": HEADERS_ONLY},
        peers={title.lower(): folder_peer(folder / title.lower()) for title in TITLES},
        routes=[
            outbound("telerad", "TELERAD", ["telerad"], profile="headers"),
            outbound("registry", "REGISTRY", ["registry"], profile="headers"),
            outbound("archive", "ARCHIVE", ["archive"]),
        ],
    )
    for title in TITLES:
        (folder / title.lower()).mkdir()
    with box:
        yield House(box, certificates, folder)


@pytest.mark.parametrize("called", ["LOCKGATE", *TITLES])
def test_every_title_of_ours_answers_an_echo(house: House, called: str) -> None:
    assert dcmtk.echoscu(house.box.port, called_ae=called).returncode == 0


def test_an_unknown_title_is_rejected(house: House) -> None:
    before = house.ids()
    refused = dcmtk.echoscu(house.box.port, called_ae="SOMEONE")
    assert refused.returncode != 0
    assert b"Called AE Title Not Recognized" in refused.stderr
    study = bare_study(house.folder / "unknown", "unknown", 1)
    assert dcmtk.storescu(house.box.port, paths(study), called_ae="SOMEONE").returncode != 0
    assert house.ids() == before


@pytest.mark.parametrize("tool", ["storescu", "dcmsend"])
def test_a_study_over_plain_dicom(house: House, tool: str) -> None:
    before, study = house.ids(), bare_study(house.folder / tool, tool)
    send = dcmtk.storescu if tool == "storescu" else dcmtk.dcmsend
    sent = send(house.box.port, paths(study), called_ae="TELERAD", calling_ae="CT1")
    assert sent.returncode == 0, sent.stderr
    (exchange,) = house.closed_since(before, 1)
    assert (exchange["route"], exchange["instance_count"]) == ("telerad", 2)
    delivered = list((house.folder / "telerad" / str(exchange["study_uid_sent"])).rglob("*.dcm"))
    assert len(delivered) == 2


def test_compressed_files_go_through_as_they_are(house: House) -> None:
    """DCMTK proposes what is in each file; the same transfer syntax arrives at the other end."""
    before = house.ids()
    names = ["MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm"]
    study = build(house.folder / "compressed", "compressed", [[example(name) for name in names]])
    sent = dcmtk.dcmsend(house.box.port, paths(study), called_ae="ARCHIVE")
    assert sent.returncode == 0, sent.stderr
    (exchange,) = house.closed_since(before, 1)
    place = house.folder / "archive" / str(exchange["study_uid_sent"])
    received = {examine(path).transfer_syntax_uid for path in place.rglob("*.dcm")}
    assert received == {examine(path).transfer_syntax_uid for path in paths(study)}


def test_mutual_tls_lets_in_whom_we_know(house: House) -> None:
    before, study = house.ids(), bare_study(house.folder / "tls-study", "tls")
    ca, known = house.certificates.ca, house.certificates.client
    assert dcmtk.echoscu(house.box.tls_port, called_ae="TELERAD", ca=ca, identity=known).returncode == 0
    sent = dcmtk.storescu(house.box.tls_port, paths(study), called_ae="TELERAD", ca=ca, identity=known)
    assert sent.returncode == 0, sent.stderr
    (exchange,) = house.closed_since(before, 1)
    assert exchange["instance_count"] == 2


def test_mutual_tls_refuses_everybody_else(house: House) -> None:
    before, study = house.ids(), bare_study(house.folder / "no-tls", "no-tls", 1)
    port, ca = house.box.tls_port, house.certificates.ca

    def send(**how: object) -> int:
        return dcmtk.storescu(port, paths(study), called_ae="TELERAD", **how).returncode  # type: ignore[arg-type]

    assert send(ca=ca) != 0  # no certificate
    assert send(ca=ca, identity=house.certificates.stranger) != 0  # one of another authority
    assert send() != 0  # no TLS at all
    known = house.certificates.client
    assert dcmtk.echoscu(house.box.port, called_ae="TELERAD", ca=ca, identity=known).returncode != 0
    assert dcmtk.echoscu(house.box.port, called_ae="TELERAD").returncode == 0  # and the others are served
    assert house.ids() == before


def test_the_same_bytes_to_two_titles_are_one_file_and_two_exchanges(house: House) -> None:
    before, files = house.ids(), house.box.status()["instances"]
    study = bare_study(house.folder / "twice", "twice")
    for called in ("TELERAD", "REGISTRY"):
        assert dcmtk.storescu(house.box.port, paths(study), called_ae=called).returncode == 0
    exchanges = house.closed_since(before, 2)
    assert {one["route"] for one in exchanges} == {"telerad", "registry"}
    assert len({one["study_uid_sent"] for one in exchanges}) == 2
    assert house.box.status()["instances"] == files + 2


def test_a_re_send_of_a_closed_study_is_redelivered_and_never_silent(house: House) -> None:
    before, study = house.ids(), bare_study(house.folder / "again", "again", 1)
    assert dcmtk.storescu(house.box.port, paths(study), called_ae="TELERAD").returncode == 0
    (first,) = house.closed_since(before, 1)
    arrivals = house.box.status()["arrivals"]
    assert dcmtk.storescu(house.box.port, paths(study), called_ae="TELERAD").returncode == 0
    house.box.wait_for(lambda box: box.status()["arrivals"] == arrivals + 1, "the second arrival")
    exchanges = house.closed_since(before, 2)
    again = next(one for one in exchanges if one["exchange_id"] != first["exchange_id"])
    assert (again["follows"], again["study_uid_sent"]) == (first["exchange_id"], first["study_uid_sent"])
