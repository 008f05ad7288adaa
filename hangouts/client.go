package hangouts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Client is one account's connection to the service. Make it with New. Its requests are safe for
// concurrent use and work with or without Connect.
//
// Connect fires events from its goroutine, one after another: a slow observer delays the following
// ones, and an observer's error ends Connect with that error.
type Client struct {
	// OnConnect is fired when the push channel brings its first data after the start,
	// OnReconnect when it does so after OnDisconnect. What was pushed in between is lost:
	// synchronise.
	OnConnect   Event[Connected]
	OnReconnect Event[Connected]
	// OnDisconnect is fired once for each loss of the push channel, but not for Disconnect.
	OnDisconnect Event[Disconnected]
	// OnSubscribed is fired once the client has subscribed to pushes, after OnConnect and for every new
	// session. The server pushes nothing before that: synchronise now (protocol §12.3).
	OnSubscribed Event[Subscribed]
	// OnGap is fired when pushes were lost or malformed: synchronise.
	OnGap Event[Gap]
	// OnBatch is fired for each batch of state updates, in the order of the wire and
	// before OnStateUpdate is fired for each of them.
	OnBatch       Event[[]*pb.StateUpdate]
	OnStateUpdate Event[*pb.StateUpdate]

	cfg     Config
	http    *http.Client
	ownHTTP bool
	cookies *cookies
	kinds   kinds

	renewing sync.Mutex // one renewal of the cookies at a time

	// OnCookies, when set before the first request, is called with a copy of the session's cookies
	// whenever they changed, so that the application can store them. Several goroutines may call it;
	// the request that brought the change waits for it.
	OnCookies func(cookies map[string]string)
	// OnActivity, when set before Connect, is called for every piece of data of the push
	// channel, from another goroutine than the events. It must return at once.
	OnActivity func()

	mu       sync.Mutex
	cancel   context.CancelFunc // of Connect, nil when it is not running
	clientID string
	active   activity
}

// Connected is the value of OnConnect and OnReconnect.
type Connected struct{}

// Subscribed is the value of OnSubscribed.
type Subscribed struct{}

// Gap is the value of OnGap.
type Gap struct{}

// Disconnected is the value of OnDisconnect.
type Disconnected struct {
	// Err is why the push channel was lost, a NetworkError.
	Err error
}

// New makes a client of the account whose session cookies these are. It sends nothing. It returns
// ErrConfig, or a GoogleAuthError when the cookie SAPISID is missing or one cannot be sent.
func New(cfg Config, sessionCookies map[string]string) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkCookies(sessionCookies); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, cookies: newCookies(cfg.CookieDomain, sessionCookies)}
	c.http, c.ownHTTP = cfg.httpClient()
	return c, nil
}

// ready reports whether the client was made with New.
func (c *Client) ready() error {
	if c == nil || c.http == nil {
		return fmt.Errorf("%w: the client was not made with New", ErrConfig)
	}
	return nil
}

// Cookies returns a copy of the session's cookies as they are now.
func (c *Client) Cookies() map[string]string {
	if c.ready() != nil {
		return nil
	}
	return c.cookies.snapshot()
}

// ClientID returns the id that the push channel assigned to this client, also called its resource;
// empty before that.
func (c *Client) ClientID() string {
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clientID
}

// Connect holds the push channel open and fires events. It blocks until Disconnect is called (then it
// returns nil), ctx ends (then its error), an observer fails (then that error), or it gives up: a
// NetworkError, which is ErrUnauthorized when the cookies are no longer valid. While it runs, another
// call returns ErrConnected. No goroutine is left when it has returned.
func (c *Client) Connect(ctx context.Context) error {
	if err := c.ready(); err != nil {
		return err
	}
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	if c.cancel != nil {
		c.mu.Unlock()
		return ErrConnected
	}
	c.cancel, c.clientID = cancel, ""
	c.mu.Unlock()

	err := channel.New(c.channelConfig(), (*push)(c)).Run(runCtx)

	c.mu.Lock()
	c.cancel = nil
	c.mu.Unlock()
	c.Close()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case runCtx.Err() != nil:
		return nil
	}
	return channelError(err)
}

// Disconnect makes Connect return. It does not wait, so observers may call it. It does nothing when
// Connect is not running.
func (c *Client) Disconnect() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}

// Close closes idle connections; the client stays usable. Connect calls it on return.
func (c *Client) Close() {
	if c != nil && c.ownHTTP {
		c.http.CloseIdleConnections()
	}
}

func (c *Client) cookiesChanged() {
	if c.OnCookies != nil {
		c.OnCookies(c.cookies.snapshot())
	}
}

func (c *Client) channelConfig() channel.Config {
	return channel.Config{
		URL: c.cfg.Endpoints.Channel, Do: c.do,
		IdleTimeout: c.cfg.IdleTimeout, RequestTimeout: c.cfg.RequestTimeout, SubscribeTimeout: c.cfg.RequestTimeout,
		Attempts: c.cfg.Attempts, MaxRetries: *c.cfg.MaxRetries, BackoffBase: c.cfg.RetryBackoffBase,
		MaxBackoff: c.cfg.MaxBackoff, Jitter: c.cfg.RetryJitter, MaxChunk: c.cfg.MaxChunk, Logger: c.cfg.Logger,
		OnBytes: func(int) {
			if c.OnActivity != nil {
				c.OnActivity()
			}
		},
	}
}

// channelErrors are the failures of package channel that become NetworkErrors; what an
// observer returned stays as it is.
var channelErrors = []error{
	channel.ErrRetriesExhausted, channel.ErrUnknownSID, channel.ErrTruncated, channel.ErrIdle, channel.ErrFraming,
	channel.ErrChunkTooLarge, channel.ErrMalformed, channel.ErrNotSubscribed,
}

// channelError turns a failure of the push channel into a NetworkError.
func channelError(err error) error {
	var status *channel.StatusError
	if errors.As(err, &status) {
		return &NetworkError{
			Op: "push channel", Code: status.Code, Reason: status.Reason, RetryAfter: status.RetryAfter, Err: err,
		}
	}
	for _, known := range channelErrors {
		if errors.Is(err, known) {
			return &NetworkError{Op: "push channel", Err: err}
		}
	}
	return err
}

// activity is what SetActive and the state update headers know.
type activity struct {
	state pb.ActiveClientState
	last  time.Time // of the last SetActive that acted
	email string
}
