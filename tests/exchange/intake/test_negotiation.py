"""Associations with pynetdicom as requestor: titles, roles, user identity, asynchronous operations, sizes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pynetdicom import AE, build_context, build_role
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from structlog.testing import capture_logs

from exchange.dicomio.examine import examine
from exchange.dimse.accepting import is_storage
from exchange.dimse.association import Association
from exchange.dimse.peer import DicomPeer
from exchange.dimse.tls import client_context
from exchange.domain.errors import PeerRefused, PeerUnavailable
from tests.support.asking import only_asks
from tests.support.intake_house import CT, EXPLICIT, House, local, store, uids_only
from tests.support.ports import HOST

VERIFICATION, FIND = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT, JPEG_2000 = "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.90"


@contextmanager
def associated(
    house: House, contexts: list[Any], items: list[Any] | None = None, *, called: str = "TELERAD", **more: Any
) -> Iterator[Any]:
    ae = AE("MODALITY")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    assoc = only_asks(ae.associate(HOST, house.port, contexts, called, ext_neg=items, **more))
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()
        assert not assoc.is_aborted


def identity(kind: int, *, answer: bool) -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type = kind
    item.positive_response_requested = answer
    item.primary_field = b"SECRET-NAME"
    if kind == 2:
        item.secondary_field = b"SECRET-PASSCODE"
    return item


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("answer", [True, False])
def test_any_user_identity_is_taken_and_never_logged(house: House, kind: int, answer: bool) -> None:
    with (
        capture_logs() as logs,
        associated(house, [build_context(VERIFICATION)], [identity(kind, answer=answer)]) as assoc,
    ):
        assert assoc.send_c_echo().Status == 0
        response = assoc.acceptor.user_identity
        assert (response is not None) is answer
        if response is not None:
            assert response.server_response == b""
    assert "SECRET" not in str(logs)


def test_asynchronous_operations_are_refused(house: House) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 5
    window.maximum_number_operations_performed = 0
    with associated(house, [build_context(VERIFICATION)], [window]) as assoc:
        assert assoc.acceptor.asynchronous_operations == (1, 1)
        assert assoc.send_c_echo().Status == 0


def test_extended_negotiation_is_let_pass(house: House) -> None:
    extended, common = SOPClassExtendedNegotiation(), SOPClassCommonExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = CT, b"\2\0\3\0\1\0"
    common.sop_class_uid, common.service_class_uid = CT, "1.2.840.10008.4.2"
    with associated(house, [build_context(CT, EXPLICIT)], [extended, common]) as assoc:
        assert assoc.is_established
        assert assoc.acceptor.sop_class_extended == {}


@pytest.mark.parametrize(
    ("proposed", "agreed"),
    [((True, False), (True, False)), ((True, True), (True, False)), ((False, True), None)],
)
def test_roles_of_storage(
    house: House, proposed: tuple[bool, bool], agreed: tuple[bool, bool] | None
) -> None:
    role = build_role(CT, scu_role=proposed[0], scp_role=proposed[1])
    with associated(house, [build_context(CT, EXPLICIT), build_context(VERIFICATION)], [role]) as assoc:
        accepted = {context.abstract_syntax for context in assoc.accepted_contexts}
        assert (CT in accepted) is (agreed is not None)
        if agreed is not None:
            answer = assoc.acceptor.role_selection[CT]
            assert (answer.scu_role, answer.scp_role) == agreed


def test_the_first_proposed_syntax_is_taken_one_per_context(house: House) -> None:
    contexts = [build_context(CT, [JPEG_2000, EXPLICIT, IMPLICIT]), build_context(CT, [IMPLICIT, EXPLICIT])]
    with associated(house, contexts) as assoc:
        found = [[str(syntax) for syntax in each.transfer_syntax] for each in assoc.accepted_contexts]
        assert found == [[JPEG_2000], [IMPLICIT]]


def test_services_that_are_not_ours_are_refused_by_their_context(house: House) -> None:
    contexts = [build_context(FIND), build_context(VERIFICATION, "1.2.3.4"), build_context(CT, EXPLICIT)]
    with associated(house, contexts) as assoc:
        assert [context.result for context in assoc.rejected_contexts] == [3, 4]
        assert [context.abstract_syntax for context in assoc.accepted_contexts] == [CT]


def test_an_unknown_title_is_rejected_for_good(house: House) -> None:
    with capture_logs() as logs, associated(house, [build_context(VERIFICATION)], called="OTHER") as assoc:
        assert assoc.is_rejected
        rejection = assoc.acceptor.primitive
        assert (rejection.result, rejection.result_source, rejection.diagnostic) == (1, 1, 7)
    assert "OTHER" not in str(logs)
    with pytest.raises(PeerRefused), capture_logs():
        store(house, CT, "1.2.3.4", [b""], called="ELSE")


@pytest.mark.parametrize("max_pdu", [0, 128, 16384, 1 << 20])
def test_pynetdicom_stores_whatever_pdus_it_takes(house: House, max_pdu: int) -> None:
    """What it announces bounds our answers, what we announce bounds its requests."""
    names = ["CT_small.dcm", "JPEG2000.dcm"]
    layouts = [examine(local(name)) for name in names]
    contexts = [build_context(each.sop_class_uid, each.transfer_syntax_uid) for each in layouts]
    with associated(house, contexts, max_pdu=max_pdu) as assoc:
        assert assoc.acceptor.maximum_length == 128 * 1024
        for name in names:
            assert assoc.send_c_store(str(local(name))).Status == 0
    arrivals = house.told.wait(2)
    for name, arrival in zip(names, arrivals, strict=True):
        layout = examine(house.spool.source(arrival.identity, arrival.wrapped_key))
        sent = examine(local(name))
        assert (layout.sop_instance_uid, layout.dataset_length) == (
            sent.sop_instance_uid,
            sent.dataset_length,
        )
        house.spool.verify(arrival.identity, arrival.wrapped_key)


def test_tls_carries_the_certificate_into_the_arrival(house: House) -> None:
    known, ca = house.certificates.client, house.certificates.ca
    peer = DicomPeer(
        "TELERAD", HOST, house.tls_port, calling_ae="PACS", tls=client_context(ca, known.cert, known.key)
    )
    big = uids_only(CT, "1.2.3.4") + b"\xe0\x7f\x10\0OB\0\0\0\x00\x10\0" + bytes(0x100000)
    with Association.request(peer, [(CT, EXPLICIT)]) as association:
        for _ in range(3):
            assert association.store(association.contexts[CT, EXPLICIT], CT, "1.2.3.4", [big]) == 0
    first, *_ = house.told.wait(3)
    assert (first.arrival.protocol, first.arrival.peer) == ("dimse-tls", "peer-pacs-tls")
    assert len(bytes.fromhex(first.arrival.peer_certificate_sha256)) == 32
    anonymous = DicomPeer("TELERAD", HOST, house.tls_port, tls=client_context(ca))
    with pytest.raises((PeerRefused, PeerUnavailable)), capture_logs():
        Association.request(anonymous, [(CT, EXPLICIT)])


@pytest.mark.parametrize(
    ("sop_class", "expected"),
    [
        (CT, True),
        ("1.3.12.2.1107.5.9.1", True),
        ("1.2.840.10008.5.1.4.1.1.99999", True),
        (VERIFICATION, False),
        (FIND, False),
        ("1.2.840.10008.1.20.1", False),
        ("1.2.840.10008.3.1.2.3.3", False),
    ],
)
def test_what_counts_as_storage(sop_class: str, expected: bool) -> None:
    assert is_storage(sop_class) is expected
