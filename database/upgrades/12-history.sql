-- v11 -> v12: Pages of the network's history

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

CREATE TABLE history_reach (
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT   NOT NULL,
	complete_us  BIGINT NOT NULL, -- 0 = nothing is older
	next         TEXT   NOT NULL, -- account.HistoryToken as JSON; '' = by complete_us
	fetched_us   BIGINT NOT NULL, -- when the latest page was stored, 0 = history has none
	PRIMARY KEY (account, conversation)
);
