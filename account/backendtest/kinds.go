package backendtest

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func message(b *bench) {
	text := chat.Text{{Kind: chat.SegmentText, Text: "plain "}, {Kind: chat.SegmentText, Text: "bold", Bold: true}, {Kind: chat.SegmentBreak},
		{Kind: chat.SegmentLink, Text: "here", Target: "https://example.org/x"}}
	for n, in := range []chat.ConversationID{b.Group, b.Direct} {
		e := b.event(uint64(100+n), chat.Request{Conversation: in, Message: &chat.Message{Text: text}})
		require.Equal(b, chat.KindMessage, e.Kind)
		require.Equal(b, text.String(), e.Message.Text.String())
		page, err := b.two.conn.History(b.Context(), in, account.HistoryToken{}, 10)
		require.NoError(b, err)
		found := slices.ContainsFunc(page.Events, func(old account.ReceivedEvent) bool { return old.ID == e.ID })
		require.True(b, found, "the history has it")
	}
	features := b.Backend.Features(b.one.conversation(b.Group))
	if features.Emotes {
		e := b.event(110, chat.Request{Conversation: b.Group, Message: &chat.Message{Text: chat.Plain("waves"), Emote: true}})
		require.True(b, b.two.got(e.ID).Message.Emote)
	}
	if features.Places {
		place := chat.Attachment{Kind: chat.AttachPlace, Name: "Castle", Address: "Hill 1", Latitude: 50.09, Longitude: 14.4}
		e := b.event(111, chat.Request{Conversation: b.Group, Message: &chat.Message{Text: chat.Plain("here"), Attachments: []chat.Attachment{place}}})
		got := b.two.got(e.ID).Message.Attachments
		require.Len(b, got, 1)
		require.Equal(b, chat.AttachPlace, got[0].Kind)
		require.Equal(b, []any{place.Name, place.Address, place.Latitude, place.Longitude}, []any{got[0].Name, got[0].Address, got[0].Latitude, got[0].Longitude})
	}
	if features.Replies {
		e := b.say(112, b.Group, "the question")
		reply := b.event(113, chat.Request{Conversation: b.Group, Message: &chat.Message{Text: chat.Plain("42"), Reply: &chat.Quote{Target: e.ID}}})
		require.Equal(b, e.ID, b.two.got(reply.ID).Message.Reply.Target)
	}
	if features.Threads == chat.SideThreads {
		e := b.say(114, b.Group, "the head")
		in := b.event(115, chat.Request{Conversation: b.Group, Message: &chat.Message{Text: chat.Plain("beside"), Thread: e.ID}})
		require.Equal(b, e.ID, b.two.got(in.ID).Message.Thread)
	}
}

// twice sends a repeatable request again: that is no error and doubles nothing.
func (b *bench) twice(id uint64, r chat.Request) chat.Event {
	b.Helper()
	require.True(b, r.Repeatable())
	first := b.event(id, r)
	again := b.send(id, r)
	require.Equal(b, first.ID, again.Event.ID, "a repeat makes no other event")
	return b.two.got(first.ID)
}

func edit(b *bench) {
	b.allowed(b.Group, chat.RequestEdit)
	e := b.say(100, b.Group, "befoer")
	changed := b.twice(101, chat.Request{Conversation: b.Group, Edit: &chat.Edit{Target: e.ID, Message: chat.Message{Text: chat.Plain("before")}}})
	require.Equal(b, chat.KindEdit, changed.Kind)
	require.Equal(b, e.ID, changed.Edit.Target)
	require.Equal(b, "before", changed.Edit.Message.Text.String())
}

func deletion(b *bench) {
	b.allowed(b.Group, chat.RequestDeletion)
	e := b.say(100, b.Group, "oops")
	gone := b.twice(101, chat.Request{Conversation: b.Group, Deletion: &chat.Deletion{Target: e.ID}})
	require.Equal(b, chat.KindDeletion, gone.Kind)
	require.Equal(b, e.ID, gone.Deletion.Target)
}

func reaction(b *bench) {
	b.allowed(b.Group, chat.RequestReaction)
	e := b.say(100, b.Group, "news")
	r := chat.Reaction{Target: e.ID, Emoji: chat.Emoji{Text: "👍"}}
	require.Equal(b, r, *b.twice(101, chat.Request{Conversation: b.Group, Reaction: &r}).Reaction)
	r.Removed = true
	require.Equal(b, r, *b.twice(102, chat.Request{Conversation: b.Group, Reaction: &r}).Reaction)
}

func rename(b *bench) {
	b.allowed(b.Group, chat.RequestRename)
	for n, name := range []string{"Other Name", ""} {
		e := b.event(uint64(100+n), chat.Request{Conversation: b.Group, Rename: &chat.Rename{New: name}})
		require.Equal(b, name, e.Rename.New)
		b.two.becomes(b.Group, func(c chat.Conversation) bool { return c.Name == name }, "renamed")
	}
}

func topic(b *bench) {
	b.allowed(b.Group, chat.RequestTopic)
	e := b.event(100, chat.Request{Conversation: b.Group, Topic: &chat.Description{New: "About cats"}})
	require.Equal(b, "About cats", e.Description.New)
}

func people(b *bench) {
	b.allowed(b.Group, chat.RequestAddPeople)
	added := b.Free[:2]
	e := b.event(100, chat.Request{Conversation: b.Group, AddPeople: added})
	require.True(b, e.Membership.Joined)
	require.ElementsMatch(b, added, e.Membership.People)
	b.two.becomes(b.Group, func(c chat.Conversation) bool { return c.Has(added[0]) && c.Has(added[1]) }, "added")
	b.allowed(b.Group, chat.RequestRemovePeople)
	e = b.event(101, chat.Request{Conversation: b.Group, RemovePeople: added[:1]})
	require.Equal(b, chat.Membership{People: added[:1]}, *e.Membership)
	b.two.becomes(b.Group, func(c chat.Conversation) bool { return !c.Has(added[0]) && c.Has(added[1]) }, "removed")
}

func leave(b *bench) {
	b.allowed(b.Group, chat.RequestLeave)
	b.event(100, chat.Request{Conversation: b.Group, Leave: true})
	b.two.becomes(b.Group, func(c chat.Conversation) bool { return !c.Has(b.one.self) }, "left")
	b.one.becomes(b.Group, func(c chat.Conversation) bool { return c.Standing == chat.Left }, "left")
}

func historyMode(b *bench) {
	b.allowed(b.Direct, chat.RequestHistoryMode)
	for n, off := range []bool{true, false} {
		e := b.event(uint64(100+n), chat.Request{Conversation: b.Direct, HistoryMode: &chat.HistoryMode{Off: off}})
		require.Equal(b, off, e.HistoryMode.Off)
		b.two.becomes(b.Direct, func(c chat.Conversation) bool { return c.HistoryOff == off }, "history switched")
	}
}

func linkSharing(b *bench) {
	b.allowed(b.Group, chat.RequestLinkSharing)
	e := b.event(100, chat.Request{Conversation: b.Group, LinkSharing: &chat.LinkSharing{On: true}})
	require.True(b, e.LinkSharing.On)
}

// own sets and takes back something of the account itself; a repeat is no error, and the other side
// sees nothing of it.
func (b *bench) own(kind chat.RequestKind, request func(on bool) chat.Request, is func(chat.Conversation) bool) {
	b.allowed(b.Group, kind)
	for n, on := range []bool{true, false} {
		r := request(on)
		r.Conversation = b.Group
		for range 2 {
			require.Empty(b, b.send(uint64(100+n), r).Event.ID)
		}
		b.one.becomes(b.Group, func(c chat.Conversation) bool { return is(c) == on }, fmt.Sprint(kind, " ", on))
		require.False(b, is(b.two.conversation(b.Group)))
	}
}

func muted(b *bench) {
	b.own(chat.RequestMuted, func(on bool) chat.Request { return chat.Request{Muted: &on} }, chat.Conversation.Quiet)
}

func archived(b *bench) {
	b.own(chat.RequestArchived, func(on bool) chat.Request { return chat.Request{Archived: &on} }, func(c chat.Conversation) bool { return c.Archived })
}

func unread(b *bench) {
	b.own(chat.RequestUnread, func(on bool) chat.Request { return chat.Request{Unread: &on} }, func(c chat.Conversation) bool { return c.Unread })
}

func clear(b *bench) {
	b.allowed(b.Direct, chat.RequestClear)
	e := b.say(100, b.Direct, "forget me")
	b.send(101, chat.Request{Conversation: b.Direct, Clear: &chat.Clear{UpTo: e.Time}})
	has := func(c *client) bool {
		page, err := c.conn.History(b.Context(), b.Direct, account.HistoryToken{}, 10)
		require.NoError(b, err)
		return slices.ContainsFunc(page.Events, func(old account.ReceivedEvent) bool { return old.ID == e.ID })
	}
	require.False(b, has(b.one))
	require.True(b, has(b.two), "the others keep theirs")
}

func create(b *bench) {
	made := b.send(100, chat.Request{Create: &chat.NewConversation{Kind: chat.Group, Name: "New", People: b.Free[:2]}})
	require.Len(b, made.Conversations, 1)
	d := made.Conversations[0]
	require.True(b, d.Complete)
	c := chat.Conversation{}.Apply(d)
	require.Equal(b, []any{chat.Group, "New", true, true, true}, []any{c.Kind, c.Name, c.Has(b.one.self), c.Has(b.Free[0]), c.Has(b.Free[1])})
	for range 2 {
		made = b.send(101, chat.Request{Create: &chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{b.two.self}}})
		require.Equal(b, b.Direct, made.Conversations[0].ID, "there is one of each two people")
	}
}

func joinLink(b *bench) {
	b.allowed(b.Group, chat.RequestJoinLink)
	link, err := b.two.conn.GroupLink(b.Context(), b.Linked)
	require.NoError(b, err)
	require.NotEmpty(b, link)
	_, err = b.one.conn.GroupLink(b.Context(), b.Linked)
	require.ErrorIs(b, err, chat.ErrUnknownConversation, "only members get the link")
	for range 2 {
		made := b.send(100, chat.Request{JoinLink: link})
		require.Len(b, made.Conversations, 1)
		require.Equal(b, b.Linked, made.Conversations[0].ID)
		require.True(b, made.Conversations[0].Complete)
		require.True(b, chat.Conversation{}.Apply(made.Conversations[0]).Has(b.one.self))
	}
	b.two.becomes(b.Linked, func(c chat.Conversation) bool { return c.Has(b.one.self) }, "joined")
	for _, wrong := range []string{link + "x", "https://elsewhere.example/group/y"} {
		_, err = b.one.conn.Send(b.Context(), 101, chat.Conversation{}, chat.Request{JoinLink: wrong})
		require.ErrorIs(b, err, chat.ErrRefused)
	}
}

func easterEgg(b *bench) {
	b.allowed(b.Group, chat.RequestEasterEgg)
	egg := b.Backend.Features(b.one.conversation(b.Group)).EasterEggs[0]
	for range 2 {
		require.Empty(b, b.send(100, chat.Request{Conversation: b.Group, EasterEgg: egg}).Event.ID)
	}
	shown := func(c *client) (e chat.Event) {
		c.until(func() bool {
			n := slices.IndexFunc(c.events, func(e chat.Event) bool { return e.Kind == chat.KindNotice && e.Author == b.one.self })
			if n >= 0 {
				e = c.events[n]
			}
			return n >= 0
		}, "the animation")
		return e
	}
	e := shown(b.two)
	require.Contains(b, e.Notice.Text, egg)
	require.Equal(b, e.Conversation, shown(b.one).Conversation)
	require.NotZero(b, e.Time)
}

// denied: a request that Features deny is refused, not passed over.
func denied(b *bench) {
	on, target := true, b.say(100, b.Direct, "target")
	for _, r := range []chat.Request{
		{Edit: &chat.Edit{Target: target.ID, Message: chat.Message{Text: chat.Plain("x")}}}, {Deletion: &chat.Deletion{Target: target.ID}},
		{Reaction: &chat.Reaction{Target: target.ID, Emoji: chat.Emoji{Text: "👍"}}}, {Topic: &chat.Description{New: "x"}}, {Unread: &on},
	} {
		r.Conversation = b.Direct
		c := b.one.conversation(b.Direct)
		if b.Backend.Features(c).Allows(r.Kind()) {
			continue
		}
		_, err := b.one.conn.Send(b.Context(), 200, c, r)
		require.ErrorIs(b, err, chat.ErrUnsupported, r.Kind())
	}
}
