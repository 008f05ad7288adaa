package crash

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// seen is what all ends have of one conversation.
type seen struct {
	hangouts []hangoutstest.EventInfo
	matrix   []*event.Event
	irc      []Message
}

// verdict is what a check has found.
type verdict struct {
	problems []Problem
	// byHomeserver are messages that the homeserver accepted and never handed to the bridge, or handed over late, because
	// it was killed.
	byHomeserver []Problem
	accepted     map[string]int // messages, by source
	unconfirmed  int
	absent       int    // of those, not on Hangouts
	hangups      string // what the reference client has seen, for information
}

// look collects what all ends have.
func (w *world) look() map[string]*seen {
	w.t.Helper()
	out := map[string]*seen{}
	for _, c := range conversations {
		s := &seen{}
		events, err := w.hangouts.Events(w.ctx, c.key, 1)
		require.NoError(w.t, err)
		for _, e := range events {
			if e.Kind == "message" {
				s.hangouts = append(s.hangouts, e)
			}
		}
		for _, e := range w.timeline(w.rooms[c.key]) {
			if e.Content.AsMessage().Body != "welcome" {
				s.matrix = append(s.matrix, e)
			}
		}
		out[c.key] = s
	}
	for _, l := range w.irc.Messages() {
		at, _ := time.Parse(ircTime, l.Tags["time"])
		m := Message{Text: l.Last(), Author: l.Tags["account"], ID: l.Tags["msgid"], TimeMS: at.UnixMilli()}
		key := "direct"
		for _, c := range conversations {
			if l.Param(0) == c.irc {
				key = c.key
			}
		}
		if m.Text != "welcome" {
			out[key].irc = append(out[key].irc, m)
		}
	}
	return out
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
	v := verdict{problems: slices.Clone(w.ended), accepted: map[string]int{}}
	for _, c := range conversations {
		v.conversation(w, c.key, all[c.key])
	}
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
		m := Message{Text: e.Text, Author: e.Sender, ID: e.EventID, TimeMS: int64(e.TimestampUS / 1000)}
		everything = append(everything, m)
		src := sourceOf(e.Text)
		if src.name == "" {
			foreign = append(foreign, m)
		}
		sent[src.name] = append(sent[src.name], m)
		if !src.matrix {
			m.ID, m.Author = "", string(w.inMatrix(e.Sender))
			if w.byGhost(e.Sender, m.TimeMS) {
				m.OrBy = string(id.NewUserID("hangouts_"+e.Sender, stage.Domain))
			}
			remote = append(remote, m)
		}
	}
	v.add(Compare("on Hangouts, "+key, nil, foreign))

	var shown []Message
	own := map[string][]Message{} // by source
	eventIDs := map[string]id.EventID{}
	for _, e := range s.matrix {
		m := Message{Text: e.Content.AsMessage().Body, Author: string(e.Sender), TimeMS: e.Timestamp}
		switch src := sourceOf(m.Text); {
		case e.Sender == stage.Bot:
			v.problems = append(v.problems, Problem{Kind: FailureTold, Where: "in Matrix, " + key, What: m.Text})
		case src.matrix:
			own[src.name] = append(own[src.name], m)
			eventIDs[m.Text] = e.ID
		default:
			shown = append(shown, m)
		}
	}
	v.add(Compare("in Matrix, "+key, remote, shown))
	v.add(Compare("on IRC, "+key, everything, s.irc))

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
			if got[e.EventID] > 0 {
				once++
			}
		}
	}
	return fmt.Sprintf("%d of %d", once, total)
}
