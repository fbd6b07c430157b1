"""Association negotiation as a requestor: PDUs by pynetdicom, meaning by us (PS3.8 9.3.2-9.3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from exchange.dicomio.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from exchange.dimse import pdu as upper_layer
from exchange.dimse.peer import DicomPeer
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
CONTEXTS_MAX = 128  # presentation context ids are the odd numbers 1..255
OWN_MAX_PDU = 128 * 1024
_LARGEST_SENT_PDU = 256 * 1024  # fewer headers gain nothing beyond it
_SMALLEST_PDU = 64  # below this a peer asks for more headers than content

# (SOP class, transfer syntax): one context each, so that the peer cannot pick another syntax.
Proposal: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the peer accepted.

    Attributes:
        context_ids: Accepted (SOP class, transfer syntax) pairs and their context id.
        max_pdu: Longest P-DATA-TF variable field that we send, in bytes.
    """

    context_ids: dict[Proposal, int]
    max_pdu: int


def encode_request(peer: DicomPeer, proposals: Sequence[Proposal]) -> bytes:
    """A-ASSOCIATE-RQ that proposes one presentation context for each (SOP class, transfer syntax).

    Raises:
        ConfigurationError: An AE title or UID cannot be written into the request.
    """
    request = A_ASSOCIATE()
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = OWN_MAX_PDU
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    try:
        request.application_context_name = UID(APPLICATION_CONTEXT)
        request.calling_ae_title = peer.calling_ae
        request.called_ae_title = peer.ae_title
        contexts = [build_context(*proposal) for proposal in proposals]
        for index, context in enumerate(contexts):
            context.context_id = 2 * index + 1
        request.presentation_context_definition_list = contexts
        request.user_information = [maximum, implementation, version]
        pdu = A_ASSOCIATE_RQ()
        pdu.from_primitive(request)
        return bytes(pdu.encode())
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"cannot propose an association to {peer.host}:{peer.port}: an AE title or UID is malformed",
            "AE titles are 1 to 16 ASCII characters",
        ) from error


def decode_answer(pdu_type: int, pdu: bytes, proposals: Sequence[Proposal]) -> Agreement:
    """Read what came back for `encode_request`.

    Raises:
        PeerRefused: A-ASSOCIATE-RJ, permanent.
        PeerUnavailable: A-ASSOCIATE-RJ, transient; an abort; or an answer that is none.
    """
    try:
        if pdu_type == upper_layer.A_ASSOCIATE_AC:
            return _agreement(pdu, proposals)
        if pdu_type == upper_layer.A_ASSOCIATE_RJ:
            raise _rejection(pdu)
    except (PeerRefused, PeerUnavailable):
        raise
    except Exception as error:
        raise PeerUnavailable("cannot associate: the peer's answer is malformed") from error
    if pdu_type == upper_layer.A_ABORT:
        raise PeerUnavailable("cannot associate: the peer aborted", "see the peer's own log")
    raise PeerUnavailable(f"cannot associate: the peer answered with PDU type 0x{pdu_type:02X}")


def _agreement(pdu: bytes, proposals: Sequence[Proposal]) -> Agreement:
    answer = A_ASSOCIATE_AC()
    answer.decode(pdu)
    primitive = answer.to_primitive()
    results = primitive.presentation_context_definition_results_list
    if not results:  # a result for each proposal is mandatory (PS3.8 9.3.3); pynetdicom lets garbage pass
        raise PeerUnavailable("cannot associate: the peer's answer names no presentation context")
    accepted: dict[Proposal, int] = {}
    for context in results:
        index, even = divmod(context.context_id - 1, 2)
        if context.result != 0x00 or even or not 0 <= index < len(proposals):
            continue
        # A peer that names another syntax than the only one proposed has not accepted ours.
        if not context.transfer_syntax or str(context.transfer_syntax[0]) == proposals[index][1]:
            accepted[proposals[index]] = context.context_id
    announced = int(primitive.maximum_length_received or 0)
    if announced and announced < _SMALLEST_PDU:
        raise PeerUnavailable("cannot associate: the peer takes PDUs too short to carry anything")
    return Agreement(accepted, min(announced or _LARGEST_SENT_PDU, _LARGEST_SENT_PDU))


def _rejection(pdu: bytes) -> PeerRefused | PeerUnavailable:
    answer = A_ASSOCIATE_RJ()
    answer.decode(pdu)
    message = f"cannot associate: the peer rejected it ({answer.reason_str.lower()})"
    if answer.result == 0x01:
        return PeerRefused(message, "check both AE titles and that the peer knows us")
    return PeerUnavailable(message, "it may accept later")
