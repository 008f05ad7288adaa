package accounttest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// joinLink makes the account a member of the group of a link.
func (c *connection) joinLink(id uint64, link string) (account.Answer, error) {
	for _, conv := range c.n.conversations {
		if conv.link != link {
			continue
		}
		if !conv.snapshot.Has(c.id) {
			if !conv.snapshot.LinkSharing {
				return account.Answer{}, fmt.Errorf("%w: joining by link is off", chat.ErrRefused)
			}
			c.n.add(chat.Event{Conversation: conv.snapshot.ID, Author: c.id, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{c.id}}}, id)
		}
		return account.Answer{Conversations: []chat.ConversationDelta{c.see(conv)}}, nil
	}
	return account.Answer{}, fmt.Errorf("%w: no such link", chat.ErrRefused)
}

// ShareLink lets people join a group by a link, or with on false not any more.
func (n *Network) ShareLink(id chat.ConversationID, link string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conversations[id].link, n.conversations[id].snapshot.LinkSharing = link, on
}

// DoNotDisturb is for how long each account was last made quiet; 0 = not any more.
func (n *Network) DoNotDisturb(id chat.PersonID) (lasting time.Duration, set bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	lasting, set = n.dnd[id]
	return lasting, set
}

func (c *connection) GroupLink(_ context.Context, id chat.ConversationID) (string, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	conv := c.n.conversations[id]
	if conv == nil || !conv.snapshot.Has(c.id) {
		return "", chat.ErrUnknownConversation
	}
	return conv.link, c.allowed()
}

func (c *connection) SetDoNotDisturb(_ context.Context, lasting time.Duration) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	err := c.allowed()
	if err == nil {
		c.n.dnd[c.id] = lasting
	}
	return err
}

// Expire gives the messages of accounts in conversations without history an end.
func (n *Network) Expire(after time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lasts = after
}

// Created returns the conversations that accounts have made, in order.
func (n *Network) Created() []chat.ConversationID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.created)
}
