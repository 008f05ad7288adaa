-- v10 -> v11: What was sent is found in the room

DROP TABLE matrix_send;
