-- v6 -> v7: Events of the inbox have a place

-- The event's turn in its room; 0 = held until it is known what comes before it.
ALTER TABLE matrix_inbox ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
UPDATE matrix_inbox SET place=seq WHERE done
	OR seq<=COALESCE((SELECT CAST(value AS BIGINT) FROM matrix_value WHERE name='held_from' AND value<>''), seq);
DELETE FROM matrix_value WHERE name='held_from';
DROP INDEX matrix_inbox_open;
CREATE INDEX matrix_inbox_open ON matrix_inbox (room_id, place) WHERE NOT done;
CREATE INDEX matrix_inbox_held ON matrix_inbox (seq) WHERE place=0;
CREATE INDEX matrix_inbox_place ON matrix_inbox (place);
