"""From a peer in the site file to the destination that speaks its protocol."""

import ssl

from agent.config.models import DicomPeer as DicomPeerSettings
from agent.config.models import DicomwebPeer, Peer, ReceiptsEndpoint
from exchange.destinations.dicom import DicomDestination
from exchange.destinations.dicomweb import DicomwebDestination, StowSettings
from exchange.destinations.folder import FolderDestination
from exchange.destinations.lanes import Terms
from exchange.destinations.receipt_endpoint import EndpointSettings, ReceiptEndpoint
from exchange.dimse.peer import DicomPeer
from exchange.dimse.tls import client_context
from exchange.domain.delivery import Destination
from exchange.domain.errors import ConfigurationError


def destination_for(peer: Peer, calling_ae: str) -> Destination:
    """The destination behind a peer.

    Args:
        peer: As configured; exactly one protocol.
        calling_ae: What we call ourselves, unless the peer says otherwise.

    Raises:
        ConfigurationError: Its certificates cannot be used.
    """
    if peer.dicom is not None:
        return DicomDestination(dicom_peer(peer.dicom, calling_ae, peer.pin or ""), _terms(peer.dicom))
    if peer.dicomweb is not None:
        return DicomwebDestination(_stow(peer.dicomweb, peer.pin or ""))
    if peer.folder is not None:
        return FolderDestination(peer.folder.path)
    raise ConfigurationError("cannot deliver: the peer names no protocol", "give dicom, dicomweb or folder")


def receipt_endpoint(settings: ReceiptsEndpoint) -> ReceiptEndpoint:
    """Where a peer takes receipts.

    Raises:
        ConfigurationError: Its certificates cannot be used.
    """
    context: ssl.SSLContext | None = None
    if settings.url.startswith("https:"):
        key = settings.client_key or settings.client_cert
        context = client_context(settings.ca, settings.client_cert, key, settings.pin or "")
    return ReceiptEndpoint(EndpointSettings(settings.url, context, settings.token_file))


def dicom_peer(settings: DicomPeerSettings, calling_ae: str, pin: str) -> DicomPeer:
    """Address and TLS of a DICOM peer."""
    context: ssl.SSLContext | None = None
    if settings.tls is not None:
        context = client_context(settings.tls.ca, settings.tls.cert, settings.tls.key, pin)
    return DicomPeer(
        settings.ae_title, settings.host, settings.port, settings.calling_ae or calling_ae, context
    )


def _terms(settings: DicomPeerSettings) -> Terms:
    return Terms(
        associations=settings.associations,
        commitment=settings.commitment != "off",
        transcode=settings.transcode,
    )


def _stow(settings: DicomwebPeer, pin: str) -> StowSettings:
    context: ssl.SSLContext | None = None
    if settings.url.startswith("https:"):
        key = settings.client_key or settings.client_cert
        context = client_context(settings.ca, settings.client_cert, key, pin)
    return StowSettings(settings.url, context, settings.token_file, settings.requests)
