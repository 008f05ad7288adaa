-- v7 -> v8: Each account has a log of its own

CREATE TABLE own_log (
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
-- Each account takes what it was shown, with the numbers that positions refer to.
INSERT INTO own_log (account, conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload, expires_us, request_id)
	SELECT c.account, l.conversation, l.seq, l.event_id, l.kind, l.time_us, l.author, l.origin, l.origin_ref, l.logged_us, l.payload, l.expires_us,
		CASE WHEN l.author=c.account THEN l.request_id ELSE 0 END
	FROM log l JOIN conversation c ON c.id=l.conversation
	WHERE l.seq>c.start_seq AND (c.end_seq IS NULL OR l.seq<=c.end_seq);
-- A conversation without a position began at its start_seq, a log that is empty goes on from 0.
DELETE FROM position WHERE NOT EXISTS (
	SELECT 1 FROM own_log o WHERE o.account=position.account AND o.conversation=position.conversation);
UPDATE position SET seq=(SELECT MAX(o.seq) FROM own_log o WHERE o.account=position.account AND o.conversation=position.conversation)
	WHERE seq>(SELECT MAX(o.seq) FROM own_log o WHERE o.account=position.account AND o.conversation=position.conversation);
UPDATE conversation SET start_seq=0 WHERE NOT EXISTS (
	SELECT 1 FROM own_log o WHERE o.account=conversation.account AND o.conversation=conversation.id);
DROP TABLE log;
ALTER TABLE own_log RENAME TO log;
CREATE INDEX log_time ON log (account, conversation, time_us);
CREATE INDEX log_expires ON log (expires_us) WHERE expires_us>0;
CREATE INDEX log_logged ON log (logged_us);
CREATE INDEX log_request ON log (account, conversation, request_id) WHERE request_id<>0;

-- What becomes of a line is in the log, and its reference names the client that is told.
UPDATE outbox SET origin_ref=(SELECT i.client FROM irc_line i WHERE i.origin_ref=outbox.origin_ref)||'/'||origin_ref
	WHERE origin='irc' AND origin_ref IN (SELECT i.origin_ref FROM irc_line i);
INSERT INTO log (account, conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload)
	SELECT o.account, o.conversation,
		(SELECT COALESCE(MAX(l.seq), 0) FROM log l WHERE l.account=o.account AND l.conversation=o.conversation)
			+ROW_NUMBER() OVER (PARTITION BY o.account, o.conversation ORDER BY o.closed_us, o.id),
		'failure/irc/'||o.origin_ref, 'failure', o.closed_us, o.account, 'irc', o.origin_ref, o.closed_us, o.error
	FROM outbox o JOIN irc_line i ON i.client||'/'||i.origin_ref=o.origin_ref
	WHERE o.origin='irc' AND o.state='failed';
-- only: sqlite for next 2 lines
UPDATE log SET payload=json_object('v', 1, 'conversation', conversation, 'id', event_id, 'kind', kind, 'time', time_us,
	'author', author, 'failure', json_object('reason', payload)) WHERE kind='failure';
-- only: postgres for next 2 lines
UPDATE log SET payload=json_build_object('v', 1, 'conversation', conversation, 'id', event_id, 'kind', kind, 'time', time_us,
	'author', author, 'failure', json_build_object('reason', payload))::text WHERE kind='failure';
DROP TABLE irc_line;

DROP INDEX conversation_id;
ALTER TABLE conversation DROP COLUMN end_seq;

ALTER TABLE outbox ADD COLUMN event_us BIGINT NOT NULL DEFAULT 0;
CREATE INDEX outbox_event ON outbox (account, event_id) WHERE event_id<>'';
