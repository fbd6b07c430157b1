"""What `lockgate report` and `lockgate receipts export` answer. No patient is in it, no original UID."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedDelivery(_Answer):
    """One destination."""

    destination: str
    state: str
    attempts: int


class ReportedDecision(_Answer):
    """One decision."""

    at: datetime
    hold: str = Field(description="Reason code of the hold that was decided.")
    decision: str
    reason: str
    role: str
    person: str


class ReportedReceipt(_Answer):
    """One receipt, in its partner edition."""

    receipt: str
    slot: str
    stage: str
    at: datetime
    paeSha256: str  # noqa: N815 - as in JSON
    proof: bool = Field(description="Whether it carries a proof that it stands in the log.")


class ReportedExchange(_Answer):
    """One exchange: one study on one route."""

    exchange: str
    route: str
    direction: str
    opened: datetime
    closed: datetime | None
    state: str
    code: str = Field(description="Why, where it did not end well.")
    studyAsSent: str = Field(description="Empty before it was frozen.")  # noqa: N815
    instances: int
    bytes: int
    deliveries: tuple[ReportedDelivery, ...]
    holds: tuple[str, ...] = Field(description="Reason codes, in the order of the holds.")
    openHolds: int  # noqa: N815
    decisions: tuple[ReportedDecision, ...]
    receipts: tuple[ReportedReceipt, ...]


class ReportAnswer(_Answer):
    """`lockgate report`."""

    site: str
    appliance: str
    begin: datetime
    end: datetime
    exchanges: tuple[ReportedExchange, ...]


class ExportedReceipt(_Answer):
    """One receipt in the export."""

    exchange: str
    receipt: str


class ReceiptsExportAnswer(_Answer):
    """`lockgate receipts export`."""

    edition: str
    target: str
    receipts: tuple[ExportedReceipt, ...]
