"""C-ECHO: is the peer there, and does it know us (PS3.4 A)."""

from dataclasses import replace

from exchange.dimse.association import Association
from exchange.dimse.commands import VERIFICATION_SOP_CLASS
from exchange.dimse.peer import DicomPeer, Timeouts
from exchange.domain.errors import PeerRefused

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"


def echo(peer: DicomPeer, timeout_seconds: float) -> str:
    """Ask a peer whether it is there.

    Args:
        peer: Whom to ask.
        timeout_seconds: For each of: connecting, associating, answering.

    Returns:
        What answered, for a person.

    Raises:
        PeerUnavailable: It cannot be reached or does not answer.
        PeerRefused: It answers no: rejects the association, or is not whom its certificate must name.
    """
    waits = Timeouts(timeout_seconds, timeout_seconds, timeout_seconds, timeout_seconds)
    hurried = replace(peer, timeouts=waits)
    with Association.request(hurried, [(VERIFICATION_SOP_CLASS, IMPLICIT_VR_LITTLE_ENDIAN)]) as association:
        where = f"{peer.ae_title} at {peer.host}:{peer.port}"
        secured = association.facts["tls"]
        transport = "" if secured == "none" else f" over {secured}"
        if not association.contexts:
            # It accepted us and offers no Verification: unusual, yet it is there.
            return f"{where} accepts associations{transport}, without C-ECHO"
        status = association.echo()
    if status != 0x0000:
        raise PeerRefused(f"cannot verify {where}: it answered C-ECHO with 0x{status:04X}", "see its own log")
    return f"{where} answered C-ECHO{transport}"
