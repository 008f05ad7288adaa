"""Times hangups' own decoder: bench.py FOLDER FILE... prints the best processor time of a decode of each, in ns.

FOLDER is hangups'. Its generated code is of an old form that only the Python runtime of protobuf takes; where a newer
runtime is installed, the same description of the messages is given to that one instead. The decoder is hangups' file
in both cases.
"""
import ast
import importlib.util
import json
import logging
import os
import sys
import time

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.internal import api_implementation


def batch_update(folder):
    if api_implementation.Type() == 'python':
        from hangups import hangouts_pb2
        return hangouts_pb2.BatchUpdate
    with open(os.path.join(folder, 'hangouts_pb2.py'), encoding='utf-8') as file:
        tree = ast.parse(file.read())
    described = next(n.value.args[0] for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg == 'serialized_pb')
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(ast.literal_eval(described).encode('latin1'))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName('BatchUpdate'))


logging.disable(logging.CRITICAL)
folder = sys.argv[1]
message_class = batch_update(folder)
spec = importlib.util.spec_from_file_location('pblite', os.path.join(folder, 'pblite.py'))
pblite = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pblite)
for name in sys.argv[2:]:
    with open(name, encoding='utf-8') as file:
        text = file.read()
    best, end, turns = float('inf'), time.perf_counter() + 1.0, 0
    while turns < 5 or time.perf_counter() < end:
        turns += 1
        start = time.process_time_ns()
        payload = json.loads(text)
        message = message_class()
        pblite.decode(message, payload, ignore_first_item=True)
        best = min(best, time.process_time_ns() - start)
    print(int(best), len(message.state_update), api_implementation.Type())
