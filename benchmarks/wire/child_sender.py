"""A sender in a process of its own: ours, or one as people write it with pynetdicom.

python -m benchmarks.wire.child_sender KIND PORT CALLED_AE FILE...

KIND: lean (our association, one after the other), product (`DicomDestination` as the daemon uses it: digests
checked, as many associations as it finds worth while), pynetdicom, pynetdicom-nodelay. Prints "ready", waits
for a line, sends, prints the seconds.
"""

import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.wire.outgoing import outgoing
from exchange.domain.delivery import OutgoingInstance
from tests.support.ports import HOST

Send = Callable[[], None]


def main() -> None:
    kind, port, called_ae, *names = sys.argv[1:]
    prepare = {
        "lean": lean,
        "product": product,
        "pynetdicom": lambda *rest: plain_pynetdicom(*rest, nodelay=False),
        "pynetdicom-nodelay": lambda *rest: plain_pynetdicom(*rest, nodelay=True),
    }[kind]
    send = prepare(int(port), called_ae, [Path(name) for name in names])
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    send()
    print(time.perf_counter() - start, flush=True)


def lean(port: int, called_ae: str, files: Sequence[Path]) -> Send:
    """Our association and nothing else: the files' data sets as they are."""
    from exchange.dimse.association import Association
    from exchange.dimse.peer import DicomPeer

    described = [(outgoing(path), path) for path in files]

    def send() -> None:
        proposals = {(one.sop_class_uid, one.transfer_syntax_uid) for one, _ in described}
        buffer = bytearray(max(one.byte_count for one, _ in described))
        with Association.request(DicomPeer(called_ae, HOST, port, "BENCH"), sorted(proposals)) as association:
            data = read_into(buffer, *described[0])
            for number, (one, _) in enumerate(described, start=1):
                context = association.contexts[one.sop_class_uid, one.transfer_syntax_uid]
                association.begin_store(context, one.sop_class_uid, one.sop_instance_uid, [data])
                if number < len(described):  # while the peer works
                    data = read_into(buffer, *described[number])
                status = association.finish_store()
                assert status == 0x0000, hex(status)

    return send


def read_into(buffer: bytearray, one: OutgoingInstance, path: Path) -> memoryview:
    """The data set of a file, not checked."""
    with path.open("rb", buffering=0) as file:
        file.seek(-one.byte_count, 2)
        view = memoryview(buffer)[: one.byte_count]
        assert file.readinto(view) == one.byte_count
        return view


def product(port: int, called_ae: str, files: Sequence[Path]) -> Send:
    """What the daemon does with frozen files."""
    from exchange.destinations.dicom import DicomDestination
    from exchange.dimse.peer import DicomPeer
    from exchange.domain.delivery import CONFIRMED

    destination = DicomDestination(DicomPeer(called_ae, HOST, port, "BENCH"))
    instances = [outgoing(path) for path in files]

    def send() -> None:
        report = destination.send(instances, lambda _: None)
        assert len(report.outcomes) == len(instances), report.error
        assert all(one.state in CONFIRMED for one in report.outcomes), report.outcomes

    return send


def plain_pynetdicom(port: int, called_ae: str, files: Sequence[Path], *, nodelay: bool) -> Send:
    """`send_c_store` of paths, as its documentation has it (chunked: it does not decode them)."""
    from pynetdicom import AE, _config, evt

    _config.STORE_SEND_CHUNKED_DATASET = True
    described = [outgoing(path) for path in files]

    def opened(event: Any) -> None:
        if nodelay:
            connection = event.assoc.dul.socket.socket
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send() -> None:
        ae = AE("BENCH")
        for pair in sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in described}):
            ae.add_requested_context(*pair)
        handlers = [(evt.EVT_CONN_OPEN, opened)]
        association = ae.associate(HOST, port, ae_title=called_ae, evt_handlers=handlers)
        assert association.is_established
        for path in files:
            status = association.send_c_store(path)
            assert status.Status == 0x0000, status
        association.release()

    return send


if __name__ == "__main__":
    main()
