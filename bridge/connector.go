package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/util/configupgrade"
	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/files"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// Connector is bridgev2's network connector for Hangouts.
type Connector struct {
	config   *config.Config
	bridge   *bridgev2.Bridge
	accounts account.Accounts
	delivery *delivery
	files    *files.Store
	maxFile  atomic.Int64
	notices  string                // bridge.bridge_status_notices
	patience time.Duration         // how long a connection may be lost before its user is told
	sendWait func() time.Duration  // how long accounts let a request wait
	pages    func() Pages          // on which a person logs in
	logins   keyedLocks[id.UserID] // held while a user's login is made or ends
	unwatch  func()

	mu      sync.Mutex
	ended   bool
	clients map[chat.PersonID]*Client // the latest of each account
	tasks   sync.WaitGroup            // follow changes of accounts

	alive    context.Context // until handlers are to wait for nothing any more
	endWaits context.CancelFunc
	onStop   func()
}

var (
	_ bridgev2.NetworkConnector            = (*Connector)(nil)
	_ bridgev2.StoppableNetwork            = (*Connector)(nil)
	_ bridgev2.IdentifierValidatingNetwork = (*Connector)(nil)
	_ bridgev2.ConfigValidatingNetwork     = (*Connector)(nil)
	_ bridgev2.MaxFileSizeingNetwork       = (*Connector)(nil)
)

func newConnector(sections ...config.Section) *Connector {
	c := &Connector{clients: map[chat.PersonID]*Client{}, config: config.Default(sections...), patience: noticeDelay, sendWait: func() time.Duration { return defaultSendWait }, pages: func() Pages { return Pages{} }}
	c.alive, c.endWaits = context.WithCancel(context.Background())
	c.maxFile.Store(50 << 20)
	return c
}

const (
	// confirmWait is how much longer a handler waits for the fate of a message than the
	// account may take to decide it. Past five minutes in all bridgev2 leaves a handler.
	confirmWait     = 30 * time.Second
	defaultSendWait = time.Minute
)

// errNoAccounts: the accounts have to run before the Matrix side starts.
var errNoAccounts = errors.New("the accounts are not running")

// Init implements bridgev2.NetworkConnector.
func (c *Connector) Init(bridge *bridgev2.Bridge) { c.bridge = bridge }

// Start implements bridgev2.NetworkConnector. The accounts run already.
func (c *Connector) Start(context.Context) error {
	if c.accounts == nil {
		return errNoAccounts
	}
	c.unwatch = c.accounts.Watch(c.changed)
	return nil
}

// Stop implements bridgev2.StoppableNetwork: handlers have ended when it returns, and the
// database may be closed.
func (c *Connector) Stop() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	if c.unwatch != nil {
		c.unwatch()
	}
	c.tasks.Wait()
	if c.onStop != nil {
		c.onStop()
	}
}

// GetName implements bridgev2.NetworkConnector.
func (c *Connector) GetName() bridgev2.BridgeName {
	return bridgev2.BridgeName{
		DisplayName:          "Hangouts",
		NetworkURL:           c.pages().site(),
		NetworkID:            "hangouts",
		BeeperBridgeType:     "github.com/hangouts-bridge/hangouts-bridge",
		DefaultPort:          29331,
		DefaultCommandPrefix: "!hangouts",
	}
}

// GetDBMetaTypes implements bridgev2.NetworkConnector.
func (c *Connector) GetDBMetaTypes() bridgedb.MetaTypes { return ids.MetaTypes() }

var generalCapabilities = &bridgev2.NetworkGeneralCapabilities{
	DisappearingMessages: true,
	Provisioning: bridgev2.ProvisioningCapabilities{
		ResolveIdentifier: bridgev2.ResolveIdentifierCapabilities{CreateDM: true, LookupPhone: true, LookupEmail: true, ContactList: true, Search: true},
		GroupCreation: map[string]bridgev2.GroupTypeCapabilities{"group": {
			TypeDescription: "a group",
			Name:            bridgev2.GroupFieldCapability{Allowed: true, MaxLength: chat.MaxName},
			Participants:    bridgev2.GroupFieldCapability{Allowed: true, Required: true, MinLength: 1},
		}},
	},
}

// GetCapabilities implements bridgev2.NetworkConnector.
func (c *Connector) GetCapabilities() *bridgev2.NetworkGeneralCapabilities {
	return generalCapabilities
}

// GetBridgeInfoVersion implements bridgev2.NetworkConnector.
func (c *Connector) GetBridgeInfoVersion() (info, capabilities int) {
	return 1, portal.CapabilitiesVersion
}

// GetConfig implements bridgev2.NetworkConnector.
func (c *Connector) GetConfig() (example string, data any, upgrader configupgrade.Upgrader) {
	return c.config.ExampleText(), c.config, configupgrade.SimpleUpgrader(c.config.Upgrade)
}

// ValidateConfig implements bridgev2.ConfigValidatingNetwork.
func (c *Connector) ValidateConfig() error { return c.config.Validate() }

// ValidateUserID implements bridgev2.IdentifierValidatingNetwork.
func (c *Connector) ValidateUserID(user networkid.UserID) bool {
	_, err := ids.ParseUserID(user)
	return err == nil
}

// room returns the portal of a key, nil if it has no room or cannot be read now.
func (c *Connector) room(ctx context.Context, key networkid.PortalKey) *bridgev2.Portal {
	room, err := c.existing(ctx, key)
	if err != nil {
		return nil
	}
	return room
}

// eventTime asks the homeserver when an event was sent.
func (c *Connector) eventTime(ctx context.Context, room id.RoomID, eventID id.EventID) (time.Time, error) {
	e, err := c.matrix().Bot.GetEvent(ctx, room, eventID)
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(e.Timestamp), nil
}

// matrix is the homeserver.
func (c *Connector) matrix() *homeserver.Connector { return c.bridge.Matrix.(matrixSide).Connector }

// fileLimits are those of the config and of the homeserver.
func (c *Connector) fileLimits() files.Limits {
	return files.Limits{Size: min(c.maxFile.Load(), int64(c.config.MaxFileSize)<<20), Time: time.Duration(c.config.FileTimeout) * time.Second}
}

// SetMaxFileSize implements bridgev2.MaxFileSizeingNetwork.
func (c *Connector) SetMaxFileSize(size int64) { c.maxFile.Store(size) }

// LoadUserLogin implements bridgev2.NetworkConnector. It does no I/O. A login whose account
// is gone gets a client that says so when it connects.
func (c *Connector) LoadUserLogin(_ context.Context, login *bridgev2.UserLogin) error {
	if c.accounts == nil {
		return errNoAccounts
	}
	person, err := ids.ParseLoginID(login.ID)
	if err != nil {
		return fmt.Errorf("login %q: %w", login.ID, err)
	}
	session, ok := c.accounts.Get(person)
	if !ok {
		session = nil
	}
	told := &notices{mode: c.notices, delay: c.patience, login: login}
	if old, ok := login.Client.(*Client); ok {
		if old.session == session {
			return nil // others read login.Client without a lock
		}
		told = old.notices
	}
	client := newClient(c, login, person, session, told)
	c.mu.Lock()
	c.clients[person] = client
	c.mu.Unlock()
	login.Client = client
	return nil
}
