"""Reads one JSON string a line and writes the segments that hangups makes of it, one JSON array a line."""
import json
import sys

import hangups

for line in sys.stdin:
    segments = hangups.ChatMessageSegment.from_str(json.loads(line))
    print(json.dumps([
        [s.type_, s.text, s.is_bold, s.is_italic, s.is_strikethrough, s.is_underline, s.link_target or ''] for s in segments
    ]))
