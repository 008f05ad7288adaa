package bridge

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/bridgev2/matrix/mxmain"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/files"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

// DBOwner is the owner that is written into the database. A bridge without Matrix has to
// use the same.
const DBOwner = "hangouts-bridge"

// Exit codes beside those of mautrix bridges.
const (
	ExitStart        = 1  // something else failed at start; the log says what
	ExitConfig       = 10 // the config file cannot be read
	ExitInvalid      = 11 // something in the config has to be set or changed
	ExitDatabase     = 15 // the database cannot be upgraded, is of a newer version, or another process uses it
	ExitRegistration = 16 // the homeserver or we do not accept the other's token
	ExitListen       = 23 // no listener, or its port is in use
)

// Env is what Options.Start gets.
type Env struct {
	DB      *database.DB // upgraded
	Network *config.Config
	Log     zerolog.Logger
}

// Options make a Main.
type Options struct {
	Name, Description, URL string
	Version                string // the latest release
	Tag, Commit, BuildTime string // of this build

	// Sections are the parts of "network:" in the config that belong to others.
	Sections []config.Section
	// Start begins everything that lives without a homeserver, accounts first. It is
	// called once the database is open and before Matrix is started.
	Start func(ctx context.Context, env Env) (account.Accounts, error)
	// Stop ends what Start began. It is called after Matrix has stopped and before the
	// database is closed, also when Start has failed.
	Stop func()
	// SendWait is how long an account lets a request wait for the network; it is asked when
	// the config is read. nil is a minute.
	SendWait func() time.Duration
	// Pages are the pages on which a person logs in to the network; it is asked when the
	// config has been read. nil is Google's.
	Pages func() Pages
	// ExitCode is the exit code of an error of Start; 0 leaves it to the caller. May be nil.
	ExitCode func(error) int
	// Timing is the homeserver's.
	homeserver.Timing
	// NoticeDelay is how long a connection to the network may be lost before its user is told;
	// 0 is three minutes.
	NoticeDelay time.Duration
	// LockWait is how long a start waits for another process that uses the database; 0 is
	// LockWait.
	LockWait time.Duration
}

// LockWait is how long a start waits for the previous process to end.
const LockWait = 10 * time.Second

// Main is the whole program with Matrix: the framework's, with our start sequence,
// connector and inbox.
type Main struct {
	*mxmain.BridgeMain

	options   Options
	connector *Connector
	hs        *homeserver.Connector // nil before Setup
	db        *database.DB
	lock      *database.Lock
	guard     *secretGuard

	background context.Context // ends with the program
	cancel     context.CancelFunc
	tasks      sync.WaitGroup

	ignore  ignored
	running atomic.Bool
	mu      sync.Mutex
	started bool // Matrix runs, so the framework has to stop it
}

// NewMain makes the program.
func NewMain(o Options) *Main {
	connector := newConnector(o.Sections...)
	if o.SendWait != nil {
		connector.sendWait = o.SendWait
	}
	if o.Pages != nil {
		connector.pages = o.Pages
	}
	if o.NoticeDelay != 0 {
		connector.patience = o.NoticeDelay
	}
	m := &Main{options: o, connector: connector, BridgeMain: &mxmain.BridgeMain{
		Name: o.Name, Description: o.Description, URL: o.URL, Version: o.Version, Connector: connector, DBOwner: DBOwner, SaveConfig: true,
	}}
	m.InitVersion(o.Tag, o.Commit, o.BuildTime)
	m.background, m.cancel = context.WithCancel(context.Background())
	return m
}

// Run runs the program with the flags of mautrix bridges until it is told to stop, and
// returns its exit code.
func (m *Main) Run(args []string) int {
	if code, done := m.parse(args); done {
		return code
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := m.Setup(); err != nil {
		return m.fatal(err)
	}
	failed := make(chan error, 1)
	m.StartMatrix(func(err error) { failed <- err })
	code := 0
	select {
	case err := <-m.lock.Lost():
		code = m.fatal(err)
	case <-signals:
		m.Log.Info().Msg("Stopping")
	case err := <-failed:
		code = m.fatal(err)
	}
	m.Shutdown()
	return code
}

// fatal logs the one line that says why the program ends.
func (m *Main) fatal(err error) int {
	code := 0
	var exit matrix.ExitError
	var dbErr bridgev2.DBUpgradeError
	switch {
	case errors.Is(err, homeserver.ErrRegistration):
		code = ExitRegistration
	case errors.Is(err, homeserver.ErrListen):
		code = ExitListen
	case errors.As(err, &dbErr), errors.Is(err, database.ErrInUse):
		code = ExitDatabase
	case errors.As(err, &exit):
		code = exit.ExitCode
	case m.options.ExitCode != nil:
		code = m.options.ExitCode(err)
	}
	if code == 0 {
		code = ExitStart
	}
	m.Log.WithLevel(zerolog.FatalLevel).Err(err).Int("exit_code", code).Msg("Cannot run")
	if !logsToTerminal(&m.Config.Logging) {
		complain(err)
	}
	return code
}

// Setup opens the database, makes the connectors, listens for the homeserver, and begins
// what lives without it. Config has to be loaded. After an error everything is closed.
func (m *Main) Setup() (err error) {
	m.connector.notices = m.Config.Bridge.BridgeStatusNotices
	forceConfig(m.Config)
	restore := homeserver.HideBodies(&m.Config.Logging)
	m.Init()
	restore()
	config.Narrow(*m.Log, append(config.LogFiles(&m.Config.Logging), m.ConfigPath, m.RegistrationPath)...)
	if path, ok := database.File(m.Config.Database.Type, m.Config.Database.URI); ok {
		config.Narrow(*m.Log, config.DatabaseFiles(path)...)
	}
	m.Bridge.ExternallyManagedDB = true // it outlives the Matrix side
	m.DB.Log = database.Logger(m.Log.With().Str("db_section", "main").Logger())
	m.DB.IgnoreUnsupportedDatabase, m.DB.IgnoreForeignTables = m.ignore.database, m.ignore.tables
	m.Matrix.IgnoreUnsupportedServer = m.ignore.server
	defer func() {
		if err != nil {
			m.Shutdown()
		}
	}()
	if err = m.openDB(); err != nil {
		return err
	}
	if err = m.wrap(); err != nil {
		return err
	}
	if err = m.hs.Listen(provisionPrefix, newProvisioning(m, m.Matrix.AS.Router)); err != nil {
		return err
	}
	m.connector.accounts, err = m.options.Start(m.Log.WithContext(m.background), Env{DB: m.db, Network: m.connector.config, Log: *m.Log})
	return err
}

// forceConfig sets what the promises depend on, whatever the file says: results of
// handling are real only without a buffer, and order only without asynchronous handling.
func forceConfig(cfg *bridgeconfig.Config) {
	cfg.Bridge.PortalEventBuffer = 0
	cfg.Bridge.AsyncEvents = false
	cfg.Bridge.DeduplicateMatrixMessages = true
	cfg.Bridge.BridgeStatusNotices = "none" // we tell the user
	cfg.AppService.AsyncTransactions = false
	cfg.AppService.NoServer = true     // we listen
	keys := &cfg.Encryption.DeleteKeys // an event that is handled again is decrypted again
	keys.RatchetOnDecrypt, keys.DeleteFullyUsedOnDecrypt, keys.DeletePrevOnNewSession, keys.DeleteOnDeviceDelete = false, false, false, false
	cfg.Database.URI = database.WithImmediateLock(cfg.Database.Type, cfg.Database.URI)
}

// openDB upgrades the framework's tables and ours.
func (m *Main) openDB() error {
	ctx := m.Log.WithContext(m.background)
	m.db = database.New(m.DB, m.Log.With().Str("db_section", "hangouts").Logger())
	lock, err := m.db.Acquire(ctx, m.Config.Database.Type, m.Config.Database.URI, cmp.Or(m.options.LockWait, LockWait))
	if errors.Is(err, database.ErrInUse) {
		return err
	} else if err != nil {
		return m.upgradeError("hangouts", err)
	}
	m.lock = lock
	if err := m.Bridge.DB.Upgrade(ctx); err != nil {
		return m.upgradeError("main", err)
	}
	if err := m.Matrix.StateStore.Upgrade(ctx); err != nil {
		return m.upgradeError("matrix_state", err)
	}
	if err := m.db.Upgrade(ctx); err != nil {
		return m.upgradeError("hangouts", err)
	}
	return nil
}

// wrap puts our connector in place of the framework's, with the guards before its handlers.
func (m *Main) wrap() error {
	ctx := m.Log.WithContext(m.background)
	m.hs = homeserver.New(m.Matrix, homeserver.Options{DB: m.db, Host: host{m}, Log: *m.Log, Timing: m.options.Timing})
	m.Bridge.Matrix = matrixSide{m.hs}
	m.Bridge.Bot = m.hs.BotIntent()
	known := m.botCommands()
	m.Bridge.Commands.(*commands.Processor).AddHandlers(known...)
	m.guard = &secretGuard{m: m, commands: wordsOf(known)}
	m.guard.commands["version"] = true // mxmain registers it itself and does not export it
	m.guard.watch()
	m.Matrix.EventProcessor.PrependHandler(event.StateTombstone, m.roomReplaced)
	m.Bridge.Commands = commandGate{m.Bridge.Commands, func() bridgev2.MatrixAPI { return m.Bridge.Bot }, m.guard, m.db.Sync}
	m.connector.delivery = newDelivery(m.hs)
	m.connector.files = files.New(m.hs, m.connector.fileLimits)
	m.connector.onStop = m.hs.StopHandling
	return m.hs.Load(ctx)
}

// Shutdown stops everything, Matrix first, and closes the database.
func (m *Main) Shutdown() {
	m.running.Store(false)
	m.cancel()
	m.tasks.Wait()
	m.mu.Lock()
	started := m.started
	m.started = false
	m.mu.Unlock()
	if started {
		// What waits for the network now is handled again at the next start, and holds nothing up.
		m.hs.EndHandling()
		m.connector.endWaits()
		m.Bridge.StopWithTimeout(5 * time.Second)
		m.awaitCommands()
	} else if m.hs != nil {
		m.hs.CloseListener()
	}
	if m.options.Stop != nil {
		m.options.Stop()
	}
	if m.DB != nil {
		if err := m.lock.Close(m.DB.Close); err != nil {
			m.Log.Warn().Err(err).Msg("Failed to close database")
		}
	}
}

// awaitCommands waits for commands that still run: they use the database.
func (m *Main) awaitCommands() {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if err := m.guard.running.drain(ctx); err != nil {
		m.Log.Warn().Msg("A command still runs, and is cut off")
	}
}

// Running reports whether the Matrix side runs.
func (m *Main) Running() bool { return m.running.Load() }

// Store is the database with our tables, nil before Setup.
func (m *Main) Store() *database.DB { return m.db }

// Network is the section "network:" of the config.
func (m *Main) Network() *config.Config { return m.connector.config }
