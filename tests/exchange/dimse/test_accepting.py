"""Negotiation as an acceptor: any A-ASSOCIATE-RQ gives a decision or the one error."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC

from exchange.dimse.accepting import Offer, answer, parse_association_request
from exchange.dimse.negotiation import decode_answer, encode_request
from exchange.dimse.pdu import PduError
from exchange.dimse.peer import DicomPeer

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
REPORTING = "1.2.840.10008.1.20.1"
OFFER = Offer({REPORTING: frozenset({EXPLICIT})}, frozenset({REPORTING}), 65536)
PEER = DicomPeer("LOCKGATE", "127.0.0.1", 1, calling_ae="PACS")
REQUEST = encode_request(PEER, [(CT, EXPLICIT), ("1.2.3.4", EXPLICIT), (REPORTING, EXPLICIT)])


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def role(uid: str, scu: int, scp: int) -> bytes:
    return item(0x54, struct.pack(">H", len(uid)) + uid.encode() + bytes([scu, scp]))


def with_user_items(extra: bytes) -> bytes:
    """The request with more user information sub-items at its end."""
    at = REQUEST.index(b"\x50\x00", 74)
    (length,) = struct.unpack_from(">H", REQUEST, at + 2)
    body = REQUEST[:at] + item(0x50, REQUEST[at + 4 : at + 4 + length] + extra)
    return body[:2] + struct.pack(">L", len(body) - 6) + body[6:]


def test_a_request_and_its_answer() -> None:
    request = parse_association_request(REQUEST)
    assert (request.called_ae, request.calling_ae, request.max_pdu) == ("LOCKGATE", "PACS", 128 * 1024)
    assert request.has_version_1
    pdu, contexts = answer(request, OFFER)
    assert {number: each.sop_class_uid for number, each in contexts.items()} == {
        1: CT,
        3: "1.2.3.4",
        5: REPORTING,
    }
    agreement = decode_answer(2, pdu, [(CT, EXPLICIT), ("1.2.3.4", EXPLICIT), (REPORTING, EXPLICIT)])
    assert (len(agreement.context_ids), agreement.max_pdu) == (3, 65536)
    assert pdu[10:74] == REQUEST[10:74]  # titles are repeated as they came (PS3.8 table 9-17)


def test_unknown_items_are_skipped() -> None:
    strange = with_user_items(item(0x5F, b"from a later edition") + item(0x99, b""))
    strange += item(0x77, b"and so is this")
    assert parse_association_request(strange).contexts == parse_association_request(REQUEST).contexts


def test_roles_are_never_more_than_was_asked() -> None:
    pdu = with_user_items(role(CT, 1, 1) + role(REPORTING, 1, 1) + role("1.2.3.4", 0, 1) + role("1.9", 1, 0))
    encoded, contexts = answer(parse_association_request(pdu), OFFER)
    assert set(contexts) == {1, 5}
    decoded = A_ASSOCIATE_AC()
    decoded.decode(encoded)
    roles = decoded.user_information.role_selection
    assert {str(uid): (each.scu_role, each.scp_role) for uid, each in roles.items()} == {
        CT: (1, 0),
        REPORTING: (0, 1),
    }


@pytest.mark.parametrize("cut", [0, 5, 60, 75, 80, 120, len(REQUEST) - 1])
def test_a_cut_request_is_the_one_error(cut: int) -> None:
    with pytest.raises(PduError):
        parse_association_request(REQUEST[:cut])


@given(data=st.binary(max_size=400))
def test_any_bytes_give_a_request_or_the_one_error(data: bytes) -> None:
    try:
        request = parse_association_request(REQUEST[:74] + data)
    except PduError:
        return
    answer(request, OFFER)


@given(position=st.integers(0, len(REQUEST) - 1), value=st.integers(0, 255), count=st.integers(1, 3))
def test_changed_requests_give_an_answer_or_the_one_error(position: int, value: int, count: int) -> None:
    changed = bytearray(REQUEST)
    changed[position : position + count] = bytes([value]) * min(count, len(REQUEST) - position)
    try:
        request = parse_association_request(bytes(changed))
    except PduError:
        return
    pdu, _ = answer(request, OFFER)
    assert struct.unpack_from(">xxL", pdu)[0] == len(pdu) - 6
