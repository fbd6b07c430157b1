"""Association negotiation as an acceptor: items by pynetdicom, decisions by us (PS3.8 9.3, PS3.7 D.3).

The answer is 1/1 to any asynchronous operations window, positive and empty to any user identity (whose fields
are neither kept nor logged), nothing to SOP class extended negotiation; items of unknown types are skipped.
"""

import logging
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom.uid import UID
from pynetdicom import sop_class as sop_classes
from pynetdicom.pdu_items import (
    ApplicationContextItem,
    AsynchronousOperationsWindowSubItem,
    ImplementationClassUIDSubItem,
    ImplementationVersionNameSubItem,
    MaximumLengthSubItem,
    PresentationContextItemAC,
    PresentationContextItemRQ,
    SCP_SCU_RoleSelectionSubItem,
    TransferSyntaxSubItem,
    UserIdentitySubItemAC,
    UserInformationItem,
)

from exchange.dicomio.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, decode_uid
from exchange.dimse.pdu import A_ASSOCIATE_AC, AbortReason, PduError

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_APPLICATION_CONTEXT, _PRESENTATION_CONTEXT, _USER_INFORMATION = 0x10, 0x20, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _ASYNC_OPERATIONS, _ROLE_SELECTION, _USER_IDENTITY = 0x51, 0x53, 0x54, 0x58
_FIXED = struct.Struct(">BxLHxx16s16s32s")  # what stands before the items
_ITEM = struct.Struct(">BxH")
_ACCEPTED, _USER_REJECTION, _NO_ABSTRACT_SYNTAX, _NO_TRANSFER_SYNTAX = 0, 1, 3, 4  # PS3.8 table 9-18

# What their decoders log quotes the peer: nothing of it may reach a log.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # noqa: TID251 - theirs, to be silenced

# (result, source, reason) of an A-ASSOCIATE-RJ, PS3.8 table 9-21
NO_APPLICATION_CONTEXT = (1, 1, 2)
CALLED_AE_NOT_RECOGNIZED = (1, 1, 7)
NO_PROTOCOL_VERSION = (1, 2, 2)
LOCAL_LIMIT_EXCEEDED = (2, 3, 2)


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context that was agreed on."""

    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as the peer proposes it."""

    context_id: int
    sop_class_uid: str
    transfer_syntax_uids: tuple[str, ...]


@dataclass(slots=True)
class AssociationRequest:
    """What an A-ASSOCIATE-RQ asks for.

    Attributes:
        titles: Called and calling AE title and 32 reserved bytes, as they came: an answer repeats them.
        has_version_1: Whether the peer knows the only protocol version that there is.
        application_context: Its name, "" when absent.
        contexts: In the order of the request.
        roles: SOP class to the (SCU, SCP) roles that the requestor wants for itself.
        max_pdu: Longest P-DATA-TF that the peer takes, 0 for any.
        wants_async: It proposed an asynchronous operations window.
        wants_identity_answer: It wants a positive response to its user identity.
    """

    titles: bytes = field(repr=False)
    has_version_1: bool
    application_context: str = ""
    contexts: list[ProposedContext] = field(default_factory=list)
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    max_pdu: int = 0
    wants_async: bool = False
    wants_identity_answer: bool = False

    @property
    def called_ae(self) -> str:
        """Called AE title, without padding."""
        return _title(self.titles[:16])

    @property
    def calling_ae(self) -> str:
        """Calling AE title, without padding."""
        return _title(self.titles[16:32])


@dataclass(frozen=True, slots=True)
class Offer:
    """What we accept besides storage, of which every SOP class and any transfer syntax is taken.

    Attributes:
        services: SOP class to the transfer syntaxes that we read of it.
        reversed_roles: Those in which the requestor is the SCP (it reports to us).
        max_pdu: Longest P-DATA-TF that we ask for, in bytes.
    """

    services: Mapping[str, frozenset[str]]
    reversed_roles: frozenset[str]
    max_pdu: int


def parse_association_request(pdu: bytes) -> AssociationRequest:
    """Read an A-ASSOCIATE-RQ PDU, header included.

    Raises:
        PduError: It is none.
    """
    if len(pdu) < _FIXED.size:
        raise PduError("an A-ASSOCIATE-RQ is too short", AbortReason.INVALID_PARAMETER)
    _, _, version, *titles = _FIXED.unpack_from(pdu)
    request = AssociationRequest(b"".join(titles), bool(version & 1))
    try:
        for kind, item in _items(pdu, _FIXED.size):
            _read_item(request, kind, item)
    except PduError:
        raise
    except Exception:  # noqa: BLE001 - the boundary to pynetdicom's decoders; their texts quote the peer
        raise PduError("an A-ASSOCIATE-RQ is malformed", AbortReason.INVALID_PARAMETER) from None
    return request


def answer(request: AssociationRequest, offer: Offer) -> tuple[bytes, dict[int, Context]]:
    """Decide on an association that is not rejected.

    Returns:
        The A-ASSOCIATE-AC PDU, and the accepted contexts by their id.
    """
    roles = {uid: _role(uid, wanted, offer) for uid, wanted in request.roles.items()}
    accepted: dict[int, Context] = {}
    items = [_encoded_application_context()]
    for proposed in request.contexts:
        syntax, result = _decide(proposed, roles, offer)
        if result == _ACCEPTED:
            accepted[proposed.context_id] = Context(proposed.sop_class_uid, syntax)
        items.append(_encoded_context(proposed.context_id, result, syntax))
    agreed = {context.sop_class_uid for context in accepted.values()}
    items.append(_encoded_user_information(request, roles, agreed, offer))
    body = b"".join(items)
    head = struct.pack(">BxLHxx", A_ASSOCIATE_AC, 68 + len(body), 1)
    return head + request.titles + body, accepted


def is_storage(sop_class_uid: str) -> bool:
    """Whether it is a storage SOP class, as far as anyone can tell: private and unknown ones are."""
    uid = UID(sop_class_uid)
    return (
        uid.is_private
        or uid in sop_classes._STORAGE_CLASSES.values()  # noqa: SLF001 - their table has no public name
        or not hasattr(sop_classes, uid.keyword)
    )


def _decide(
    proposed: ProposedContext, roles: Mapping[str, tuple[bool, bool]], offer: Offer
) -> tuple[str, int]:
    """The transfer syntax, the first proposed that we can take, and the result."""
    uid = proposed.sop_class_uid
    first = proposed.transfer_syntax_uids[0]
    if roles.get(uid, (True, True)) == (False, False):
        return first, _USER_REJECTION
    if uid in offer.services:
        usable = [each for each in proposed.transfer_syntax_uids if each in offer.services[uid]]
        return (usable[0], _ACCEPTED) if usable else (first, _NO_TRANSFER_SYNTAX)
    return first, _ACCEPTED if is_storage(uid) else _NO_ABSTRACT_SYNTAX


def _role(sop_class_uid: str, wanted: tuple[bool, bool], offer: Offer) -> tuple[bool, bool]:
    """The requestor's roles that we agree to: never one that it did not ask for (PS3.7 D.3.3.4)."""
    as_scu, as_scp = wanted
    is_reversed = sop_class_uid in offer.reversed_roles
    return as_scu and not is_reversed, as_scp and is_reversed


def _items(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Items or sub-items from a position on: type, and all bytes with the header."""
    while start < len(data):
        if start + _ITEM.size > len(data):
            raise PduError("an A-ASSOCIATE-RQ ends inside an item", AbortReason.INVALID_PARAMETER)
        kind, length = _ITEM.unpack_from(data, start)
        end = start + _ITEM.size + length
        if end > len(data):
            raise PduError("an A-ASSOCIATE-RQ ends inside an item", AbortReason.INVALID_PARAMETER)
        yield kind, data[start:end]
        start = end


def _read_item(request: AssociationRequest, kind: int, item: bytes) -> None:
    if kind == _APPLICATION_CONTEXT:
        request.application_context = decode_uid(item[_ITEM.size :])
    elif kind == _PRESENTATION_CONTEXT:
        request.contexts.append(_read_context(item))
    elif kind == _USER_INFORMATION:
        for sub_kind, sub_item in _items(item, _ITEM.size):
            _read_user_item(request, sub_kind, sub_item)


def _read_context(item: bytes) -> ProposedContext:
    known = [sub for kind, sub in _items(item, 8) if kind in (_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX)]
    decoded = PresentationContextItemRQ()
    decoded.decode(item[:8] + b"".join(known))
    syntaxes = tuple(str(each) for each in decoded.transfer_syntax if each)
    if not decoded.abstract_syntax or not syntaxes or not decoded.context_id % 2:
        raise PduError("a presentation context is incomplete", AbortReason.INVALID_PARAMETER)
    return ProposedContext(decoded.context_id, str(decoded.abstract_syntax), syntaxes)


def _read_user_item(request: AssociationRequest, kind: int, item: bytes) -> None:
    if kind == _MAXIMUM_LENGTH:
        decoded = MaximumLengthSubItem()
        decoded.decode(item)
        request.max_pdu = decoded.maximum_length_received
    elif kind == _ROLE_SELECTION:
        role = SCP_SCU_RoleSelectionSubItem()
        role.decode(item)
        request.roles[str(role.uid)] = bool(role.scu_role), bool(role.scp_role)
    elif kind == _ASYNC_OPERATIONS:
        request.wants_async = True
    elif kind == _USER_IDENTITY:
        # Only the flag is looked at: the fields are credentials.
        request.wants_identity_answer = item[5:6] == b"\1"


def _title(raw: bytes) -> str:
    return raw.decode("latin-1").strip("\0 ")


def _encoded_application_context() -> bytes:
    item = ApplicationContextItem()
    item.application_context_name = UID(APPLICATION_CONTEXT)
    return bytes(item.encode())


def _encoded_context(context_id: int, result: int, transfer_syntax_uid: str) -> bytes:
    syntax = TransferSyntaxSubItem()
    syntax.transfer_syntax_name = UID(transfer_syntax_uid)
    item = PresentationContextItemAC()
    item.presentation_context_id = context_id
    item.result_reason = result
    item.transfer_syntax_sub_item = [syntax]
    return bytes(item.encode())


def _encoded_user_information(
    request: AssociationRequest, roles: Mapping[str, tuple[bool, bool]], agreed: set[str], offer: Offer
) -> bytes:
    maximum = MaximumLengthSubItem()
    maximum.maximum_length_received = offer.max_pdu
    implementation = ImplementationClassUIDSubItem()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    items = [maximum, implementation]
    if request.wants_async:
        window = AsynchronousOperationsWindowSubItem()
        window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 1
        items.append(window)
    for uid, (as_scu, as_scp) in sorted(roles.items()):
        if uid in agreed:
            role = SCP_SCU_RoleSelectionSubItem()
            role.sop_class_uid = UID(uid)
            role.scu_role, role.scp_role = int(as_scu), int(as_scp)
            items.append(role)
    version = ImplementationVersionNameSubItem()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    items.append(version)
    if request.wants_identity_answer:
        identity = UserIdentitySubItemAC()
        identity.server_response = b""
        items.append(identity)
    whole = UserInformationItem()
    whole.user_data = items
    return bytes(whole.encode())
