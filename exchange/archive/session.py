"""One association for C-FIND, by pynetdicom, with deadlines that it does not have itself."""

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom import _config as pynetdicom_config
from pynetdicom.transport import AssociationSocket

from exchange.dicomio.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from exchange.dimse.peer import DicomPeer
from exchange.dimse.requesting import keep_responses
from exchange.dimse.sockets import tune_association
from exchange.domain.errors import ConfigurationError, DeliveryError, PeerRefused, PeerUnavailable

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
_PENDING = (0xFF00, 0xFF01)  # all keys supported; some optional keys not
_SUCCESS, _OUT_OF_RESOURCES, _CANCELLED = 0x0000, 0xA700, 0xFE00
_REJECTED_PERMANENT = 0x01
_RELEASE_SECONDS = 5.0

# Responses hold what patients are called: nothing of them may reach a log.
pynetdicom_config.LOG_RESPONSE_IDENTIFIERS = False
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # noqa: TID251 - theirs, to be silenced


class _Socket(AssociationSocket):  # type: ignore[misc] # pynetdicom has no stubs
    """Closes what could not be connected, too: pynetdicom forgets it where shutdown() fails."""

    def shut(self) -> None:
        """Close it, connected or not."""
        sock = self.socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    _shutdown_socket = shut  # as pynetdicom calls it


class _Requestor(AE):  # type: ignore[misc] # pynetdicom has no stubs
    """An application entity whose sockets are ours."""

    made: _Socket | None = None

    def _create_socket(self, assoc: Any, address: Any, tls_args: Any) -> AssociationSocket:
        made = self.made = _Socket(assoc, address=address)
        made.tls_args = tls_args
        return made

    def close_socket(self) -> None:
        """Close the socket of an association that never came to be."""
        if self.made is not None:
            self.made.shut()


class FindSession:
    """An open association with the Study Root FIND model; a context manager that releases, or aborts.

    Args:
        peer: Whom to ask.
        deadline: `time.monotonic()` at which everything must be over.
    """

    def __init__(self, peer: DicomPeer, deadline: float) -> None:
        self._peer = peer
        self._deadline = deadline
        self._association: Any = None

    def __enter__(self) -> Self:
        """Associate.

        Raises:
            PeerUnavailable: It cannot be reached, is busy, or answers nonsense.
            PeerRefused: It rejects us for good, or offers no Study Root FIND.
            ConfigurationError: An AE title is malformed.
        """
        peer = self._peer
        association = self._association = self._request(_address(peer))
        if association.is_established:
            return self
        self._ae.close_socket()  # pynetdicom leaves it open where nothing was ever received
        if association.is_rejected:
            raise _rejection(association)
        if association.acceptor.primitive is not None and not association.accepted_contexts:
            raise PeerRefused(
                f"cannot ask {peer.ae_title} at {peer.host}:{peer.port}: it offers no Study Root C-FIND",
                "let it answer queries of this AE title, or leave settle.query out",
            )
        raise PeerUnavailable(
            f"cannot associate with {peer.host}:{peer.port}",
            "check that a DICOM service listens there, and whether it wants TLS",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        association = self._association
        if association is None:
            return
        association.acse_timeout = _RELEASE_SECONDS
        if error is None and association.is_established:
            association.release()
        if association.is_established:
            association.abort()
        self._ae.close_socket()

    def find(self, identifier: Dataset, most: int) -> Iterator[Dataset]:
        """The matches of one C-FIND, as they come.

        Args:
            identifier: Keys and level.
            most: Matches that are believed; one more ends the association.

        Raises:
            PeerUnavailable: The peer fell silent, is out of resources, or took too long.
            PeerRefused: It failed, or answered more than `most`.
        """
        self._hurry()
        count = 0
        try:
            for status, match in self._association.send_c_find(identifier, STUDY_ROOT_FIND):
                answered = _Status(status.get("Status"))
                if not answered.pending:
                    answered.require_success()
                    return
                count += 1
                if count > most:
                    raise PeerRefused(f"cannot use the answer: it has more than {most} matches")
                if match is not None:
                    yield match
                self._hurry()
        except DeliveryError:
            raise
        except (RuntimeError, ValueError) as error:  # the association went, or the peer's answer is no answer
            raise PeerUnavailable("cannot ask: the association ended without an answer") from error
        raise PeerUnavailable("cannot ask: the peer's answers end without a last one")

    def _request(self, address: str) -> Any:
        peer = self._peer
        ae = self._ae = _Requestor()
        try:
            ae.ae_title = peer.calling_ae
            ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
            ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
            ae.connection_timeout = min(peer.timeouts.connect, self._left())
            ae.acse_timeout = min(peer.timeouts.association, self._left())
            ae.dimse_timeout = min(peer.timeouts.response, self._left())
            ae.network_timeout = ae.dimse_timeout
            ae.add_requested_context(STUDY_ROOT_FIND, _SYNTAXES)
            return ae.associate(
                address,
                peer.port,
                ae_title=peer.ae_title,
                tls_args=(peer.tls, peer.host) if peer.tls else None,
                evt_handlers=[(evt.EVT_CONN_OPEN, tune_association), (evt.EVT_CONN_OPEN, keep_responses)],
            )
        except (ValueError, TypeError) as error:
            ae.close_socket()
            raise ConfigurationError(
                f"cannot propose an association to {peer.host}:{peer.port}: an AE title is malformed",
                "AE titles are 1 to 16 ASCII characters",
            ) from error

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.05)

    def _hurry(self) -> None:
        """Let no wait last beyond the deadline: a peer that answers slowly, on and on, is no better."""
        if time.monotonic() >= self._deadline:
            raise PeerUnavailable("cannot ask: the peer's answer takes too long")
        self._association.dimse_timeout = min(self._peer.timeouts.response, self._left())


def _address(peer: DicomPeer) -> str:
    """The peer's address: pynetdicom takes no names."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
        return str(found[0][4][0])
    raise PeerUnavailable(f"cannot find {peer.host}", "check the name and the box's DNS")


def _rejection(association: Any) -> DeliveryError:
    answer = association.acceptor.primitive
    reason = str(getattr(answer, "reason_str", "no reason given")).lower()
    message = f"cannot associate: the peer rejected it ({reason})"
    if getattr(answer, "result", None) == _REJECTED_PERMANENT:
        return PeerRefused(message, "check both AE titles and that the peer knows us")
    return PeerUnavailable(message, "it may accept later")


@dataclass(frozen=True, slots=True)
class _Status:
    """The status of a C-FIND response (PS3.4 C.4.1.1.4); None when none came."""

    code: int | None

    @property
    def pending(self) -> bool:
        return self.code in _PENDING

    def require_success(self) -> None:
        """Raise unless it says that all is told."""
        if self.code == _SUCCESS:
            return
        if self.code is None:
            raise PeerUnavailable("cannot ask: the peer does not answer C-FIND")
        message = f"cannot ask: the peer answered C-FIND with 0x{self.code:04X}"
        if self.code in (_OUT_OF_RESOURCES, _CANCELLED):
            raise PeerUnavailable(message, "it may answer later")
        raise PeerRefused(message, "see its own log")
