package irc

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/irc/irctext"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// oldAfter is the age from which a message is shown with its time to clients that do not
// know server-time.
const oldAfter = 2 * time.Minute

// scene is where events happen: their conversation as it is after them, with its place
// on IRC, and all who take part. Sessions share it and change nothing.
type scene struct {
	conversation chat.Conversation
	people       map[chat.PersonID]chat.Person
	made         *madeLines
}

// madeLines are the encoded lines of messages, each made once for all sessions to which it looks the
// same.
type madeLines struct {
	mu    sync.Mutex
	lines map[lineKey][][]byte
}

// lineKey is what the lines of a message depend on.
type lineKey struct {
	event              chat.EventID
	source, to, prefix string
	tags               tagSet
}

// of returns the lines of a key, made with make if need be.
func (l *madeLines) of(key lineKey, make func() [][]byte) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, ok := l.lines[key]
	if !ok {
		lines = make()
		l.lines[key] = lines
	}
	return lines
}

// scene reads what is needed to show events of one conversation.
func (h *hub) scene(ctx context.Context, events []chat.Event) (scene, error) {
	var people []chat.PersonID
	for _, e := range events {
		people = append(people, e.Author)
		if e.Membership != nil {
			people = append(people, e.Membership.People...)
		}
	}
	slices.Sort(people)
	people = slices.DeleteFunc(slices.Compact(people), func(id chat.PersonID) bool { return id == "" })
	c, known, err := h.conversation(ctx, events[0].Conversation, people...)
	return scene{c, known, &madeLines{lines: make(map[lineKey][][]byte)}}, err
}

// deliver writes events of one conversation, in order, but those that the client has been shown
// already. confirmed, if any, is called when it has confirmed them.
func (s *session) deliver(events []chat.Event, here scene, confirmed func()) {
	t, _ := s.hub.names.Target(here.conversation.ID)
	d := &delivery{session: s, scene: here, target: t}
	shown := s.confirmation.shown[here.conversation.ID]
	for _, e := range events {
		if e.Seq > shown {
			d.event(e)
		}
	}
	s.showed(here.conversation.ID, events[len(events)-1].Seq, d.sent > 0, confirmed)
}

// delivery is one call of deliver.
type delivery struct {
	*session
	scene
	target database.IRCTarget
	sent   int
}

func (d *delivery) put(m ircwire.Message) {
	d.sent++
	d.session.send(m)
}

// event shows one event. A kind that IRC has nothing for is passed over.
func (d *delivery) event(e chat.Event) {
	switch {
	case e.Message != nil:
		if e.Expires == 0 || e.Expires > d.g.now().UnixMicro() {
			d.message(e)
		}
	case e.Membership != nil:
		d.membership(e)
	case e.Rename != nil:
		d.rename(e)
	case e.HistoryMode != nil && e.HistoryMode.Off:
		d.remark(e, "turned history off: new messages disappear after a while")
	case e.HistoryMode != nil:
		d.remark(e, "turned history on")
	case e.LinkSharing != nil && e.LinkSharing.On:
		d.remark(e, "turned joining by link on")
	case e.LinkSharing != nil:
		d.remark(e, "turned joining by link off")
	case e.Call != nil && e.Call.Ended:
		d.remark(e, "ended the call")
	case e.Call != nil:
		d.remark(e, strings.TrimSpace("started a call "+e.Call.URL))
	case e.Notice != nil:
		d.remark(e, irctext.Clean(e.Notice.Text))
	case e.Failure != nil:
		d.failure(e)
	}
}

// open makes sure that the client is in the channel of the conversation: a message
// brings back one that was parted or archived.
func (d *delivery) open() {
	if d.target.Channel == "" || d.views[d.conversation.ID] != nil || d.conversation.Standing != chat.Active {
		return
	}
	if _, err := d.hub.names.SetHidden(d.ctx, d.conversation.ID, false); err != nil {
		d.log.Err(err).Msg("Failed to note a channel as joined")
	}
	d.sent++
	d.joinChannel(d.conversation, d.target, d.people)
}

// message shows a message: as the echo of a line that this session sent, or as a line of
// its author.
func (d *delivery) message(e chat.Event) {
	d.typingEnds(e)
	label, own := d.pending[e.Origin.Ref]
	if own = own && e.Origin.Side == chat.OriginIRC; own {
		delete(d.pending, e.Origin.Ref)
		if !d.caps[capEcho] {
			return // the client has shown its line itself
		}
	}
	d.open()
	source, to, prefix := d.route(e)
	if to == "" {
		return
	}
	if !d.caps[capServerTime] && d.old(e) {
		prefix = clock(time.UnixMicro(e.Time), d.g.now()) + " " + prefix
	}
	switch {
	case own && label != "":
		lines := d.lines(e, source, to, prefix)
		d.sent += len(lines)
		d.sendLabeled(label, lines)
	case d.caps[capMultiline]: // ids of batches are the session's own
		for _, m := range d.lines(e, source, to, prefix) {
			d.put(m)
		}
	default:
		d.putMade(e, source, to, prefix)
	}
}

// putMade sends the lines of a message that may have been made for another session.
func (d *delivery) putMade(e chat.Event, source, to, prefix string) {
	lines := d.made.of(lineKey{e.ID, source, to, prefix, d.tagSet()}, func() (out [][]byte) {
		for _, m := range d.lines(e, source, to, prefix) {
			out = append(out, d.withTags(m).Encode())
		}
		return out
	})
	d.sent += len(lines)
	d.queueLines(lines...)
}

// lines are the IRC lines of a message. The first one carries the msgid.
func (d *delivery) lines(e chat.Event, source, to, prefix string) []ircwire.Message {
	command := "PRIVMSG"
	if d.fromOutside() {
		command = "NOTICE"
	}
	texts := d.texts(e, ircwire.MaxBody-len(":"+source+" PRIVMSG "+to+" :")-len(prefix))
	if len(texts) > 1 && d.caps[capMultiline] && d.caps[capBatch] && !e.Message.Emote && !d.fromOutside() {
		return d.multiline(e, source, to, prefix, texts)
	}
	out := make([]ircwire.Message, 0, len(texts))
	for _, line := range texts {
		text, first := line.Text, len(out) == 0
		if text == "" {
			continue
		}
		m := ircwire.New(source, command, to, prefix+text)
		if e.Message.Emote && prefix == "" {
			m.Params[1] = "\x01ACTION " + text + "\x01"
		} else if e.Message.Emote {
			m.Params[1] = prefix + "* " + text
		}
		out = append(out, d.tagged(m, e, first))
	}
	return out
}

// route decides who a message comes from and goes to, on IRC. to is "" when the client
// shall not see it.
func (d *delivery) route(e chat.Event) (source, to, prefix string) {
	source = d.mask(e.Author)
	if d.fromOutside() {
		return d.g.cfg.ServerName, d.nick, "[" + d.target.Channel + ", invited] <" + d.nickOf(e.Author) + "> "
	}
	if d.target.Channel != "" {
		return source, d.target.Channel, ""
	}
	if e.Author != d.hub.self() {
		return source, d.nick, ""
	}
	if !d.caps[capEcho] && !d.caps[capSelfMessage] {
		switch d.g.cfg.SelfMessages {
		case selfOff:
			return "", "", ""
		case selfPrefix:
			return d.mask(d.target.Person), d.nick, "<" + d.nick + "> "
		}
	}
	return source, d.nickOf(d.target.Person), ""
}

// fromOutside reports whether the conversation is a channel that the client cannot be in,
// since the account is only invited: its messages are notices of the server.
func (d *delivery) fromOutside() bool {
	return d.target.Channel != "" && d.views[d.conversation.ID] == nil && d.conversation.Standing == chat.Invited
}

// texts are the lines of text of a message: what was written, then one for each
// attachment.
func (d *delivery) texts(e chat.Event, budget int) []irctext.Line {
	formatting := irctext.Basic
	if d.caps[capMessageTags] {
		formatting = irctext.Full
	}
	budget -= len("\x01ACTION \x01")
	out := irctext.Split(e.Message.Text, formatting, budget)
	for _, a := range e.Message.Attachments {
		out = append(out, irctext.Split(attachmentText(a), formatting, budget)...)
	}
	for len(out) > 0 && out[len(out)-1].Text == "" {
		out = out[:len(out)-1]
	}
	for len(out) > 0 && out[0].Text == "" {
		out = out[1:]
	}
	return out
}

// attachmentText describes an attachment. The URL comes last, where clients with previews
// look for it.
func attachmentText(a chat.Attachment) chat.Text {
	words := []string{"[" + string(a.Kind) + "]"}
	for _, s := range []string{a.Name, a.Address} {
		if s != "" {
			words = append(words, s)
		}
	}
	url := a.URL
	if url == "" {
		url = a.Thumbnail
	}
	text := chat.Text{{Kind: chat.SegmentText, Text: join(words)}}
	if url != "" {
		text = append(text, chat.Segment{Kind: chat.SegmentText, Text: " "}, chat.Segment{Kind: chat.SegmentLink, Text: url, Target: url})
	}
	return text
}

// tagged adds the tags of an event.
func (s *session) tagged(m ircwire.Message, e chat.Event, first bool) ircwire.Message {
	if e.Time != 0 {
		at := time.UnixMicro(e.Time)
		if now := s.g.now(); at.After(now) {
			at = now
		}
		m = m.With("time", at.UTC().Format(timestampFormat))
	}
	if first {
		m = m.With("msgid", messageID(e))
	}
	if e.Author != "" {
		m = m.With("account", string(e.Author))
	}
	return m
}

// messageID is an event's id where that can stand in a tag, else one derived from it.
func messageID(e chat.Event) string {
	id := string(e.ID)
	ok := id != "" && len(id) <= 100 && id[0] != ':'
	for i := 0; i < len(id); i++ {
		ok = ok && id[i] > ' ' && id[i] < 0x7f
	}
	if ok {
		return id
	}
	sum := sha256.Sum256([]byte(string(e.Conversation) + "\x00" + id))
	return "h" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}

// old reports whether a message did not happen just now.
func (s *session) old(e chat.Event) bool {
	at := time.UnixMicro(e.Time)
	return at.Before(s.since) || s.g.now().Sub(at) > oldAfter
}

// clock is a time for people: with the date if it was not within the last 20 hours.
func clock(at, now time.Time) string {
	if now.Sub(at) > 20*time.Hour {
		return at.Format("[Jan 02 15:04]")
	}
	return at.Format("[15:04]")
}

// membership shows people coming and going. What the client has already seen, because
// the channel was joined later, is told as a notice.
func (d *delivery) membership(e chat.Event) {
	if d.target.Channel == "" {
		return
	}
	if slices.Contains(e.Membership.People, d.hub.self()) {
		d.ownMembership(e)
		return
	}
	v := d.views[d.conversation.ID]
	if v == nil {
		return
	}
	for _, id := range e.Membership.People {
		switch {
		case v.members[id] == e.Membership.Joined:
			d.remarkOn(e, id, e.Membership.Joined)
		case e.Membership.Joined:
			v.members[id] = true
			d.sent++
			d.sendJoin(id, v.channel, d.people)
		case id == e.Author:
			delete(v.members, id)
			d.put(d.tagged(ircwire.New(d.mask(id), "PART", v.channel), e, true))
		default:
			delete(v.members, id)
			d.put(d.tagged(ircwire.New(d.mask(e.Author), "KICK", v.channel, d.nickOf(id), "removed"), e, true))
		}
	}
}

func (d *delivery) ownMembership(e chat.Event) {
	id := d.conversation.ID
	v := d.views[id]
	switch {
	case e.Membership.Joined && d.conversation.Standing == chat.Active:
		d.open()
	case !e.Membership.Joined && v != nil && d.conversation.Standing == chat.Left && e.Author != d.hub.self():
		delete(d.views, id)
		d.put(d.tagged(ircwire.New(d.mask(e.Author), "KICK", v.channel, d.nick, "removed"), e, true))
	case !e.Membership.Joined && d.conversation.Standing == chat.Left:
		d.sent++
		d.leaveChannel(id, "")
	}
}

func (d *delivery) remarkOn(e chat.Event, id chat.PersonID, joined bool) {
	what := "left"
	switch {
	case joined && id == e.Author:
		what = "joined"
	case joined:
		what = "added " + d.nickOf(id)
	case id != e.Author:
		what = "removed " + d.nickOf(id)
	}
	d.remark(e, what)
}

// rename shows the new name of a group as the topic of its channel, which keeps its name.
func (d *delivery) rename(e chat.Event) {
	v := d.views[d.conversation.ID]
	if v == nil {
		return
	}
	topic := ircwire.Cut(ircwire.Plain(e.Rename.New), maxTopic)
	if topic == v.topic || topic != topicOf(d.conversation) { // seen already, or renamed again since
		d.remark(e, "renamed the conversation to \""+topic+"\"")
		return
	}
	v.topic = topic
	d.put(d.tagged(ircwire.New(d.mask(e.Author), "TOPIC", v.channel, topic), e, true))
}

// remark tells what somebody did as a NOTICE of the server in the conversation.
func (d *delivery) remark(e chat.Event, what string) {
	to := d.target.Channel
	if to == "" {
		to = d.nick
	} else if d.views[d.conversation.ID] == nil {
		return
	}
	text := d.nickOf(e.Author) + " " + what
	if !d.caps[capServerTime] && d.old(e) {
		text = clock(time.UnixMicro(e.Time), d.g.now()) + " " + text
	}
	source := d.g.cfg.ServerName
	if d.target.Channel == "" {
		source, text = d.mask(d.target.Person), "* "+text // where the conversation is
	}
	d.put(d.tagged(ircwire.New(source, "NOTICE", to, text), e, true))
}
