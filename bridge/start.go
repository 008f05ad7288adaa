package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

const (
	keepIDs      = 30 * 24 * time.Hour
	readTimeout  = time.Minute // of a request from the homeserver
	firstPause   = time.Second // after a failed attempt to reach the homeserver
	longestPause = 30 * time.Second
)

// listen begins to take requests of the homeserver. Events are stored from now on and
// handled when Matrix has started.
func (m *Main) listen() error {
	host := m.Matrix.AS.Host
	network, address := "tcp", host.Address()
	switch {
	case m.Config.Homeserver.Websocket || m.Config.Homeserver.WSProxy != "":
		return nil
	case host.IsUnixSocket():
		network, address = "unix", host.Hostname
		_ = os.Remove(address)
	case !host.IsConfigured():
		return fmt.Errorf("%w: appservice.hostname and appservice.port are not set", ErrListen)
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("%w for the homeserver on %s (appservice.hostname, appservice.port): %w", ErrListen, address, err)
	}
	handler := &transactions{
		as: m.Matrix.AS, inbox: m.inbox, watch: m.watch, ephemeral: m.ephemeral, isGhost: m.Bridge.IsGhostMXID, framework: m.Matrix.AS.Router,
	}
	m.server = &http.Server{Handler: handler.handler(), ReadHeaderTimeout: readTimeout, MaxHeaderBytes: 64 << 10}
	m.Log.Info().Str("address", listener.Addr().String()).Msg("Listening for the homeserver")
	server := m.server
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.Log.Err(err).Msg("The listener for the homeserver ended")
		}
	}()
	return nil
}

func (m *Main) closeListener() {
	if m.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if m.server.Shutdown(ctx) != nil {
		_ = m.server.Close()
	}
}

// PreStop implements bridgev2.MatrixConnector: nothing is taken from the homeserver any
// more.
func (m *matrixConnector) PreStop() {
	m.main.closeListener()
	m.Connector.PreStop()
}

// StartMatrix starts the Matrix side in the background, as soon as the homeserver can be
// reached. failed hears of an error that waiting does not mend.
func (m *Main) StartMatrix(failed func(error)) {
	m.tasks.Add(1)
	go func() {
		defer m.tasks.Done()
		if err := m.startMatrix(m.Log.WithContext(m.background)); err != nil && m.background.Err() == nil {
			failed(err)
		}
	}()
}

func (m *Main) startMatrix(ctx context.Context) error {
	if err := m.awaitHomeserver(ctx); err != nil {
		return err
	}
	if err := m.Bridge.StartConnectors(withPatience(ctx)); err != nil {
		return err
	}
	m.mu.Lock()
	m.started = true
	m.mu.Unlock()
	if err := m.PostMigrate(ctx); err != nil {
		return fmt.Errorf("run updates after migration: %w", err)
	}
	if err := m.Bridge.StartLogins(ctx); err != nil {
		return fmt.Errorf("start logins: %w", err)
	}
	if err := m.connector.adoptGrants(ctx); err != nil {
		return fmt.Errorf("make logins of accounts: %w", err)
	}
	m.inbox.start(m.Bridge.BackgroundCtx)
	m.ephemeral.start(m.Bridge.BackgroundCtx)
	keep := m.options.KeepIDs
	if keep == 0 {
		keep = keepIDs
	}
	m.tasks.Go(func() { m.inbox.prune(ctx, keep) })
	m.tasks.Go(func() { m.watch.run(ctx) })
	m.running.Store(true)
	m.Bridge.PostStart(ctx)
	return nil
}

// newWatch makes the watch over the homeserver; plain is the transport of its client.
func (m *Main) newWatch(plain http.RoundTripper) *watch {
	w := &watch{
		bot: m.Matrix.Bot.Client, poll: newPollClient(plain), due: make(chan struct{}, 1), ping: func(ctx context.Context) error {
			if m.server == nil {
				return nil
			}
			return m.ping(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1))
		},
		isOwn: func(e *event.Event) bool { return isOwnMessage(m.Matrix.AS, m.Bridge.IsGhostMXID, e) },
		known: m.knowsEvent, rooms: m.portalRooms,
		every: cmp.Or(m.options.LookEvery, lookEvery),
		doubt: cmp.Or(m.options.UnsettledTime, unsettledTime),
		waits: cmp.Or(m.options.LookPatience, lookPatience),
		log:   m.Log.With().Str("component", "homeserver watch").Logger(),
	}
	return w
}

// knowsEvent reports whether the messages or the inbox have an event; those that are held are
// new themselves.
func (m *Main) knowsEvent(ctx context.Context, eventID id.EventID) (bool, error) {
	known, err := m.db.MatrixInbox().Knows(ctx, string(eventID), m.inbox.released())
	if known || err != nil {
		return known, err
	}
	row, err := m.Bridge.DB.Message.GetPartByMXID(ctx, eventID)
	return row != nil, err
}

// portalRooms lists the rooms of all portals.
func (m *Main) portalRooms(ctx context.Context) (rooms []id.RoomID, err error) {
	portals, err := m.Bridge.DB.Portal.GetAllWithMXID(ctx)
	for _, p := range portals {
		rooms = append(rooms, p.MXID)
	}
	return rooms, err
}

// awaitHomeserver returns when the homeserver answers us and reaches us. That it does not
// yet is said once; a registration that does not fit is an error.
func (m *Main) awaitHomeserver(ctx context.Context) error {
	pause, said := firstPause, ""
	for {
		err := m.checkHomeserver(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1))
		if err == nil || errors.Is(err, ErrRegistration) || ctx.Err() != nil {
			return err
		}
		if now := problem(err); now != said {
			said = now
			m.Log.Warn().Err(err).Str("homeserver", m.Config.Homeserver.Address).
				Msg("Matrix starts later: " + now + ". Everything else runs meanwhile; trying again in the background")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

var (
	errBadStatus     = mautrix.RespError{ErrCode: "M_BAD_STATUS"}
	errNoConnection  = mautrix.RespError{ErrCode: "M_CONNECTION_FAILED"}
	errNoConnection2 = mautrix.RespError{ErrCode: "M_CONNECTION_TIMEOUT"}
)

func problem(err error) string {
	if errors.Is(err, errNoConnection) || errors.Is(err, errNoConnection2) || errors.Is(err, errBadStatus) {
		return "the homeserver cannot reach the bridge at appservice.address"
	}
	return "the homeserver cannot be reached"
}

// checkHomeserver looks whether both sides accept each other.
func (m *Main) checkHomeserver(ctx context.Context) error {
	bot := m.Matrix.Bot
	_, err := bot.Versions(ctx)
	if errors.Is(err, mautrix.MForbidden) {
		if err = bot.EnsureRegistered(ctx); err == nil {
			_, err = bot.Versions(ctx)
		}
	}
	if err == nil {
		var who *mautrix.RespWhoami
		if who, err = bot.Whoami(ctx); err == nil && who.UserID != bot.UserID {
			return fmt.Errorf("%w: the homeserver takes us for %s instead of %s (homeserver.domain, appservice.bot.username)", ErrRegistration, who.UserID, bot.UserID)
		} else if errors.Is(err, mautrix.MForbidden) {
			err = bot.EnsureRegistered(ctx)
		}
	}
	switch {
	case errors.Is(err, mautrix.MUnknownToken), errors.Is(err, mautrix.MMissingToken):
		return fmt.Errorf("%w: the homeserver does not accept appservice.as_token. Install the registration file there and restart it (%w)", ErrRegistration, err)
	case errors.Is(err, mautrix.MExclusive), errors.Is(err, mautrix.MForbidden):
		return fmt.Errorf("%w: the homeserver does not let us be %s. Compare homeserver.domain, appservice.bot.username and username_template with the registration (%w)", ErrRegistration, bot.UserID, err)
	case err != nil || m.server == nil:
		return err
	}
	return m.ping(ctx)
}

// ping asks the homeserver to call us, which also ends its pause after an outage.
func (m *Main) ping(ctx context.Context) error {
	bot := m.Matrix.Bot
	if !bot.Client.SpecVersions.Supports(mautrix.FeatureAppservicePing) {
		return nil
	}
	_, err := bot.AppservicePing(ctx, m.Matrix.AS.Registration.ID, bot.TxnID())
	switch {
	case errors.Is(err, errBadStatus) && !passing(err):
		return fmt.Errorf("%w: the homeserver's hs_token is not appservice.hs_token, or appservice.address is another program's (%w)", ErrRegistration, err)
	case errors.Is(err, mautrix.MForbidden):
		return fmt.Errorf("%w: appservice.id is not that of the registration (%w)", ErrRegistration, err)
	}
	return err
}

// passing reports whether the answer that the homeserver got instead of ours says that
// something before us is down or busy, and not that the registration is wrong.
func passing(err error) bool {
	var resp mautrix.RespError
	if !errors.As(err, &resp) {
		return false
	}
	status, _ := resp.ExtraData["status"].(float64)
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}

// isCommand reports whether an event is for the bot: such are handled at most once.
func (m *Main) isCommand(e *event.Event) bool {
	if e.Type != event.EventMessage {
		return false
	}
	if message, ok := e.Content.Parsed.(*event.MessageEventContent); ok && strings.HasPrefix(message.Body, m.Config.Bridge.CommandPrefix) {
		return true
	}
	user, err := m.Bridge.GetExistingUserByMXID(m.background, e.Sender)
	return err == nil && user != nil && user.ManagementRoom == e.RoomID
}

var _ bridgev2.MatrixConnector = (*matrixConnector)(nil)
