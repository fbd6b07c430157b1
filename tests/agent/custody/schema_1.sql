-- The tables as schema version 1 made them; never changed.
CREATE TABLE exchanges (
	exchange_id VARCHAR(36) NOT NULL, 
	exchange_group VARCHAR(64) NOT NULL, 
	route TEXT, 
	direction VARCHAR(40), 
	study_instance_uid VARCHAR(128) NOT NULL, 
	called_ae TEXT NOT NULL, 
	calling_ae TEXT NOT NULL, 
	peer TEXT NOT NULL, 
	source TEXT NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_arrival_at BIGINT NOT NULL, 
	settled_at BIGINT, 
	closed_at BIGINT, 
	follows VARCHAR(36), 
	evidence JSON NOT NULL, 
	config_sha256 TEXT NOT NULL, 
	profile_id TEXT NOT NULL, 
	pseudonym_domain TEXT NOT NULL, 
	study_uid_sent TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	instance_count INTEGER NOT NULL, 
	byte_count BIGINT NOT NULL, 
	counts JSON NOT NULL, 
	attempt_count INTEGER NOT NULL, 
	error_code TEXT NOT NULL, 
	CONSTRAINT pk_exchanges PRIMARY KEY (exchange_id), 
	CONSTRAINT fk_exchanges_follows FOREIGN KEY(follows) REFERENCES exchanges (exchange_id)
);
CREATE INDEX ix_exchanges_group_created ON exchanges (exchange_group, created_at);
CREATE INDEX ix_exchanges_state ON exchanges (state);
CREATE UNIQUE INDEX uq_exchanges_open_group ON exchanges (exchange_group) WHERE state = 'open';
CREATE TABLE instances (
	identity VARCHAR(64) NOT NULL, 
	sop_class_uid VARCHAR(128) NOT NULL, 
	sop_instance_uid VARCHAR(128) NOT NULL, 
	transfer_syntax_uid VARCHAR(128) NOT NULL, 
	byte_count BIGINT NOT NULL, 
	study_instance_uid VARCHAR(128) NOT NULL, 
	series_instance_uid VARCHAR(128) NOT NULL, 
	modality VARCHAR(64) NOT NULL, 
	patient_key VARCHAR(128) NOT NULL, 
	indexed_at BIGINT NOT NULL, 
	deleted_at BIGINT, 
	unreadable_code VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_instances PRIMARY KEY (identity)
);
CREATE INDEX ix_instances_sop_instance_uid ON instances (sop_instance_uid);
CREATE TABLE lockgate_schema (
	id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT pk_lockgate_schema PRIMARY KEY (id)
);
CREATE TABLE arrivals (
	arrival_id VARCHAR(36) NOT NULL, 
	identity VARCHAR(64) NOT NULL, 
	protocol VARCHAR(20) NOT NULL, 
	called_ae TEXT NOT NULL, 
	calling_ae TEXT NOT NULL, 
	peer TEXT NOT NULL, 
	peer_address TEXT NOT NULL, 
	peer_certificate_sha256 TEXT NOT NULL, 
	received_at BIGINT NOT NULL, 
	exchange_group VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_arrivals PRIMARY KEY (arrival_id), 
	CONSTRAINT fk_arrivals_identity FOREIGN KEY(identity) REFERENCES instances (identity)
);
CREATE INDEX ix_arrivals_identity ON arrivals (identity);
CREATE TABLE attempts (
	exchange_id VARCHAR(36) NOT NULL, 
	number INTEGER NOT NULL, 
	token VARCHAR(32) NOT NULL, 
	started_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	outcome TEXT NOT NULL, 
	recoveries INTEGER NOT NULL, 
	CONSTRAINT pk_attempts PRIMARY KEY (exchange_id, number), 
	CONSTRAINT fk_attempts_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id), 
	CONSTRAINT uq_attempts_token UNIQUE (token)
);
CREATE TABLE deliveries (
	delivery_id VARCHAR(36) NOT NULL, 
	exchange_id VARCHAR(36) NOT NULL, 
	destination TEXT NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	attempts INTEGER NOT NULL, 
	token VARCHAR(32) NOT NULL, 
	created_at BIGINT NOT NULL, 
	next_attempt_at BIGINT, 
	last_error_code TEXT NOT NULL, 
	transport JSON NOT NULL, 
	closed_at BIGINT, 
	CONSTRAINT pk_deliveries PRIMARY KEY (delivery_id), 
	CONSTRAINT uq_deliveries_exchange_id_destination UNIQUE (exchange_id, destination), 
	CONSTRAINT fk_deliveries_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id)
);
CREATE INDEX ix_deliveries_state ON deliveries (state);
CREATE TABLE effects (
	exchange_id VARCHAR(36) NOT NULL, 
	destination TEXT NOT NULL, 
	sop_instance_uid VARCHAR(128) NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	detail TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_effects PRIMARY KEY (exchange_id, destination, sop_instance_uid), 
	CONSTRAINT fk_effects_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id)
);
CREATE TABLE findings (
	exchange_id VARCHAR(36) NOT NULL, 
	attempt INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	finding_id TEXT NOT NULL, 
	severity VARCHAR(40) NOT NULL, 
	evidence TEXT NOT NULL, 
	CONSTRAINT pk_findings PRIMARY KEY (exchange_id, attempt, position), 
	CONSTRAINT fk_findings_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id)
);
CREATE TABLE frozen (
	exchange_id VARCHAR(36) NOT NULL, 
	revision INTEGER NOT NULL, 
	identity VARCHAR(64) NOT NULL, 
	sop_class_uid VARCHAR(128) NOT NULL, 
	sop_instance_uid VARCHAR(128) NOT NULL, 
	study_instance_uid VARCHAR(128) NOT NULL, 
	series_instance_uid VARCHAR(128) NOT NULL, 
	transfer_syntax_uid VARCHAR(128) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	pixel_sha256 VARCHAR(64) NOT NULL, 
	byte_count BIGINT NOT NULL, 
	path TEXT NOT NULL, 
	boxes JSON NOT NULL, 
	actions JSON NOT NULL, 
	proof JSON NOT NULL, 
	proved BOOLEAN NOT NULL, 
	CONSTRAINT pk_frozen PRIMARY KEY (exchange_id, revision, identity), 
	CONSTRAINT uq_frozen_exchange_id_revision_sop_instance_uid UNIQUE (exchange_id, revision, sop_instance_uid), 
	CONSTRAINT fk_frozen_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id), 
	CONSTRAINT fk_frozen_identity FOREIGN KEY(identity) REFERENCES instances (identity), 
	CONSTRAINT ck_frozen_proved CHECK (proved IN (0, 1))
);
CREATE TABLE holds (
	hold_id VARCHAR(36) NOT NULL, 
	exchange_id VARCHAR(36) NOT NULL, 
	code VARCHAR(40) NOT NULL, 
	path TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	opened_at BIGINT NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_holds PRIMARY KEY (hold_id), 
	CONSTRAINT fk_holds_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id)
);
CREATE INDEX ix_holds_exchange_id ON holds (exchange_id);
CREATE INDEX ix_holds_state ON holds (state);
CREATE TABLE receipt_events (
	receipt_id VARCHAR(36) NOT NULL, 
	exchange_id VARCHAR(36) NOT NULL, 
	slot VARCHAR(2) NOT NULL, 
	delivery_id VARCHAR(36) NOT NULL, 
	revision INTEGER NOT NULL, 
	stage VARCHAR(20) NOT NULL, 
	issued_at BIGINT NOT NULL, 
	CONSTRAINT pk_receipt_events PRIMARY KEY (receipt_id), 
	CONSTRAINT uq_receipt_events_exchange_id_slot_delivery_id_revision UNIQUE (exchange_id, slot, delivery_id, revision), 
	CONSTRAINT fk_receipt_events_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id)
);
CREATE TABLE decisions (
	hold_id VARCHAR(36) NOT NULL, 
	exchange_id VARCHAR(36) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	by_asserted TEXT NOT NULL, 
	local_user TEXT NOT NULL, 
	role VARCHAR(40) NOT NULL, 
	reason_code VARCHAR(40) NOT NULL, 
	reason_text TEXT NOT NULL, 
	decided_at BIGINT NOT NULL, 
	CONSTRAINT pk_decisions PRIMARY KEY (hold_id), 
	CONSTRAINT fk_decisions_hold_id FOREIGN KEY(hold_id) REFERENCES holds (hold_id), 
	CONSTRAINT fk_decisions_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id)
);
CREATE INDEX ix_decisions_exchange_id ON decisions (exchange_id);
CREATE TABLE members (
	exchange_id VARCHAR(36) NOT NULL, 
	identity VARCHAR(64) NOT NULL, 
	arrival_id VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_members PRIMARY KEY (exchange_id, identity), 
	CONSTRAINT fk_members_exchange_id FOREIGN KEY(exchange_id) REFERENCES exchanges (exchange_id), 
	CONSTRAINT fk_members_identity FOREIGN KEY(identity) REFERENCES instances (identity), 
	CONSTRAINT fk_members_arrival_id FOREIGN KEY(arrival_id) REFERENCES arrivals (arrival_id)
);
CREATE INDEX ix_members_identity ON members (identity);
CREATE TABLE receipts (
	receipt_id VARCHAR(36) NOT NULL, 
	edition VARCHAR(10) NOT NULL, 
	pae_sha256 VARCHAR(64) NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	CONSTRAINT pk_receipts PRIMARY KEY (receipt_id, edition), 
	CONSTRAINT fk_receipts_receipt_id FOREIGN KEY(receipt_id) REFERENCES receipt_events (receipt_id)
);
