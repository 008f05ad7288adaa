package nullhs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"maunium.net/go/mautrix/appservice"
)

// service is a registered application service with what waits for it.
type service struct {
	reg            *appservice.Registration
	users, aliases namespaces
	client         *http.Client
	unreachable    atomic.Bool // made so by a test

	// Under the server's lock.
	queue     []*pdu   // events not yet in a transaction
	ephemeral []object // likewise
	stalled   bool     // transactions of an earlier life wait for the next new event
	paused    bool     // held back by a test
	layAside  bool     // the next event is laid aside
	wake      chan struct{}
	retry     chan struct{}
}

type namespace struct {
	pattern *regexp.Regexp
	alone   bool
}

type namespaces []namespace

func (n namespaces) match(name string) bool {
	for _, ns := range n {
		if ns.pattern.MatchString(name) {
			return true
		}
	}
	return false
}

func (n namespaces) exclusive(name string) bool {
	for _, ns := range n {
		if ns.alone && ns.pattern.MatchString(name) {
			return true
		}
	}
	return false
}

func compile(list appservice.NamespaceList) (namespaces, error) {
	var out namespaces
	for _, ns := range list {
		pattern, err := regexp.Compile("^(?:" + ns.Regex + ")")
		if err != nil {
			return nil, fmt.Errorf("namespace %q: %w", ns.Regex, err)
		}
		out = append(out, namespace{pattern, ns.Exclusive})
	}
	return out, nil
}

func newService(reg *appservice.Registration) (*service, error) {
	as := &service{reg: reg, wake: make(chan struct{}, 1), retry: make(chan struct{}, 1)}
	as.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}, Timeout: time.Minute}
	var err error
	if as.users, err = compile(reg.Namespaces.UserIDs); err != nil {
		return nil, err
	}
	if as.aliases, err = compile(reg.Namespaces.RoomAliases); err != nil {
		return nil, err
	}
	return as, nil
}

func loadServices(opts Options) ([]*service, error) {
	regs := append([]*appservice.Registration{}, opts.Registrations...)
	for _, path := range opts.RegistrationFiles {
		reg, err := appservice.LoadRegistration(path)
		if err != nil {
			return nil, fmt.Errorf("load registration %s: %w", path, err)
		}
		regs = append(regs, reg)
	}
	var services []*service
	for _, reg := range regs {
		as, err := newService(reg)
		if err != nil {
			return nil, fmt.Errorf("registration %s: %w", reg.ID, err)
		}
		services = append(services, as)
	}
	return services, nil
}

// request calls the application service with the homeserver's token.
func (as *service) request(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	url := strings.TrimRight(as.reg.URL, "/") + path
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+as.reg.ServerToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := as.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, answer, err
}

// interested says whether an event of a room concerns the application service: it is about one of its users, in a room
// with one of them, or in a room with one of its aliases.
func (s *Server) interested(as *service, r *room, ev *pdu) bool {
	if ev != nil {
		if s.ownsUser(as, string(ev.Sender)) || ev.Type == "m.room.member" && ev.StateKey != nil && s.ownsUser(as, *ev.StateKey) {
			return true
		}
	}
	for member, membership := range r.memberships {
		if membership == "join" && s.ownsUser(as, string(member)) {
			return true
		}
	}
	for _, alias := range s.data.aliasesOf(r.id) {
		if as.aliases.match(alias) {
			return true
		}
	}
	return false
}

func (s *Server) ownsUser(as *service, name string) bool {
	return as.users.match(name) || name == string(s.userID(as.reg.SenderLocalpart))
}
