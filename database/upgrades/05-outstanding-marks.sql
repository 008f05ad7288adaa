-- v4 -> v5: Own watermarks without an answer

-- Own watermarks that the network has not answered yet, of each origin the greatest.
CREATE TABLE outstanding_mark (
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	conversation TEXT   NOT NULL,
	origin       TEXT   NOT NULL,
	origin_ref   TEXT   NOT NULL,
	time_us      BIGINT NOT NULL,
	PRIMARY KEY (account, conversation, origin, origin_ref)
);
