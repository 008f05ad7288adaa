-- v2 -> v3: Names, passwords and unreported lines of the IRC side

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

-- Lines sent by clients whose fate they have not been told.
CREATE TABLE irc_line (
	origin_ref   TEXT   NOT NULL PRIMARY KEY,
	account      TEXT   NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	client       TEXT   NOT NULL,
	conversation TEXT   NOT NULL,
	time_us      BIGINT NOT NULL
);
CREATE INDEX irc_line_client ON irc_line (account, client);
