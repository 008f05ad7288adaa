package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// loginOf returns the login of an account and its Matrix user, nil if there is none.
func (c *Connector) loginOf(person chat.PersonID) *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clients[person]
}

// writtenHere finds the Matrix event of a room that an event of a login came from, where
// the database has forgotten it: by its RequestID or, where only another account's copy is
// known, by its author and text.
func (c *Client) writtenHere(ctx context.Context, room *bridgev2.Portal, e chat.Event) (chat.Origin, bool, error) {
	author := c.connector.loginOf(e.Author)
	if author == nil || e.Kind != chat.KindMessage || (room.Receiver != "" && e.Author != c.id) {
		return chat.Origin{}, false, nil
	}
	requestID := e.RequestID
	switch {
	case e.Origin.Side == chat.OriginMatrix:
		requestID = account.RequestID(e.Origin)
	case e.Origin.Ours():
		return chat.Origin{}, false, nil
	}
	left, err := c.connector.matrix().Traces(ctx, room.MXID, timeOf(e))
	if err != nil {
		return chat.Origin{}, false, err
	}
	if requestID != 0 {
		found, ok, err := c.connector.matrix().WrittenAs(ctx, room.MXID, left, requestID, timeOf(e))
		return ids.MakeOrigin(found.Event, found.Part), ok, err
	}
	if author.session == nil || author.session.CaughtUp() {
		return chat.Origin{}, false, nil
	}
	found, ok := left.WrittenText(string(e.ID), author.login.UserMXID, func(content *event.MessageEventContent) (part int, last, ok bool) {
		return c.Part(ctx, room, content, e.Message)
	})
	return ids.MakeOrigin(found.Event, found.Part), ok, nil
}

// authorPatience is how long after a start an event of another login waits for that login's
// own copy of it.
const authorPatience = 2 * time.Minute

// errAuthorBehind: the author's own copy of an event may still name the request that made it.
var errAuthorBehind = fmt.Errorf("%w: the author's account is catching up", chat.ErrUnavailable)

// madeBy returns an event with the request of ours that made it. Only its author's own copy
// names that, so another login's log waits for the author's while the request is open, or while
// the author's first catch-up of a run has not ended.
func (c *Client) madeBy(ctx context.Context, key networkid.PortalKey, e chat.Event) (chat.Event, error) {
	author := c.connector.loginOf(e.Author)
	own := e.Author == c.id
	if e.Kind != chat.KindMessage && e.Target() == "" || own && e.Seq != 0 || !own && key.Receiver != "" || author == nil || author.session == nil {
		return e, nil
	}
	if _, there := c.connector.accounts.Get(author.id); !there {
		return e, nil
	}
	made, ok, err := author.session.Made(ctx, chat.OriginMatrix, e.Conversation, e.ID)
	if ok {
		e.Origin, e.RequestID = made.Origin, made.RequestID
	}
	if ok || err != nil || own || author.session.CaughtUp() || author.session.State().Status == chat.BadCredentials ||
		time.Since(c.connector.matrix().Started()) > authorPatience {
		return e, err
	}
	return e, errAuthorBehind
}

// keepPast is keepWritten for an event of the history of a room that is being made.
func (c *Client) keepPast(ctx context.Context, room *bridgev2.Portal, e chat.Event) (bool, error) {
	e, err := c.madeBy(ctx, room.PortalKey, e)
	if err != nil {
		return false, err
	}
	return c.keepWritten(ctx, room, e)
}

// keepWritten writes the row of an event of the history that was written in the room itself,
// and reports whether it was.
func (c *Client) keepWritten(ctx context.Context, room *bridgev2.Portal, e chat.Event) (bool, error) {
	origin, ok, err := c.writtenHere(ctx, room, e)
	if err != nil || !ok {
		return false, err
	}
	e.Origin = origin
	if err = c.keepOwnRow(ctx, room, e); errors.Is(err, portal.ErrTaken) {
		return false, nil
	}
	return err == nil, err
}

// userOf is the Matrix user of an account, or this login's own.
func (c *Client) userOf(person chat.PersonID) id.UserID {
	if author := c.connector.loginOf(person); author != nil {
		return author.login.UserMXID
	}
	return c.login.UserMXID
}
