-- v8 -> v9: What was sent is found in the room

DROP TABLE matrix_send;
