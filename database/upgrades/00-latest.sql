-- v0 -> v12: Latest schema

-- An account on the network. credentials is what the back end needs to connect again:
-- secret. generation grows with every login, so that a running bridge notices one that
-- another process made. cursor_us: nothing before it is missing from the log.
CREATE TABLE account (
	id          TEXT    NOT NULL PRIMARY KEY,
	self        TEXT    NOT NULL, -- chat.Person as JSON
	-- only: sqlite for next 1 lines
	credentials BLOB    NOT NULL,
	-- only: postgres for next 1 lines (lines commented)
--	credentials BYTEA   NOT NULL,
	generation  BIGINT  NOT NULL,
	status      TEXT    NOT NULL,
	reason      TEXT    NOT NULL,
	cursor_us   BIGINT  NOT NULL,
	created_us  BIGINT  NOT NULL,
	network     TEXT    NOT NULL DEFAULT 'hangouts'
);

CREATE TABLE account_grant (
	account   TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	side      TEXT NOT NULL,
	user_id   TEXT NOT NULL,
	role      TEXT NOT NULL,
	PRIMARY KEY (account, side, user_id)
);
CREATE INDEX account_grant_user ON account_grant (side, user_id);

-- The log of each account, fed by its pushes and catch-ups, in the network's order.
CREATE TABLE log (
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
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
	expires_us   BIGINT NOT NULL DEFAULT 0, -- 0 = never
	request_id   BIGINT NOT NULL DEFAULT 0, -- client_generated_id of the author's own copy, 0 = unknown
	PRIMARY KEY (account, conversation, seq),
	UNIQUE (account, conversation, event_id)
);
CREATE INDEX log_time ON log (account, conversation, time_us);
CREATE INDEX log_expires ON log (expires_us) WHERE expires_us>0;
CREATE INDEX log_logged ON log (logged_us);
CREATE INDEX log_request ON log (account, conversation, request_id) WHERE request_id<>0;

-- Older events, as pages of the network's history and from the log, which retention has shortened.
-- Written by the account's session (pages, deletions) and, for retention, its manager.
CREATE TABLE history (
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT   NOT NULL,
	time_us      BIGINT NOT NULL,
	event_id     TEXT   NOT NULL,
	kind         TEXT   NOT NULL, -- '' = deleted: only the id is kept
	author       TEXT   NOT NULL,
	expires_us   BIGINT NOT NULL, -- 0 = never
	request_id   BIGINT NOT NULL, -- as in log
	payload      TEXT   NOT NULL, -- chat.Event as JSON
	PRIMARY KEY (account, conversation, event_id)
);
CREATE INDEX history_time ON history (account, conversation, time_us, event_id);
CREATE INDEX history_expires ON history (expires_us) WHERE expires_us>0;

-- How far back log and history together are complete: at or after complete_us nothing is missing.
-- Without a row that is the time of the log's first event. Written with history.
CREATE TABLE history_reach (
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT   NOT NULL,
	complete_us  BIGINT NOT NULL, -- 0 = nothing is older
	next         TEXT   NOT NULL, -- account.HistoryToken as JSON; '' = by complete_us
	fetched_us   BIGINT NOT NULL, -- when the latest page was stored, 0 = history has none
	PRIMARY KEY (account, conversation)
);

-- Conversations as each account sees them. After start_seq the account's log lacks nothing.
CREATE TABLE conversation (
	account   TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	id        TEXT   NOT NULL,
	start_seq BIGINT NOT NULL,
	sort_us   BIGINT NOT NULL,
	payload   TEXT   NOT NULL, -- chat.Conversation as JSON
	PRIMARY KEY (account, id)
);

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

-- Own watermarks that the network has not answered yet, of each origin the greatest.
CREATE TABLE outstanding_mark (
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT   NOT NULL,
	origin       TEXT   NOT NULL,
	origin_ref   TEXT   NOT NULL,
	time_us      BIGINT NOT NULL,
	PRIMARY KEY (account, conversation, origin, origin_ref)
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
	closed_us    BIGINT NOT NULL, -- end of the last attempt, or when it was settled
	event_id     TEXT   NOT NULL, -- of a request that is done
	event_us     BIGINT NOT NULL DEFAULT 0,
	error        TEXT   NOT NULL,
	kind         TEXT   NOT NULL DEFAULT 'message', -- chat.RequestKind
	PRIMARY KEY (id),
	UNIQUE (origin, origin_ref)
);
CREATE INDEX outbox_request ON outbox (account, request_id);
CREATE INDEX outbox_open ON outbox (account, conversation, state);
CREATE INDEX outbox_event ON outbox (account, event_id) WHERE event_id<>'';

CREATE TABLE consumer (
	account     TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	side        TEXT   NOT NULL,
	name        TEXT   NOT NULL,
	seen_us     BIGINT NOT NULL,
	PRIMARY KEY (account, side, name)
);

-- The last acknowledged seq. A conversation without a row begins at 0.
CREATE TABLE position (
	account      TEXT   NOT NULL,
	side         TEXT   NOT NULL,
	name         TEXT   NOT NULL,
	conversation TEXT   NOT NULL,
	seq          BIGINT NOT NULL,
	PRIMARY KEY (account, side, name, conversation),
	FOREIGN KEY (account, side, name) REFERENCES consumer (account, side, name) ON DELETE CASCADE
);

-- Room events as the homeserver handed them over, in that order. place is the event's turn
-- in its room; 0 = held until it is known what comes before it. body is the event's JSON
-- until its effects are final, then ''.
CREATE TABLE matrix_inbox (
	seq         BIGINT  NOT NULL PRIMARY KEY,
	event_id    TEXT    NOT NULL UNIQUE,
	room_id     TEXT    NOT NULL,
	received_us BIGINT  NOT NULL,
	done        BOOLEAN NOT NULL,
	body        TEXT    NOT NULL,
	place       BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX matrix_inbox_open ON matrix_inbox (room_id, place) WHERE NOT done;
CREATE INDEX matrix_inbox_held ON matrix_inbox (seq) WHERE place=0;
CREATE INDEX matrix_inbox_place ON matrix_inbox (place);

-- Files on their way into rooms, from before their upload until the message row exists, and avatars,
-- by what they are. Another attempt uploads the same file to the same mxc, or not at all.
CREATE TABLE matrix_media (
	name       TEXT   NOT NULL PRIMARY KEY,
	message_id TEXT   NOT NULL, -- '' for avatars
	part_id    TEXT   NOT NULL,
	room_id    TEXT   NOT NULL,
	mxc        TEXT   NOT NULL,
	uploaded   BIGINT NOT NULL, -- 1 once it is there
	payload    TEXT   NOT NULL  -- type, size, keys as JSON
);

-- Ghosts and double puppets that have a device, so that the homeserver remembers their
-- transaction ids over a restart of its own.
CREATE TABLE matrix_device (
	user_id   TEXT NOT NULL PRIMARY KEY,
	device_id TEXT NOT NULL
);

-- Aliases that were given to rooms when they were made.
CREATE TABLE matrix_room (
	room_id TEXT NOT NULL PRIMARY KEY,
	alias   TEXT NOT NULL
);

-- Single values: the secret that aliases are made with.
CREATE TABLE matrix_value (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
);

-- Generated passwords. Only the SHA-256 of each is kept, as hex.
CREATE TABLE irc_token (
	hash       TEXT   NOT NULL PRIMARY KEY,
	user_id    TEXT   NOT NULL,
	label      TEXT   NOT NULL,
	created_us BIGINT NOT NULL,
	used_us    BIGINT NOT NULL -- last log-in, 0 = never
);
CREATE INDEX irc_token_user ON irc_token (user_id);

-- The permanent nick of every person, unique in an account by nick_key, which has no
-- case, accents and look-alikes.
CREATE TABLE irc_nick (
	account    TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	person     TEXT   NOT NULL,
	nick       TEXT   NOT NULL,
	nick_key   TEXT   NOT NULL,
	base       TEXT   NOT NULL, -- what the person's name asks for
	changed_us BIGINT NOT NULL, -- last change that followed a rename, 0 = never
	PRIMARY KEY (account, person),
	UNIQUE (account, nick_key)
);

-- Former nicks that are still understood.
CREATE TABLE irc_alias (
	account  TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	nick_key TEXT   NOT NULL,
	nick     TEXT   NOT NULL,
	person   TEXT   NOT NULL,
	until_us BIGINT NOT NULL,
	PRIMARY KEY (account, nick_key)
);

-- How a conversation appears: as a channel, or as the query with a person (channel = '').
CREATE TABLE irc_target (
	account      TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT    NOT NULL,
	channel      TEXT    NOT NULL,
	channel_key  TEXT    NOT NULL,
	person       TEXT    NOT NULL,
	hidden       BOOLEAN NOT NULL,
	PRIMARY KEY (account, conversation)
);
CREATE UNIQUE INDEX irc_target_channel ON irc_target (account, channel_key) WHERE channel<>'';
CREATE UNIQUE INDEX irc_target_person ON irc_target (account, person) WHERE channel='';
