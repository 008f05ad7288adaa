-- v1 -> v2: Matrix side: inbox, sends, devices, rooms

-- Room events as the homeserver handed them over, in that order. body is the event's
-- JSON until its effects are final, then ''.
CREATE TABLE matrix_inbox (
	seq         BIGINT  NOT NULL PRIMARY KEY,
	event_id    TEXT    NOT NULL UNIQUE,
	room_id     TEXT    NOT NULL,
	received_us BIGINT  NOT NULL,
	done        BOOLEAN NOT NULL,
	body        TEXT    NOT NULL
);
CREATE INDEX matrix_inbox_open ON matrix_inbox (room_id, seq) WHERE NOT done;

-- Sends to Matrix that have begun and whose message row may not exist yet. run names the
-- life of the program that began it; event_id is '' until the homeserver has answered.
CREATE TABLE matrix_send (
	txn_id     TEXT   NOT NULL PRIMARY KEY,
	message_id TEXT   NOT NULL,
	room_id    TEXT   NOT NULL,
	sender     TEXT   NOT NULL,
	run        TEXT   NOT NULL,
	first_us   BIGINT NOT NULL,
	event_id   TEXT   NOT NULL
);
CREATE INDEX matrix_send_message ON matrix_send (message_id);

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
