"""One generation of the site's configuration, ready to be used; a reload makes the next one."""

from dataclasses import dataclass
from functools import cached_property

from agent.config.load import LoadedSite
from agent.config.models import Peer, Retry, Site
from agent.pipeline.peers import destination_for, dicom_peer, receipt_endpoint
from agent.policy.routes import RouteTable
from exchange.destinations.receipt_endpoint import ReceiptEndpoint
from exchange.dimse.peer import DicomPeer
from exchange.domain.delivery import Destination
from exchange.domain.errors import ConfigurationError


@dataclass(frozen=True)
class Configuration:
    """The site file as read, with its routes resolved.

    Attributes:
        loaded: The file, its digest and its warnings.
        routes: The routes with their profiles.
    """

    loaded: LoadedSite
    routes: RouteTable

    @property
    def site(self) -> Site:
        """The typed site file."""
        return self.loaded.site

    @cached_property
    def calling_ae(self) -> str:
        """What we call ourselves towards peers, where a peer does not say otherwise."""
        dicom = self.site.listen.dicom
        return dicom.ae_titles[0] if dicom else "LOCKGATE"

    def peer(self, name: str) -> Peer:
        """The peer of this name.

        Raises:
            ConfigurationError: A reload has taken it away.
        """
        try:
            return self.site.peers[name]
        except KeyError:
            raise ConfigurationError(
                f"cannot deliver to {name}: the configuration no longer names this peer",
                "put it back into the site file and reload, or reject the exchange",
            ) from None

    def destination(self, name: str) -> Destination:
        """The wire or folder behind a peer's name.

        Raises:
            ConfigurationError: There is no such peer any more.
        """
        return destination_for(self.peer(name), self.calling_ae)

    def receipt_endpoint(self, name: str) -> ReceiptEndpoint | None:
        """Where a peer takes receipts; None where it takes none apart from the study.

        Raises:
            ConfigurationError: There is no such peer any more, or its certificates cannot be used.
        """
        settings = self.peer(name).receipts
        return None if settings is None else receipt_endpoint(settings)

    def dicom_peer(self, name: str) -> DicomPeer:
        """Address and TLS of a DICOM peer.

        Raises:
            ConfigurationError: There is no such DICOM peer any more, or its certificates cannot be used.
        """
        peer = self.peer(name)
        if peer.dicom is None:
            raise ConfigurationError(f"cannot ask {name}: it is no DICOM peer", "name one with `dicom:`")
        return dicom_peer(peer.dicom, self.calling_ae, peer.pin or "")

    def protocol_of(self, name: str) -> str:
        """`dicom`, `dicomweb` or `folder`; "unknown" when a reload has taken the peer away."""
        peer = self.site.peers.get(name)
        return peer.protocol if peer else "unknown"

    def retry(self, route: str) -> Retry:
        """How deliveries of a route are retried; the defaults when a reload has taken the route away."""
        try:
            return self.site.route(route).retry
        except KeyError:
            return Retry()

    def identify_peer(self, calling_ae: str, address: str) -> str:
        """Which configured DICOM peer a caller is: by AE title and, when it is an IP address, by host too.

        A caller is named only when exactly one peer fits; "" otherwise.
        """
        named = [
            name
            for name, peer in self.site.peers.items()
            if peer.dicom is not None
            and peer.dicom.ae_title == calling_ae
            and (not _is_address(peer.dicom.host) or peer.dicom.host == address)
        ]
        return named[0] if len(named) == 1 else ""


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host
