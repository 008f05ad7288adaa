package mxclient

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Do runs one request and fails the test when it is refused.
func (c *Client) Do(what string, request func(ctx context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, Patience)
	defer cancel()
	if err := request(ctx); err != nil {
		c.t.Fatalf("%s cannot %s: %v", c.UserID(), what, err)
	}
}

// SendText sends a plain text message.
func (c *Client) SendText(roomID id.RoomID, text string) id.EventID {
	c.t.Helper()
	return c.Send(roomID, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: text})
}

// Send sends an event that is not state. As real clients do it repeats the request, with one transaction id, while the
// homeserver does not answer.
func (c *Client) Send(roomID id.RoomID, eventType event.Type, content any) (eventID id.EventID) {
	c.t.Helper()
	txnID := c.Matrix.TxnID()
	c.Do("send", func(ctx context.Context) (err error) {
		eventID, err = c.sendRetry(ctx, roomID, eventType, content, txnID)
		return err
	})
	return eventID
}

// SendTextRetry sends a text with a transaction id of the caller and repeats it with the same id until the homeserver
// has accepted or refused it. It never fails the test, so feeders in goroutines may use it; the error is the refusal, or
// that ctx ended.
func (c *Client) SendTextRetry(ctx context.Context, roomID id.RoomID, text, txnID string) (id.EventID, error) {
	return c.sendRetry(ctx, roomID, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: text}, txnID)
}

// SendRetry is SendTextRetry for any message.
func (c *Client) SendRetry(ctx context.Context, roomID id.RoomID, content *event.MessageEventContent, txnID string) (id.EventID, error) {
	return c.sendRetry(ctx, roomID, event.EventMessage, content, txnID)
}

func (c *Client) sendRetry(ctx context.Context, roomID id.RoomID, eventType event.Type, content any, txnID string) (id.EventID, error) {
	eventType, content, err := c.seal(ctx, roomID, eventType, content)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	for {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		resp, err := c.Matrix.SendMessageEvent(attempt, roomID, eventType, content, mautrix.ReqSendEvent{TransactionID: txnID})
		cancel()
		if err == nil {
			return resp.EventID, nil
		}
		if Refused(err) {
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("send %q: %w (last attempt: %w)", txnID, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// SetState sends a state event.
func (c *Client) SetState(roomID id.RoomID, eventType event.Type, key string, content any) (eventID id.EventID) {
	c.t.Helper()
	c.Do("set "+eventType.Type, func(ctx context.Context) error {
		resp, err := c.Matrix.SendStateEvent(ctx, roomID, eventType, key, content)
		if err == nil {
			eventID = resp.EventID
		}
		return err
	})
	return eventID
}

// CreateRoom makes a room; req may be nil for a private one without a name.
func (c *Client) CreateRoom(req *mautrix.ReqCreateRoom) (roomID id.RoomID) {
	c.t.Helper()
	if req == nil {
		req = &mautrix.ReqCreateRoom{Preset: "private_chat"}
	}
	c.Do("create a room", func(ctx context.Context) error {
		resp, err := c.Matrix.CreateRoom(ctx, req)
		if err == nil {
			roomID = resp.RoomID
		}
		return err
	})
	c.WaitFor("the new room", func() bool { return slices.Contains(c.Rooms(), roomID) })
	return roomID
}

// CreateDM makes a direct room with somebody, encrypted if the client encrypts.
func (c *Client) CreateDM(with id.UserID) id.RoomID {
	c.t.Helper()
	req := &mautrix.ReqCreateRoom{Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{with}}
	if c.Encrypts() {
		req.InitialState = []*event.Event{{Type: event.StateEncryption, Content: event.Content{Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}}}}
	}
	return c.CreateRoom(req)
}

// Join joins a room by id and waits until the sync shows it.
func (c *Client) Join(roomID id.RoomID) {
	c.t.Helper()
	c.Do("join", func(ctx context.Context) error { _, err := c.Matrix.JoinRoomByID(ctx, roomID); return err })
	c.WaitFor("having joined "+string(roomID), func() bool { return slices.Contains(c.Rooms(), roomID) })
}

// Leave leaves a room or refuses its invitation.
func (c *Client) Leave(roomID id.RoomID) {
	c.t.Helper()
	c.Do("leave", func(ctx context.Context) error { _, err := c.Matrix.LeaveRoom(ctx, roomID); return err })
}

// Invite invites somebody.
func (c *Client) Invite(roomID id.RoomID, who id.UserID) {
	c.t.Helper()
	c.Do("invite", func(ctx context.Context) error {
		_, err := c.Matrix.InviteUser(ctx, roomID, &mautrix.ReqInviteUser{UserID: who})
		return err
	})
}

// Kick removes somebody.
func (c *Client) Kick(roomID id.RoomID, who id.UserID) {
	c.t.Helper()
	c.Do("kick", func(ctx context.Context) error {
		_, err := c.Matrix.KickUser(ctx, roomID, &mautrix.ReqKickUser{UserID: who})
		return err
	})
}

// SetName renames a room.
func (c *Client) SetName(roomID id.RoomID, name string) {
	c.t.Helper()
	c.SetState(roomID, event.StateRoomName, "", &event.RoomNameEventContent{Name: name})
}

// SetTyping starts typing for a while, or stops it with 0.
func (c *Client) SetTyping(roomID id.RoomID, timeout time.Duration) {
	c.t.Helper()
	c.Do("type", func(ctx context.Context) error {
		_, err := c.Matrix.UserTyping(ctx, roomID, timeout > 0, timeout)
		return err
	})
}

// MarkRead sends a public read receipt.
func (c *Client) MarkRead(roomID id.RoomID, eventID id.EventID) {
	c.t.Helper()
	c.Do("mark read", func(ctx context.Context) error { return c.Matrix.MarkRead(ctx, roomID, eventID) })
}

// Timeline returns what the sync has shown of a room, in its order.
func (c *Client) Timeline(roomID id.RoomID) []*event.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[roomID]; r != nil {
		return slices.Clone(r.timeline)
	}
	return nil
}

// Texts returns the bodies of a room's messages in the order of the sync, each as "sender's localpart: body".
func (c *Client) Texts(roomID id.RoomID) []string { return Texts(c.Timeline(roomID)) }

// Texts renders the messages among events, each as "sender's localpart: body".
func Texts(events []*event.Event) []string {
	var texts []string
	for _, ev := range events {
		if content, ok := ev.Content.Parsed.(*event.MessageEventContent); ok && ev.Type == event.EventMessage {
			texts = append(texts, ev.Sender.Localpart()+": "+content.Body)
		}
	}
	return texts
}

// WaitText waits for the first message in a room whose body contains text and returns it.
func (c *Client) WaitText(roomID id.RoomID, text string) (found *event.Event) {
	c.t.Helper()
	c.WaitFor(fmt.Sprintf("a message with %q in %s", text, roomID), func() bool {
		for _, ev := range c.Timeline(roomID) {
			if content, ok := ev.Content.Parsed.(*event.MessageEventContent); ok && strings.Contains(content.Body, text) {
				found = ev
				return true
			}
		}
		return false
	})
	return found
}

// WaitRoom waits for a joined room, or one with an invitation, that has this name, and returns it.
func (c *Client) WaitRoom(name string) (roomID id.RoomID) {
	c.t.Helper()
	c.WaitFor(fmt.Sprintf("a room named %q", name), func() bool {
		for _, candidate := range append(c.Rooms(), c.Invites()...) {
			if c.RoomName(candidate) == name {
				roomID = candidate
				return true
			}
		}
		return false
	})
	return roomID
}

// RoomName returns a room's m.room.name as the sync has shown it.
func (c *Client) RoomName(roomID id.RoomID) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[roomID]; r != nil {
		return r.name()
	}
	return ""
}

// State returns a state event as the sync has shown it, nil when there is none.
func (c *Client) State(roomID id.RoomID, eventType event.Type, key string) *event.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[roomID]; r != nil {
		return r.state[eventType.Type][key]
	}
	return nil
}

// Members returns everybody that a room has member state for, with their membership.
func (c *Client) Members(roomID id.RoomID) map[id.UserID]event.Membership {
	c.mu.Lock()
	defer c.mu.Unlock()
	members := map[id.UserID]event.Membership{}
	if r := c.rooms[roomID]; r != nil {
		for key, ev := range r.state["m.room.member"] {
			members[id.UserID(key)] = ev.Content.AsMember().Membership
		}
	}
	return members
}

// Typing returns who types in a room.
func (c *Client) Typing(roomID id.RoomID) []id.UserID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[roomID]; r != nil {
		return slices.Clone(r.typing)
	}
	return nil
}

// Receipt returns the event up to which somebody has publicly read a room, "" for none.
func (c *Client) Receipt(roomID id.RoomID, who id.UserID) id.EventID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[roomID]; r != nil {
		return r.receipts[who]
	}
	return ""
}
