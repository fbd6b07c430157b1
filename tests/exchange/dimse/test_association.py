"""Our requestor against real and hostile acceptors."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from exchange.dimse.association import Association, AssociationLost
from exchange.dimse.echo import echo
from exchange.dimse.peer import DicomPeer, Timeouts
from exchange.dimse.sockets import LARGEST_PDU, receive
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable
from tests.support import dcmtk
from tests.support.ports import HOST, free_port
from tests.support.scripted_scp import CT, EXPLICIT, ScriptedScp

QUICK = Timeouts(2, 2, 2, 2)


def peer(port: int, ae_title: str = "SCRIPTED") -> DicomPeer:
    return DicomPeer(ae_title, HOST, port, timeouts=QUICK)


@contextmanager
def raw_acceptor(converse: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that serves one connection by `converse`."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                converse(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_peer_down() -> None:
    with pytest.raises(PeerUnavailable, match="connection refused"):
        echo(peer(free_port()), 2)


def test_unknown_called_ae_is_refused_with_the_reason() -> None:
    with ScriptedScp(require_called_aet=True) as scp, pytest.raises(PeerRefused, match="called ae title"):
        echo(peer(scp.port, "NOBODY"), 5)


def test_malformed_ae_title_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="AE title"):
        Association.request(peer(1, "\\"), [(CT, EXPLICIT)])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x02\x00\xff\xff\xff\xff",
        b"\x02\x00\x00\x00\x00\x04abcd",
        b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00",
        b"\x03\x00\x00\x00\x00\x04\x00\x02\x03\x02",
        b"\x04\x00\x00\x00\x00\x00",
    ],
    ids=["closes", "http", "endless", "garbage", "abort", "busy", "p-data"],
)
def test_nonsense_instead_of_acceptance(answer: bytes) -> None:
    def converse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with raw_acceptor(converse) as port, pytest.raises(PeerUnavailable, match="cannot associate"):
        Association.request(peer(port), [(CT, EXPLICIT)])


def test_silent_acceptor_times_out() -> None:
    def converse(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with raw_acceptor(converse) as port, pytest.raises(PeerUnavailable, match="fell silent"):
        echo(DicomPeer("X", HOST, port), 0.3)


def test_data_that_ends_badly_never_becomes_a_whole_instance() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ValueError("altered")

    with ScriptedScp() as scp:
        association = Association.request(peer(scp.port), [(CT, EXPLICIT)])
        context_id = association.contexts[CT, EXPLICIT]
        with pytest.raises(ValueError, match="altered"), association:
            association.store(context_id, CT, "2.25.9", pieces())
        assert echo(peer(scp.port), 5)
    assert scp.received == {}


@pytest.mark.parametrize("maximum_pdu_size", [0, 4096, 131072])
def test_bytes_arrive_unchanged_at_any_pdu_length(maximum_pdu_size: int) -> None:
    sizes = [1, 4089, 4090, 4091, 131065, 131066, 131067, 1_000_003]
    contents = {f"2.25.{size}": (bytes(range(251)) * (size // 251 + 1))[:size] for size in sizes}
    with ScriptedScp(maximum_pdu_size=maximum_pdu_size) as scp:
        with Association.request(peer(scp.port), [(CT, EXPLICIT)]) as association:
            context_id = association.contexts[CT, EXPLICIT]
            for uid, data in contents.items():
                halves = [data[: len(data) // 3], data[len(data) // 3 :]]
                assert association.store(context_id, CT, uid, halves) == 0
        assert scp.received == {uid: [sha256(data).hexdigest()] for uid, data in contents.items()}


def test_what_was_sent_may_be_overwritten_before_it_is_answered() -> None:
    data = bytearray(range(256)) * 10_000
    before = sha256(data).hexdigest()
    with (
        ScriptedScp() as scp,
        Association.request(peer(scp.port), [(CT, EXPLICIT)]) as association,
    ):
        association.begin_store(association.contexts[CT, EXPLICIT], CT, "2.25.1", [memoryview(data)])
        data[:] = bytes(len(data))
        assert association.finish_store() == 0
        assert association.is_open
        assert scp.received == {"2.25.1": [before]}
    assert not association.is_open


def accept(connection: socket.socket) -> None:
    """Accept every presentation context that is proposed."""
    request = A_ASSOCIATE_RQ()
    request.decode(connection.recv(65536))
    primitive = request.to_primitive()
    primitive.result = 0
    for context in primitive.presentation_context_definition_list:
        context.result = 0
    primitive.presentation_context_definition_results_list = primitive.presentation_context_definition_list
    answer = A_ASSOCIATE_AC()
    answer.from_primitive(primitive)
    connection.sendall(answer.encode())


def p_data(control: int, fragment: bytes) -> bytes:
    pdv = struct.pack(">LBB", len(fragment) + 2, 1, control) + fragment
    return struct.pack(">BxL", 4, len(pdv)) + pdv


def response(message_id: int = 1, *, data_set: int = 0x0101, field: int = 0x8001) -> bytes:
    elements = ((0x0100, field), (0x0120, message_id), (0x0800, data_set), (0x0900, 0))
    return b"".join(struct.pack("<HHLH", 0, element, 2, value) for element, value in elements)


@pytest.mark.parametrize(
    "answer",
    [
        p_data(3, response(4711)),
        p_data(3, response(field=0x8030)),
        p_data(3, response(data_set=0x0000)),
        p_data(3, response()[:-10]),
        p_data(3, b""),
        p_data(2, response()),
        p_data(3, response())[:-1],
        struct.pack(">BxLL", 4, 4, 999),
        struct.pack(">BxL", 4, 2 * 1024 * 1024),
        b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
        b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00",
        b"",
    ],
    ids=[
        "other-message",
        "other-command",
        "data-set",
        "cut",
        "empty",
        "no-command",
        "short",
        "pdv",
        "huge",
        "release",
        "abort",
        "close",
    ],
)
def test_what_is_no_answer_leaves_the_instance_unknown(answer: bytes) -> None:
    def converse(connection: socket.socket) -> None:
        accept(connection)
        connection.recv(65536)
        connection.sendall(answer)

    with raw_acceptor(converse) as port:
        association = Association.request(peer(port), [(CT, EXPLICIT)])
        with pytest.raises(AssociationLost, match="cannot tell") as caught:
            association.store(1, CT, "2.25.9", [b"abcd"])
    assert caught.value.may_have_landed


def test_an_answer_in_fragments_is_joined() -> None:
    def converse(connection: socket.socket) -> None:
        accept(connection)
        connection.recv(65536)
        whole = response()
        connection.sendall(p_data(1, whole[:9]) + p_data(1, whole[9:20]) + p_data(3, whole[20:]))

    with raw_acceptor(converse) as port:
        association = Association.request(peer(port), [(CT, EXPLICIT)])
        assert association.store(1, CT, "2.25.9", [b"abcd"]) == 0
        association.release()
        association.release()


def test_a_peer_that_stops_reading_cannot_have_stored_it() -> None:
    done = threading.Event()

    def converse(connection: socket.socket) -> None:
        accept(connection)
        done.wait(20)

    with raw_acceptor(converse) as port:
        hurried = DicomPeer("X", HOST, port, timeouts=Timeouts(2, 2, 2, send=0.3))
        association = Association.request(hurried, [(CT, EXPLICIT)])
        with pytest.raises(AssociationLost, match="fell silent") as caught:
            association.store(1, CT, "2.25.9", [bytes(1024 * 1024)] * 64)
        done.set()
    assert not caught.value.may_have_landed


def test_a_peer_that_refuses_echo() -> None:
    refusal = struct.pack(
        "<HHLHHHLHHHLHHHLH", 0, 0x100, 2, 0x8030, 0, 0x120, 2, 1, 0, 0x800, 2, 0x101, 0, 0x900, 2, 0x122
    )

    def converse(connection: socket.socket) -> None:
        accept(connection)
        connection.recv(65536)
        connection.sendall(p_data(3, refusal))
        connection.recv(65536)

    with raw_acceptor(converse) as port, pytest.raises(PeerRefused, match="0x0122"):
        echo(peer(port), 5)


def test_pdu_length_is_capped_before_memory_is_taken() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(OSError, match="beyond the limit"):
        receive(ours, LARGEST_PDU + 1)


@pytest.mark.interop
@pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed")
def test_echo_to_storescp(tmp_path: Path) -> None:
    with dcmtk.StoreScp(tmp_path / "in") as scp:
        assert "answered C-ECHO" in echo(DicomPeer("STORESCP", HOST, scp.port), 5)
