package homeserver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Host is what uses the homeserver: it takes the events and answers what only it knows.
type Host interface {
	// Rooms lists the rooms that it uses.
	Rooms(ctx context.Context) ([]id.RoomID, error)
	// MessageTime returns the time of the message that it keeps for an event; ok is false
	// if it keeps none.
	MessageTime(ctx context.Context, e id.EventID) (at time.Time, ok bool, err error)
	// Became returns the ids of the requests that a user's event may have become, in order.
	Became(e id.EventID) []uint64
	// UserOf returns the Matrix user who is a person of the network, "" if nobody is.
	UserOf(person networkid.UserID) id.UserID
	// StaysOut reports whether a user must not be joined to a room.
	StaysOut(ctx context.Context, room id.RoomID, user id.UserID) bool
	// BotSays returns what the bot may say of a message of its own.
	BotSays(content *event.Content) *event.Content

	// Moved hears of a membership before the state store does.
	Moved(ctx context.Context, e *event.Event)
	// IsCommand reports whether an event is handled at most once, and not when it is too old.
	IsCommand(e *event.Event) bool
	// RefuseStale answers a command that is too old; false if it is not. It may be repeated.
	RefuseStale(ctx context.Context, e *event.Event, age time.Duration) (bool, error)
	// Undecryptable tells the sender of an encrypted event why it could not be read, in a half
	// sentence. It may be repeated; an error means that it has to be.
	Undecryptable(ctx context.Context, e *event.Event, why string) error
}

// Options make a Connector.
type Options struct {
	DB   *database.DB
	Host Host
	Log  zerolog.Logger
	Timing
}

// Timing is how long the connector waits; zero values are the defaults.
type Timing struct {
	// ReconcileEvery is the time between two rounds that ask for events that were not pushed; 0 is an hour.
	ReconcileEvery time.Duration
	// UnsettledTime is how long after a sign of an outage pushed events wait for a round; 0 is
	// half a minute.
	UnsettledTime time.Duration
	// ReconcilePause is the shortest time between two rounds; 0 is a second.
	ReconcilePause time.Duration
	// ReconcilePatience is how long pushed events wait for rounds that fail; 0 is a minute.
	ReconcilePatience time.Duration
	// KeyWait is how long an encrypted event waits for its key, and its room with it; 0 is a minute.
	KeyWait time.Duration
	// KeepIDs is how long ids of handled events are remembered; 0 is 30 days.
	KeepIDs time.Duration
}

// keepIDs is the default of Timing.KeepIDs.
const keepIDs = 30 * 24 * time.Hour

// Connector is bridgev2's Matrix connector with sends and rooms that can be repeated, and
// with events that are handled once.
type Connector struct {
	*matrix.Connector
	host           Host
	sender         *sender
	devices        *devices
	traces         *traces
	rooms          *roomMaker
	media          *repository
	typing         *puppetTyping
	inbox          *inbox
	ephemeral      *ephemeral
	reconciliation *reconciliation
	keys           *keys // nil without encryption
	keep, keyWait  time.Duration
	server         *http.Server // nil while nothing listens
}

// Everything optional that the embedded connector offers has to stay visible.
var (
	_ bridgev2.MatrixConnector                           = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithServer                 = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithArbitraryRoomState     = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithPostRoomBridgeHandling = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithPublicMedia            = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithNameDisambiguation     = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithURLPreviews            = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithAnalytics              = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithBridgeIdentifier       = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithProvisioning           = (*Connector)(nil)
	_ bridgev2.MatrixConnectorWithBeeperStreams          = (*Connector)(nil)

	_ bridgev2.MarkAsDMMatrixAPI = (*Intent)(nil)
)

// New wraps a connector that has been initialised. Load has to follow.
func New(m *matrix.Connector, o Options) *Connector {
	plain := m.AS.HTTPClient.Transport
	m.AS.HTTPClient.Transport = newTransport(plain)
	// The workers have limits of their own; the framework's would end a wait too early.
	m.EventProcessor.ExecSyncWarnTime, m.EventProcessor.ExecSyncTimeout = 0, 0
	c := &Connector{
		Connector: m, host: o.Host, typing: newPuppetTyping(), devices: newDevices(o.DB.MatrixRooms()),
		keep: cmp.Or(o.KeepIDs, keepIDs), keyWait: cmp.Or(o.KeyWait, keyWait),
	}
	if m.Crypto != nil {
		c.keys = newKeys(m.Crypto, c)
		m.Crypto = c.keys
	}
	c.traces = newTraces(c)
	c.sender = newSender(c)
	c.media = newRepository(c, o.DB.MatrixMedia())
	c.rooms = &roomMaker{store: o.DB.MatrixRooms(), c: c}
	log := o.Log.With().Str("component", "inbox").Logger()
	c.inbox = newInbox(o.DB.MatrixInbox(), o.Host, log)
	c.inbox.dispatch, c.inbox.state, c.inbox.member = m.EventProcessor.Dispatch, m.AS.StateStore, c.member
	c.inbox.decrypt = c.decrypt
	c.ephemeral = newEphemeral(c.typing, log)
	c.ephemeral.dispatch = m.EventProcessor.Dispatch
	c.reconciliation = newReconciliation(c, plain, o)
	return c
}

// Load reads what the previous run left. Events may be stored from now on.
func (c *Connector) Load(ctx context.Context) error {
	for _, load := range []func(context.Context) error{c.devices.load, c.rooms.load, c.inbox.load} {
		if err := load(ctx); err != nil {
			return err
		}
	}
	return nil
}

// StartHandling begins to hand events on, those of the previous run first.
func (c *Connector) StartHandling(ctx context.Context) {
	c.inbox.start(ctx)
	c.ephemeral.start(ctx)
}

// EndHandling ends the handling of events: whose handlers return from now on is handled again at the next start.
func (c *Connector) EndHandling() { c.inbox.end() }

// StopHandling ends that and waits for the handlers.
func (c *Connector) StopHandling() {
	c.inbox.stop()
	c.ephemeral.stop()
}

// Prune forgets the ids of old events, and the files of messages that are there, every hour until
// ctx ends.
func (c *Connector) Prune(ctx context.Context) {
	for ctx.Err() == nil {
		if err := errors.Join(c.inbox.prune(ctx, c.keep), c.media.store.Sweep(ctx)); err != nil && ctx.Err() == nil {
			c.inbox.log.Err(err).Msg("Failed to forget what is over")
		}
		Sleep(ctx, time.Hour)
	}
}

// Reconcile finds the events that the homeserver forgets, until ctx ends.
func (c *Connector) Reconcile(ctx context.Context) { c.reconciliation.run(ctx) }

// Settled reports whether events are handled as soon as they are pushed.
func (c *Connector) Settled() bool { return c.reconciliation.settled() }

// Final waits until an event's effects are final; an event that is not stored is.
func (c *Connector) Final(ctx context.Context, e id.EventID) error { return c.inbox.final(ctx, e) }

// member is a user's membership of a room as the homeserver has it now.
func (c *Connector) member(ctx context.Context, room id.RoomID, user id.UserID) (*event.MemberEventContent, error) {
	var content event.MemberEventContent
	err := c.Bot.StateEvent(ctx, room, event.StateMember, string(user), &content)
	return &content, err
}

// isOwnMessage reports whether an event is a message that the bridge itself sent. It has no
// handler, so it need not be stored.
func (c *Connector) isOwnMessage(e *event.Event) bool { return e.StateKey == nil && c.isOurs(e.Sender) }

// isOurs reports whether a user is the bot or a ghost.
func (c *Connector) isOurs(user id.UserID) bool {
	_, ghost := c.ParseGhostMXID(user)
	return ghost || user == c.Bot.UserID
}

// GhostIntent acts as a person's ghost.
func (c *Connector) GhostIntent(user networkid.UserID) bridgev2.MatrixAPI {
	return c.wrap(c.Connector.GhostIntent(user))
}

// BotIntent acts as the bridge's bot.
func (c *Connector) BotIntent() bridgev2.MatrixAPI { return c.wrap(c.Connector.BotIntent()) }

// puppetDeadline bounds how long setting up a double puppet waits for the homeserver.
const puppetDeadline = 30 * time.Second

// NewUserIntent acts as a Matrix user (double puppeting).
func (c *Connector) NewUserIntent(ctx context.Context, user id.UserID, token string) (bridgev2.MatrixAPI, string, error) {
	// A failure here switches double puppeting off until the next start, so it waits for
	// the homeserver and does not end with what it is needed for.
	ctx, cancel := context.WithTimeout(WithPatience(context.WithoutCancel(ctx)), puppetDeadline)
	defer cancel()
	api, token, err := c.Connector.NewUserIntent(ctx, user, token)
	if api == nil || err != nil {
		return api, token, err
	}
	wrapped := c.wrap(api)
	if as, ok := wrapped.(*Intent); ok && as.Matrix.Client.Client != c.AS.HTTPClient {
		// A user of another homeserver has a client of their own.
		as.Matrix.Client.Client.Transport = newTransport(as.Matrix.Client.Client.Transport)
	}
	return wrapped, token, err
}

func (c *Connector) wrap(api bridgev2.MatrixAPI) bridgev2.MatrixAPI {
	as, ok := api.(*matrix.ASIntent)
	if !ok {
		return api
	}
	return &Intent{as, c}
}
