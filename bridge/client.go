package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/status"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

type (
	portalHandler = portal.Handler
	puppetHandler = puppet.Handler
)

// Client is one login: an account as a Matrix user sees it.
type Client struct {
	*portalHandler
	*puppetHandler

	connector *Connector
	login     *bridgev2.UserLogin
	id        chat.PersonID
	session   account.Session // nil: the account is gone
	notices   *notices

	mu       sync.Mutex
	running  *consumer // nil while the login does not deliver
	attached account.Attachment
	cancel   context.CancelFunc
	ended    bool // delivers nothing (any more)
	work     sync.WaitGroup
}

// What the login can do. Two embedded methods of one name would vanish without a word.
var (
	_ bridgev2.NetworkAPI                    = (*Client)(nil)
	_ bridgev2.NetworkAPIWithUserID          = (*Client)(nil)
	_ bridgev2.BackfillingNetworkAPI         = (*Client)(nil)
	_ bridgev2.TypingHandlingNetworkAPI      = (*Client)(nil)
	_ bridgev2.ReadReceiptHandlingNetworkAPI = (*Client)(nil)
	_ bridgev2.ReactionHandlingNetworkAPI    = (*Client)(nil)
	_ bridgev2.RedactionHandlingNetworkAPI   = (*Client)(nil)
	_ bridgev2.EditHandlingNetworkAPI        = (*Client)(nil)
	_ bridgev2.RoomNameHandlingNetworkAPI    = (*Client)(nil)
	_ bridgev2.MembershipHandlingNetworkAPI  = (*Client)(nil)
	_ bridgev2.MuteHandlingNetworkAPI        = (*Client)(nil)
	_ bridgev2.TagHandlingNetworkAPI         = (*Client)(nil)

	_ bridgev2.MessageRequestAcceptingNetworkAPI = (*Client)(nil)

	_ bridgev2.GhostDMCreatingNetworkAPI = (*Client)(nil)
	_ bridgev2.ContactListingNetworkAPI  = (*Client)(nil)
	_ bridgev2.UserSearchingNetworkAPI   = (*Client)(nil)
	_ bridgev2.GroupCreatingNetworkAPI   = (*Client)(nil)
)

func newClient(c *Connector, login *bridgev2.UserLogin, id chat.PersonID, session account.Session, told *notices) *Client {
	people := puppet.New(session, id, c.config.Displayname, c.files.Avatar)
	client := &Client{puppetHandler: people, connector: c, login: login, id: id, session: session, notices: told}
	client.portalHandler = portal.New(session, id, people, portal.Options{
		SendWait: c.sendWait() + confirmWait, Alive: c.alive, Split: c.bridge.Config.SplitPortals, Prefix: c.bridge.Config.CommandPrefix, EventTime: c.eventTime,
		Sent: c.delivery.hs.Sent, Failed: homeserver.Failed, Written: client.keepPast, Room: c.room, Logins: c.people, IsGhost: c.bridge.Matrix.ParseGhostMXID,
		Domain: c.bridge.Matrix.ServerName(), EditsAsMessages: c.config.EditsAsMessages,
		Files: c.files, Ghost: client.ghostOf, Open: client.openRoom, NewRef: func() string { return "api/" + rand.Text() },
	})
	return client
}

// consumerID names the Matrix side of an account.
var consumerID = account.ConsumerID{Side: chat.OriginMatrix}

// Connect implements bridgev2.NetworkAPI: it begins delivery to Matrix. It returns at
// once.
func (c *Client) Connect(ctx context.Context) {
	if c.session == nil {
		c.login.BridgeState.Send(status.BridgeState{StateEvent: status.StateBadCredentials, Error: stateAccountGone})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		return
	}
	runCtx, cancel := context.WithCancel(c.login.Log.WithContext(c.connector.bridge.BackgroundCtx))
	c.cancel, c.ended = cancel, false
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		c.run(runCtx)
	}()
}

// run attaches the login to its account and then makes the rooms that are due.
func (c *Client) run(ctx context.Context) {
	consumer := newConsumer(c, c.connector.delivery)
	c.mu.Lock()
	c.running = consumer
	c.mu.Unlock()
	if err := c.resume(ctx, consumer); err != nil {
		if ctx.Err() == nil {
			c.failed(err)
		}
		return
	}
	attachment, err := c.session.Attach(ctx, consumerID, consumer, account.ConsumerOptions{Batch: deliverBatch, Parallel: deliverParallel})
	if err != nil {
		c.failed(err)
		return
	}
	c.mu.Lock()
	if ctx.Err() == nil {
		c.attached = attachment
	}
	c.mu.Unlock()
	if ctx.Err() != nil {
		attachment.Detach() // disconnected meanwhile
		return
	}
	consumer.makeRooms(ctx)
	consumer.keepAvatars(ctx)
}

// resume notes which rooms lack something before a login that is new is delivered to: its
// consumer begins at the end of the log.
func (c *Client) resume(ctx context.Context, consumer *consumer) error {
	known, err := c.session.Attached(ctx, consumerID)
	if err != nil || known {
		return err
	}
	return consumer.noteGaps(ctx)
}

// failed says that the login cannot deliver, unless it was disconnected.
func (c *Client) failed(err error) {
	c.mu.Lock()
	ended := c.ended
	c.ended, c.running = true, nil
	c.mu.Unlock()
	if !ended {
		c.login.Log.Err(err).Msg("Failed to attach to the account")
		c.login.BridgeState.Send(status.BridgeState{StateEvent: status.StateUnknownError, Error: stateAttachFailed})
	}
}

// consumer is what delivers for the login, nil if nothing does.
func (c *Client) consumer() *consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// Disconnect implements bridgev2.NetworkAPI: it ends delivery, the account goes on.
func (c *Client) Disconnect() {
	c.mu.Lock()
	cancel, attached, consumer := c.cancel, c.attached, c.running
	c.cancel, c.attached, c.running, c.ended = nil, nil, nil, true
	if cancel != nil {
		cancel()
	}
	c.mu.Unlock()
	if cancel == nil {
		return
	}
	if attached != nil {
		attached.Detach()
	}
	c.notices.stop()
	c.work.Wait()
	if consumer != nil {
		consumer.live.stop()
	}
}

// delivers reports whether the account's events come to Matrix, now or soon.
func (c *Client) delivers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session != nil && !c.ended
}

// IsLoggedIn implements bridgev2.NetworkAPI: always true, since the account itself says what
// cannot be sent, and why. bridgev2 would look at its queue of states while that is changed.
func (c *Client) IsLoggedIn() bool { return true }

// LogoutRemote implements bridgev2.NetworkAPI: the Matrix user's grant ends. The account
// goes on while anybody else has one, and is removed otherwise.
func (c *Client) LogoutRemote(ctx context.Context) {
	c.Disconnect()
	c.endRelays(ctx)
	c.leaveShared(ctx)
	c.connector.bridge.DB.KV.Delete(ctx, c.keyRoomsMade())
	if c.session == nil {
		return
	}
	log := c.login.Log
	c.handOver(log.WithContext(ctx), networkid.PortalKey{})
	if err := c.session.Forget(ctx, consumerID); err != nil {
		log.Err(err).Msg("Failed to drop the positions of the Matrix side")
	}
	user := matrixUser(c.login.UserMXID)
	if err := c.connector.accounts.Revoke(ctx, c.id, user); err != nil && !errors.Is(err, chat.ErrUnknownAccount) {
		log.Err(err).Msg("Failed to revoke the grant")
	}
	left, err := c.connector.accounts.Grants(ctx, c.id, account.User{})
	if err != nil {
		log.Err(err).Msg("Failed to see who else uses the account")
		return
	}
	if len(left) > 0 {
		return
	}
	if err = c.connector.accounts.Remove(ctx, c.id); err != nil && !errors.Is(err, chat.ErrUnknownAccount) {
		log.Err(err).Msg("Failed to remove the account")
	}
}

// loginMetadata is what bridgev2 keeps of a login.
func loginMetadata(id chat.PersonID) *ids.LoginMetadata { return &ids.LoginMetadata{Account: id} }

// tryAgain has everything that waits for the homeserver tried again.
func (c *Connector) tryAgain() {
	c.mu.Lock()
	clients := slices.Collect(maps.Values(c.clients))
	c.mu.Unlock()
	for _, client := range clients {
		client.mu.Lock()
		attached := client.attached
		client.mu.Unlock()
		if attached != nil {
			attached.Kick()
		}
	}
}

// people are the logins with the people that they are on the network.
func (c *Connector) people() (logins []portal.Login) {
	c.mu.Lock()
	clients := slices.Collect(maps.Values(c.clients))
	c.mu.Unlock()
	for _, client := range clients {
		if client.session != nil && client.delivers() {
			logins = append(logins, portal.Login{Person: client.session.Self(), User: client.login.UserMXID})
		}
	}
	return logins
}
