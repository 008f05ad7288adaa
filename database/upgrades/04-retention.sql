-- v3 -> v4: Expiration and age of logged events; matches by text need no place in the log

ALTER TABLE log ADD COLUMN expires_us BIGINT NOT NULL DEFAULT 0; -- 0 = never
-- only: sqlite for next 1 lines
UPDATE log SET expires_us=COALESCE(json_extract(payload, '$.expires'), 0);
-- only: postgres for next 1 lines
UPDATE log SET expires_us=COALESCE(CAST(CAST(payload AS json)->>'expires' AS BIGINT), 0);
CREATE INDEX log_expires ON log (expires_us) WHERE expires_us>0;
CREATE INDEX log_logged ON log (logged_us);

ALTER TABLE outbox DROP COLUMN attempt_seq;
