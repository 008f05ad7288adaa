package format

import (
	"strings"
	"unicode/utf8"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Split cuts rich text into pieces whose cost is at most limit, at segment
// boundaries where possible, else after a space, else between characters. cost is the
// cost of a string and must be additive. limit 0 is no limit.
func Split(text chat.Text, limit int, cost func(string) int) []chat.Text {
	if limit <= 0 {
		return []chat.Text{text}
	}
	var (
		out   []chat.Text
		piece chat.Text
		used  int
	)
	flush := func() {
		if len(piece) > 0 {
			out = append(out, piece)
		}
		piece, used = nil, 0
	}
	for _, segment := range text {
		for {
			need := cost(chat.Text{segment}.String())
			if used+need <= limit {
				piece, used = append(piece, segment), used+need
				break
			}
			if need <= limit && used > 0 && (segment.Kind != chat.SegmentText || used > limit/2) {
				flush()
				continue
			}
			head, rest := cutSegment(segment, limit-used, used == 0, cost)
			if head.Text == "" {
				flush()
				continue
			}
			piece = append(piece, head)
			flush()
			segment = rest
			if segment.Text == "" {
				break
			}
		}
	}
	flush()
	return trimBreaks(out)
}

// cutSegment cuts a segment that is too long so that its first part costs at most limit,
// but, if force is set, holds at least one character. A link that is cut becomes text.
func cutSegment(segment chat.Segment, limit int, force bool, cost func(string) int) (head, rest chat.Segment) {
	if segment.Kind != chat.SegmentText {
		segment.Text, segment.Kind, segment.Target = chat.Text{segment}.String(), chat.SegmentText, ""
	}
	end, used := 0, 0
	for end < len(segment.Text) {
		_, size := utf8.DecodeRuneInString(segment.Text[end:])
		used += cost(segment.Text[end : end+size])
		if used > limit && (end > 0 || !force) {
			break
		}
		end += size
	}
	if at := strings.LastIndexByte(segment.Text[:end], ' '); end < len(segment.Text) && at > end/2 {
		end = at + 1
	}
	head, rest = segment, segment
	head.Text, rest.Text = segment.Text[:end], segment.Text[end:]
	return head, rest
}

// trimBreaks takes the line breaks off the cuts and drops pieces that show nothing.
func trimBreaks(pieces []chat.Text) []chat.Text {
	var out []chat.Text
	for i, piece := range pieces {
		for i > 0 && len(piece) > 0 && piece[0].Kind == chat.SegmentBreak {
			piece = piece[1:]
		}
		for i+1 < len(pieces) && len(piece) > 0 && piece[len(piece)-1].Kind == chat.SegmentBreak {
			piece = piece[:len(piece)-1]
		}
		if len(piece) > 0 {
			out = append(out, piece)
		}
	}
	return out
}
