package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/account/backendtest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestTheInProcessNetworkIsABackend(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backendtest.Setting {
		n := accounttest.New()
		for i, id := range []chat.PersonID{anna, bob, cleo, "4", "5"} {
			n.AddPerson(id, fmt.Sprint("Person ", string(rune('A'+i))))
		}
		n.AddConversation(duo, "", anna, bob)
		n.AddConversation(trio, "Trio", anna, bob, cleo)
		s := backendtest.Setting{Backend: n, Group: trio, Direct: duo, Free: []chat.PersonID{"4", "5"}}
		n.AddContact("4", "d@example.com", "+15551230004")
		n.AddConversation("linked", "Linked", bob, cleo)
		n.ShareLink("linked", groupLink, true)
		s.Linked = "linked"
		s.Listed = chat.Person{ID: "4", FullName: "Person D", Emails: []string{"d@example.com"}, Phones: []string{"+15551230004"}}
		var err error
		s.One, err = n.Authenticate(t.Context(), chat.Credentials{RefreshToken: string(anna)})
		require.NoError(t, err)
		s.Two, err = n.Authenticate(t.Context(), chat.Credentials{RefreshToken: string(bob)})
		require.NoError(t, err)
		return s
	})
}

// everyRequest is one request of each kind in a group, or in the conversation of two where only that has it.
func everyRequest(target chat.EventID) map[chat.RequestKind]chat.Request {
	yes := true
	list := map[chat.RequestKind]chat.Request{}
	for _, r := range []chat.Request{
		{Message: &chat.Message{Text: chat.Plain("hi")}}, {Edit: &chat.Edit{Target: target, Message: chat.Message{Text: chat.Plain("ho")}}},
		{Deletion: &chat.Deletion{Target: target}}, {Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "👍"}}},
		{Rename: &chat.Rename{New: "Three"}}, {Topic: &chat.Description{New: "Cats"}}, {AddPeople: []chat.PersonID{"4"}},
		{RemovePeople: []chat.PersonID{cleo}}, {Leave: true}, {HistoryMode: &chat.HistoryMode{Off: true}}, {LinkSharing: &chat.LinkSharing{On: true}},
		{Muted: &yes}, {Archived: &yes}, {Unread: &yes}, {Clear: &chat.Clear{UpTo: 1}}, {Join: true}, {Decline: true},
		{Create: &chat.NewConversation{Kind: chat.Group, Name: "New", People: []chat.PersonID{bob, cleo}}},
		{JoinLink: groupLink}, {EasterEgg: "ponies"},
	} {
		r.Conversation = trio
		if r.Finds() {
			r.Conversation = ""
		}
		r.Origin = chat.Origin{Side: chat.OriginIRC, Ref: string(r.Kind())}
		list[r.Kind()] = r
	}
	return list
}

// groupLink is the link of a group that anna is not in.
const groupLink = "https://example.com/group/x"

// Whatever became of the first attempt, each request is carried out once, and that it was is known.
func TestEveryRequestIsCarriedOutOnce(t *testing.T) {
	for _, first := range []struct {
		name  string
		fault accounttest.Fault
	}{
		{"at once", accounttest.Fault{}},
		{"refused for now", accounttest.Fault{Err: chat.ErrUnavailable}},
		{"answer lost", accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}},
		{"request lost", accounttest.Fault{Err: account.ErrAmbiguous}},
	} {
		for kind, r := range everyRequest("") {
			t.Run(first.name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.net.AddPerson("4", "Dora Dean")
				b.net.AddConversation("linked", "New", bob, cleo)
				b.net.ShareLink("linked", groupLink, true)
				s := b.login(anna)
				target := b.net.Say(anna, trio, "target").ID
				eventually(t, func() bool {
					c, err := s.Conversation(t.Context(), trio)
					return err == nil && c.SortTime >= b.net.Events(trio)[0].Time
				}, "target logged")
				if r.Join || r.Decline {
					b.net.Invite(anna, trio, bob)
					eventually(t, func() bool {
						c, err := s.Conversation(t.Context(), trio)
						return err == nil && c.Standing == chat.Invited
					}, "invited")
				}
				r = everyRequest(target)[kind]
				if r.Clear != nil {
					r.Conversation = duo
				}
				before := len(b.net.Events(trio))
				var attempts atomic.Int32
				b.net.OnSend(func(chat.PersonID, chat.Request) (f accounttest.Fault) {
					if attempts.Add(1) == 1 {
						f = first.fault
					}
					return f
				})
				require.NoError(t, s.Submit(t.Context(), r))
				require.NoError(t, s.Submit(t.Context(), r), "the same once more changes nothing")
				made, err := s.Await(t.Context(), r.Origin)
				require.NoError(t, err)
				require.Equal(t, r.Origin, made.Origin)
				require.NoError(t, s.Submit(t.Context(), r), "nor when it is done")
				events := b.net.Events(trio)[before:]
				require.LessOrEqual(t, len(events), 1, "not doubled")
				require.LessOrEqual(t, len(b.net.Events("linked")), 1, "nor joined twice")
				if made.ID != "" && !r.Finds() {
					require.Len(t, events, 1)
					require.Equal(t, events[0].ID, made.ID)
					require.Equal(t, events[0].Kind, made.Kind)
				}
				if r.Finds() {
					c, err := s.Conversation(t.Context(), made.Conversation)
					require.NoError(t, err)
					require.Equal(t, "New", c.Name)
					list, err := s.Conversations(t.Context())
					require.NoError(t, err)
					require.Len(t, list, 3, "one new conversation")
				}
				reaches(t, s, r)
			})
		}
	}
}

// reaches waits until the snapshot is as a request wants it, if it shows that.
func reaches(t *testing.T, s account.Session, r chat.Request) {
	t.Helper()
	if r.Finds() {
		return
	}
	switch {
	case r.Topic != nil, r.AddPeople != nil, r.RemovePeople != nil, r.Join, r.Decline, r.Leave, r.Muted != nil, r.Archived != nil, r.Unread != nil:
		eventually(t, func() bool {
			c, err := s.Conversation(context.Background(), r.Conversation)
			return err == nil && r.Reached(c)
		}, "the snapshot shows it")
	}
}

// What was sent when the program died is finished by the next one.
func TestManyPeopleAreAddedOverARestart(t *testing.T) {
	b := newBench(t, func(o *account.Options) { o.PartPause = 1 })
	var people []chat.PersonID
	for n := range 50 {
		id := chat.PersonID(fmt.Sprint(1000 + n))
		b.net.AddPerson(id, fmt.Sprint("Guest ", n))
		people = append(people, id)
	}
	s := b.login(anna)
	block, second := make(chan struct{}), make(chan struct{})
	var sends atomic.Int32
	b.net.OnSend(func(chat.PersonID, chat.Request) (f accounttest.Fault) {
		if sends.Add(1) == 2 {
			close(second)
			f = accounttest.Fault{Err: errors.New("killed"), Accept: true, Until: block}
		}
		return f
	})
	origin := chat.Origin{Side: chat.OriginMatrix, Ref: "add"}
	require.NoError(t, s.Submit(t.Context(), chat.Request{Conversation: trio, Origin: origin, AddPeople: people}))
	<-second
	stopped := make(chan struct{})
	go func() { defer close(stopped); b.stop() }()
	close(block)
	<-stopped
	b.start()
	b.caughtUp(anna)
	s = b.session(anna)
	_, err := s.Await(t.Context(), origin)
	require.NoError(t, err)
	reaches(t, s, chat.Request{Conversation: trio, AddPeople: people})
	times := map[chat.PersonID]int{}
	for _, e := range b.net.Events(trio) {
		require.LessOrEqual(t, len(e.Membership.People), account.AddAtOnce)
		for _, id := range e.Membership.People {
			times[id]++
		}
	}
	require.Len(t, times, 50)
	for id, n := range times {
		require.Equal(t, 1, n, id)
	}
}

func TestWhatCannotBeDoneIsRefusedBeforeItIsStored(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	b.net.LimitFeatures(func(chat.Conversation) chat.Features {
		return chat.Features{MaxText: 10, Photos: true, Attachments: 1, MaxMedia: 5}
	})
	message := func(m chat.Message) chat.Request { return chat.Request{Message: &m} }
	for name, c := range map[string]struct {
		request chat.Request
		want    error
	}{
		"nothing":         {chat.Request{}, chat.ErrInvalidRequest},
		"two things":      {chat.Request{Leave: true, Join: true}, chat.ErrInvalidRequest},
		"no text":         {message(chat.Message{}), chat.ErrRefused},
		"long text":       {message(chat.Message{Text: chat.Plain("01234567890")}), chat.ErrTooLarge},
		"reply":           {message(chat.Message{Text: chat.Plain("x"), Reply: &chat.Quote{Target: "y"}}), chat.ErrUnsupported},
		"thread":          {message(chat.Message{Text: chat.Plain("x"), Thread: "y"}), chat.ErrUnsupported},
		"place":           {message(chat.Message{Attachments: []chat.Attachment{{Kind: chat.AttachPlace}}}), chat.ErrUnsupported},
		"file":            {message(chat.Message{Attachments: []chat.Attachment{{Kind: chat.AttachFile, Ref: []byte("x")}}}), chat.ErrUnsupported},
		"two photos":      {message(chat.Message{Attachments: make([]chat.Attachment, 2)}), chat.ErrUnsupported},
		"not uploaded":    {message(chat.Message{Attachments: []chat.Attachment{{Kind: chat.AttachPhoto}}}), chat.ErrInvalidRequest},
		"large":           {message(chat.Message{Attachments: []chat.Attachment{{Kind: chat.AttachPhoto, Ref: []byte("x"), Size: 6}}}), chat.ErrTooLarge},
		"two people":      {chat.Request{Create: &chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{bob, cleo}}}, chat.ErrInvalidRequest},
		"with oneself":    {chat.Request{Create: &chat.NewConversation{Kind: chat.Group, People: []chat.PersonID{anna}}}, chat.ErrInvalidRequest},
		"no kind":         {chat.Request{Create: &chat.NewConversation{People: []chat.PersonID{bob}}}, chat.ErrInvalidRequest},
		"no link":         {chat.Request{JoinLink: "https://example.com/x"}, chat.ErrUnsupported},
		"no conversation": {chat.Request{Conversation: "none", Leave: true}, chat.ErrUnknownConversation},
	} {
		if c.request.Conversation == "" && !c.request.Finds() {
			c.request.Conversation = trio
		}
		c.request.Origin = chat.Origin{Side: chat.OriginIRC, Ref: name}
		require.ErrorIs(t, s.Submit(t.Context(), c.request), c.want, name)
	}
	for kind, r := range everyRequest("target") {
		if kind == chat.RequestMessage || kind == chat.RequestCreate {
			continue
		}
		require.ErrorIs(t, s.Submit(t.Context(), r), chat.ErrUnsupported, kind)
	}
	b.net.LimitFeatures(nil)
	for name, r := range map[string]chat.Request{
		"oneself": {RemovePeople: []chat.PersonID{anna}}, "nobody": {AddPeople: []chat.PersonID{"x y"}}, "no target": {Deletion: &chat.Deletion{}},
		"no such egg": {EasterEgg: "dragons"}, "two links": {JoinLink: "https://a/ https://b/"}, "not https": {JoinLink: "http://example.com/x"}, "long link": {JoinLink: "https://a/" + strings.Repeat("x", 3000)},
		"no emoji": {Reaction: &chat.Reaction{Target: "x"}},
	} {
		r.Conversation = trio
		require.ErrorIs(t, s.Submit(t.Context(), r), chat.ErrInvalidRequest, name)
	}
	require.ErrorIs(t, s.Submit(t.Context(), chat.Request{Conversation: trio, Join: true}), chat.ErrRefused)
	b.net.Post(chat.Event{Conversation: trio, Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{anna}}})
	eventually(t, func() bool {
		c, err := s.Conversation(t.Context(), trio)
		return err == nil && c.Standing == chat.Left
	}, "anna to be out")
	require.ErrorIs(t, s.Submit(t.Context(), chat.Request{Conversation: trio, Rename: &chat.Rename{New: "x"}}), chat.ErrRefused)
	open, err := b.db.Outbox().Open(t.Context(), anna, "")
	require.NoError(t, err)
	require.Empty(t, open)
}
