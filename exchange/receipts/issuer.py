"""Issuing receipts: one event, two editions, signed and bundled. Nothing is written here.

The caller makes the bundle durable before it acts on it (R1: before the first byte of the study leaves).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from exchange.keys.signing import SigningKey
from exchange.receipts.bundle import bundle_files, zipped
from exchange.receipts.dsse import pae_sha256
from exchange.receipts.facts import AgentFacts, Edition, Links, ReceiptBody, Stage
from exchange.receipts.statement import Ticket, agent_group, statement, timestamp


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    """A signed receipt.

    Attributes:
        pae_sha256: What the next receipt of this edition names as `previous`.
        bundle_bytes: The zip.
        payload: The canonical JSON that was signed.
    """

    receipt_id: str
    edition: Edition
    stage: Stage
    pae_sha256: str
    bundle_bytes: bytes = field(repr=False)
    payload: bytes = field(repr=False)

    @property
    def file_name(self) -> str:
        """`<receiptId>.receipt.zip`."""
        return f"{self.receipt_id}.receipt.zip"


@dataclass(frozen=True, slots=True)
class ReceiptIssuer:
    """Signs receipts with the appliance's key.

    Attributes:
        key: The appliance's receipt key; its `protection` is told on each receipt.
        agent: Who signs and what it runs.
        clock: Timezone-aware now.
        entropy: Random bytes for receipt ids.
        clock_source: What keeps the clock right at the moment, as `AgentFacts.clock`.
    """

    key: SigningKey
    agent: AgentFacts
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes] = secrets.token_bytes
    clock_source: Callable[[], str] = lambda: "system"

    def ticket(self) -> Ticket:
        """A new receipt id and time, to be shared by both editions (and kept over a crash)."""
        now = self.clock()
        return Ticket(uuid7(int(now.timestamp() * 1000), self.entropy(10)), timestamp(now))

    def issue(
        self,
        stage: Stage,
        edition: Edition,
        body: ReceiptBody,
        links: Links = Links(),  # noqa: B008 - immutable
        ticket: Ticket | None = None,
    ) -> IssuedReceipt:
        """Sign one edition of one receipt.

        Args:
            stage: What it attests.
            edition: For whom; what is marked for the site is left out of the partner's.
            body: The facts.
            links: What it follows, in the same edition.
            ticket: Of the other edition; a new one by default.

        Raises:
            ReceiptError: The facts break a rule of the format.
            KeysError: The key cannot sign.
        """
        ticket = self.ticket() if ticket is None else ticket
        agent = agent_group(replace(self.agent, clock=self.clock_source()), self.key.protection)
        payload = statement(ticket, (stage, edition), agent, body, links)
        data = zipped(bundle_files(ticket.receipt_id, payload, self.key))
        return IssuedReceipt(ticket.receipt_id, edition, stage, pae_sha256(payload), data, payload)


def uuid7(milliseconds: int, entropy: bytes) -> str:
    """A UUID version 7 (RFC 9562, 5.7) of a Unix time in milliseconds and 10 random bytes."""
    tail = int.from_bytes(entropy[:10], "big")
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | 0b10 << 62
    value |= (tail >> 62 & 0xFFF) << 64 | tail & ((1 << 62) - 1)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
