-- v9 -> v10: Files on their way into rooms

CREATE TABLE matrix_media (
	name       TEXT   NOT NULL PRIMARY KEY,
	message_id TEXT   NOT NULL, -- '' for avatars
	part_id    TEXT   NOT NULL,
	room_id    TEXT   NOT NULL,
	mxc        TEXT   NOT NULL,
	uploaded   BIGINT NOT NULL, -- 1 once it is there
	payload    TEXT   NOT NULL  -- type, size, keys as JSON
);
