package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// Hangouts is a Hangouts-compatible server in a process of its own, `hangouts-bridge hangouts-server --state`, with
// deduplication switched off. Kill9 and StartAgain of the embedded process are its death and return; it keeps its
// addresses and everything that it has accepted.
type Hangouts struct {
	*proc.Process

	t        testing.TB
	Addr     string // of the one listener
	ProxyURL string // for clients with fixed addresses
	CAFile   string // the proxy's authority
	accounts map[string]hangoutstest.AccountInfo
}

// StartHangouts runs the program as a server until the test ends, with its files in dir.
func StartHangouts(t testing.TB, program, dir string, scenario *hangoutstest.Scenario) *Hangouts {
	t.Helper()
	file := filepath.Join(dir, "scenario.json")
	text, err := json.Marshal(scenario)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatalf("write the scenario: %v", err)
	}
	h := &Hangouts{t: t, Addr: FreeAddr(t), CAFile: filepath.Join(dir, "ca.pem"), accounts: map[string]hangoutstest.AccountInfo{}}
	h.Process = proc.Start(t, proc.Options{Name: "hangouts-server", Path: program, Dir: dir, Args: []string{
		"hangouts-server", "--listen", h.Addr, "--scenario", file, "--state", filepath.Join(dir, "hangouts.state"), "--dedup=false", "--bots=false",
		"--proxy", FreeAddr(t), "--ca-out", h.CAFile,
	}})
	var started struct {
		ProxyURL string                     `json:"proxy_url"`
		Accounts []hangoutstest.AccountInfo `json:"accounts"`
	}
	if err := json.Unmarshal([]byte(h.WaitStdout("{")), &started); err != nil {
		t.Fatalf("read the server's first line: %v", err)
	}
	h.ProxyURL = started.ProxyURL
	for _, a := range started.Accounts {
		h.accounts[a.Email] = a
	}
	return h
}

// StartAgain starts the server after Kill9 and waits until it answers.
func (h *Hangouts) StartAgain() {
	h.t.Helper()
	h.Process.StartAgain()
	h.WaitPort(h.Addr)
}

// Account returns the credentials of the account with an e-mail address.
func (h *Hangouts) Account(email string) hangoutstest.AccountInfo {
	h.t.Helper()
	a, ok := h.accounts[email]
	if !ok {
		h.t.Fatalf("the server has no account %s", email)
	}
	return a
}

// controlClient keeps no connection, which a killed server would break later.
var controlClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Control asks the control interface once. Any failure, a server that is down included, is the error.
func (h *Hangouts) Control(ctx context.Context, verb string, params, out any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.Addr+"/_control/"+verb, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := controlClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, data)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return nil
}

// Events returns the events of a conversation (id or key) from one on.
func (h *Hangouts) Events(ctx context.Context, conversation string, since int) ([]hangoutstest.EventInfo, error) {
	var page struct {
		List []hangoutstest.EventInfo `json:"list"`
	}
	err := h.Control(ctx, "events", map[string]any{"conversation": conversation, "since": since}, &page)
	return page.List, err
}

// Photos returns all uploaded pictures.
func (h *Hangouts) Photos(ctx context.Context) (list []hangoutstest.PhotoInfo, err error) {
	err = h.Control(ctx, "photos", nil, &list)
	return list, err
}

// Conversations returns all conversations with their members' watermarks.
func (h *Hangouts) Conversations(ctx context.Context) (list []hangoutstest.ConversationInfo, err error) {
	err = h.Control(ctx, "conversations", nil, &list)
	return list, err
}
