"""What will go wrong is said before it does; only what is certain stops anything."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.config.models import DicomPeer, DicomwebPeer, Peer, PeerTls
from agent.custody.circuits import peer_health
from agent.custody.listings import exchange, show_exchange
from agent.custody.progress import refusals, sending, sent_of
from agent.pipeline.circuit import note_attempt
from agent.pipeline.configuration import Configuration
from agent.pipeline.forecast import (
    certificates_left,
    instance_limit,
    known,
    of_appliance,
    of_exchange,
    of_peer,
    remember_refusals,
    too_large,
)
from agent.pipeline.progress import Progress, step_of
from exchange.domain.delivery import InstanceState, OutgoingInstance
from exchange.domain.exchange import DeliveryState
from tests.agent.custody.world import CT, World
from tests.agent.pipeline.house import House
from tests.support.certificates import make_certificates


def with_peer(house: House, name: str, peer: Peer) -> None:
    """Name a further peer in the site, as a reload would."""
    configuration = house.appliance.configuration
    site = configuration.site.model_copy(update={"peers": {**configuration.site.peers, name: peer}})
    loaded = replace(configuration.loaded, site=site)
    house.appliance.configuration = Configuration(loaded, configuration.routes)


def limited(mib: int) -> Peer:
    return Peer(dicom=DicomPeer(ae_title="ELSE", host="127.0.0.1", port=104, instance_mib=mib))


def codes(house: House, name: str) -> list[tuple[str, bool]]:
    found = of_peer(house.appliance, name, known(house.appliance))
    return [(one.code, one.certain) for one in found]


def test_nothing_is_said_of_a_peer_that_is_well(house: House) -> None:
    assert codes(house, "outgoing") == []
    assert codes(house, "gone") == [("peer-unknown", True)]


def test_an_open_circuit_is_said_with_when_it_is_tried_again(house: House) -> None:
    for _ in range(3):
        note_attempt(house.appliance, "outgoing", False, "unreachable")
    (found,) = of_peer(house.appliance, "outgoing", known(house.appliance))
    assert (found.code, found.certain) == ("circuit-open", False)
    assert "in 5 s" in found.text
    assert "exchanges retry" in found.fix
    house.wait(seconds=6)
    assert codes(house, "outgoing") == []


def outgoing(size: int) -> OutgoingInstance:
    return OutgoingInstance(Path("x"), CT, f"1.{size}", "1", "1", "1.2.840.10008.1.2.1", "", size)


def test_an_instance_over_the_peers_limit_is_refused_without_being_sent(house: House) -> None:
    with_peer(house, "small", limited(1))
    refused = too_large(house.appliance, "small", [outgoing(2**20), outgoing(2**20 + 1)])
    assert [(one.sop_instance_uid, one.state) for one in refused] == [
        (f"1.{2**20 + 1}", InstanceState.REFUSED)
    ]
    assert "the peer takes 1 MiB" in refused[0].detail
    assert too_large(house.appliance, "outgoing", [outgoing(2**40)]) == ()
    assert instance_limit(Peer(dicomweb=DicomwebPeer(url="https://x.example", instance_mib=3))) == 3 * 2**20
    assert instance_limit(None) is None


def test_a_certificate_that_ends_soon_is_said_with_its_file(house: House, tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    tls = PeerTls(ca=made.ca, cert=made.client.cert, key=made.client.key)
    with_peer(house, "secure", Peer(dicom=DicomPeer(ae_title="S", host="h", port=1, tls=tls)))
    left = certificates_left(house.appliance)["secure"]
    house.wait(days=left - 10)
    assert ("certificate-expires", False) in codes(house, "secure")
    house.wait(days=11)
    assert ("certificate-expired", True) in codes(house, "secure")
    made.client.cert.write_text("not a certificate")
    assert ("certificate-unreadable", True) in codes(house, "secure")


def test_a_full_disk_is_said_before_it_is_full(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_appliance(house.appliance) == ()
    World(house.appliance.custody).arrive("a")
    usage = type("Usage", (), {"free": 2**20 + 10})
    monkeypatch.setattr("agent.pipeline.forecast.shutil.disk_usage", lambda _path: usage)
    (found,) = of_appliance(house.appliance)
    assert found.code == "disk-too-small"


def test_a_kind_that_was_refused_is_said_until_it_is_taken(house: House) -> None:
    world = World(house.appliance.custody)
    for name, state, remembered in (
        ("a", InstanceState.REFUSED, 1),
        ("b", InstanceState.SENT, 0),
    ):
        (sent,) = world.delivering(name, to=("outgoing",))
        claim = world.claim(sent)
        world.said(claim, state)
        remember_refusals(house.appliance, sent.delivery_id)
        assert len(refusals(world.database)) == remembered
        one = exchange(world.database, sent.exchange_id)
        found = of_exchange(house.appliance, one, ["outgoing"], known(house.appliance))
        assert [each.code for each in found] == ["refused-before"] * remembered


def test_how_far_a_delivery_is_and_when_it_will_be_done(house: House) -> None:
    world = World(house.appliance.custody)
    (sent,) = world.delivering("a", "b", "c", "d", to=("outgoing",))
    claim = world.claim(sent)
    ((one, before),) = sending(world.database)
    assert step_of(before, house.now).eta is None
    for uid in world.waiting(claim)[:2]:
        world.said(claim, InstanceState.SENT, uid)
    (now,) = sent_of(world.database, one)
    assert now.attempt_since is not None
    step = step_of(now, now.attempt_since + timedelta(seconds=2))
    assert (step.done, step.total, step.bytes, step.byte_total) == (2, 4, 1800, 3600)
    assert (step.instances_per_second, step.bytes_per_second) == (1.0, 900.0)
    assert step.eta == now.attempt_since + timedelta(seconds=4)
    assert show_exchange(world.database, one.exchange_id).deliveries[0].state is DeliveryState.ACTIVE
    assert peer_health(world.database) == {}


def test_how_far_cleaning_is(house: House) -> None:
    seconds = 100.0
    progress = Progress(lambda: seconds)
    assert progress.of("x", house.now) is None
    progress.begin("x", "clean", 10)
    progress.advance("x")
    seconds += 4
    progress.advance("x", 3)
    step = progress.of("x", house.now)
    assert step is not None
    assert (step.stage, step.done, step.total, step.instances_per_second) == ("clean", 4, 10, 1.0)
    assert step.eta == house.now + timedelta(seconds=6)
    progress.advance("x", 100)
    progress.advance("unknown")
    done = progress.of("x", house.now)
    assert done is not None
    assert (done.done, done.eta) == (10, house.now)
    for number in range(1000):
        progress.begin(str(number), "clean", 1)
    assert progress.of("x", house.now) is None, "names of what has ended do not pile up"
