package crash

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// verdict is what a check has found.
type verdict struct {
	problems []Problem
	// byHomeserver are messages that the homeserver accepted and never handed to the bridge, or handed over late, because
	// it was killed.
	byHomeserver  []Problem
	accepted      map[string]int // messages, by source
	unconfirmed   int
	absent        int            // of those, not on Hangouts
	early         int            // messages that came after a change which was made later
	uploadedAgain int            // pictures into the homeserver's media repository
	photos        map[string]int // pictures that were uploaded to Hangouts, by name
	hangups       string         // what the reference client has seen, for information
}

// sourceOf is the source that has written a text, or none.
func sourceOf(text string) source {
	name, _, _ := strings.Cut(text, " ")
	if n := slices.IndexFunc(sources, func(src source) bool { return src.name == name }); n >= 0 {
		return sources[n]
	}
	return source{}
}

// judge checks all ends against what was accepted.
func (w *world) judge() verdict {
	w.t.Helper()
	all := w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	v := verdict{problems: slices.Clone(w.ended), accepted: map[string]int{}, photos: map[string]int{}}
	for _, c := range conversations {
		v.conversation(w, c.key, all[c.key])
		v.add(w.differences(c.key, all[c.key]))
	}
	v.uploads(w, all)
	for end, marks := range w.marks {
		v.problems = append(v.problems, Forward(end, marks)...)
	}
	v.add(Forward("on IRC", w.ircMarks)) // what the client was told is what it may rely on
	// What was not confirmed and is not there may have been told, late.
	if told := ircFailures(w.irc.Told()); len(told) > v.absent {
		v.problems = append(v.problems, told...)
	}
	v.hangups = w.hangupsView(all)
	return v
}

// ircFailures are notices that a line was not delivered.
func ircFailures(told []string) (found []Problem) {
	for _, line := range told {
		if strings.Contains(line, "NOTICE") && (strings.Contains(line, "not delivered") || strings.Contains(line, "could not be")) {
			found = append(found, Problem{Kind: FailureTold, Where: "on IRC", What: line})
		}
	}
	return found
}

// conversation checks one conversation at every end.
func (v *verdict) conversation(w *world, key string, s *seen) {
	var remote, foreign, everything []Message // as Matrix and IRC shall show Hangouts
	sent := map[string][]Message{}            // on Hangouts, by source
	for _, e := range s.hangouts {
		m := e.Message
		src := sourceOf(m.Text)
		if src.name == "" {
			foreign = append(foreign, m)
		}
		sent[src.name] = append(sent[src.name], m)
		if e.moves == "" || m.Text != moved(src, true) { // who joins is shown without a msgid
			everything = append(everything, m)
		}
		switch {
		case src.matrix:
		case e.changes: // a later name may have come first
			remote = append(remote, Message{Text: m.Text, Optional: e.moves == ""})
		default:
			shown := Message{Text: m.Text, Author: string(w.inMatrix(m.Author)), TimeMS: m.TimeMS}
			if w.byGhost(m.Author, m.TimeMS) {
				shown.OrBy = string(id.NewUserID("hangouts_"+m.Author, stage.Domain))
			}
			remote = append(remote, shown)
		}
	}
	v.add(Compare("on Hangouts, "+key, nil, foreign))
	for _, text := range s.matrix.bot {
		v.problems = append(v.problems, Problem{Kind: FailureTold, Where: "in Matrix, " + key, What: text})
	}
	v.inMatrix(w, "in Matrix, "+key, s, remote)
	v.add(Compare("on IRC, "+key, everything, s.irc))
	own, eventIDs := s.matrix.own, s.matrix.ids

	for _, src := range sources {
		author := w.gaia[src.author]
		accepted := w.by(src.name, key, author)
		if src.matrix {
			v.add(Compare("in Matrix (own), "+key, w.by(src.name, key, string(w.inMatrix(author))), own[src.name]))
			accepted = nil // in the order of the room
			for _, m := range own[src.name] {
				accepted = append(accepted, Message{Text: m.Text, Author: author})
			}
		}
		found := Compare("on Hangouts, "+key, accepted, sent[src.name])
		if src.name == "bob" || src.name == "carol" {
			// The reference client repeats requests itself, and deduplication is off.
			found = slices.DeleteFunc(found, func(p Problem) bool { return p.Kind == Doubled })
		}
		if src.matrix {
			var taken []Problem
			handed := w.handedOver()
			at := func(text string) int { return handed[eventIDs[text]] }
			found, taken = Split(found, func(p Problem) bool {
				return p.Kind == Lost && at(p.What) == 0 || p.Kind == Disordered && at(p.What) > at(p.by.Text)
			})
			v.byHomeserver = append(v.byHomeserver, taken...)
		}
		v.add(found)
		for _, m := range accepted {
			if m.Optional {
				v.unconfirmed++
				if !slices.ContainsFunc(sent[src.name], func(s Message) bool { return s.Text == m.Text }) {
					v.absent++
				}
			}
		}
		v.accepted[src.name] += len(accepted)
	}
}

// inMatrix checks what a room shows of Hangouts. What was said has its order, and so has each kind of change of the group; a change that
// was shown again since the database was set back to a time before it is right. A change may come before what was said before it, which is
// only counted, since a room is brought up to date at once; it may not come after what was said later. w.mu is held.
func (v *verdict) inMatrix(w *world, where string, s *seen, remote []Message) {
	kinds, excused := map[string]string{}, map[string]int{}
	for _, e := range s.hangouts {
		kinds[e.Text] = e.kind()
		for _, at := range w.forgot {
			if e.changes && e.TimeMS < at {
				excused[e.Text]++
			}
		}
	}
	of := func(list []Message, kind string) []Message {
		return slices.DeleteFunc(slices.Clone(list), func(m Message) bool { return kinds[m.Text] != kind })
	}
	for _, kind := range []string{"", "name", "erin", "frank", "gina"} {
		for _, p := range Compare(where, of(remote, kind), of(s.matrix.shown, kind)) {
			again := p.Kind == Doubled || p.Kind == Disordered && kind != "" // a name that was past at first is shown later then
			if again && excused[p.What] > 0 {
				excused[p.What]--
			} else {
				v.problems = append(v.problems, p)
			}
		}
	}
	for _, p := range Compare(where, remote, s.matrix.shown) {
		switch {
		case p.Kind != Disordered || kinds[p.by.Text] == kinds[p.What]:
		case kinds[p.by.Text] == "":
			v.problems = append(v.problems, p)
		default:
			v.early++
		}
	}
}

func (v *verdict) add(found []Problem) { v.problems = append(v.problems, found...) }

// by is what a source has written in a conversation; mu is held.
func (w *world) by(source, conversation, author string) []Message {
	out := slices.Clone(w.said[source][conversation])
	for i := range out {
		out[i].Author = author
	}
	return out
}

// inMatrix is who shows a person's messages.
func (w *world) inMatrix(gaia string) id.UserID {
	switch gaia {
	case w.gaia["alice"]:
		return w.Alice.UserID()
	case w.gaia["carol"]:
		return w.carol.UserID()
	}
	return id.NewUserID("hangouts_"+gaia, stage.Domain)
}

// handedOver numbers the events that the bridge has acknowledged in that order, from 1. What it does not have was lost by
// the homeserver when it was killed; what has a greater number than a later event came late. The null homeserver's
// journal says so; with Synapse it is the bridge's own inbox.
func (w *world) handedOver() map[id.EventID]int {
	w.t.Helper()
	var list []id.EventID
	if w.null != nil {
		var err error
		list, err = journalAcknowledged(filepath.Join(w.Dir, "homeserver.state"))
		require.NoError(w.t, err)
	} else {
		rows, err := w.Column("SELECT event_id FROM matrix_inbox ORDER BY place")
		require.NoError(w.t, err)
		for _, e := range rows {
			list = append(list, id.EventID(e))
		}
	}
	out := map[id.EventID]int{}
	for i, e := range list {
		if out[e] == 0 {
			out[e] = i + 1
		}
	}
	return out
}

// journalAcknowledged reads from the state of a null homeserver which events were in a transaction that was answered
// with 200, in the order of the answers.
func journalAcknowledged(path string) (list []id.EventID, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	type event struct {
		ID id.EventID `json:"event_id"`
	}
	pending := map[int64][]event{}
	in := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return list, nil // the end, or a last line in the making
		}
		var rec struct {
			Kind string
			Data json.RawMessage
		}
		if err = json.Unmarshal(line, &rec); err != nil {
			return nil, fmt.Errorf("read the homeserver's state: %w", err)
		}
		switch rec.Kind {
		case "pending":
			var data struct {
				Txn struct {
					ID   int64
					Body struct{ Events []event }
				}
			}
			if err = json.Unmarshal(rec.Data, &data); err != nil {
				return nil, fmt.Errorf("read the homeserver's state: %w", err)
			}
			pending[data.Txn.ID] = data.Txn.Body.Events
		case "sent":
			var data struct{ ID int64 }
			if err = json.Unmarshal(rec.Data, &data); err != nil {
				return nil, fmt.Errorf("read the homeserver's state: %w", err)
			}
			for _, e := range pending[data.ID] {
				list = append(list, e.ID)
			}
			delete(pending, data.ID)
		}
	}
}

// hangupsView says what the reference client has seen. It gives no promise over a restart of the server.
func (w *world) hangupsView(all map[string]*seen) string {
	got := map[string]int{}
	for _, m := range w.bob.Messages() {
		got[m.EventID]++
	}
	total, once := 0, 0
	for _, s := range all {
		for _, e := range s.hangouts {
			total++
			if got[e.ID] > 0 {
				once++
			}
		}
	}
	return fmt.Sprintf("%d of %d", once, total)
}
