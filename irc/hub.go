package irc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
	"github.com/hangouts-bridge/hangouts-bridge/irc/names"
)

// lookupTime is how long the network may take to tell who somebody is before a name is
// made from what is known.
const lookupTime = 3 * time.Second

// hub is what the sessions of one account share.
type hub struct {
	g       *Gateway
	account account.Session
	names   *names.Registry
	ctx     context.Context
	cancel  context.CancelFunc

	mu       sync.Mutex
	sessions map[*session]struct{}
	clients  map[string]*client
}

func newHub(ctx context.Context, g *Gateway, s account.Session) (*hub, error) {
	registry, err := names.Load(ctx, g.names, s.Self(), g.now)
	if err != nil {
		return nil, err
	}
	h := &hub{g: g, account: s, names: registry, sessions: make(map[*session]struct{}),
		clients: make(map[string]*client)}
	h.ctx, h.cancel = context.WithCancel(g.log.WithContext(g.ctx))
	return h, nil
}

// join adds a session, unless the account has too many.
func (h *hub) join(s *session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sessions) >= h.g.cfg.Limits.PerAccount {
		return false
	}
	h.sessions[s] = struct{}{}
	return true
}

func (h *hub) leave(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	h.names.Release(s.nick)
}

// client returns the client with a name.
func (h *hub) client(name string) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clients[name] == nil {
		h.clients[name] = newClient(h, name)
	}
	return h.clients[name]
}

// each runs fn in every session of the account.
func (h *hub) each(fn func(s *session)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.tryPost(func() { fn(s) })
	}
}

func (h *hub) self() chat.PersonID { return h.account.ID() }

// people looks people up. When the network is slow or away, those that it does not know
// yet have no names.
func (h *hub) people(ctx context.Context, ids ...chat.PersonID) map[chat.PersonID]chat.Person {
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	people, err := h.account.People(ctx, ids...)
	if err != nil || people == nil {
		people = make(map[chat.PersonID]chat.Person, len(ids))
	}
	for _, id := range ids {
		if _, ok := people[id]; !ok {
			people[id] = chat.Person{ID: id}
		}
	}
	return people
}

// prepare gives conversations their place and all who take part in them nicks, and
// returns the people. extra names further people who need one.
func (h *hub) prepare(ctx context.Context, conversations []chat.Conversation, extra ...chat.PersonID) (map[chat.PersonID]chat.Person, error) {
	fallback := map[chat.PersonID]string{}
	ids := extra
	for _, id := range extra {
		fallback[id] = ""
	}
	for _, c := range conversations {
		for _, m := range c.Members {
			if known, ok := fallback[m.ID]; !ok {
				ids = append(ids, m.ID)
				fallback[m.ID] = m.Name
			} else if known == "" {
				fallback[m.ID] = m.Name
			}
		}
	}
	people := h.people(ctx, ids...)
	unnamed := make([]chat.Person, 0, len(ids))
	for _, id := range ids {
		people[id] = chat.Person{ID: id, FullName: fallback[id]}.Merge(people[id], true)
		unnamed = append(unnamed, people[id])
	}
	if err := h.names.Ensure(ctx, unnamed...); err != nil {
		return nil, err
	}
	return people, h.names.EnsureTargets(ctx, conversations, people)
}

// conversations are the snapshots of all conversations, each with its place.
func (h *hub) conversations(ctx context.Context) ([]chat.Conversation, map[chat.PersonID]chat.Person, error) {
	all, err := h.account.Conversations(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read conversations: %w", err)
	}
	people, err := h.prepare(ctx, all)
	return all, people, err
}

// conversation is one snapshot, with its place.
func (h *hub) conversation(ctx context.Context, id chat.ConversationID, extra ...chat.PersonID) (chat.Conversation, map[chat.PersonID]chat.Person, error) {
	c, err := h.account.Conversation(ctx, id)
	if err != nil {
		return c, nil, err
	}
	people, err := h.prepare(ctx, []chat.Conversation{c}, extra...)
	return c, people, err
}

// personChanged follows a person's new name: a NICK where it gives another nick, a
// SETNAME for the real name.
func (h *hub) personChanged(ctx context.Context, p chat.Person) {
	if p.ID == h.self() {
		return
	}
	old, nick, changed, err := h.names.Rename(ctx, p)
	if err != nil {
		h.g.log.Err(err).Msg("Failed to follow a person's new name")
		return
	}
	if changed {
		h.each(func(s *session) {
			if s.knows(p.ID) {
				s.send(ircwire.New(userMask(old, p.ID), "NICK", nick))
			}
		})
	}
}

func origin(ref string) chat.Origin { return chat.Origin{Side: chat.OriginIRC, Ref: ref} }

// userMask is the nick!user@host of a person. User and host never change: ignore lists
// of clients rely on them.
func userMask(nick string, id chat.PersonID) string {
	return nick + "!" + userOf(id) + "@" + hostOf(id)
}

func userOf(id chat.PersonID) string {
	sum := sha256.Sum256([]byte(id))
	return "u" + hex.EncodeToString(sum[:])[:8]
}

func hostOf(id chat.PersonID) string { return ircwire.Middle(string(id)) + ".hangouts" }
