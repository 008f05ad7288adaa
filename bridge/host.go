package bridge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/secret"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// host answers what the homeserver's side cannot know: what rooms and events are to us.
type host struct{ *Main }

var _ homeserver.Host = host{}

// Rooms implements homeserver.Host: the rooms of all portals.
func (h host) Rooms(ctx context.Context) (rooms []id.RoomID, err error) {
	portals, err := h.Bridge.DB.Portal.GetAllWithMXID(ctx)
	for _, p := range portals {
		rooms = append(rooms, p.MXID)
	}
	return rooms, err
}

// MessageTime implements homeserver.Host.
func (h host) MessageTime(ctx context.Context, e id.EventID) (at time.Time, ok bool, err error) {
	row, err := h.Bridge.DB.Message.GetPartByMXID(ctx, e)
	if err != nil {
		return at, false, fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
	} else if row == nil {
		return at, false, nil
	}
	return row.Timestamp, true, nil
}

// Became implements homeserver.Host.
func (h host) Became(e id.EventID) []uint64 {
	requests := make([]uint64, portal.MaxParts)
	for part := range requests {
		requests[part] = account.RequestID(ids.MakeOrigin(e, part))
	}
	return requests
}

// UserOf implements homeserver.Host.
func (h host) UserOf(person networkid.UserID) id.UserID {
	if author := h.connector.loginOf(chat.PersonID(person)); author != nil {
		return author.login.UserMXID
	}
	return ""
}

// BotSays implements homeserver.Host: the bot greets in its own words, and repeats no secrets.
func (h host) BotSays(content *event.Content) *event.Content {
	answer, ok := content.Parsed.(*event.MessageEventContent)
	if value, is := content.Parsed.(event.MessageEventContent); is {
		answer, ok = &value, true
	}
	if ok {
		if says := h.greeting(answer.Body); says != "" {
			return said(says)
		}
	}
	if !ok || !secret.In(answer.Body) {
		return content
	}
	return &event.Content{Parsed: &event.MessageEventContent{MsgType: event.MsgNotice, Body: leftOutAnswer, RelatesTo: answer.RelatesTo}}
}

// IsCommand implements homeserver.Host: what is for the bot. What the guard removes or sends is
// not: that may be repeated, and must not be forgotten.
func (h host) IsCommand(e *event.Event) bool {
	return e.Type == event.EventMessage && h.isForBot(e) && !h.guard.sendsAnyway(e) && !secret.InContent(e.Content.Raw)
}

func (h host) isForBot(e *event.Event) bool {
	if message, ok := e.Content.Parsed.(*event.MessageEventContent); ok && strings.HasPrefix(message.Body, h.Config.Bridge.CommandPrefix) {
		return true
	}
	user, err := h.Bridge.GetExistingUserByMXID(h.background, e.Sender)
	return err == nil && user != nil && user.ManagementRoom == e.RoomID
}
