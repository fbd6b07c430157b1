"""What will go wrong, said before it does, with what to do about it.

Only what is certain stops anything: an instance over the limit that the peer's own entry in the site file
declares is refused without being sent. All else is shown, and the attempt is made.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from agent.config.models import Peer
from agent.custody.circuits import peer_health
from agent.custody.progress import coming_bytes, learn_refusals, outgoing_kinds, refusals
from agent.custody.records import ExchangeRecord, PeerHealth, PeerRefusal
from agent.pipeline.appliance import Appliance
from agent.pipeline.circuit import is_open
from exchange.domain.delivery import InstanceOutcome, InstanceState, OutgoingInstance

MIB = 1024 * 1024
CERTIFICATE_DAYS = 30
"""A certificate that ends within so many days is spoken of."""

TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class Forecast:
    """One thing that will, or may, go wrong.

    Attributes:
        code: `circuit-open`, `too-large`, `refused-before`, `certificate-expires`, `certificate-expired`,
            `certificate-unreadable`, `disk-too-small`, `peer-unknown`, `receipt-key-revoked`.
        destination: The peer that it concerns; "" for the appliance itself.
        certain: Whether it cannot be otherwise.
        text: What; names of the site file, counts and sizes only.
        fix: What to do.
    """

    code: str
    destination: str
    certain: bool
    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class Known:
    """What forecasts are made from, asked once for many exchanges."""

    now: datetime
    health: dict[str, PeerHealth]
    refused: tuple[PeerRefusal, ...]


def known(appliance: Appliance) -> Known:
    """What is known at this moment."""
    return Known(appliance.clock(), peer_health(appliance.custody), refusals(appliance.custody))


def of_appliance(appliance: Appliance) -> tuple[Forecast, ...]:
    """What concerns the appliance itself: receipt key, disk, and the certificates that it listens with."""
    tls, web = appliance.configuration.site.listen.dicom_tls, appliance.configuration.site.listen.dicomweb
    own = [path for path in (tls.cert if tls else None, web.cert if web else None) if path is not None]
    found = [*_receipt_key(appliance), *_disk(appliance)]
    for path in own:
        found += _certificate(path, "", appliance.clock())
    return tuple(found)


def _receipt_key(appliance: Appliance) -> Iterator[Forecast]:
    if not appliance.can_sign:
        text = "the receipt key is revoked: nothing is cleaned, sent or attested"
        yield Forecast("receipt-key-revoked", "", True, text, "make a new one: lockgate keys init")


def of_peer(appliance: Appliance, destination: str, facts: Known) -> tuple[Forecast, ...]:
    """What concerns every delivery to a peer: its circuit, our certificate, the authority of its own."""
    peer = appliance.configuration.site.peers.get(destination)
    if peer is None:
        text = "the configuration no longer names this peer"
        fix = "put it back into the site file and reload, or cancel the exchange"
        return (Forecast("peer-unknown", destination, True, text, fix),)
    found = [*_circuit(destination, facts)]
    for path in _certificates(peer):
        found += _certificate(path, destination, facts.now)
    return tuple(found)


def of_exchange(
    appliance: Appliance, exchange: ExchangeRecord, destinations: Iterable[str], facts: Known
) -> tuple[Forecast, ...]:
    """What concerns the deliveries of one exchange, once it is frozen; with what concerns its peers."""
    kinds = outgoing_kinds(appliance.custody, exchange)
    largest = max((size for _, size in kinds.values()), default=0)
    found: list[Forecast] = []
    for destination in destinations:
        found += of_peer(appliance, destination, facts)
        found += _size(appliance.configuration.site.peers.get(destination), destination, largest)
        found += [
            _refused(one, kinds[one.sop_class_uid, one.transfer_syntax_uid][0])
            for one in facts.refused
            if one.destination == destination and (one.sop_class_uid, one.transfer_syntax_uid) in kinds
        ]
    return tuple(found)


def too_large(
    appliance: Appliance, destination: str, outgoing: Sequence[OutgoingInstance]
) -> tuple[InstanceOutcome, ...]:
    """The instances that the peer's declared limit (`instance_mib`) certainly keeps out, as refusals."""
    limit = instance_limit(appliance.configuration.site.peers.get(destination))
    if limit is None:
        return ()
    return tuple(
        InstanceOutcome(
            one.sop_instance_uid,
            InstanceState.REFUSED,
            TOO_LARGE,
            f"not sent: {_mib(one.byte_count)} MiB, and the peer takes {limit // MIB} MiB (instance_mib)",
        )
        for one in outgoing
        if one.byte_count > limit
    )


def instance_limit(peer: Peer | None) -> int | None:
    """The largest instance in bytes that a peer's entry declares; None where it declares none."""
    settings = (peer.dicom or peer.dicomweb) if peer is not None else None
    mib = settings.instance_mib if settings is not None else None
    return None if mib is None else mib * MIB


def remember_refusals(appliance: Appliance, delivery_id: str) -> None:
    """After a delivery has ended: which kinds of object its peer refuses, for the next one's forecast."""
    learn_refusals(appliance.custody, delivery_id, appliance.clock())


def certificates_left(appliance: Appliance) -> dict[str, float]:
    """Days that the certificates we show or trust have left, by peer ("" for our listeners); the soonest."""
    site, now = appliance.configuration.site, appliance.clock()
    paths = {name: list(_certificates(peer)) for name, peer in site.peers.items()}
    tls, web = site.listen.dicom_tls, site.listen.dicomweb
    paths[""] = [path for path in (tls.cert if tls else None, web.cert if web else None) if path]
    found = {}
    for name, files in paths.items():
        ends = [end for path in files if (end := certificate_end(path)) is not None]
        if ends:
            found[name] = (min(ends) - now).total_seconds() / 86400
    return found


def certificate_end(path: Path) -> datetime | None:
    """The end of the validity of the first certificate of a PEM file; None when it cannot be read."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError):
        return None


def _certificates(peer: Peer) -> Iterator[Path]:
    """What we show the peer, and the authority that its own must come from."""
    if peer.dicom is not None and peer.dicom.tls is not None:
        tls = peer.dicom.tls
        yield from (path for path in (tls.cert, tls.ca) if path is not None)
    if peer.dicomweb is not None:
        yield from (path for path in (peer.dicomweb.client_cert, peer.dicomweb.ca) if path is not None)


def _circuit(destination: str, facts: Known) -> Iterator[Forecast]:
    health = facts.health.get(destination)
    if health is not None and is_open(health, facts.now) and health.open_until is not None:
        seconds = round((health.open_until - facts.now).total_seconds())
        text = f"not reached {health.failures} times in a row; tried again in {seconds} s"
        fix = "see `lockgate doctor`; `lockgate exchanges retry ID` tries at once"
        yield Forecast("circuit-open", destination, False, text, fix)


def _certificate(path: Path, destination: str, now: datetime) -> Iterator[Forecast]:
    end, fix = certificate_end(path), f"renew {path.name} and reload"
    if end is None:
        yield Forecast("certificate-unreadable", destination, True, f"{path.name} cannot be read", fix)
    elif end <= now:
        yield Forecast("certificate-expired", destination, True, f"{path.name} has expired", fix)
    elif end - now < timedelta(days=CERTIFICATE_DAYS):
        days = (end - now).days
        yield Forecast("certificate-expires", destination, False, f"{path.name} expires in {days} days", fix)


def _size(peer: Peer | None, destination: str, largest: int) -> Iterator[Forecast]:
    limit = instance_limit(peer)
    if limit is not None and largest > limit:
        text = f"an instance of {_mib(largest)} MiB; the peer takes {limit // MIB} MiB"
        fix = "raise instance_mib of the peer if it takes more, or send it another way"
        yield Forecast(TOO_LARGE, destination, True, text, fix)


def _refused(one: PeerRefusal, count: int) -> Forecast:
    text = (
        f"{count} instances of SOP class {one.sop_class_uid} in transfer syntax {one.transfer_syntax_uid}: "
        f"the peer refused such ones ({one.status or 'not negotiated'}) on {one.refused_at:%Y-%m-%d}"
    )
    fix = "ask the peer's operator to accept this SOP class, or let `transcode` of the peer be true"
    return Forecast("refused-before", one.destination, False, text, fix)


def _disk(appliance: Appliance) -> Iterator[Forecast]:
    site = appliance.configuration.site
    free = shutil.disk_usage(appliance.folders.state).free
    needed = coming_bytes(appliance.custody) + site.limits.spool_reserve_mib * MIB
    if free < needed:
        text = f"{_mib(free)} MiB are free; what is under way needs {_mib(needed)} MiB with the reserve"
        fix = "make room, or shorten limits.retention_days and restart; intake never uses the reserve"
        yield Forecast("disk-too-small", "", False, text, fix)


def _mib(count: int) -> int:
    return -(-count // MIB)
