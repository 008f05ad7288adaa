package nullhs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// Role is the role of proc.Child in which a test binary is a homeserver:
//
//	func TestMain(m *testing.M) {
//		proc.Child(map[string]func() int{nullhs.Role: nullhs.Main})
//		os.Exit(m.Run())
//	}
const Role = "nullhs"

// optionsVariable carries the Options to the child, as JSON.
const optionsVariable = "NULLHS_OPTIONS"

// controlPath is where the child takes what only tests may ask.
const controlPath = "/_nullhs/"

// Process is a homeserver in a process of its own. Kill9 and StartAgain of the embedded process are its death and
// return; with Options.StateFile it goes on where it was, as it would after a real crash.
type Process struct {
	*proc.Process
	t    testing.TB
	opts Options
}

// StartProcess runs the test's own binary as a homeserver on a free port, until the test ends. TestMain must offer Role.
func StartProcess(t testing.TB, opts Options) *Process {
	t.Helper()
	opts.setDefaults()
	if strings.HasSuffix(opts.Listen, ":0") {
		opts.Listen = fmt.Sprintf("127.0.0.1:%d", proc.FreePort(t))
	}
	encoded, err := json.Marshal(opts)
	if err != nil {
		t.Fatalf("encode homeserver options: %v", err)
	}
	p := &Process{t: t, opts: opts}
	p.Process = proc.StartSelf(t, Role, proc.Options{Env: []string{optionsVariable + "=" + string(encoded)}})
	p.WaitHTTP(p.URL() + "/health")
	return p
}

// StartAgain starts the homeserver after Kill9 and waits until it answers.
func (p *Process) StartAgain() {
	p.t.Helper()
	p.Process.StartAgain()
	p.WaitHTTP(p.URL() + "/health")
}

// URL is the base address of the client-server API.
func (p *Process) URL() string { return "http://" + p.opts.Listen }

// ServerName is the part of user ids and aliases after the colon.
func (p *Process) ServerName() string { return p.opts.ServerName }

// SharedSecret is the secret for registering users, as mxclient needs it.
func (p *Process) SharedSecret() string { return p.opts.SharedSecret }

// Main is the homeserver's side of Role: it serves until SIGTERM.
func Main() int {
	var opts Options
	err := json.Unmarshal([]byte(os.Getenv(optionsVariable)), &opts)
	var s *Server
	if err == nil {
		s, err = New(opts)
	}
	if err == nil {
		plain := s.handler
		mux := http.NewServeMux()
		mux.HandleFunc(controlPath+"{op}", s.control)
		mux.Handle("/", plain)
		s.handler = mux
		err = s.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nullhs:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	<-ctx.Done()
	s.Close()
	return 0
}

// control answers the calls of Process.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	var answer any
	var err error
	room := id.RoomID(r.URL.Query().Get("room"))
	switch r.PathValue("op") {
	case "inject":
		var f Fault
		if err = json.NewDecoder(r.Body).Decode(&f); err == nil {
			s.Inject(f)
		}
	case "clear":
		s.ClearFaults()
	case "forget-sends":
		s.ForgetSends()
	case "rooms":
		answer = s.Rooms()
	case "events":
		answer = s.Events(room)
	case "uploads":
		answer = s.Uploads()
	case "alias":
		answer = s.Alias(r.URL.Query().Get("alias"))
	case "requests":
		answer = s.Requests(nil)
	case "transactions":
		answer = s.Transactions()
	case "idle":
		answer = s.Idle()
	default:
		err = errors.New("unknown operation")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// call asks the child and fails the test when it does not answer.
func (p *Process) call(op string, query string, body, answer any) {
	p.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		p.t.Fatalf("homeserver %s: %v", op, err)
	}
	resp, err := http.Post(p.URL()+controlPath+op+query, "application/json", bytes.NewReader(encoded))
	if err != nil {
		p.t.Fatalf("homeserver %s: %v", op, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, data)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(data, answer)
	}
	if err != nil {
		p.t.Fatalf("homeserver %s: %v", op, err)
	}
}

// Inject is Server.Inject; ClearFaults takes the fault away. Faults end with the process.
func (p *Process) Inject(f Fault) {
	p.t.Helper()
	p.call("inject", "", f, nil)
}

// ClearFaults is Server.ClearFaults.
func (p *Process) ClearFaults() {
	p.t.Helper()
	p.call("clear", "", nil, nil)
}

// ForgetSends is Server.ForgetSends.
func (p *Process) ForgetSends() {
	p.t.Helper()
	p.call("forget-sends", "", nil, nil)
}

// Rooms is Server.Rooms.
func (p *Process) Rooms() (rooms []id.RoomID) {
	p.t.Helper()
	p.call("rooms", "", nil, &rooms)
	return rooms
}

// Events is Server.Events.
func (p *Process) Events(roomID id.RoomID) (events []*event.Event) {
	p.t.Helper()
	p.call("events", "?room="+url.QueryEscape(string(roomID)), nil, &events)
	for _, ev := range events {
		parseContent(ev)
	}
	return events
}

// Messages is Server.Messages.
func (p *Process) Messages(roomID id.RoomID) []*event.Event {
	p.t.Helper()
	return slices.DeleteFunc(p.Events(roomID), func(ev *event.Event) bool { return ev.Type.Type != event.EventMessage.Type })
}

// Uploads is Server.Uploads.
func (p *Process) Uploads() (list []Upload) {
	p.t.Helper()
	p.call("uploads", "", nil, &list)
	return list
}

// Alias is Server.Alias.
func (p *Process) Alias(alias string) (roomID id.RoomID) {
	p.t.Helper()
	p.call("alias", "?alias="+url.QueryEscape(alias), nil, &roomID)
	return roomID
}

// Requests is Server.Requests, for the current run of the process.
func (p *Process) Requests(fits func(Request) bool) (found []Request) {
	p.t.Helper()
	var all []Request
	p.call("requests", "", nil, &all)
	for _, r := range all {
		if fits == nil || fits(r) {
			found = append(found, r)
		}
	}
	return found
}

// Transactions is Server.Transactions, for the current run of the process.
func (p *Process) Transactions() (sent []Transaction) {
	p.t.Helper()
	p.call("transactions", "", nil, &sent)
	return sent
}

// Idle is Server.Idle.
func (p *Process) Idle() (idle bool) {
	p.t.Helper()
	p.call("idle", "", nil, &idle)
	return idle
}
