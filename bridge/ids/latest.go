package ids

import (
	"encoding/json"
	"maps"
	"slices"
	"sync/atomic"

	"maunium.net/go/mautrix/bridgev2/networkid"
)

// Latest are the times (µs) of the latest events that a room shows of a conversation's name and of people who came or went.
// They are read while others change them.
type Latest struct {
	now atomic.Pointer[map[networkid.UserID]int64]
}

// TheName stands for the name of the conversation among people.
const TheName networkid.UserID = ""

// maxLatest bounds how many times are kept: more than a group has members.
const maxLatest = 300

func (l *Latest) all() map[networkid.UserID]int64 {
	if now := l.now.Load(); now != nil {
		return *now
	}
	return nil
}

// Of is the time of the latest event about somebody, or [TheName]; 0 if none is known.
func (l *Latest) Of(what networkid.UserID) int64 { return l.all()[what] }

// Note notes an event, and reports whether it is later than what was known. No two calls may run at once.
func (l *Latest) Note(at int64, what ...networkid.UserID) (later bool) {
	next := maps.Clone(l.all())
	if next == nil {
		next = map[networkid.UserID]int64{}
	}
	for _, w := range what {
		if at > next[w] {
			next[w], later = at, true
		}
	}
	for len(next) > maxLatest {
		delete(next, slices.MinFunc(slices.Collect(maps.Keys(next)), func(a, b networkid.UserID) int { return int(next[a] - next[b]) }))
	}
	if later {
		l.now.Store(&next)
	}
	return later
}

// IsZero reports whether nothing is known.
func (l *Latest) IsZero() bool { return len(l.all()) == 0 }

// MarshalJSON writes the times as an object, by person.
func (l *Latest) MarshalJSON() ([]byte, error) { return json.Marshal(l.all()) }

// UnmarshalJSON reads what MarshalJSON has written.
func (l *Latest) UnmarshalJSON(data []byte) error {
	var next map[networkid.UserID]int64
	err := json.Unmarshal(data, &next)
	l.now.Store(&next)
	return err
}
