package crash

import (
	"fmt"
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
	hangouts []happened
	matrix   *roomView
	irc      []Message
	group    hangoutstest.ConversationInfo
}

// happened is an event on Hangouts. Its text is that of act.what.
type happened struct {
	Message
	changes bool   // it changes the group
	moves   string // key of the person who is added or removed
}

// kind is what an event changes of a group, "" for what is said: the name, or whether a person is in it.
func (h happened) kind() string {
	if h.changes && h.moves == "" {
		return "name"
	}
	return h.moves
}

// roomView is what Matrix shows of a conversation.
type roomView struct {
	shown  []Message             // what does not come from Matrix
	own    map[string][]Message  // what does, by source
	ids    map[string]id.EventID // of the latest of these, by text
	bot    []string              // what the bot says
	name   string                // of the room
	ghosts map[id.UserID]bool    // who of them is in the room
	last   map[string]string     // of these, by what they change
	again  int                   // names and people that were shown again
}

// look collects what all ends have.
func (w *world) look() map[string]*seen {
	w.t.Helper()
	out := map[string]*seen{}
	groups, err := w.hangouts.Conversations(w.ctx)
	require.NoError(w.t, err)
	for _, c := range conversations {
		s := &seen{}
		s.hangouts, err = w.onHangouts(c.key)
		require.NoError(w.t, err)
		s.matrix = w.inRoom(w.history(w.rooms[c.key]), s.hangouts)
		s.group = groups[slices.IndexFunc(groups, func(g hangoutstest.ConversationInfo) bool { return g.Key == c.key })]
		out[c.key] = s
	}
	w.onIRC(out)
	return out
}

// onHangouts are the events of a conversation on Hangouts since the beginning of the run.
func (w *world) onHangouts(key string) ([]happened, error) {
	events, err := w.hangouts.Events(w.ctx, key, 1)
	if err != nil {
		return nil, err
	}
	var out []happened
	for _, e := range events {
		h := happened{Message: Message{Text: e.Text, Author: e.Sender, ID: e.EventID, TimeMS: int64(e.TimestampUS / 1000)}}
		switch e.Kind {
		case "message":
			h.Text = w.photographed(e.Text)
		case "rename":
			h.changes = true
		case "join", "leave":
			h.changes, h.moves = true, w.person(e.Members[0])
			if h.Text = e.Kind + " of " + h.moves; len(e.Members) == 1 {
				if src, ok := moverOf(h.moves); ok {
					h.Text = moved(src, e.Kind == "join")
				}
			}
		default:
			continue
		}
		out = append(out, h)
	}
	return out, nil
}

// person is the key of a person, or the gaia id of somebody unknown.
func (w *world) person(gaia string) string {
	for key, of := range w.gaia {
		if of == gaia {
			return key
		}
	}
	return gaia
}

// movesOf is the person whom a text of moved is about.
func movesOf(text string) string {
	src := sourceOf(text)
	if src.moves != "" && (text == moved(src, true) || text == moved(src, false)) {
		return src.moves
	}
	return ""
}

// doublePuppet marks what the bridge does as a user.
const doublePuppet = "fi.mau.double_puppet_source"

// inRoom reads a room. What the bridge shows of a change of Matrix once more is only counted, and so is a line that a gap was
// filled with, if the change was shown as what it is.
func (w *world) inRoom(events []*event.Event, onHangouts []happened) *roomView {
	v := &roomView{own: map[string][]Message{}, ids: map[string]id.EventID{}, ghosts: map[id.UserID]bool{}, last: map[string]string{}}
	for _, e := range events {
		m := Message{Author: string(e.Sender), TimeMS: e.Timestamp}
		change := ""
		switch e.Type {
		case event.EventMessage:
			m.Text = w.pictured(e.Content.AsMessage())
		case event.StateRoomName:
			m.Text, change = e.Content.AsRoomName().Name, "name"
			v.name = m.Text
		case event.StateMember:
			m.Text, change = v.member(w, e), e.GetStateKey()
		default:
			continue
		}
		src := sourceOf(m.Text)
		switch {
		case m.Text == "welcome" || change != "" && src.name == "" || change == "" && src.name == "" && isLine(m, onHangouts):
		case change == "" && e.Sender == stage.Bot:
			v.bot = append(v.bot, m.Text)
		case change != "":
			v.changed(w, e, src, m.Text, change)
		case src.matrix:
			v.own[src.name] = append(v.own[src.name], m)
			v.ids[m.Text] = e.ID
		default:
			v.shown = append(v.shown, m)
		}
	}
	return v
}

// isLine reports whether a message says in words that a group was changed.
func isLine(m Message, onHangouts []happened) bool {
	return slices.ContainsFunc(onHangouts, func(h happened) bool { return h.changes && h.TimeMS == m.TimeMS })
}

// changed adds a change of the room.
func (v *roomView) changed(w *world, e *event.Event, src source, text, change string) {
	by := e.Sender == w.inMatrix(w.gaia[src.author]) && e.Content.Raw[doublePuppet] == nil
	switch {
	case !src.matrix:
		v.shown = append(v.shown, Message{Text: text})
	case !by || v.last[change] == text:
		v.again++
	default:
		v.own[src.name] = append(v.own[src.name], Message{Text: text, Author: string(e.Sender)})
		v.ids[text], v.last[change] = e.ID, text
	}
}

// member is a change of who is in a room as text, "" if it is none that counts: of somebody whom a source in Matrix moves what the
// source does counts, of others when they come and go.
func (v *roomView) member(w *world, e *event.Event) string {
	ghost := id.UserID(e.GetStateKey())
	gaia, is := strings.CutPrefix(ghost.Localpart(), "hangouts_")
	if !is {
		return ""
	}
	membership := e.Content.AsMember().Membership
	was := v.ghosts[ghost]
	switch membership {
	case event.MembershipJoin:
		v.ghosts[ghost] = true
	case event.MembershipLeave, event.MembershipBan:
		delete(v.ghosts, ghost)
	}
	src, ok := moverOf(w.person(gaia))
	switch {
	case !ok:
		return ""
	case src.matrix && membership == event.MembershipInvite:
		return moved(src, true)
	case src.matrix && membership == event.MembershipLeave:
		return moved(src, false)
	case !src.matrix && was != v.ghosts[ghost]:
		return moved(src, !was)
	}
	return ""
}

// onIRC adds what IRC shows.
func (w *world) onIRC(out map[string]*seen) {
	texts := map[string]string{} // of changes, by id
	for _, s := range out {
		for _, e := range s.hangouts {
			if e.changes {
				texts[e.ID] = e.Text
			}
		}
	}
	w.mu.Lock()
	lines := make([]ircLine, 0, len(w.channels.lines))
	for _, l := range w.channels.lines {
		lines = append(lines, ircLine{l.Line, slices.Clone(l.texts)})
	}
	w.mu.Unlock()
	for _, l := range lines {
		at, _ := time.Parse(ircTime, l.Tags["time"])
		m := Message{Text: strings.Join(l.texts, "\n"), Author: l.Tags["account"], ID: l.Tags["msgid"], TimeMS: at.UnixMilli()}
		if l.Command == "PRIVMSG" {
			m.Text = w.photographed(m.Text)
		} else if text := texts[m.ID]; l.Command != "TOPIC" || text == m.Text {
			m.Text = text
		}
		key := "direct"
		for _, c := range conversations {
			if l.Param(0) == c.irc {
				key = c.key
			}
		}
		if src := sourceOf(m.Text); m.Text != "welcome" && (src.moves == "" || m.Text != moved(src, true)) { // who joins is shown without a msgid, too
			out[key].irc = append(out[key].irc, m)
		}
	}
}

// differences are what of a group's name and people Matrix and IRC show otherwise than Hangouts; mu is held.
func (w *world) differences(key string, s *seen) (found []Problem) {
	if !s.group.Group {
		return nil
	}
	differs := func(where, what, format string, args ...any) {
		found = append(found, Problem{Kind: Differs, Where: where + ", " + key, What: what, Detail: fmt.Sprintf(format, args...)})
	}
	channel := "#" + strings.ToUpper(key[:1]) + key[1:]
	if s.matrix.name != s.group.Name {
		differs("in Matrix", s.matrix.name, "instead of %q", s.group.Name)
	}
	if topic := w.channels.topics[channel]; topic != s.group.Name {
		differs("on IRC", topic, "instead of %q", s.group.Name)
	}
	ghosts := map[id.UserID]bool{}
	var nicks []string
	for _, m := range s.group.Members {
		person := w.person(m.GaiaID)
		if m.Status == "left" || person == "alice" {
			continue
		}
		nicks = append(nicks, w.nicks[person])
		if person != "carol" {
			ghosts[w.ghost(person)] = true
		}
	}
	for person := range w.gaia {
		if ghost := w.ghost(person); person != "alice" && person != "carol" && ghosts[ghost] != s.matrix.ghosts[ghost] {
			differs("in Matrix", person, "is in the room: %v", s.matrix.ghosts[ghost])
		}
	}
	shown := slices.Clone(w.channels.nicks[channel])
	slices.Sort(nicks)
	slices.Sort(shown)
	if !slices.Equal(nicks, shown) {
		differs("on IRC", strings.Join(shown, " "), "instead of %q", strings.Join(nicks, " "))
	}
	return found
}
