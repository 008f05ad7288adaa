-- v5 -> v6: Logged events know the request that made them

ALTER TABLE log ADD COLUMN request_id BIGINT NOT NULL DEFAULT 0; -- client_generated_id of the author's own copy, 0 = unknown
UPDATE log SET request_id=COALESCE((SELECT o.request_id FROM outbox o WHERE o.origin=log.origin AND o.origin_ref=log.origin_ref), 0)
	WHERE origin<>'';
CREATE INDEX log_request ON log (conversation, request_id) WHERE request_id<>0;
