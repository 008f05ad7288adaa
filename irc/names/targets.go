package names

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/irc/irctext"
)

// shorten cuts a nick to make room for a suffix.
func shorten(s string, n int) string {
	return strings.TrimRight(irctext.CutGraphemes(s, max(n, 1)), "_-")
}

// notes is the channel of a conversation with oneself.
const notes = "#notes"

func (r *Registry) keepTarget(t database.IRCTarget) {
	r.targets[t.Conversation] = t
	if t.Channel == "" {
		r.queries[t.Person] = t.Conversation
	} else {
		r.channels[t.Key] = t.Conversation
	}
}

// EnsureTargets gives every one of conversations that has no place on IRC yet one. Of
// two one-to-one conversations with the same person, the one that is not by SMS gets the
// query, the other a channel. People must have their nicks. A power failure does not take a place
// back: a group that was renamed meanwhile would get a channel of another name.
func (r *Registry) EnsureTargets(ctx context.Context, conversations []chat.Conversation, people map[chat.PersonID]chat.Person) error {
	fresh, err := r.storeTargets(ctx, conversations, people)
	if err == nil && fresh {
		err = r.store.Sync(ctx)
	}
	return err
}

// storeTargets reports whether there were places to give.
func (r *Registry) storeTargets(ctx context.Context, conversations []chat.Conversation, people map[chat.PersonID]chat.Person) (bool, error) {
	sorted := slices.Clone(conversations)
	slices.SortFunc(sorted, func(a, b chat.Conversation) int {
		if a.Medium.SMS != b.Medium.SMS {
			if a.Medium.SMS {
				return 1
			}
			return -1
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh []database.IRCTarget
	before := map[chat.ConversationID]database.IRCTarget{}
	for _, c := range sorted {
		known, ok := r.targets[c.ID]
		if ok && (known.Channel != "" || c.Kind == chat.OneToOne) {
			continue
		}
		if ok { // a query whose conversation became a group
			before[c.ID] = known
			delete(r.queries, known.Person)
		}
		t := r.place(c, people)
		r.keepTarget(t)
		fresh = append(fresh, t)
	}
	if len(fresh) == 0 {
		return false, nil
	}
	err := r.store.Txn(ctx, func(ctx context.Context) error {
		for _, t := range fresh {
			if err := r.store.PutTarget(ctx, r.self, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, t := range fresh {
			r.dropTarget(t)
			if old, ok := before[t.Conversation]; ok {
				r.keepTarget(old)
			}
		}
		return false, fmt.Errorf("store channels: %w", err)
	}
	return true, nil
}

func (r *Registry) dropTarget(t database.IRCTarget) {
	delete(r.targets, t.Conversation)
	if t.Channel == "" {
		delete(r.queries, t.Person)
	} else {
		delete(r.channels, t.Key)
	}
}

// place decides where a conversation appears.
func (r *Registry) place(c chat.Conversation, people map[chat.PersonID]chat.Person) database.IRCTarget {
	t := database.IRCTarget{Conversation: c.ID}
	base, id := "#", string(c.ID)
	if peer, ok := c.Peer(r.self); ok {
		if _, taken := r.queries[peer]; !taken {
			t.Person = peer
			return t
		}
		base = "#" + r.nicks[peer].Nick + "-2"
		if c.Medium.SMS {
			base = "#" + r.nicks[peer].Nick + "-sms"
		}
	} else if c.Kind == chat.OneToOne {
		base = notes
	} else if c.Name != "" {
		base = ChannelBase(c.Name)
	} else {
		base = ChannelBase(strings.Join(r.firstNames(c, people), "-"))
		if base != "#" {
			base += "_" + suffix(id, 3)
		}
	}
	if base == "#" {
		base = "#group_" + suffix(id, 3)
	}
	t.Channel, t.Key = base, Key(base)
	for length := 3; ; length++ {
		if _, taken := r.channels[t.Key]; !taken {
			return t
		}
		t.Channel = base + "-" + suffix(id, length)
		t.Key = Key(t.Channel)
	}
}

// firstNames are the first names of up to three others, slugs each.
func (r *Registry) firstNames(c chat.Conversation, people map[chat.PersonID]chat.Person) []string {
	var out []string
	for _, m := range c.Others(r.self) {
		p := chat.Person{ID: m.ID, FullName: m.Name}.Merge(people[m.ID], true)
		if s := slug(p.ShortName()); s != "" && p.NameKind() == chat.NameReal && len(out) < 3 {
			out = append(out, s)
		}
	}
	return out
}

// Target is where a conversation appears; ok is false if it has no place yet.
func (r *Registry) Target(id chat.ConversationID) (t database.IRCTarget, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok = r.targets[id]
	return t, ok
}

// Channel finds the conversation of a channel.
func (r *Registry) Channel(name string) (id chat.ConversationID, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok = r.channels[Key(name)]
	if !ok || Fold(r.targets[id].Channel) != Fold(name) {
		return "", false
	}
	return id, true
}

// Query finds the one-to-one conversation that is the query with a person.
func (r *Registry) Query(person chat.PersonID) (id chat.ConversationID, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok = r.queries[person]
	return id, ok
}

// SetHidden notes that a channel was parted, or joined again, and reports whether that
// is a change.
func (r *Registry) SetHidden(ctx context.Context, id chat.ConversationID, hidden bool) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.targets[id]
	if !ok || t.Hidden == hidden {
		return false, nil
	}
	t.Hidden = hidden
	if err := r.store.PutTarget(ctx, r.self, t); err != nil {
		return false, fmt.Errorf("store channel: %w", err)
	}
	r.targets[id] = t
	return true, nil
}
