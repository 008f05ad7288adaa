package hangoutstest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Options say what a server starts with. The zero value listens on a free loopback port
// with the default scenario in memory.
type Options struct {
	// Listen is the address of the one HTTP listener; default 127.0.0.1:0.
	Listen string
	// Accounts is the least number of accounts that can log in; those the scenario lacks are
	// made up. Default: what the scenario has.
	Accounts int
	// Scenario is the world at the start; default DefaultScenario. Ignored when StateFile
	// already holds one.
	Scenario *Scenario
	// StateFile keeps everything accepted across a kill of the process; default none.
	StateFile string
	// Seed decides every id and token; 0 means 1. A scenario's own seed wins.
	Seed uint64
	// ProxyListen is the address of the CONNECT proxy for Google's host names; default none.
	ProxyListen string
	// CAFile is where the proxy's certificate authority is written (PEM, mode 0600). It lasts five years and is kept in
	// StateFile; the certificates made with it are renewed while the server runs.
	CAFile string
	// Configure changes the default settings before the start.
	Configure func(*Settings)
	// Clock is the time source; default time.Now.
	Clock func() time.Time
	// Logger gets one line per request at debug level; default none.
	Logger *slog.Logger
}

// Millis is a duration in milliseconds, as JSON and flags write it.
type Millis int64

// Duration converts to a time.Duration.
func (m Millis) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

// UnmarshalJSON refuses what no time here can be: less than nothing, or more than a century.
func (m *Millis) UnmarshalJSON(text []byte) error {
	var ms int64
	if err := json.Unmarshal(text, &ms); err != nil {
		return err
	}
	if ms < 0 || ms > century.Milliseconds() {
		return fmt.Errorf("%w: %d ms, must be from 0 to %d", ErrInvalid, ms, century.Milliseconds())
	}
	*m = Millis(ms)
	return nil
}

// Settings can change while the server runs: [Server.Configure] and the control verb config.
type Settings struct {
	// Dedup answers a repeated client_generated_id of the same sender and conversation within a
	// minute with the first event (protocol §3.7, an assumption about the real server).
	Dedup bool `json:"dedup"`
	// Bots lets people with a bot answer.
	Bots bool `json:"bots"`
	// BotDelay is how long a bot reads and how long it types.
	BotDelay Millis `json:"bot_delay_ms"`
	// RawUTF8 sends non-ASCII text on the channel as UTF-8 instead of JSON escapes (§15.1).
	RawUTF8 bool `json:"raw_utf8"`
	// MergeArrays puts all arrays that are due into one chunk instead of one each.
	MergeArrays bool `json:"merge_arrays"`
	// MinimalDeltas reduces the conversation in state updates to what changed (§12.1).
	MinimalDeltas bool `json:"minimal_deltas"`
	// AllowQuotedCookies accepts cookie values in double quotes instead of 401 (§3.5).
	AllowQuotedCookies bool `json:"allow_quoted_cookies"`
	// NoopInterval is the time between keep-alives of an idle poll (§5.7).
	NoopInterval Millis `json:"noop_ms"`
	// PollDuration is when a poll ends regularly (§5.7).
	PollDuration Millis `json:"poll_ms"`
	// CloseInterval is how often a poll of a session says Connection: close (§5.7).
	CloseInterval Millis `json:"close_ms"`
	// SessionIdle is how long a SID lives without a poll (§15).
	SessionIdle Millis `json:"session_idle_ms"`
	// SyncLag is how far sync_timestamp lies behind the present (§8.9).
	SyncLag Millis `json:"sync_lag_ms"`
	// SyncMaxEvents cuts syncallnewevents after so many events besides the size asked for; 0 = no cut.
	SyncMaxEvents int `json:"sync_max_events"`
	// OTRKeep is how long an off-the-record event lives (§8.18).
	OTRKeep Millis `json:"otr_keep_ms"`
	// QueueLimit is how many arrays wait for a poll; one more and the SID is dropped.
	QueueLimit int `json:"queue_limit"`
}

// check refuses settings with which the channel does not work.
func (s *Settings) check() error {
	switch {
	case min(s.NoopInterval, s.PollDuration, s.SessionIdle) <= 0 || s.BotDelay < 0:
		return fmt.Errorf("%w: times must be positive", ErrInvalid)
	case max(s.NoopInterval, s.PollDuration, s.SessionIdle, s.BotDelay) > Millis(century.Milliseconds()):
		return fmt.Errorf("%w: times must be less than a century", ErrInvalid)
	case s.QueueLimit < 1 || s.SyncMaxEvents < 0:
		return fmt.Errorf("%w: limits must be positive", ErrInvalid)
	}
	return nil
}

// DefaultSettings are those of the real service as far as they are known (protocol §14, §15).
func DefaultSettings() Settings {
	return Settings{
		Dedup:         true,
		Bots:          true,
		BotDelay:      800,
		NoopInterval:  20_000,
		PollDuration:  4 * 60_000,
		CloseInterval: 60 * 60_000,
		SessionIdle:   60_000,
		SyncLag:       300_000,
		OTRKeep:       24 * 60 * 60_000,
		QueueLimit:    2000,
	}
}

// Limits of what a request may carry and of what is kept for inspection.
const (
	maxAPIBody      = 4 << 20
	maxChannelBody  = 256 << 10
	maxFormBody     = 64 << 10
	maxUploadBody   = 32 << 20
	maxControlBody  = 16 << 20
	maxMaps         = 1000
	maxSessions     = 64 // per account; the oldest is dropped
	maxRequestLog   = 5000
	maxBodyLog      = 16 << 10
	maxDeliveryLog  = 5000
	maxCodes        = 1000
	maxUploads      = 200
	maxBotQueue     = 64
	maxFaults       = 1000
	maxGroupMembers = 150 // protocol §8.13
	maxScenario     = 64 << 20
	maxFiller       = 100_000
	maxTimeUS       = 1 << 60 // the year 38 000: adding to it does not overflow
)
