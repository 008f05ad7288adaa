-- v0 -> v1: Accounts, log, outbox and positions

-- An account on the network. credentials is what the back end needs to connect again:
-- secret. generation grows with every login, so that a running bridge notices one that
-- another process made. cursor_us: nothing before it is missing from the log.
CREATE TABLE account (
	id          TEXT    NOT NULL PRIMARY KEY,
	self        TEXT    NOT NULL, -- chat.Person as JSON
	credentials BLOB    NOT NULL,
	generation  BIGINT  NOT NULL,
	status      TEXT    NOT NULL,
	reason      TEXT    NOT NULL,
	cursor_us   BIGINT  NOT NULL,
	created_us  BIGINT  NOT NULL
);

CREATE TABLE account_grant (
	account   TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	side      TEXT NOT NULL,
	user_id   TEXT NOT NULL,
	role      TEXT NOT NULL,
	PRIMARY KEY (account, side, user_id)
);
CREATE INDEX account_grant_user ON account_grant (side, user_id);

-- The log: shared by all accounts in a conversation.
CREATE TABLE log (
	conversation TEXT   NOT NULL,
	seq          BIGINT NOT NULL,
	event_id     TEXT   NOT NULL,
	kind         TEXT   NOT NULL,
	time_us      BIGINT NOT NULL,
	author       TEXT   NOT NULL,
	origin       TEXT   NOT NULL,
	origin_ref   TEXT   NOT NULL,
	logged_us    BIGINT NOT NULL,
	payload      TEXT   NOT NULL, -- chat.Event as JSON
	PRIMARY KEY (conversation, seq),
	UNIQUE (conversation, event_id)
);
CREATE INDEX log_time ON log (conversation, time_us);

-- Conversations as each account sees them. An account is shown the log from after
-- start_seq up to end_seq (NULL = no end; set when it left).
CREATE TABLE conversation (
	account   TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	id        TEXT   NOT NULL,
	start_seq BIGINT NOT NULL,
	end_seq   BIGINT,
	sort_us   BIGINT NOT NULL,
	payload   TEXT   NOT NULL, -- chat.Conversation as JSON
	PRIMARY KEY (account, id)
);
CREATE INDEX conversation_id ON conversation (id);

CREATE TABLE person (
	account TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	id      TEXT NOT NULL,
	payload TEXT NOT NULL, -- chat.Person as JSON
	PRIMARY KEY (account, id)
);

CREATE TABLE watermark (
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT   NOT NULL,
	person       TEXT   NOT NULL,
	time_us      BIGINT NOT NULL,
	PRIMARY KEY (account, conversation, person)
);

-- Pages of a catch-up conversation by conversation, until all of one can be logged.
CREATE TABLE catchup_page (
	account      TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT    NOT NULL,
	page         INTEGER NOT NULL,
	payload      TEXT    NOT NULL,
	PRIMARY KEY (account, conversation, page)
);

-- Requests with an effect, written before they leave. state: pending, sending,
-- ambiguous, done, failed.
CREATE TABLE outbox (
	id           BIGINT NOT NULL, -- order of writing
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT   NOT NULL,
	origin       TEXT   NOT NULL,
	origin_ref   TEXT   NOT NULL,
	request_id   BIGINT NOT NULL, -- client_generated_id
	request      TEXT   NOT NULL, -- chat.Request as JSON; '' once final
	state        TEXT   NOT NULL,
	attempts     BIGINT NOT NULL,
	created_us   BIGINT NOT NULL,
	attempt_seq  BIGINT NOT NULL, -- last seq of the log when the last attempt began
	closed_us    BIGINT NOT NULL, -- end of the last attempt
	event_id     TEXT   NOT NULL,
	error        TEXT   NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (origin, origin_ref)
);
CREATE INDEX outbox_request ON outbox (account, request_id);
CREATE INDEX outbox_open ON outbox (account, conversation, state);

CREATE TABLE consumer (
	account     TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	side        TEXT   NOT NULL,
	name        TEXT   NOT NULL,
	seen_us     BIGINT NOT NULL,
	PRIMARY KEY (account, side, name)
);

-- The last acknowledged seq. A conversation without a row begins at its start_seq.
CREATE TABLE position (
	account      TEXT   NOT NULL,
	side         TEXT   NOT NULL,
	name         TEXT   NOT NULL,
	conversation TEXT   NOT NULL,
	seq          BIGINT NOT NULL,
	PRIMARY KEY (account, side, name, conversation),
	FOREIGN KEY (account, side, name) REFERENCES consumer (account, side, name) ON DELETE CASCADE
);
