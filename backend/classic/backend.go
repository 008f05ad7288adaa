package classic

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Backend makes connections to a Hangouts service.
type Backend struct {
	config hangouts.Config
}

var _ account.Backend = (*Backend)(nil)

// New makes a back end for the service that config describes. The account layer decides
// about repeats and pauses, so the library's own are switched off. The library logs to the logger
// of the context.
func New(config hangouts.Config) *Backend {
	config.NoBlindRepeats = true
	config.Logger = slog.New(contextLog{})
	return &Backend{config: config}
}

// stored is what is kept of a login: account.Identity.Stored as JSON.
type stored struct {
	Cookies      map[string]string `json:"cookies"`
	RefreshToken string            `json:"refresh_token,omitempty"`
}

// Authenticate implements account.Backend.
func (b *Backend) Authenticate(ctx context.Context, credentials chat.Credentials) (account.Identity, error) {
	keep := stored{Cookies: credentials.Cookies, RefreshToken: credentials.RefreshToken}
	var err error
	switch {
	case credentials.Code != "":
		given := &givenCode{code: credentials.Code}
		keep.Cookies, err = authResult(hangouts.GetAuth(ctx, b.config, given, given, true))
		keep.RefreshToken = given.refreshToken
	case keep.RefreshToken != "":
		keep.Cookies, err = b.cookiesOf(ctx, keep.RefreshToken)
	}
	if err != nil {
		return account.Identity{}, err
	}
	if err := checkCookies(keep.Cookies); err != nil {
		return account.Identity{}, err
	}
	client, err := hangouts.New(b.config, keep.Cookies)
	if err != nil {
		return account.Identity{}, verdict(err, true)
	}
	defer client.Close()
	info, err := client.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	if err != nil {
		return account.Identity{}, verdict(err, keep.RefreshToken == "")
	}
	self := person(info.GetSelfEntity())
	if self.ID == "" {
		return account.Identity{}, fmt.Errorf("%w: the service did not say whose account this is", chat.ErrUnavailable)
	}
	keep.Cookies = client.Cookies()
	data, err := json.Marshal(keep)
	return account.Identity{Self: self, Stored: data}, err
}

// checkCookies refuses cookies that can log nobody in, and those that cannot be sent.
func checkCookies(cookies map[string]string) error {
	if cookies["SAPISID"] == "" {
		return fmt.Errorf("%w: the cookie SAPISID is missing", chat.ErrBadCredentials)
	}
	for name, value := range cookies {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) || strings.Contains(value, ";") {
			return fmt.Errorf("%w: a cookie has a name or a value that no cookie can have", chat.ErrBadCredentials)
		}
	}
	return nil
}

// givenToken is a refresh token that is kept elsewhere.
type givenToken string

func (t givenToken) Get(context.Context) string { return string(t) }

func (givenToken) Set(context.Context, string) {}

// givenCode answers the library with an authorization code and takes the refresh token
// that comes of it.
type givenCode struct{ code, refreshToken string }

func (*givenCode) Get(context.Context) string               { return "" }
func (g *givenCode) Set(_ context.Context, token string)    { g.refreshToken = token }
func (*givenCode) Email(context.Context) (string, error)    { return "", chat.ErrBadCredentials }
func (*givenCode) Password(context.Context) (string, error) { return "", chat.ErrBadCredentials }
func (*givenCode) VerificationCode(context.Context) (string, error) {
	return "", chat.ErrBadCredentials
}

func (g *givenCode) AuthorizationCode(context.Context, string) (string, error) { return g.code, nil }

// cookiesOf trades a refresh token for session cookies.
func (b *Backend) cookiesOf(ctx context.Context, refreshToken string) (map[string]string, error) {
	return authResult(hangouts.GetAuth(ctx, b.config, nil, givenToken(refreshToken), false))
}

// authResult maps the error of a log-in.
func authResult(cookies map[string]string, err error) (map[string]string, error) {
	if err != nil {
		return nil, verdict(err, true)
	}
	if cookies["SAPISID"] == "" {
		return nil, fmt.Errorf("%w: the account service gave no cookie SAPISID", chat.ErrUnavailable)
	}
	return cookies, nil
}

// Open implements account.Backend.
func (b *Backend) Open(data []byte) (account.Connection, error) {
	var keep stored
	if err := json.Unmarshal(data, &keep); err != nil {
		return nil, fmt.Errorf("%w: stored login is not readable", chat.ErrBadCredentials)
	}
	return newConnection(b, keep)
}

// maxText is the longest text of one message in bytes: far above what the service's own
// clients send, far below what would hurt anybody.
const maxText = 64 << 10

// Features implements account.Backend.
func (b *Backend) Features(c chat.Conversation) chat.Features {
	group := c.Kind == chat.Group
	return chat.Features{
		Bold: true, Italic: true, Strike: true, Underline: true, Links: true, Emotes: true,
		Photos: true, Places: true, Attachments: 2, MaxMedia: hangouts.MaxImageSize,
		Typing: true, Watermarks: true, TypingLasts: 30 * time.Second, TypingEvery: 20 * time.Second,
		Rename: group, Invite: group, Kick: group, Leave: group, LinkSharing: group, Join: true, HistoryMode: true,
		Mute: true, Archive: true, Clear: !group, JoinLink: true, EasterEggs: easterEggs, MaxText: maxText,
	}
}
