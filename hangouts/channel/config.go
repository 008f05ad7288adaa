package channel

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"time"
)

// Unlimited, as Config.MaxRetries, means never to give up.
const Unlimited = -1

// The services that chat needs (protocol §5.9).
const (
	ServiceBabel    = "babel"
	ServicePresence = "babel_presence_last_seen"
)

// Config says how a Channel works. Only URL and Do are required; a zero elsewhere means the
// default named with the field.
type Config struct {
	// URL is the address of the bind resource, without query.
	URL string
	// Do sends a request: it adds authorization and cookies, follows no redirects, and sets
	// no time limit of its own on bodies.
	Do func(*http.Request) (*http.Response, error)

	// Services are added to every new session; babel and babel_presence_last_seen.
	Services []string
	// IdleTimeout is how long a long poll may be silent; 60 s.
	IdleTimeout time.Duration
	// RequestTimeout limits one attempt of a request that is not the long poll; 60 s.
	RequestTimeout time.Duration
	// SubscribeTimeout is how long a new session may take until its services are added,
	// before another session is made; 60 s.
	SubscribeTimeout time.Duration
	// SubscribeDelay is the pause before services are added again after the server
	// reported a service error; 1 s.
	SubscribeDelay time.Duration
	// Attempts is how often a request is sent that finds no server or gets no answer; 3.
	Attempts int

	// MaxRetries is how many rounds in a row may fail before Run gives up, Unlimited for
	// never. 0 means that the first failure ends Run.
	MaxRetries int
	// BackoffBase is the base of the delay before retry n: base^n seconds; 2.
	BackoffBase float64
	// MaxBackoff bounds that delay and a Retry-After; 5 min.
	MaxBackoff time.Duration
	// Jitter lengthens delays by a random part up to this fraction; none.
	Jitter float64
	// Backoff replaces the delay that BackoffBase, MaxBackoff and Jitter give.
	Backoff func(retry int) time.Duration

	// MaxChunk limits a chunk in UTF-16 code units; DefaultMaxChunk.
	MaxChunk int
	// Logger takes what a Channel logs, with the context of Run; none.
	Logger *slog.Logger
	// OnBytes is called from the reading goroutine whenever bytes of a long poll
	// arrived. It must return at once.
	OnBytes func(n int)
}

// Handler receives what happens on a Channel. All calls come from the goroutine of Run, one
// after another; the long poll is read on only after they return. An error that a method
// returns ends Run with that error. The context is that of Run.
type Handler interface {
	// Connected is called with the first chunk of a long poll after the start
	// (reconnected false) or after Disconnected (reconnected true).
	Connected(ctx context.Context, reconnected bool) error
	// Disconnected is called once when a connected channel fails.
	Disconnected(ctx context.Context, reason error) error
	// ClientID brings the client id, once per session.
	ClientID(ctx context.Context, id string) error
	// Subscribed is called when the services were added to a session. What was pushed
	// before is lost unless the owner fetches it now.
	Subscribed(ctx context.Context) error
	// Payload brings what a service pushed.
	Payload(ctx context.Context, p Payload) error
	// Gap says that pushes of this session were lost or not understood.
	Gap(ctx context.Context) error
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.IdleTimeout, time.Minute)
	def(&c.RequestTimeout, time.Minute)
	def(&c.SubscribeTimeout, time.Minute)
	def(&c.SubscribeDelay, time.Second)
	def(&c.MaxBackoff, 5*time.Minute)
	if c.Services == nil {
		c.Services = []string{ServiceBabel, ServicePresence}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Attempts == 0 {
		c.Attempts = 3
	}
	if c.BackoffBase == 0 {
		c.BackoffBase = 2
	}
	if c.MaxChunk == 0 {
		c.MaxChunk = DefaultMaxChunk
	}
	return c
}

// delay is the pause before retry n (from 1), at least what the server asked for.
func (c Config) delay(retry int, asked time.Duration) time.Duration {
	var d time.Duration
	if c.Backoff != nil {
		d = c.Backoff(retry)
	} else {
		seconds := math.Pow(c.BackoffBase, float64(retry)) * (1 + c.Jitter*rand.Float64())
		d = time.Duration(min(seconds, c.MaxBackoff.Seconds()) * float64(time.Second))
	}
	return max(d, min(asked, c.MaxBackoff))
}
