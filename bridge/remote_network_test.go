package bridge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// call is one request to a network in another process; only what its method needs is set.
type call struct {
	Account      chat.PersonID
	Credentials  chat.Credentials
	Since        int64
	Limit        int
	ID           uint64
	Conversation chat.Conversation
	Place        account.HistoryToken
	People       []chat.PersonID
	Request      chat.Request
	File         []byte // its handle, or its bytes
	Name, MIME   string
	Query        chat.PeopleQuery
}

// answer is its answer. Error names the sentinel that the error wraps.
type answer struct {
	Identity account.Identity
	Sync     account.SyncPage
	List     account.ConversationPage
	History  account.HistoryPage
	People   []chat.Person
	Answer   account.Answer
	File     []byte // its bytes, or its handle
	Info     account.MediaInfo
	Error    string
}

var wireErrors = map[string]error{
	"bad-credentials": chat.ErrBadCredentials, "refused": chat.ErrRefused, "unknown": chat.ErrUnknownConversation,
	"unavailable": chat.ErrUnavailable, "ambiguous": account.ErrAmbiguous,
}

// serveNetwork lets another process use a network.
func serveNetwork(t *testing.T, network *accounttest.Network) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c call
		if json.NewDecoder(r.Body).Decode(&c) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var a answer
		var err error
		if r.URL.Path == "/login" {
			a.Identity, err = network.Authenticate(r.Context(), c.Credentials)
		} else {
			err = serveConnection(w, r, network, c, &a)
		}
		for name, sentinel := range wireErrors {
			if errors.Is(err, sentinel) {
				a.Error = name
			}
		}
		_ = json.NewEncoder(w).Encode(a)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func serveConnection(w http.ResponseWriter, r *http.Request, network *accounttest.Network, c call, a *answer) error {
	connection, err := network.Open([]byte(c.Account))
	if err != nil {
		return err
	}
	ctx := r.Context()
	switch r.URL.Path {
	case "/run":
		return connection.Run(ctx, &lineSink{w: w})
	case "/sync":
		a.Sync, err = connection.Sync(ctx, c.Since)
	case "/list":
		a.List, err = connection.Conversations(ctx, c.Since, c.Limit)
	case "/history":
		a.History, err = connection.History(ctx, c.Conversation.ID, c.Place, c.Limit)
	case "/people":
		a.People, err = connection.People(ctx, c.People)
	case "/find":
		a.People, err = connection.FindPeople(ctx, c.Query, c.Limit)
	case "/send":
		a.Answer, err = connection.Send(ctx, c.ID, c.Conversation, c.Request)
	case "/open":
		var body io.ReadCloser
		if body, a.Info, err = connection.Open(ctx, c.File); err == nil {
			a.File, err = io.ReadAll(body)
		}
	case "/upload":
		a.File, err = connection.Upload(ctx, c.Conversation.ID, c.Name, c.MIME, int64(len(c.File)), bytes.NewReader(c.File))
	}
	return err
}

// pushLine is one line of a channel.
type pushLine struct {
	Subscribed bool
	Update     account.Update
}

// lineSink writes pushes as lines of JSON.
type lineSink struct {
	mu sync.Mutex
	w  http.ResponseWriter
}

func (s *lineSink) write(line pushLine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := json.NewEncoder(s.w).Encode(line)
	s.w.(http.Flusher).Flush()
	return err
}

func (s *lineSink) Subscribed() { _ = s.write(pushLine{Subscribed: true}) }
func (s *lineSink) Push(_ context.Context, update account.Update) error {
	return s.write(pushLine{Update: update})
}
func (s *lineSink) Alive()             {}
func (s *lineSink) Lost()              {}
func (s *lineSink) Credentials([]byte) {}

// remoteNetwork is an account.Backend whose network lives in another process.
type remoteNetwork struct{ url string }

func (n *remoteNetwork) do(ctx context.Context, path string, c call) (a answer, err error) {
	body, err := json.Marshal(c)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, fmt.Errorf("%w: %w", account.ErrAmbiguous, err)
	}
	defer resp.Body.Close()
	if err = json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("%w: %w", account.ErrAmbiguous, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("network: %w", wireErrors[a.Error])
	}
	return a, nil
}

func (n *remoteNetwork) Authenticate(ctx context.Context, credentials chat.Credentials) (account.Identity, error) {
	a, err := n.do(ctx, "/login", call{Credentials: credentials})
	return a.Identity, err
}

func (n *remoteNetwork) Open(stored []byte) (account.Connection, error) {
	return &remoteConnection{n, chat.PersonID(stored)}, nil
}

func (n *remoteNetwork) Features(conversation chat.Conversation) chat.Features {
	return accounttest.New().Features(conversation)
}

type remoteConnection struct {
	*remoteNetwork
	account chat.PersonID
}

func (c *remoteConnection) Run(ctx context.Context, sink account.Sink) error {
	body, _ := json.Marshal(call{Account: c.account})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/run", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var line pushLine
		if err = lines.Decode(&line); err != nil {
			return err
		}
		if line.Subscribed {
			sink.Subscribed()
		} else if err = sink.Push(ctx, line.Update); err != nil {
			return err
		}
	}
}

func (c *remoteConnection) Sync(ctx context.Context, since int64) (account.SyncPage, error) {
	a, err := c.do(ctx, "/sync", call{Account: c.account, Since: since})
	return a.Sync, err
}

func (c *remoteConnection) Conversations(ctx context.Context, before int64, limit int) (account.ConversationPage, error) {
	a, err := c.do(ctx, "/list", call{Account: c.account, Since: before, Limit: limit})
	return a.List, err
}

func (c *remoteConnection) History(ctx context.Context, id chat.ConversationID, before account.HistoryToken, limit int) (account.HistoryPage, error) {
	a, err := c.do(ctx, "/history", call{Account: c.account, Conversation: chat.Conversation{ID: id}, Place: before, Limit: limit})
	return a.History, err
}

func (c *remoteConnection) People(ctx context.Context, ids []chat.PersonID) ([]chat.Person, error) {
	a, err := c.do(ctx, "/people", call{Account: c.account, People: ids})
	return a.People, err
}

func (c *remoteConnection) FindPeople(ctx context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error) {
	a, err := c.do(ctx, "/find", call{Account: c.account, Query: query, Limit: limit})
	return a.People, err
}

func (c *remoteConnection) Send(ctx context.Context, id uint64, conversation chat.Conversation, request chat.Request) (account.Answer, error) {
	a, err := c.do(ctx, "/send", call{Account: c.account, ID: id, Conversation: conversation, Request: request})
	return a.Answer, err
}

func (c *remoteConnection) Open(ctx context.Context, ref []byte) (io.ReadCloser, account.MediaInfo, error) {
	a, err := c.do(ctx, "/open", call{Account: c.account, File: ref})
	return io.NopCloser(bytes.NewReader(a.File)), a.Info, err
}

func (c *remoteConnection) Upload(ctx context.Context, id chat.ConversationID, name, mime string, _ int64, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	a, err := c.do(ctx, "/upload", call{Account: c.account, Conversation: chat.Conversation{ID: id}, Name: name, MIME: mime, File: data})
	return a.File, err
}

func (c *remoteConnection) SetTyping(context.Context, chat.ConversationID, chat.TypingState) error {
	return nil
}
func (c *remoteConnection) SetWatermark(context.Context, chat.ConversationID, int64) error {
	return nil
}
func (c *remoteConnection) GroupLink(context.Context, chat.ConversationID) (string, error) {
	return "", nil
}
func (c *remoteConnection) SetDoNotDisturb(context.Context, time.Duration) error { return nil }
func (c *remoteConnection) SetActive(context.Context) error                      { return nil }
func (c *remoteConnection) Close()                                               {}
