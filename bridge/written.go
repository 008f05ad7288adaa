package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/bridgev2"
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
// the database has forgotten it. It has the RequestID of that event, unless it is known from
// another account's copy only: then its author and text have to do.
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
	if requestID == 0 {
		if requestID, err = c.requestOf(ctx, author, e); err != nil {
			return chat.Origin{}, false, err
		}
	}
	if requestID != 0 {
		found, ok, err := c.connector.matrix().WrittenAs(ctx, room.MXID, left, requestID, timeOf(e))
		return ids.MakeOrigin(found.Event, found.Part), ok, err
	}
	if author.session == nil || author.session.CaughtUp() {
		return chat.Origin{}, false, nil
	}
	found, ok := left.WrittenText(string(e.ID), author.login.UserMXID, func(content *event.MessageEventContent) (part int, last, ok bool) {
		texts := c.Texts(e.Conversation, content)
		for n, text := range texts {
			if text == e.Message.Text.String() {
				return n, n == len(texts)-1, true
			}
		}
		return 0, false, false
	})
	return ids.MakeOrigin(found.Event, found.Part), ok, nil
}

// authorPatience is how long after a start an event of another login waits for that login's
// own copy of it.
const authorPatience = 2 * time.Minute

// errAuthorBehind: the author's own copy of an event may still name the request that made it.
var errAuthorBehind = fmt.Errorf("%w: the author's account is catching up", chat.ErrUnavailable)

// requestOf is the RequestID of an event that was perhaps logged from another account's copy, as
// the log has it now: the author's first catch-up of a run brings the copies that name it. 0 if there is
// none, or if the author's account does not come back.
func (c *Client) requestOf(ctx context.Context, author *Client, e chat.Event) (uint64, error) {
	began := c.connector.matrix().Started()
	_, there := c.connector.accounts.Get(author.id)
	switch {
	case author.session == nil || !there:
		return 0, nil
	case !author.session.CaughtUp() && author.session.State().Status != chat.BadCredentials && time.Since(began) < authorPatience:
		return 0, errAuthorBehind
	}
	logged, ok, err := c.session.Logged(ctx, e.Conversation, e.ID)
	if err != nil || !ok {
		return 0, err
	}
	if logged.Origin.Side == chat.OriginMatrix {
		return account.RequestID(logged.Origin), nil
	}
	return logged.RequestID, nil
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
