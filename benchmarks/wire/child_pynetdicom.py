"""A receiver as people write it with pynetdicom, the quick way: the encoded data set goes to a file as it is.

python -m benchmarks.wire.child_pynetdicom FOLDER nodelay|stock     prints its port, ends at end of input
"""

import socket
import sys
from pathlib import Path
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt

from tests.support.ports import HOST

_ALL_SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


def main() -> None:
    folder, nodelay = Path(sys.argv[1]), sys.argv[2] == "nodelay"
    folder.mkdir(parents=True)

    def store(event: Any) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    def opened(event: Any) -> None:
        if nodelay:
            connection = event.assoc.dul.socket.socket
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    ae = AE("BENCH")
    ae.maximum_pdu_size = 128 * 1024
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, _ALL_SYNTAXES)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_CONN_OPEN, opened)]
    server = ae.start_server((HOST, 0), block=False, evt_handlers=handlers)
    print(server.socket.getsockname()[1], flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
