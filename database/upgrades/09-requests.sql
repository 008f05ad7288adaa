-- v8 -> v9: Requests of all kinds; accounts of several networks

ALTER TABLE outbox ADD COLUMN kind TEXT NOT NULL DEFAULT 'message';
ALTER TABLE account ADD COLUMN network TEXT NOT NULL DEFAULT 'hangouts';
