package hangups

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// ErrStopped means that the driver's process has ended.
var ErrStopped = errors.New("hangups driver stopped")

// maxLine is the longest line the driver may write.
const maxLine = 64 << 20

// Event is one event of the driver; see driver.py. Times in µs.
type Event struct {
	// Event is connected, disconnected, reconnected, stopped, message, event, typing,
	// watermark or update.
	Event          string          `json:"event"`
	ConversationID string          `json:"conversation_id"`
	EventID        string          `json:"event_id"`
	Sender         string          `json:"sender"` // gaia id
	TimestampUS    uint64          `json:"timestamp_us"`
	ReadUS         uint64          `json:"read_us"` // of a watermark
	Kind           string          `json:"kind"`    // class name of a message or event
	Text           string          `json:"text"`
	Type           int             `json:"type"` // of typing or a membership change
	Members        []string        `json:"members"`
	Attachments    []string        `json:"attachments"`
	Segments       []Segment       `json:"segments"`
	Error          string          `json:"error"` // of stopped
	Update         json.RawMessage `json:"update"`
}

// Segment is one part of a message's text.
type Segment struct {
	Type          int    `json:"type"`
	Text          string `json:"text"`
	Bold          bool   `json:"bold"`
	Italic        bool   `json:"italic"`
	Strikethrough bool   `json:"strikethrough"`
	Underline     bool   `json:"underline"`
	LinkTarget    string `json:"link_target,omitempty"`
}

// Conversation is one entry of the client's list.
type Conversation struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Users          []string          `json:"users"`
	Group          bool              `json:"group"`
	Archived       bool              `json:"archived"`
	Quiet          bool              `json:"quiet"`
	OffTheRecord   bool              `json:"off_the_record"`
	LastModifiedUS uint64            `json:"last_modified_us"`
	LatestReadUS   uint64            `json:"latest_read_us"`
	Watermarks     map[string]uint64 `json:"watermarks"`
	Events         []string          `json:"events"`
}

// User is one entry of the client's user list.
type User struct {
	GaiaID    string   `json:"gaia_id"`
	FullName  string   `json:"full_name"`
	FirstName string   `json:"first_name"`
	PhotoURL  string   `json:"photo_url"`
	Emails    []string `json:"emails"`
	IsSelf    bool     `json:"is_self"`
}

// Driver is a running hangups client. Its methods are safe for concurrent use.
type Driver struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed when the process has ended

	mu      sync.Mutex // guards all below
	next    int
	waiting map[int]chan json.RawMessage
	events  []Event
	changed chan struct{}
	stderr  strings.Builder
}

// Start runs a driver against a proxy with its certificate authority; it ends with the test.
func Start(t testing.TB, proxyURL, caFile string) *Driver {
	t.Helper()
	python := Python(t)
	d := &Driver{done: make(chan struct{}), waiting: map[int]chan json.RawMessage{}, changed: make(chan struct{})}
	d.cmd = exec.Command(python, filepath.Join(sourceDir(), "driver.py"))
	d.cmd.Env = append(cleanEnv(), "HTTP_PROXY="+proxyURL, "HTTPS_PROXY="+proxyURL, "SSL_CERT_FILE="+caFile,
		"REQUESTS_CA_BUNDLE="+caFile, "PYTHONPATH="+sourceDir(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")
	stdin, err := d.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.stdin, d.cmd.Stderr = stdin, &lockedWriter{d}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go d.read(stdout)
	t.Cleanup(func() {
		d.Close()
		if t.Failed() {
			t.Logf("hangups wrote to standard error:\n%s", d.Stderr())
		}
	})
	return d
}

// cleanEnv is the environment without anything that would bypass the proxy.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToUpper(kv), "=")
		if strings.HasSuffix(name, "_PROXY") || strings.HasPrefix(name, "PYTHON") || name == "SSL_CERT_FILE" || name == "REQUESTS_CA_BUNDLE" {
			continue
		}
		env = append(env, kv)
	}
	return env
}

type lockedWriter struct{ d *Driver }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if w.d.stderr.Len() < 1<<20 {
		w.d.stderr.Write(p)
	}
	return len(p), nil
}

// Stderr returns what the process wrote to standard error, at most 1 MiB.
func (d *Driver) Stderr() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stderr.String()
}

// read takes lines until the process ends.
func (d *Driver) read(stdout io.Reader) {
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	for scanner.Scan() {
		d.line(scanner.Bytes())
	}
	_, _ = io.Copy(io.Discard, stdout)
	_ = d.cmd.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.done)
	d.wakeLocked()
}

func (d *Driver) line(line []byte) {
	var head struct {
		Event string `json:"event"`
		ID    int    `json:"id"`
	}
	if json.Unmarshal(line, &head) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if head.Event == "result" {
		if ch := d.waiting[head.ID]; ch != nil {
			delete(d.waiting, head.ID)
			ch <- append(json.RawMessage(nil), line...)
		}
		return
	}
	var e Event
	if json.Unmarshal(line, &e) == nil {
		d.events = append(d.events, e)
		d.wakeLocked()
	}
}

func (d *Driver) wakeLocked() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// Do runs a command of driver.py and decodes its result into out, which may be nil.
func (d *Driver) Do(ctx context.Context, command string, params map[string]any, out any) error {
	d.mu.Lock()
	d.next++
	id, ch := d.next, make(chan json.RawMessage, 1)
	d.waiting[id] = ch
	line := map[string]any{"cmd": command, "id": id}
	for name, value := range params {
		line[name] = value
	}
	body, err := json.Marshal(line)
	if err == nil {
		_, err = d.stdin.Write(append(body, '\n'))
	}
	d.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", command, errors.Join(ErrStopped, err))
	}
	select {
	case answer := <-ch:
		var head struct {
			OK    bool   `json:"ok"`
			Error string `json:"error"`
		}
		if err := json.Unmarshal(answer, &head); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		if !head.OK {
			return fmt.Errorf("%s: %s", command, head.Error)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(answer, out)
	case <-d.done:
		return fmt.Errorf("%s: %w", command, ErrStopped)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", command, ctx.Err())
	}
}

// Events returns all events since the start.
func (d *Driver) Events() []Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Event(nil), d.events...)
}

// Messages returns all chat messages received, in order of arrival.
func (d *Driver) Messages() []Event {
	var out []Event
	for _, e := range d.Events() {
		if e.Event == "message" {
			out = append(out, e)
		}
	}
	return out
}

// Wait blocks until the events since the start satisfy cond. Errors: the context's, ErrStopped.
func (d *Driver) Wait(ctx context.Context, cond func([]Event) bool) error {
	for {
		d.mu.Lock()
		events, changed := append([]Event(nil), d.events...), d.changed
		d.mu.Unlock()
		if cond(events) {
			return nil
		}
		select {
		case <-d.done:
			return ErrStopped
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// WaitEvent blocks until an event satisfies match and returns the first one.
func (d *Driver) WaitEvent(ctx context.Context, match func(Event) bool) (Event, error) {
	var found Event
	err := d.Wait(ctx, func(events []Event) bool {
		for _, e := range events {
			if match(e) {
				found = e
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitMessage blocks until a message with exactly this text arrived.
func (d *Driver) WaitMessage(ctx context.Context, text string) (Event, error) {
	return d.WaitEvent(ctx, func(e Event) bool { return e.Event == "message" && e.Text == text })
}

// Close asks the process to end and kills it when it does not within 5 s.
func (d *Driver) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = d.Do(ctx, "quit", nil, nil)
	d.stdin.Close()
	select {
	case <-d.done:
	case <-ctx.Done():
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
