package hangouts

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

const (
	activeInterval = time.Minute // between two requests of SetActive
	activeTimeout  = 120         // seconds, how long the server believes one
)

// ActiveClientState returns the active client state of the last push; NO_ACTIVE before the first.
func (c *Client) ActiveClientState() pb.ActiveClientState {
	if c == nil {
		return pb.ActiveClientState_ACTIVE_CLIENT_STATE_NO_ACTIVE
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active.state
}

// SetActive tells the server that the user is at this client (protocol §12.6), which keeps the
// user's other clients from raising notifications. It may be called for every key stroke: it does
// nothing when it acted within the last minute, unless another client became active since. It
// returns ErrNoClientID before the push channel brought the client id, or a NetworkError; a
// caller may ignore both.
func (c *Client) SetActive(ctx context.Context) error {
	if err := c.ready(); err != nil {
		return err
	}
	email, clientID, due := c.claimActive()
	if !due {
		return nil
	}
	if email == "" {
		var err error
		if email, err = c.ownEmail(ctx); err != nil {
			return err
		}
	}
	if clientID == "" {
		return ErrNoClientID
	}
	_, err := c.SetActiveClient(ctx, &pb.SetActiveClientRequest{
		IsActive:    proto.Bool(true),
		FullJid:     proto.String(email + "/" + clientID),
		TimeoutSecs: proto.Uint64(activeTimeout),
	})
	if err != nil {
		c.cfg.Logger.DebugContext(ctx, "Failed to become the active client", "error", err)
	}
	return err
}

// claimActive decides whether a request is due, and takes the turn before it is sent.
func (c *Client) claimActive() (email, clientID string, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	due = c.active.state != pb.ActiveClientState_ACTIVE_CLIENT_STATE_IS_ACTIVE || now.Sub(c.active.last) > activeInterval
	if due {
		c.active.state, c.active.last = pb.ActiveClientState_ACTIVE_CLIENT_STATE_IS_ACTIVE, now
	}
	return c.active.email, c.clientID, due
}

func (c *Client) ownEmail(ctx context.Context) (string, error) {
	info, err := c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	if err != nil {
		return "", err
	}
	properties := info.GetSelfEntity().GetProperties()
	email := properties.GetCanonicalEmail()
	if list := properties.GetEmail(); len(list) > 0 {
		email = list[0]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active.email = email
	return email, nil
}
