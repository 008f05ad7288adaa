"""Times hangups' own decoder: bench.py FILE... prints the best processor time of a decode of each, in ns."""
import json
import logging
import sys
import time

from hangups import hangouts_pb2, pblite
from google.protobuf.internal import api_implementation

logging.disable(logging.CRITICAL)
for name in sys.argv[1:]:
    with open(name, encoding='utf-8') as file:
        text = file.read()
    best, end, turns = float('inf'), time.perf_counter() + 1.0, 0
    while turns < 5 or time.perf_counter() < end:
        turns += 1
        start = time.process_time_ns()
        payload = json.loads(text)
        message = hangouts_pb2.BatchUpdate()
        pblite.decode(message, payload, ignore_first_item=True)
        best = min(best, time.process_time_ns() - start)
    print(int(best), len(message.state_update), api_implementation.Type())
