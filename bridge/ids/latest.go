package ids

import (
	"cmp"
	"maps"
	"slices"

	"maunium.net/go/mautrix/bridgev2/networkid"
)

// Latest are the times (µs) of the latest events that a room shows of a conversation's name and of people who came or went.
// They are read while others change them.
type Latest struct {
	copied[networkid.UserID, int64]
}

// TheName stands for the name of the conversation among people.
const TheName networkid.UserID = ""

// maxLatest bounds how many times are kept: more than a group has members.
const maxLatest = 300

// Of is the time of the latest event about somebody, or [TheName]; 0 if none is known.
func (l *Latest) Of(what networkid.UserID) int64 { return l.All()[what] }

// Note notes an event, and reports whether it is later than what was known. No two calls may run at once.
func (l *Latest) Note(at int64, what ...networkid.UserID) (later bool) {
	next := l.copy()
	for _, w := range what {
		if at > next[w] {
			next[w], later = at, true
		}
	}
	for len(next) > maxLatest {
		delete(next, slices.MinFunc(slices.Collect(maps.Keys(next)), func(a, b networkid.UserID) int { return cmp.Compare(next[a], next[b]) }))
	}
	if later {
		l.now.Store(&next)
	}
	return later
}
