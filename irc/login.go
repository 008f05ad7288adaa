package irc

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// defaultClient is the name of a client that gives none.
const defaultClient = "default"

// identity is how a client names itself: "user[/account][@client]" or
// "user[@client][/account]". The account is an e-mail address, the part before its "@",
// or a Gaia id.
type identity struct {
	user    string
	account string // may still have "@client" at its end
	client  string
}

// parseIdentity splits a name. Every part may be missing.
func parseIdentity(s string) identity {
	var id identity
	before, after, slash := strings.Cut(s, "/")
	if user, client, ok := strings.Cut(before, "@"); ok {
		return identity{user: user, client: client, account: after}
	}
	id.user = before
	if slash {
		id.account = after
	}
	return id
}

// login is what a session is bound to.
type login struct {
	user    string
	token   string // hash
	account account.Session
	client  string
}

// authenticate checks a password and finds the account. name may be "" if the password
// alone tells whose it is; fallback (the USER name) then gives the client name. Only wrong
// passwords are limited: somebody else's, or those of one's own former client, keep nobody out.
func (g *Gateway) authenticate(ctx context.Context, addr netip.Addr, name, password, fallback string) (*login, error) {
	id := parseIdentity(name)
	row, err := checkToken(ctx, g.tokens, id.user, password)
	if errors.Is(err, errPassword) && !g.logins.failed(addr, id.user) {
		err = errTooMany
	}
	if err != nil {
		return nil, err
	}
	l := &login{user: row.User, token: row.Hash}
	if name == "" {
		id = fallbackIdentity(fallback)
	}
	if l.account, l.client, err = g.choose(ctx, row.User, id); errors.Is(err, errNetwork) && name == "" {
		l.account, l.client, err = g.choose(ctx, row.User, identity{}) // clients send all kinds of user names
	}
	if err != nil {
		return nil, err
	}
	if l.client == "" {
		l.client = defaultClient
	}
	if !validName(l.client) {
		return nil, errClient
	}
	if err := g.tokens.Used(ctx, row.Hash, g.now().UnixMicro()); err != nil {
		g.log.Err(err).Msg("Failed to note the use of a password")
	}
	return l, nil
}

// fallbackIdentity reads the account and the client out of a USER name, where people put
// them for bouncers.
func fallbackIdentity(userName string) identity {
	id := parseIdentity(userName)
	if id.client != "" && !validName(id.client) {
		id.client = ""
	}
	return id
}

// choose finds the account that an identity selects among those granted to its user:
// the first one, in the order of their ids, if it selects none.
func (g *Gateway) choose(ctx context.Context, user string, id identity) (account.Session, string, error) {
	grants, err := g.accounts.Grants(ctx, "", account.User{Side: chat.OriginIRC, ID: user})
	if err != nil {
		return nil, "", err
	}
	var sessions []account.Session
	for _, grant := range grants {
		if s, ok := g.accounts.Get(grant.Account); ok {
			sessions = append(sessions, s)
		}
	}
	if len(sessions) == 0 {
		return nil, "", errNoAccount
	}
	first := sessions[0]
	for _, s := range sessions {
		if s.ID() < first.ID() {
			first = s
		}
	}
	if id.account == "" {
		return first, id.client, nil
	}
	for _, s := range sessions {
		if isAccount(s, id.account) {
			return s, id.client, nil
		}
	}
	if i := strings.LastIndexByte(id.account, '@'); i >= 0 && id.client == "" {
		for _, s := range sessions {
			if isAccount(s, id.account[:i]) {
				return s, id.account[i+1:], nil
			}
		}
	}
	return nil, "", errNetwork
}

func isAccount(s account.Session, selector string) bool {
	if selector == string(s.ID()) {
		return true
	}
	for _, email := range s.Self().Emails {
		local, _, _ := strings.Cut(email, "@")
		if strings.EqualFold(email, selector) || strings.EqualFold(local, selector) {
			return true
		}
	}
	return false
}

// loginLimiter slows down guessing: failed logins are counted per address and user name,
// and, six times as generously, per address alone. Past the limit a failed login ends its connection.
type loginLimiter struct {
	burst  int
	minute int
	now    func() time.Time

	mu      sync.Mutex
	buckets map[loginKey]*rate.Limiter
}

type loginKey struct {
	addr netip.Addr
	user string
}

// maxBuckets bounds the memory of the limiter; past it, full buckets are forgotten, or else any.
const maxBuckets = 4096

func newLoginLimiter(l Limits, now func() time.Time) *loginLimiter {
	return &loginLimiter{burst: l.LoginBurst, minute: l.LoginMinute, now: now, buckets: make(map[loginKey]*rate.Limiter)}
}

// failed counts a failed login and reports whether it is within the limits.
func (l *loginLimiter) failed(addr netip.Addr, user string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buckets) > maxBuckets {
		l.forget()
	}
	whole, own := loginKey{addr, "\x00any"}, loginKey{addr, strings.ToLower(user)}
	return l.take(whole, 6) && l.take(own, 1)
}

func (l *loginLimiter) take(key loginKey, factor int) bool {
	if l.buckets[key] == nil {
		l.buckets[key] = rate.NewLimiter(rate.Limit(float64(l.minute*factor)/60), l.burst*factor)
	}
	return l.buckets[key].AllowN(l.now(), 1)
}

// forget makes room: with full buckets, or, when many addresses guess at once, with others.
func (l *loginLimiter) forget() {
	for key, b := range l.buckets {
		if b.TokensAt(l.now()) >= float64(b.Burst()) {
			delete(l.buckets, key)
		}
	}
	for key := range l.buckets {
		if len(l.buckets) <= maxBuckets/2 {
			return
		}
		delete(l.buckets, key)
	}
}

// clientAddr is the address that limits count for: the host, or its /64 for IPv6.
func clientAddr(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	addr := ap.Addr().Unmap()
	if addr.Is6() {
		if prefix, err := addr.WithZone("").Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return addr
}
