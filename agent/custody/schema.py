"""The tables. Changing any of them means a new SCHEMA_VERSION and a migration in `database`.

No table holds a value of a header other than UIDs and Modality; the patient appears as a keyed hash only.
"""

import sqlalchemy as sa

from agent.custody.columns import Coded, UtcTime
from exchange.domain.delivery import InstanceState
from exchange.domain.exchange import (
    DecisionKind,
    DecisionReason,
    DeliveryState,
    Direction,
    ExchangeState,
    HoldState,
    Role,
)
from exchange.domain.findings import Severity

SCHEMA_VERSION = 5

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_UID = sa.String(128)  # PS3.5 9.1 allows 64; a bad sender's longer one must still be recorded
_DIGEST = sa.String(64)
_ID = sa.String(36)
_TEXT = sa.Text


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, _TEXT, nullable=False, default="")


def _flag(name: str) -> "sa.Column[int]":
    """A small number, 0 at first: the same in an index of both databases."""
    return sa.Column(name, sa.SmallInteger, nullable=False, default=0, server_default="0")


schema_version = sa.Table(
    "lockgate_schema",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("identity", _DIGEST, primary_key=True),
    sa.Column("sop_class_uid", _UID, nullable=False),
    sa.Column("sop_instance_uid", _UID, nullable=False, index=True),
    sa.Column("transfer_syntax_uid", _UID, nullable=False),
    sa.Column("byte_count", sa.BigInteger, nullable=False),
    sa.Column("study_instance_uid", _UID, nullable=False),
    sa.Column("series_instance_uid", _UID, nullable=False),
    sa.Column("modality", sa.String(64), nullable=False),
    sa.Column("patient_key", sa.String(128), nullable=False),
    sa.Column("indexed_at", UtcTime, nullable=False),
    sa.Column("deleted_at", UtcTime),
    sa.Column("unreadable_code", sa.String(40), nullable=False, default=""),
    # the spool file's data key under the KEK; emptied at retirement, which erases the file's content
    sa.Column("wrapped_key", sa.LargeBinary),
)

arrivals = sa.Table(
    "arrivals",
    metadata,
    sa.Column("arrival_id", _ID, primary_key=True),
    sa.Column("identity", sa.ForeignKey("instances.identity"), nullable=False, index=True),
    sa.Column("protocol", sa.String(20), nullable=False),
    _text("called_ae"),
    _text("calling_ae"),
    _text("peer"),
    _text("peer_address"),
    _text("peer_certificate_sha256"),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("exchange_group", _DIGEST, nullable=False),
)

exchanges = sa.Table(
    "exchanges",
    metadata,
    sa.Column("exchange_id", _ID, primary_key=True),
    sa.Column("exchange_group", _DIGEST, nullable=False),
    sa.Column("route", _TEXT),
    sa.Column("direction", Coded(Direction)),
    sa.Column("study_instance_uid", _UID, nullable=False),
    _text("called_ae"),
    _text("calling_ae"),
    _text("peer"),
    _text("source"),
    sa.Column("state", Coded(ExchangeState), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("last_arrival_at", UtcTime, nullable=False),
    sa.Column("settled_at", UtcTime),
    sa.Column("closed_at", UtcTime),
    sa.Column("follows", sa.ForeignKey("exchanges.exchange_id")),
    sa.Column("evidence", sa.JSON, nullable=False, default=dict),
    _text("config_sha256"),
    _text("profile_id"),
    _text("pseudonym_domain"),
    _text("study_uid_sent"),
    sa.Column("revision", sa.Integer, nullable=False, default=0),
    sa.Column("instance_count", sa.Integer, nullable=False, default=0),
    sa.Column("byte_count", sa.BigInteger, nullable=False, default=0),
    sa.Column("counts", sa.JSON, nullable=False, default=dict),
    sa.Column("attempt_count", sa.Integer, nullable=False, default=0),
    _text("error_code"),
    sa.Column("priority", sa.Integer, nullable=False, default=0, server_default="0"),
    # what is known of completeness while the study is open: expected counts by source, next question due
    sa.Column("expectation", sa.JSON, nullable=False, default=dict, server_default="{}"),
    sa.Column("resend_of", _ID),  # a complete re-send of this closed exchange
    # 1: R3 is recorded in both editions; what is owed is found without looking at what has ended
    _flag("receipted"),
    # of a retired one is gone: 0 nothing, 1 its files, 2 what only the work needed, 3 its instances' rows
    _flag("retention_step"),
)
# At most one exchange of a group is open: two writers cannot both open one.
sa.Index(
    "uq_exchanges_open_group",
    exchanges.c.exchange_group,
    unique=True,
    sqlite_where=sa.text("state = 'open'"),
    postgresql_where=sa.text("state = 'open'"),
)
sa.Index("ix_exchanges_group_created", exchanges.c.exchange_group, exchanges.c.created_at)
sa.Index("ix_exchanges_created", exchanges.c.created_at, exchanges.c.exchange_id)
sa.Index("ix_exchanges_state_created", exchanges.c.state, exchanges.c.created_at)
sa.Index("ix_exchanges_state_receipted", exchanges.c.state, exchanges.c.receipted, exchanges.c.closed_at)
sa.Index("ix_exchanges_retention", exchanges.c.state, exchanges.c.retention_step, exchanges.c.closed_at)
sa.Index(
    "ix_exchanges_queue",
    exchanges.c.state,
    exchanges.c.route,
    exchanges.c.priority.desc(),
    exchanges.c.settled_at,
)
sa.Index("ix_exchanges_follows", exchanges.c.follows)
# the originals of a study that comes back from a partner
sa.Index("ix_exchanges_study", exchanges.c.study_instance_uid)

members = sa.Table(
    "members",
    metadata,
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), primary_key=True),
    sa.Column("identity", sa.ForeignKey("instances.identity"), primary_key=True, index=True),
    sa.Column("arrival_id", sa.ForeignKey("arrivals.arrival_id"), nullable=False, index=True),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.String(32), nullable=False, unique=True),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    _text("outcome"),
    sa.Column("recoveries", sa.Integer, nullable=False, default=0),
)

frozen = sa.Table(
    "frozen",
    metadata,
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.ForeignKey("instances.identity"), primary_key=True),
    sa.Column("sop_class_uid", _UID, nullable=False),
    sa.Column("sop_instance_uid", _UID, nullable=False),
    sa.Column("study_instance_uid", _UID, nullable=False),
    sa.Column("series_instance_uid", _UID, nullable=False),
    sa.Column("transfer_syntax_uid", _UID, nullable=False),
    sa.Column("sha256", _DIGEST, nullable=False),
    sa.Column("pixel_sha256", _DIGEST, nullable=False),
    sa.Column("byte_count", sa.BigInteger, nullable=False),
    # where the bytes lie: `frozen` (a file in the frozen folder) or `spool` (as they came, encrypted there)
    sa.Column("location", sa.String(10), nullable=False, default="frozen", server_default="frozen"),
    sa.Column("wrapped_key", sa.LargeBinary),  # of an encrypted file in the frozen folder
    sa.Column("path", _TEXT, nullable=False, index=True),
    sa.Column("boxes", sa.JSON, nullable=False),
    sa.Column("actions", sa.JSON, nullable=False),
    sa.Column("proof", sa.JSON, nullable=False),
    sa.Column("proved", sa.Boolean(create_constraint=True, name="proved"), nullable=False),
    sa.UniqueConstraint("exchange_id", "revision", "sop_instance_uid"),
    sa.Index("ix_frozen_identity", "identity"),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("finding_id", _TEXT, nullable=False),
    sa.Column("severity", Coded(Severity), nullable=False),
    _text("evidence"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("delivery_id", _ID, primary_key=True),
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), nullable=False),
    sa.Column("destination", _TEXT, nullable=False),
    sa.Column("state", Coded(DeliveryState), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("token", sa.String(32), nullable=False, default=""),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("next_attempt_at", UtcTime),
    _text("last_error_code"),
    sa.Column("transport", sa.JSON, nullable=False, default=dict),
    sa.Column("priority", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("route", _TEXT, nullable=False, default="", server_default=""),
    sa.Column("commitment_uid", sa.String(64), nullable=False, default="", server_default="", index=True),
    sa.Column("commitment_due_at", UtcTime),
    sa.Column("closed_at", UtcTime),
    _flag("concluded"),  # 1: its exchange is closed, nothing is owed for it
    sa.UniqueConstraint("exchange_id", "destination"),
)
sa.Index("ix_deliveries_state_concluded", deliveries.c.state, deliveries.c.concluded)
sa.Index(
    "ix_deliveries_queue",
    deliveries.c.state,
    deliveries.c.destination,
    deliveries.c.route,
    deliveries.c.priority.desc(),
    deliveries.c.next_attempt_at,
)
sa.Index("ix_deliveries_state_due", deliveries.c.state, deliveries.c.next_attempt_at)

effects = sa.Table(
    "effects",
    metadata,
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), primary_key=True),
    sa.Column("destination", _TEXT, primary_key=True),
    sa.Column("sop_instance_uid", _UID, primary_key=True),
    sa.Column("state", Coded(InstanceState), nullable=False),
    sa.Column("status", sa.String(20), nullable=False, default=""),
    _text("detail"),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("updated_at", UtcTime, nullable=False),
    # the bytes that went, where the peer could not take the frozen transfer syntax
    sa.Column("rendition_syntax", _UID, nullable=False, default="", server_default=""),
    sa.Column("rendition_sha256", _DIGEST, nullable=False, default="", server_default=""),
)

commitment_requests = sa.Table(
    "commitment_requests",
    metadata,
    # every transaction that a peer was asked in: a late answer to an earlier one is an answer, too
    sa.Column("transaction_uid", sa.String(64), primary_key=True),
    sa.Column("delivery_id", sa.ForeignKey("deliveries.delivery_id"), nullable=False, index=True),
    sa.Column("asked_at", UtcTime, nullable=False),
    _flag("taken"),  # 1: the peer took the request, or refused it; 0: it was not reached
    sa.Column("answered_at", UtcTime),
)

renditions = sa.Table(
    "renditions",
    metadata,
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sop_instance_uid", _UID, primary_key=True),
    sa.Column("transfer_syntax_uid", _UID, primary_key=True),
    sa.Column("sha256", _DIGEST, nullable=False),
    sa.Column("byte_count", sa.BigInteger, nullable=False),
    sa.Column("path", _TEXT, nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("notice_id", _UID, primary_key=True),
    sa.Column("study_instance_uid", _UID, primary_key=True),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("status", sa.String(40), nullable=False, default=""),
    sa.Column("sop_instance_uids", sa.JSON, nullable=False),
    _text("called_ae"),
    _text("calling_ae"),
    _text("peer"),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Index("ix_notices_study", "study_instance_uid"),
)

peer_health = sa.Table(
    "peer_health",
    metadata,
    sa.Column("destination", _TEXT, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("open_until", UtcTime),  # the circuit is open: no attempt before this
    _text("last_error_code"),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("state", sa.String(10), nullable=False, default="closed", server_default="closed"),
    sa.Column("trips", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("last_success_at", UtcTime),
)

peer_refusals = sa.Table(
    "peer_refusals",
    metadata,
    sa.Column("destination", _TEXT, primary_key=True),
    sa.Column("sop_class_uid", _UID, primary_key=True),
    sa.Column("transfer_syntax_uid", _UID, primary_key=True),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("refused_at", UtcTime, nullable=False),
)

totals = sa.Table(
    "totals",
    metadata,
    # kept by triggers (see `totals`), so that what is shown costs the same however much has gone through
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("hold_id", _ID, primary_key=True),
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), nullable=False, index=True),
    sa.Column("code", sa.String(40), nullable=False),
    _text("path"),
    _text("detail"),
    _text("stage"),
    sa.Column("instance", _TEXT, nullable=False, default="", server_default=""),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("opened_at", UtcTime, nullable=False),
    sa.Column("state", Coded(HoldState), nullable=False, index=True),
)

decisions = sa.Table(
    "decisions",
    metadata,
    # one decision a hold: a second one cannot be written, whoever is quicker
    sa.Column("hold_id", sa.ForeignKey("holds.hold_id"), primary_key=True),
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), nullable=False, index=True),
    sa.Column("kind", Coded(DecisionKind), nullable=False),
    sa.Column("by_asserted", _TEXT, nullable=False),
    sa.Column("local_user", _TEXT, nullable=False),
    sa.Column("role", Coded(Role), nullable=False),
    sa.Column("reason_code", Coded(DecisionReason), nullable=False),
    _text("reason_text"),
    sa.Column("decided_at", UtcTime, nullable=False),
)

receipt_events = sa.Table(
    "receipt_events",
    metadata,
    sa.Column("receipt_id", _ID, primary_key=True),
    sa.Column("exchange_id", sa.ForeignKey("exchanges.exchange_id"), nullable=False),
    sa.Column("slot", sa.String(2), nullable=False),  # R1, R2, R3
    sa.Column("delivery_id", _ID, nullable=False, default=""),  # "" and not NULL: NULLs are never equal
    sa.Column("revision", sa.Integer, nullable=False, default=0),
    sa.Column("stage", sa.String(20), nullable=False),
    sa.Column("issued_at", UtcTime, nullable=False),
    sa.UniqueConstraint("exchange_id", "slot", "delivery_id", "revision"),
)

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("receipt_id", sa.ForeignKey("receipt_events.receipt_id"), primary_key=True),
    sa.Column("edition", sa.String(10), primary_key=True),
    sa.Column("pae_sha256", _DIGEST, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False, default=""),
    sa.Column("path", _TEXT, nullable=False),
)

receipts_left = sa.Table(
    "receipts_left",
    metadata,
    # partner editions that a destination's receipt endpoint has taken
    sa.Column("receipt_id", sa.ForeignKey("receipt_events.receipt_id"), primary_key=True),
    sa.Column("destination", _TEXT, primary_key=True),
    sa.Column("left_at", UtcTime, nullable=False),
)
