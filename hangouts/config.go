package hangouts

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Version is the version of this library. The request header carries it.
const Version = "0.1"

// Unlimited, as Config.MaxRetries, retries for ever.
const Unlimited = -1

// Endpoints are the addresses of the service (protocol §3.1). An empty one means the
// default, or the path below Config.BaseURL.
type Endpoints struct {
	Channel    string // BrowserChannel
	API        string // chat API; "/chat/v1/…" is appended
	Upload     string // first request of an image upload
	Login      string // page of an interactive login
	Token      string // OAuth tokens
	OAuthLogin string // access token to uberauth
	Merge      string // uberauth to session cookies
	// MergeContinue is the redirect target named in the merge request; it is not fetched.
	MergeContinue string
	// Origin is sent as the origin header and goes into the authorization hash.
	Origin string
}

var defaultEndpoints = Endpoints{
	Channel:       "https://0.client-channel.google.com/client-channel/channel/bind",
	API:           "https://chat-pa.clients6.google.com",
	Upload:        "https://docs.google.com/upload/photos/resumable",
	Login:         "https://accounts.google.com/o/oauth2/programmatic_auth",
	Token:         "https://accounts.google.com/o/oauth2/token",
	OAuthLogin:    "https://accounts.google.com/accounts/OAuthLogin",
	Merge:         "https://accounts.google.com/MergeSession",
	MergeContinue: "http://www.google.com",
	Origin:        "https://hangouts.google.com",
}

// OAuth names the application that logs in (protocol §4.2). Neither is compiled in.
type OAuth struct {
	ClientID     string
	ClientSecret string
	// DeviceName is shown in the account's list of devices; "hangups", as the reference.
	DeviceName string
}

// Config says where the service is and how to talk to it. The zero value talks to Google's
// hosts, which switched the service off in 2022.
type Config struct {
	// BaseURL puts every address that Endpoints leaves empty on one host, for a
	// compatible server. That host is then trusted and its cookies are taken.
	BaseURL   string
	Endpoints Endpoints
	// TrustedHosts may receive cookies and the authorization header. An entry with a leading dot
	// is a suffix of the host name, another one the host or host:port. Default: ".google.com",
	// or the host of BaseURL.
	TrustedHosts []string
	// MediaHosts are where Download may fetch attachments, in the same form; nothing secret goes
	// there. Default: ".googleusercontent.com" and ".google.com", or the host of BaseURL.
	MediaHosts []string
	// CookieDomain is the domain whose cookies make a session. Default: ".google.com";
	// with BaseURL every cookie of the account endpoints is taken.
	CookieDomain string
	// APIKey names the application to the chat API, which refuses requests without one
	// (protocol §3.2). The default is a placeholder for compatible servers.
	APIKey string
	OAuth  OAuth

	// HTTPClient replaces the client's own; its redirect policy, jar and Timeout are ignored. Its
	// transport should speak HTTP/1.1: HTTP/2 has no reason phrase.
	HTTPClient *http.Client
	// Proxy is the address of an HTTP proxy; default: from the environment. Ignored with HTTPClient.
	Proxy string

	// MaxRetries is how many failed long polls in a row end Connect, Unlimited for never;
	// 5. RetryBackoffBase is b in the delay of b^n seconds before retry n; 2.
	MaxRetries       *int
	RetryBackoffBase float64
	// MaxBackoff bounds that delay and what the server asks for; 5 min.
	MaxBackoff time.Duration
	// RetryJitter lengthens the delay by a random part up to this fraction; none.
	RetryJitter float64
	// IdleTimeout is how long the push channel may be silent; 60 s.
	IdleTimeout time.Duration

	// Attempts is how often a request is sent, without a pause, while the server is not reached or does
	// not answer; 3.
	Attempts int
	// NoBlindRepeats limits a request with an effect to one attempt once any of it may have
	// reached the server: a repeat can double the effect (protocol §3.7).
	NoBlindRepeats bool
	// ConnectTimeout limits making a connection; 30 s. RequestTimeout limits one attempt
	// as a whole; 60 s. UploadTimeout is the same for the data of an image, and for Download; 5 min.
	ConnectTimeout time.Duration
	RequestTimeout time.Duration
	UploadTimeout  time.Duration
	// MaxResponseSize limits an answer in bytes, MaxChunk a push in UTF-16 code units;
	// 16 MiB and 4 Mi. However small, an answer may not have more messages in it than its size
	// justifies.
	MaxResponseSize int64
	MaxChunk        int

	// Renew, when set, returns new cookies of the same account after the server refused the present
	// ones (HTTP 401), for example those of GetAuth with the stored refresh token. The client then
	// repeats the refused request once, keeps Connect running, and reports the new cookies to
	// OnCookies. After a Temporary error the request fails with that error, after any other with the
	// refusal.
	Renew func(ctx context.Context) (map[string]string, error)

	// ClientVersion and Language go into the request header; "hangouts-bridge-" and the
	// version, and "en".
	ClientVersion string
	Language      string
	// UserAgent is sent with account requests; hangups sends its name and version there.
	UserAgent string

	// Logger gets what no error can report: retries of the push channel, malformed pushes, failed
	// renewals. Default: discard. See the package comment.
	Logger *slog.Logger
}

// Retries makes a value for Config.MaxRetries.
func Retries(n int) *int { return &n }

// withDefaults fills what is empty and checks the addresses.
func (c Config) withDefaults() (Config, error) {
	endpoints := defaultEndpoints
	if c.BaseURL != "" {
		base, err := url.Parse(strings.TrimSuffix(c.BaseURL, "/"))
		if err != nil || base.Host == "" || strings.HasPrefix(base.Host, ".") { // a leading dot would trust more
			return c, fmt.Errorf("%w: base URL is not an address with a host", ErrConfig)
		}
		if base.User != nil {
			return c, fmt.Errorf("%w: base URL may not hold a user and a password", ErrConfig)
		}
		endpoints = endpointsBelow(base.String())
		if c.TrustedHosts == nil {
			c.TrustedHosts = []string{base.Host}
		}
		if c.MediaHosts == nil {
			c.MediaHosts = []string{base.Host}
		}
	} else if c.CookieDomain == "" {
		c.CookieDomain = ".google.com"
	}
	if c.TrustedHosts == nil {
		c.TrustedHosts = []string{".google.com"}
	}
	if c.MediaHosts == nil {
		c.MediaHosts = []string{".googleusercontent.com", ".google.com"}
	}
	c.Endpoints.fill(endpoints)
	for i, address := range c.Endpoints.list() {
		if u, err := url.Parse(*address); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
			return c, fmt.Errorf("%w: not an http address without user and password: %s", ErrConfig, endpointNames[i])
		}
	}
	if c.Proxy != "" {
		if u, err := url.Parse(c.Proxy); err != nil || u.Host == "" {
			return c, fmt.Errorf("%w: proxy is not an address with a host", ErrConfig)
		}
	}
	if c.MaxRetries == nil {
		c.MaxRetries = Retries(5)
	}
	orDefault(&c.Logger, discard)
	orDefault(&c.APIKey, "hangouts")
	orDefault(&c.OAuth.ClientID, "hangouts.apps.googleusercontent.com")
	orDefault(&c.OAuth.ClientSecret, "hangouts")
	orDefault(&c.OAuth.DeviceName, "hangups")
	orDefault(&c.RetryBackoffBase, 2)
	orDefault(&c.MaxBackoff, 5*time.Minute)
	orDefault(&c.IdleTimeout, time.Minute)
	orDefault(&c.Attempts, 3)
	orDefault(&c.ConnectTimeout, 30*time.Second)
	orDefault(&c.RequestTimeout, time.Minute)
	orDefault(&c.UploadTimeout, 5*time.Minute)
	orDefault(&c.MaxResponseSize, 16<<20)
	orDefault(&c.ClientVersion, "hangouts-bridge-"+Version)
	orDefault(&c.Language, "en")
	orDefault(&c.UserAgent, "hangouts-bridge/"+Version)
	return c, nil
}

// discard is the logger of those who give none.
var discard = slog.New(slog.DiscardHandler)

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// endpointsBelow keeps the paths of Google's hosts, which do not clash.
func endpointsBelow(base string) Endpoints {
	e := defaultEndpoints
	for _, address := range []*string{&e.Channel, &e.API, &e.Upload, &e.Login, &e.Token, &e.OAuthLogin, &e.Merge} {
		_, rest, _ := strings.Cut(*address, "://")
		_, path, _ := strings.Cut(rest, "/")
		*address = strings.TrimSuffix(base+"/"+path, "/")
	}
	return e
}

// endpointNames are the names of list, in errors, which do not quote addresses.
var endpointNames = []string{"channel", "API", "upload", "login", "token", "OAuth login", "merge", "merge's target", "origin"}

func (e *Endpoints) list() []*string {
	return []*string{
		&e.Channel, &e.API, &e.Upload, &e.Login, &e.Token, &e.OAuthLogin, &e.Merge, &e.MergeContinue, &e.Origin,
	}
}

func (e *Endpoints) fill(from Endpoints) {
	values := from.list()
	for i, address := range e.list() {
		orDefault(address, *values[i])
	}
	e.API = strings.TrimSuffix(e.API, "/")
}

// trusted reports whether a host may receive cookies and the authorization header.
func (c *Config) trusted(u *url.URL) bool { return c.among(c.TrustedHosts, u) }

// among reports whether an address is of a list of hosts, and asked over TLS when the chat API is.
func (c *Config) among(hosts []string, u *url.URL) bool {
	if u.Scheme != "https" && (u.Scheme != "http" || strings.HasPrefix(c.Endpoints.API, "https:")) {
		return false
	}
	host, name := strings.ToLower(u.Host), strings.ToLower(u.Hostname())
	for _, entry := range hosts {
		entry = strings.ToLower(entry)
		if strings.HasPrefix(entry, ".") && strings.HasSuffix(name, entry) || entry == host || entry == name {
			return true
		}
	}
	return false
}

// httpClient makes the client for all requests. own reports whether its connections belong
// to the caller.
func (c *Config) httpClient() (client *http.Client, own bool) {
	if c.HTTPClient != nil {
		shallow := *c.HTTPClient
		client = &shallow
	} else {
		client, own = &http.Client{Transport: c.transport()}, true
	}
	client.Jar, client.Timeout = nil, 0
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, own
}

// maxHeader limits the header of an answer in bytes.
const maxHeader = 256 << 10

func (c *Config) transport() *http.Transport {
	dialer := net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: c.ConnectTimeout,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     15 * time.Second,
		// Most clients wait with an idle long poll, and what is large goes past these buffers.
		ReadBufferSize: 2 << 10, WriteBufferSize: 2 << 10,

		MaxResponseHeaderBytes: maxHeader,
		// The reason phrase matters (protocol §5.1), which HTTP/2 lacks.
		Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if c.Proxy != "" {
		if u, err := url.Parse(c.Proxy); err == nil {
			t.Proxy = http.ProxyURL(u)
		}
	}
	return t
}
